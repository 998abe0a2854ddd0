//! What `srun` starts on every node, and its options. Pure.
//!
//! Rules: one agent a node, which starts the node's ranks; node 0 leads, and leaves the exit code.
//! What each node has to find out for itself is said in a few words of `sh`, for a container may
//! have no bash.

use schliff_spec::cluster::{Container, ContainerRuntime, Launching};

use super::ScriptError;
use super::body::{Body, quoted};

/// Agents that are left tell why one of them ended, and stop waiting for it by themselves: longer
/// than an absent node is waited for.
const WAIT: &str = "--kill-on-bad-exit=0 --wait=180 # those that are left tell why one ended";
/// Agents that are left go on, for as long as there is work.
const STAY: &str = "--kill-on-bad-exit=0 --wait=0 --no-kill # those that are left go on";

impl Body<'_> {
    /// The variables `on_node`, `agent` and `srun_options` of the script.
    pub(super) fn step(&self) -> Result<String, ScriptError> {
        let launching = &self.site.launch;
        let parts = [
            on_node(self)?,
            array("agent", &self.agent()?),
            array("srun_options", &self.srun_options(launching)?),
        ];
        Ok(parts.concat())
    }

    /// The command of every node.
    fn agent(&self) -> Result<Vec<String>, ScriptError> {
        let mut lines = Vec::new();
        if let Some(container) = &self.site.launch.container
            && container.runtime == ContainerRuntime::Apptainer
        {
            lines.extend(self.apptainer(container)?);
        }
        let program = quoted("the program", &self.site.program)?;
        let mut line = vec![program];
        for arg in &self.launch.args {
            if arg.starts_with("--") {
                lines.push(line.join(" "));
                line = Vec::new();
            }
            line.push(filled(arg)?);
        }
        lines.push(line.join(" "));
        lines.push("--starts \"$folder/starts\" --start \"$start\"".to_owned());
        if let Some(least) = self.shrinks_to() {
            lines.push(format!("--min-nodes {least}"));
        }
        if let Some(suffix) = &self.site.launch.host_suffix {
            let suffix = quoted("the suffix of hosts", suffix)?;
            lines.push(format!("--leader \"$SLURMD_NODENAME\"{suffix}"));
        }
        Ok(lines)
    }

    /// Where the site lets a job live on that has lost nodes.
    fn shrinks_to(&self) -> Option<u32> {
        let may = self.site.no_kill;
        self.launch.shrinks_to().filter(|_| may)
    }

    fn apptainer(&self, container: &Container) -> Result<Vec<String>, ScriptError> {
        let gpus = match self.launch.shape.gpus_per_node {
            0 => "",
            _ => " --nv",
        };
        let mut lines = vec![format!("apptainer exec{gpus}")];
        lines.push("--bind \"$folder\" --pwd \"$folder\"".into());
        for mount in &container.mounts {
            lines.push(format!("--bind {}", quoted("a mount", mount)?));
        }
        lines.push(quoted("the image", &container.image)?);
        Ok(lines)
    }

    fn srun_options(&self, launching: &Launching) -> Result<Vec<String>, ScriptError> {
        let nodes = self.launch.shape.nodes;
        let mpi = quoted("srun --mpi", launching.mpi.as_deref().unwrap_or("none"))?;
        let mut lines = vec![
            format!("--nodes={nodes} --ntasks={nodes} --ntasks-per-node=1"),
            format!("--export=ALL --mpi={mpi} --cpu-bind=cores"),
            match self.shrinks_to() {
                Some(_) => STAY.to_owned(),
                None => WAIT.to_owned(),
            },
        ];
        if let Some(container) = &launching.container
            && container.runtime == ContainerRuntime::Pyxis
        {
            lines.extend(self.pyxis(container)?);
        }
        for option in &launching.srun_options {
            lines.push(quoted("an option of srun", option)?);
        }
        Ok(lines)
    }

    fn pyxis(&self, container: &Container) -> Result<Vec<String>, ScriptError> {
        let folder = self.attempt.folder;
        if folder.contains([',', ':']) {
            return Err(ScriptError::Word {
                what: "a mount of a container",
                text: folder.to_owned(),
                why: "it has a comma or a colon, which divide mounts",
            });
        }
        let image = quoted("the image", &container.image)?;
        let mut mounts = String::from("\"$folder:$folder\"");
        for mount in &container.mounts {
            mounts.push(',');
            mounts.push_str(&quoted("a mount", mount)?);
        }
        Ok(vec![
            format!("--container-image={image}"),
            format!("--container-mounts={mounts}"),
            "--container-workdir=\"$folder\"".into(),
        ])
    }
}

/// An argument with the folder in it, as a word of the script.
fn filled(arg: &str) -> Result<String, ScriptError> {
    let mut parts = arg.split("{dir}");
    let mut word = String::new();
    let first = parts.next().unwrap_or_default();
    let text = |text: &str| quoted("an argument", text);
    if !first.is_empty() || !arg.contains("{dir}") {
        word.push_str(&text(first)?);
    }
    for part in parts {
        word.push_str("\"$folder\"");
        if !part.is_empty() {
            word.push_str(&text(part)?);
        }
    }
    Ok(word)
}

/// A few words of `sh`, in quotes of bash.
fn on_node(body: &Body<'_>) -> Result<String, ScriptError> {
    let mut lines = Vec::new();
    if body.launch.args.iter().any(|arg| arg.contains("{node}")) {
        lines.push(NUMBERED.to_owned());
    }
    lines.push("[ \"$SLURM_NODEID\" != 0 ] || set -- \"$@\" --exit-file \"$0\"".to_owned());
    if let Some(interface) = &body.site.launch.interface {
        lines.push(listening(interface)?);
    }
    lines.push("exec \"$@\"".to_owned());
    Ok(format!(
        "# Every node runs this. Node 0 leads; its agent leaves the exit code of all of them.\n\
         on_node='\n    {}\n'\n",
        lines.join("\n    ")
    ))
}

/// Puts the node's number in place of `{node}`, argument by argument.
const NUMBERED: &str = "\
for arg; do
        shift
        while case $arg in *\"{node}\"*) ;; *) false ;; esac; do
            arg=${arg%%\"{node}\"*}$SLURM_NODEID${arg#*\"{node}\"}
        done
        set -- \"$@\" \"$arg\"
    done";

/// Ranks of other nodes reach this one over that interface.
fn listening(interface: &str) -> Result<String, ScriptError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if interface.is_empty() || !interface.bytes().all(plain) {
        return Err(ScriptError::Word {
            what: "a network interface",
            text: interface.to_owned(),
            why: "expected letters, digits, `.`, `_` or `-`",
        });
    }
    Ok(format!(
        "address=$(ip -4 -o address show dev {interface} | sed -n \"s/.* inet \\([0-9.]*\\).*/\\1/p\" | head -n 1)\n    \
         [ -z \"$address\" ] || set -- \"$@\" --listen \"$address\""
    ))
}

/// An array of bash, with a line for what belongs together.
fn array(name: &str, lines: &[String]) -> String {
    format!("{name}=(\n    {}\n)\n", lines.join("\n    "))
}
