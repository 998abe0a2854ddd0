//! How a Slurm site is reached, and what it wants.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A Slurm site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slurm {
    /// How it is reached.
    pub transport: Transport,
    /// Folder on storage that login and compute nodes share; absolute there. Each attempt gets a
    /// folder in it.
    pub folder: String,
    /// `schliff` on the compute nodes; absolute there, or a name for `PATH`.
    pub program: String,
    /// What every job asks for.
    pub ask: SlurmAsk,
    /// How a job goes on past the wall-time cap, or after a requeue, without a coordinator.
    pub chain: Chain,
    /// USR1 reaches the batch script so long before the end of the wall time.
    pub signal_before_s: u64,
    /// Launching on the nodes.
    pub launch: Launching,
    /// How agents' reports reach the coordinator.
    pub reports: Reports,
    /// Most bytes a second that a coordinator's relay sends from there and to there.
    pub relay_rate_bytes: u64,
    /// Ask the accounting database for jobs that the controller has forgotten.
    pub has_accounting: bool,
    /// Users may change a job's begin time: the two minutes after a requeue are skipped.
    pub may_start_now: bool,
    /// The site lets jobs live on with fewer nodes: `--no-kill`.
    pub no_kill: bool,
    /// Log-ins a minute, at most.
    pub logins_per_minute: u32,
    /// Jobs of ours that may wait there at a time.
    pub max_queued: Option<u32>,
    /// Between two looks.
    pub observe_every_s: u64,
}

impl Slurm {
    /// Keys that still have a `<…>` in them: what whoever uses the profile must fill in.
    pub fn blanks(&self) -> Vec<Blank> {
        let paths = [
            ("slurm.folder", &self.folder),
            ("slurm.program", &self.program),
        ];
        let mut blanks: Vec<_> = paths
            .into_iter()
            .filter(|(_, value)| value.contains(['<', '>']))
            .map(|(key, value)| Blank {
                key,
                value: value.clone(),
            })
            .collect();
        if let Some(container) = self.launch.container.as_ref()
            && container.image.contains(['<', '>'])
        {
            blanks.push(Blank {
                key: "container.image",
                value: container.image.clone(),
            });
        }
        blanks
    }
}

/// A key of a profile that is not filled in yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    /// The key.
    pub key: &'static str,
    /// What stands there.
    pub value: String,
}

impl std::fmt::Display for Blank {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, value } = self;
        write!(formatter, "{key} = {value:?} has yet to be filled in")
    }
}

impl SlurmAsk {
    /// What a job of that wish asks for: its own words win.
    pub fn with(&self, wish: &BatchWish) -> Self {
        let or = |own: &Option<String>, other: &Option<String>| own.clone().or(other.clone());
        Self {
            account: or(&wish.account, &self.account),
            partition: or(&wish.partition, &self.partition),
            qos: or(&wish.qos, &self.qos),
            reservation: or(&wish.reservation, &self.reservation),
            constraint: or(&wish.constraint, &self.constraint),
            ..self.clone()
        }
    }

    /// The site wants an account, and there is none.
    pub fn lacks_account(&self) -> bool {
        self.needs_account && self.account.is_none()
    }
}

/// How Slurm is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "transport", rename_all = "snake_case")]
pub enum Transport {
    /// Its commands, on this machine.
    Command,
    /// Its commands, over ssh.
    Ssh {
        /// Host, as the user's own ssh configuration has it.
        host: String,
        /// Another configuration file for ssh.
        config: Option<PathBuf>,
    },
    /// slurmrestd, with files on storage that is mounted here.
    Rest {
        /// Its URL.
        url: String,
        /// `X-SLURM-USER-NAME`
        user: String,
        /// File with the token.
        token_file: PathBuf,
    },
}

/// What every job of a site asks for; a job file's own words win.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlurmAsk {
    /// Who pays.
    pub account: Option<String>,
    /// The site takes no job without an account.
    pub needs_account: bool,
    /// Where it waits.
    pub partition: Option<String>,
    /// Under which quality of service.
    pub qos: Option<String>,
    /// In which reservation.
    pub reservation: Option<String>,
    /// On nodes with which features.
    pub constraint: Option<String>,
    /// Whole nodes.
    pub exclusive: bool,
    /// `gres` or `gpus-per-node`.
    pub gpu_form: GpuForm,
    /// Type of its GPUs.
    pub gpu_type: Option<String>,
    /// Memory of each node in MiB; 0 for all.
    pub memory_mib: Option<u64>,
    /// Further options as they are.
    pub options: Vec<String>,
}

/// How a site wants GPUs asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuForm {
    /// `--gres=gpu:4`
    #[default]
    Gres,
    /// `--gpus-per-node=4`
    GpusPerNode,
}

/// How a job goes on without a coordinator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// The script puts itself into the queue again.
    #[default]
    Requeue,
    /// Jobs that wait for it are submitted with it; they end at once where nothing is left to do.
    Successors,
    /// It does not: the coordinator submits the next.
    None,
}

/// Launching on the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launching {
    /// `srun --mpi`: `none` where absent.
    pub mpi: Option<String>,
    /// Further options of `srun` as they are.
    pub srun_options: Vec<String>,
    /// `module load` these, in this order.
    pub modules: Vec<String>,
    /// Lines of shell before anything is started.
    pub setup: Vec<String>,
    /// Environment of every process.
    pub environment: Vec<(String, String)>,
    /// Container that agents and ranks run in.
    pub container: Option<Container>,
    /// Added to host names to reach the fast network, such as Jülich's `i`.
    pub host_suffix: Option<String>,
    /// Network interface that ranks speak over, such as `ib0`.
    pub interface: Option<String>,
}

/// A container runtime and its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// What runs it.
    pub runtime: ContainerRuntime,
    /// A path, or a URL that the runtime knows.
    pub image: String,
    /// Mounts, as the runtime writes them.
    pub mounts: Vec<String>,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerRuntime {
    /// `apptainer exec`
    Apptainer,
    /// `srun --container-image`
    Pyxis,
}

/// How agents' reports reach the coordinator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reports {
    /// Nodes reach its URL.
    #[default]
    Direct,
    /// They are appended to the spool on shared storage; a relay ships them.
    Spool,
}

/// What a job says to the batch system; it wins over the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchWish {
    /// Who pays.
    pub account: Option<String>,
    /// Where it waits.
    pub partition: Option<String>,
    /// Under which quality of service.
    pub qos: Option<String>,
    /// In which reservation.
    pub reservation: Option<String>,
    /// On nodes with which features.
    pub constraint: Option<String>,
}
