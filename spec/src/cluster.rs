//! The cluster profile: what a site's administrator says once about where jobs run.
//!
//! Rules: as strict as the job file, in the same notations, with every problem reported at once.
//! Absent on purpose: looking at the cluster. What is not said here is found out by whoever uses it.

mod read;
mod slurm;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::Files;
use crate::id::ClusterName;
use crate::node::Node;
use crate::origin::Place;
use crate::problem::{Fault, Problems};
use crate::report::Report;
use crate::schema::CLUSTER;
use crate::settings::settle;
use crate::source;

pub use slurm::{
    BatchWish, Blank, Chain, Container, ContainerRuntime, GpuForm, Launching, Reports, Slurm,
    SlurmAsk, Transport,
};

/// A place where jobs run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterProfile {
    /// Its name, as `scheduling.cluster` of a job has it.
    pub name: ClusterName,
    /// What starts jobs there.
    pub backend: Backend,
    /// How much may be asked of it.
    pub limits: Limits,
    /// What its use costs.
    pub cost: Cost,
    /// Where it stands.
    #[serde(default)]
    pub site: Site,
}

impl ClusterProfile {
    /// This machine, called `local`, as it is found.
    pub fn local() -> Self {
        Self {
            name: ClusterName::local(),
            backend: Backend::Local(Local::default()),
            limits: Limits::default(),
            cost: Cost::default(),
            site: Site::default(),
        }
    }
}

/// What starts jobs on a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Backend {
    /// Processes of this machine.
    Local(Local),
    /// Slurm.
    Slurm(Box<Slurm>),
}

/// What of this machine is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Cores that are handed out; as many as are found where absent.
    pub cpu_slots: Option<usize>,
    /// GPUs that are handed out; as many as are found where absent.
    pub gpu_slots: Option<usize>,
}

/// How much may be asked of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest wall time of an attempt.
    pub max_time_s: Option<u64>,
    /// Most nodes of a job.
    #[serde(default)]
    pub max_nodes: Option<u32>,
    /// GPUs of a node.
    #[serde(default)]
    pub gpus_per_node: Option<u32>,
    /// Cores of a node, as its batch system counts them.
    #[serde(default)]
    pub cpus_per_node: Option<u32>,
}

/// What the use of a cluster costs; what is absent is not known, which is not nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Price of a GPU-hour.
    pub eur_per_gpu_hour: Option<f64>,
    /// Price of a core-hour.
    pub eur_per_core_hour: Option<f64>,
    /// Power that a GPU at work draws.
    pub watt_per_gpu: Option<f64>,
    /// Grams of carbon dioxide that a kilowatt-hour stands for.
    pub gco2_per_kwh: Option<f64>,
}

/// Where a cluster stands, and what its nodes are like; what is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Country, by its ISO 3166 code of two capital letters.
    pub country: Option<String>,
    /// Compute nodes reach the internet.
    pub has_internet: Option<bool>,
    /// Instruction set of the compute nodes.
    pub architecture: Option<Architecture>,
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// `x86_64`
    #[serde(rename = "x86_64")]
    X86,
    /// `aarch64`
    #[serde(rename = "aarch64")]
    Arm,
}

/// Reads a cluster profile (`.toml`, `.yaml`, `.yml`).
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<ClusterProfile, Problems> {
    let mut report = Report::new(path);
    let root = source::file(path, &CLUSTER, &mut report);
    finish(root, path, report)
}

/// As [`load`], from the text of a file of that name.
///
/// # Errors
/// As [`load`].
pub fn load_text(text: &str, file_name: &str) -> Result<ClusterProfile, Problems> {
    let path = Path::new(file_name);
    let mut report = Report::new(path);
    let root = source::text(text, path, &CLUSTER, &mut report);
    finish(root, path, report)
}

fn finish(root: Option<Node>, path: &Path, mut report: Report) -> Result<ClusterProfile, Problems> {
    let files = Files::beside(path, false);
    let profile = root.and_then(|root| {
        let settings = settle(&CLUSTER, root, Vec::new(), &files, &mut report);
        read::profile(path, &settings, &mut report)
    });
    if profile.is_none() && !report.has_errors() {
        let message = "this profile could not be read, for a reason that escaped the checks";
        let hint = "this is a defect in schliff; please report it with the profile";
        report.add(&Place::START, "", Fault::new(message).hint(hint));
    }
    report.finish()?;
    profile.ok_or_else(|| Problems::new(Vec::new()))
}
