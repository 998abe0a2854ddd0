//! Users and agents by the thousand, as real connections on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use schliff_backend::folder::FolderWorld;
use schliff_coordinator::Access;
use schliff_spec::id::SubmitKey;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::client::{Agent, Caller};
use crate::figures::{cpu_s, memory_bytes, percentiles};
use crate::{BenchError, Load};

/// Users who submit at the same time.
const USERS: u64 = 16;
/// Connections that agents share: each real agent has its own, but one process cannot have thousands.
const CONNECTIONS: usize = 64;
const JOB: &str = "name = \"bench\"\n[model]\nbase = \"gguf:/models/base.gguf\"\n[data]\ntrain = \"/data/train.jsonl\"\n\
     format = \"messages\"\n[training]\nsteps = 1000000\nbatch_samples = 64\nmicro_batch_samples = 1\n\
     [resources]\nnodes = 1\ngpus_per_node = 8\n";

pub(crate) async fn run(load: &Load, world: &FolderWorld) -> Result<Value, BenchError> {
    let access = Access::open(&load.state)?;
    let token = std::fs::read_to_string(load.state.join("token"))?;
    let caller = Caller::connect(&load.url, token.trim()).await?;
    let submits = submit_all(load, token.trim()).await?;
    let keys = running(load, world).await?;
    let idle_memory = memory_bytes(load.pid, "VmRSS:");
    let reports = Arc::new(Mutex::new(Vec::new()));
    let failed = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(load.seconds);
    let mut agents = JoinSet::new();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Caller::connect(&load.url, token.trim()).await?);
    }
    for (at, key) in keys.into_iter().enumerate() {
        let own = connections[at % CONNECTIONS].with_token(&access.agent_token(key))?;
        let (reports, failed) = (Arc::clone(&reports), Arc::clone(&failed));
        agents.spawn(train(Agent::new(own, key), until, reports, failed));
    }
    let journal_before = folder_bytes(load);
    let (begin, cpu_before) = (Instant::now(), cpu_s(load.pid));
    let users = use_it(load, &caller, until).await?;
    let cpu = cpu_s(load.pid)
        .zip(cpu_before)
        .map(|(after, before)| (after - before) / begin.elapsed().as_secs_f64());
    while agents.join_next().await.is_some() {}
    let grown = folder_bytes(load).saturating_sub(journal_before);
    let job_hours = load.running as f64 * load.seconds as f64 / 3_600.0;
    let reports = std::mem::take(&mut *reports.lock().await);
    Ok(json!({
        "queued": load.queued, "running": load.running, "ranks": load.running * 8,
        "seconds": load.seconds, "submits": submits, "under_load": users,
        "reports": percentiles(reports), "reports_failed": failed.load(Ordering::Relaxed),
        "cores_used": cpu, "memory_queued_bytes": idle_memory,
        "memory_peak_bytes": memory_bytes(load.pid, "VmHWM:"),
        "journal_bytes_a_job_hour": grown as f64 / job_hours,
    }))
}

/// Everything is submitted by a few users at once, each one job after the other.
async fn submit_all(load: &Load, token: &str) -> Result<Value, BenchError> {
    let all = load.running + load.queued;
    let begin = Instant::now();
    let mut users = JoinSet::new();
    for user in 0..USERS {
        let caller = Caller::connect(&load.url, token).await?;
        users.spawn(async move {
            let mut latencies = Vec::new();
            for at in (user..all).step_by(USERS as usize) {
                let (_, took) = caller.submit(JOB, &format!("bench-{at}")).await?;
                latencies.push(took);
            }
            Ok::<_, tonic::Status>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(user) = users.join_next().await {
        latencies.extend(user??);
    }
    let rate = all as f64 / begin.elapsed().as_secs_f64();
    Ok(json!({"users": USERS, "a_second": rate, "latency": percentiles(latencies)}))
}

/// Waits until as many run as are to.
async fn running(load: &Load, world: &FolderWorld) -> Result<Vec<SubmitKey>, BenchError> {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let live = world.live()?;
        if live.len() as u64 >= load.running {
            return Ok(live);
        }
        if Instant::now() > until {
            return Err(format!("only {} of {} run", live.len(), load.running).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn train(
    mut agent: Agent,
    until: Instant,
    reports: Arc<Mutex<Vec<Duration>>>,
    failed: Arc<AtomicU64>,
) {
    let mut own = Vec::new();
    if agent.begin().await.is_err() {
        failed.fetch_add(1, Ordering::Relaxed);
    }
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    while Instant::now() < until {
        clock.tick().await;
        match agent.second(now_ms()).await {
            Ok(took) => own.push(took),
            Err(_) => {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    reports.lock().await.extend(own);
}

/// What users do meanwhile: submit, ask why, list.
async fn use_it(load: &Load, caller: &Caller, until: Instant) -> Result<Value, BenchError> {
    let (mut submits, mut explains, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    let mut clock = tokio::time::interval(Duration::from_millis(50));
    let all = load.running + load.queued;
    for at in 0_u64.. {
        clock.tick().await;
        if Instant::now() >= until {
            break;
        }
        submits.push(caller.submit(JOB, &format!("late-{at}")).await?.1);
        explains.push(caller.explain(1 + at * 7_919 % all).await?);
        lists.push(caller.list().await?);
    }
    Ok(json!({
        "submit": percentiles(submits), "explain": percentiles(explains), "list": percentiles(lists),
    }))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}

/// Bytes of the journal's files.
fn folder_bytes(load: &Load) -> u64 {
    let entries = std::fs::read_dir(&load.state)
        .into_iter()
        .flatten()
        .flatten();
    let journal = entries.filter(|e| e.file_name().to_string_lossy().starts_with("journal"));
    journal.filter_map(|e| Some(e.metadata().ok()?.len())).sum()
}
