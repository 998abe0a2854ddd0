//! Submits jobs to a Slurm site through its back-end, and stops them again. `make bench-slurm` runs it.
//!
//! Arguments: a cluster profile, how many jobs, how many calls at a time, and the number of the first
//! job. The jobs are to wait: whoever calls has taken the partition down. Prints one line of JSON.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use schliff_backend::slurm::{Reach, SlurmBackend, SlurmOptions};
use schliff_backend::{Backend, Launch};
use schliff_scheduler::allocation::StopHow;
use schliff_scheduler::shape::Shape;
use schliff_spec::cluster::{self, BatchWish};
use schliff_spec::id::SubmitKey;
use serde_json::json;
use tokio::task::JoinSet;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args: Vec<String> = std::env::args().collect();
    let [_, profile, jobs, at_once, first] = args.as_slice() else {
        return Err("usage: bench_slurm PROFILE JOBS AT_ONCE FIRST".into());
    };
    let (jobs, at_once, first): (u64, u64, u64) = (jobs.parse()?, at_once.parse()?, first.parse()?);
    let backend = open(Path::new(profile), first)?;
    // What a session costs is not what a submit costs.
    backend.observe().await?;
    let before = backend.traffic();
    let submit_s = all(&backend, first, jobs, at_once, Doing::Submit).await?;
    let after = backend.traffic();
    let begun = Instant::now();
    let listing = backend.observe().await?;
    let observe_s = begun.elapsed().as_secs_f64();
    let stop_s = all(&backend, first, jobs, at_once, Doing::Stop).await?;
    let told = json!({
        "jobs": jobs,
        "submit_s": submit_s,
        "submit_rpcs": after.rpcs - before.rpcs,
        "logins": after.logins,
        "listed": listing.allocations.len(),
        "observe_s": observe_s,
        "stop_s": stop_s,
    });
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

/// The back-end of a profile.
fn open(profile: &Path, first: u64) -> Result<Arc<SlurmBackend>, BenchError> {
    let profile = cluster::load(profile)?;
    let cluster::Backend::Slurm(site) = profile.backend else {
        return Err("the profile is not of a Slurm site".into());
    };
    let reach = Reach::of(&site)?;
    let options = SlurmOptions {
        cluster: profile.name,
        site: *site,
        max_time_ms: None,
        instance: format!("bench{first}"),
    };
    Ok(Arc::new(SlurmBackend::new(options, reach)))
}

#[derive(Clone, Copy)]
enum Doing {
    Submit,
    Stop,
}

/// Seconds to do it to all jobs, with so many calls at a time.
async fn all(
    backend: &Arc<SlurmBackend>,
    first: u64,
    jobs: u64,
    at_once: u64,
    doing: Doing,
) -> Result<f64, BenchError> {
    let next = Arc::new(AtomicU64::new(first));
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (backend, next) = (Arc::clone(backend), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= first + jobs {
                    return Ok::<(), BenchError>(());
                }
                let key: SubmitKey = format!("schliff-{job}-1").parse()?;
                match doing {
                    Doing::Submit => drop(backend.submit(&launch(key)).await?),
                    Doing::Stop => backend.stop(key, StopHow::Now).await?,
                }
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn launch(key: SubmitKey) -> Launch {
    Launch {
        key,
        name: "bench".to_owned(),
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
        wish: BatchWish::default(),
        args: Vec::new(),
        env: Vec::new(),
        files: Vec::new(),
    }
}
