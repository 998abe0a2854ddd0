//! The script itself, for bash: sections that an administrator can read from top to bottom. Pure.
//!
//! Rules: a section says why it is there; what the site does not need is not there.

use schliff_slurm::quote::quote;
use schliff_spec::cluster::{Launching, Slurm};

use super::environment::lines;
use super::{Attempt, ScriptError, flow};
use crate::launch::Launch;

/// What a script is made of.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) site: &'a Slurm,
    pub(super) launch: &'a Launch,
    pub(super) attempt: Attempt<'a>,
    pub(super) links: u64,
}

impl Body<'_> {
    pub(super) fn render(&self) -> Result<String, ScriptError> {
        let nonce = quoted("the claim", self.attempt.nonce)?;
        let limit_s = self.launch.time_limit_ms.map(|limit_ms| limit_ms / 1_000);
        let sections = [
            self.head()?,
            flow::SIGNALS.to_owned(),
            flow::FINISH.to_owned(),
            flow::ENDED.to_owned(),
            flow::claim(&nonce),
            flow::START.to_owned() + flow::BEGIN,
            self.site_setup()?,
            self.network()?,
            self.step()?,
            flow::RUN.to_owned(),
            flow::follow(self.site.chain, self.links, limit_s),
        ];
        let sections = sections.into_iter().filter(|section| !section.is_empty());
        Ok(sections.collect::<Vec<_>>().join("\n"))
    }

    fn head(&self) -> Result<String, ScriptError> {
        let Launch { key, name, .. } = self.launch;
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let name: String = name.chars().map(plain).collect();
        let version = env!("CARGO_PKG_VERSION");
        let folder = quoted("the folder of an attempt", self.attempt.folder)?;
        Ok(format!(
            "\
# {name}: attempt {generation} of job {job}, by schliff {version}.
#
# Its folder has `job.toml` and `token` for the agents, a line of `starts` for every start, `exit` with
# the agents' exit code, and `done` once nothing is left to do. A file `stop` keeps it from going on.
{strict}folder={folder}
cd \"$folder\"
",
            generation = key.generation,
            job = key.job,
            strict = flow::STRICT,
        ))
    }

    /// What makes a program of this site run.
    pub(super) fn site_setup(&self) -> Result<String, ScriptError> {
        let launching = &self.site.launch;
        let variables = lines("export ", &launching.environment)?;
        let mut parts = Vec::new();
        if !variables.is_empty() {
            parts.push(format!("# The site's environment.\n{variables}"));
        }
        parts.extend(shell_setup(launching)?);
        parts.push(ENVIRONMENT.to_owned());
        Ok(parts.join("\n"))
    }

    /// How processes find each other, and what srun has to be told again.
    pub(super) fn network(&self) -> Result<String, ScriptError> {
        let mut text = String::from(CPUS);
        text.push_str(match self.site.ask.exclusive {
            true => WHOLE_NODE,
            false => "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK\n",
        });
        if let Some(interface) = &self.site.launch.interface {
            let name = quoted("the network interface", interface)?;
            text.push_str(&format!("export NCCL_SOCKET_IFNAME={name}\n"));
        }
        Ok(text)
    }
}

/// Variables of the attempt.
const ENVIRONMENT: &str = "\
# Variables of this job alone win. They stand in a file that only its owner can read.
if [[ -s $folder/environment ]]; then
    set -a
    . \"$folder/environment\"
    set +a
fi
";

/// Since 22.05, srun does not take this over from sbatch by itself.
const CPUS: &str = "\
# Since Slurm 22.05, srun does not know by itself how many cores a task of sbatch's has.
";

/// Of a node of one's own, more cores than were asked for. Of nodes that differ, as many as each has:
/// srun starts no step of which a node has too few.
const WHOLE_NODE: &str = "\
cores=$(tr , '\\n' <<<\"$SLURM_JOB_CPUS_PER_NODE\" | cut -d '(' -f 1 | sort -rn | tail -n 1)
export SRUN_CPUS_PER_TASK=$cores
";

/// Modules and lines of shell.
fn shell_setup(launching: &Launching) -> Result<Option<String>, ScriptError> {
    if launching.modules.is_empty() && launching.setup.is_empty() {
        return Ok(None);
    }
    let mut text =
        String::from("# The site's set-up; it may read variables that are not set.\nset +u\n");
    if !launching.modules.is_empty() {
        let modules = launching.modules.iter().map(|it| quoted("a module", it));
        let modules = modules.collect::<Result<Vec<_>, _>>()?.join(" ");
        text.push_str("# `module` is a function of log-in shells, and this is none.\n");
        text.push_str("type module >/dev/null 2>&1 || . /etc/profile\n");
        text.push_str(&format!("module load {modules}\n"));
    }
    for line in &launching.setup {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("set -u\n");
    Ok(Some(text))
}

/// A word of the shell that means exactly this text.
pub(super) fn quoted(what: &str, text: &str) -> Result<String, ScriptError> {
    quote(text).map_err(|source| ScriptError::Quote {
        what: what.to_owned(),
        source,
    })
}
