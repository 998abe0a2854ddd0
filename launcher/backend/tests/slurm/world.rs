//! A real Slurm cluster, whose jobs run a small shell script that does what it is told.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rustix::fs::OFlags;
use schliff_backend::conformance::{World, WorldError};
use schliff_backend::slurm::{Reach, SlurmBackend, SlurmOptions};
use schliff_backend::{Backend, Launch};
use schliff_scheduler::shape::Shape;
use schliff_spec::cluster::{self, Chain, Transport};
use schliff_spec::id::SubmitKey;

/// An agent with one rank: waits at a door for a word, which is its exit code; 75 when it is asked
/// to end. Arguments: the world's folder, the key, what the script adds, and last the file of the exit code.
const AGENT: &str = r#"
world=$1 key=$2
for exit_file; do :; done
finish() { echo "$1" >"$exit_file.part" && mv "$exit_file.part" "$exit_file"; exit "$1"; }
[ -p "$world/$key.door" ] || mkfifo "$world/$key.door"
cat "$world/$key.door" >"$world/$key.word" & rank=$!
trap 'kill $rank; finish 75' TERM USR1
echo "$SLURM_JOB_ID" >>"$world/$key.starts"
wait $rank
finish "$(cat "$world/$key.word")"
"#;

/// Looks until something that must come is given up.
const PATIENCE: u32 = 5_000;

/// A running cluster of `make slurm-up`, as `slurm/dev/slurm env` tells of it.
pub(crate) struct DevCluster {
    ssh_config: PathBuf,
    ssh_host: String,
    rest_url: String,
    rest_user: String,
    token_file: PathBuf,
}

/// The cluster that tests may use, if there is one.
pub(crate) fn cluster() -> Option<DevCluster> {
    let told = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if told("SCHLIFF_SLURM_STATE").is_none() {
        eprintln!(
            "SKIPPED: no Slurm here: SCHLIFF_SLURM_STATE is not set (make test-slurm sets it)"
        );
        return None;
    }
    let must = |name| told(name).unwrap_or_else(|| panic!("{name} is not set"));
    Some(DevCluster {
        ssh_config: must("SCHLIFF_SLURM_SSH_CONFIG").into(),
        ssh_host: must("SCHLIFF_SLURM_SSH_HOST"),
        rest_url: must("SCHLIFF_SLURM_REST_URL"),
        rest_user: must("SCHLIFF_SLURM_REST_USER"),
        token_file: must("SCHLIFF_SLURM_JWT_FILE").into(),
    })
}

/// How the cluster is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Command,
    Ssh,
    Rest,
}

/// Jobs that are left in it are cancelled when it is dropped.
pub(crate) struct SlurmWorld {
    options: SlurmOptions,
    folder: tempfile::TempDir,
    first_job: u64,
}

impl SlurmWorld {
    pub(crate) fn new(cluster: &DevCluster, way: Way) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("text");
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let word = since.expect("after 1970").as_nanos();
        let transport = match way {
            Way::Command => Transport::Command,
            Way::Ssh => Transport::Ssh {
                host: cluster.ssh_host.clone(),
                config: Some(cluster.ssh_config.clone()),
            },
            Way::Rest => Transport::Rest {
                url: cluster.rest_url.clone(),
                user: cluster.rest_user.clone(),
                token_file: cluster.token_file.clone(),
            },
        };
        let options = SlurmOptions {
            cluster: "dev".parse().expect("a name"),
            site: site(transport, format!("{path}/shared")),
            max_time_ms: None,
            instance: format!("{word:x}"),
        };
        Self {
            options,
            folder,
            first_job: u64::try_from(word % 1_000_000 * 1_000).expect("small"),
        }
    }

    /// A back-end as a coordinator opens it.
    pub(crate) fn backend(&self) -> SlurmBackend {
        let options = self.options.clone();
        let reach = Reach::of(&options.site).expect("a way");
        SlurmBackend::new(options, reach)
    }

    /// All that it leaves is below this folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The site as its profile would tell of it.
    pub(crate) fn site(&self) -> &cluster::Slurm {
        &self.options.site
    }

    fn path(&self, key: SubmitKey, name: &str) -> PathBuf {
        self.folder.path().join(format!("{key}.{name}"))
    }

    /// The Slurm jobs of a key's starts.
    fn jobs(&self, key: SubmitKey) -> Vec<String> {
        let told = fs::read_to_string(self.path(key, "starts")).unwrap_or_default();
        told.lines().map(str::to_owned).collect()
    }

    async fn begun(&self, key: SubmitKey) -> Result<String, WorldError> {
        for _ in 0..PATIENCE {
            if let Some(last) = self.jobs(key).pop() {
                return Ok(last);
            }
            self.pause().await;
        }
        Err(format!("{key} does not start").into())
    }

    async fn tell(&self, key: SubmitKey, word: &str) -> Result<(), WorldError> {
        let door = self.path(key, "door");
        for _ in 0..PATIENCE {
            // There is a door once somebody reads at it.
            match open_door(&door) {
                Ok(mut door) => return Ok(door.write_all(word.as_bytes())?),
                Err(_) => self.pause().await,
            }
        }
        Err(format!("{key} does not listen").into())
    }
}

