//! What a job asks Slurm for: the profile's words, the job's own, and the shape. Pure.
//!
//! Rules: a job's word wins over the profile's. Absent on purpose: whether the site grants it, which
//! `sbatch --test-only` says.

use schliff_slurm::batch::{Ask, GpuForm, Gpus};
use schliff_spec::cluster::{Chain, GpuForm as SiteForm, Slurm, SlurmAsk};

use crate::launch::Launch;

/// The signal by which Slurm says that the wall time ends.
const SIGNAL: &str = "USR1";
/// It comes in the last third of the wall time at the earliest: Slurm may be a minute early.
const SIGNAL_PART: u64 = 3;
/// Slurm takes no more.
const SIGNAL_MOST_S: u64 = 65_535;

pub(super) fn ask(site: &Slurm, launch: &Launch) -> Ask {
    let (profile, wish, shape) = (&site.ask, &launch.wish, launch.shape);
    let word = |own: &Option<String>, profile: &Option<String>| own.clone().or(profile.clone());
    Ask {
        account: word(&wish.account, &profile.account),
        partition: word(&wish.partition, &profile.partition),
        qos: word(&wish.qos, &profile.qos),
        reservation: word(&wish.reservation, &profile.reservation),
        constraint: word(&wish.constraint, &profile.constraint),
        nodes: shape.nodes,
        tasks_per_node: 1,
        cpus_per_task: Some(shape.cpus_per_node),
        gpus: gpus(profile, shape.gpus_per_node),
        memory_mib: profile.memory_mib,
        is_exclusive: profile.exclusive,
        time_min: launch.time_limit_ms.map(minutes),
        signal: signal(site, launch.time_limit_ms),
        may_requeue: site.chain != Chain::None,
        no_kill: site.no_kill && launch.shrinks_to().is_some(),
        exclude: launch.avoid.iter().map(ToString::to_string).collect(),
        more: profile.options.clone(),
        ..Ask::default()
    }
}

fn gpus(profile: &SlurmAsk, count: u32) -> Option<Gpus> {
    (count > 0).then(|| Gpus {
        count,
        kind: profile.gpu_type.clone(),
        form: match profile.gpu_form {
            SiteForm::Gres => GpuForm::Gres,
            SiteForm::GpusPerNode => GpuForm::GpusPerNode,
        },
    })
}

/// Slurm's grain.
fn minutes(limit_ms: u64) -> u32 {
    u32::try_from(limit_ms.div_ceil(60_000))
        .unwrap_or(u32::MAX)
        .max(1)
}

fn signal(site: &Slurm, limit_ms: Option<u64>) -> Option<(String, u32)> {
    let most_s = limit_ms.map_or(SIGNAL_MOST_S, |limit_ms| limit_ms / 1_000 / SIGNAL_PART);
    let before_s = site.signal_before_s.min(most_s).min(SIGNAL_MOST_S);
    let before_s = u32::try_from(before_s).ok().filter(|it| *it > 0)?;
    Some((SIGNAL.to_owned(), before_s))
}