fn open_door(path: &Path) -> std::io::Result<fs::File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(path)
}

fn site(transport: Transport, folder: String) -> cluster::Slurm {
    cluster::Slurm {
        transport,
        folder,
        program: "/bin/sh".to_owned(),
        ask: cluster::SlurmAsk {
            account: Some("dev".to_owned()),
            partition: Some("batch".to_owned()),
            ..cluster::SlurmAsk::default()
        },
        // An agent that ends with 75 has ended: nothing else goes on.
        chain: Chain::None,
        signal_before_s: 60,
        launch: cluster::Launching::default(),
        reports: cluster::Reports::Direct,
        has_accounting: true,
        may_start_now: true,
        no_kill: false,
        logins_per_minute: 60,
        max_queued: None,
        observe_every_s: 1,
        relay_rate_bytes: 50_000_000,
    }
}

/// Runs a command of Slurm's to its end; gives what it printed.
pub(crate) fn slurm(command: &[&str]) -> Result<String, WorldError> {
    let output = Command::new(command[0]).args(&command[1..]).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

#[async_trait]
impl World for SlurmWorld {
    async fn open(&self) -> Result<Arc<dyn Backend>, WorldError> {
        Ok(Arc::new(self.backend()))
    }

    fn launch(&self, key: SubmitKey) -> Launch {
        let world = self.folder.path().to_str().expect("text");
        Launch {
            key,
            name: "it's small".to_owned(),
            shape: Shape {
                nodes: 1,
                gpus_per_node: 0,
                cpus_per_node: 1,
                ranks: 1,
            },
            min_nodes: None,
            placement: Vec::new(),
            avoid: Vec::new(),
            time_limit_ms: Some(600_000),
            work_ms: None,
            wish: cluster::BatchWish::default(),
            args: ["-c", AGENT, "sh", world, &key.to_string()]
                .map(str::to_owned)
                .to_vec(),
            env: vec![("WORD".to_owned(), "it's $HOME".to_owned())],
            files: Vec::new(),
        }
    }

    fn unfit(&self, key: SubmitKey) -> Option<Launch> {
        let mut launch = self.launch(key);
        launch.wish.partition = Some("nowhere".to_owned());
        Some(launch)
    }

    async fn start(&self, key: SubmitKey) -> Result<(), WorldError> {
        self.begun(key).await.map(|_| ())
    }

    async fn end(&self, key: SubmitKey, code: i32) -> Result<(), WorldError> {
        self.tell(key, &format!("{code}\n")).await
    }

    async fn kill(&self, key: SubmitKey) -> Result<(), WorldError> {
        let job = self.begun(key).await?;
        slurm(&["scancel", "--full", "--signal=KILL", &job]).map(|_| ())
    }

    async fn starts(&self, key: SubmitKey) -> Result<u32, WorldError> {
        Ok(u32::try_from(self.jobs(key).len())?)
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    fn first_job(&self) -> u64 {
        self.first_job
    }

    fn keeps_records(&self) -> bool {
        false
    }
}

impl Drop for SlurmWorld {
    fn drop(&mut self) {
        let listed = slurm(&["squeue", "-h", "-o", "%A %k"]).unwrap_or_default();
        let is_ours = |line: &&str| line.contains(&self.options.instance);
        for line in listed.lines().filter(is_ours) {
            let id = line.split(' ').next().unwrap_or_default();
            // It may just have ended.
            let _ = slurm(&["scancel", id]);
        }
    }
}
