//! Times the writer alone: what a step pays for handing a state over, how long the commit takes, and
//! what it costs in processor time. `reference/bench_checkpoint.py` runs it.
//!
//! Arguments: the store, how many states, their bytes. Prints one JSON object.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use schliff_registry::checkpoint::{
    BackOff, Flushed, Part, Snapshot, Writer, WriterSettings, newest, remove_all,
};
use schliff_registry::{JobDigest, Store};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments
        .iter()
        .skip(1)
        .flat_map(|text| text.parse())
        .collect();
    let (Some(uri), [states, bytes]) = (arguments.first(), numbers.as_slice()) else {
        return told("usage: bench_writer STORE STATES BYTES");
    };
    match measure(uri, *states, *bytes) {
        Ok(measures) => match writeln!(std::io::stdout(), "{measures}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => told(&error.to_string()),
    }
}

fn told(words: &str) -> ExitCode {
    writeln!(std::io::stderr(), "{words}").ok();
    ExitCode::FAILURE
}

fn measure(uri: &str, states: usize, bytes: usize) -> Result<Value, Box<dyn std::error::Error>> {
    let store = Store::open(uri)?;
    let settings = WriterSettings {
        keep: 3,
        generation: 1,
        back_off: BackOff::default(),
    };
    let writer = Writer::start(&store, settings, |_| {})?;
    let (mut offers_us, mut commits_ms) = (Vec::new(), Vec::new());
    let mut cpu_before = 0.0;
    for step in 0..=states as u64 {
        let snapshot = state(step, bytes);
        if step == 1 {
            // The first one also pays for connections and the probe.
            (offers_us, commits_ms) = (Vec::new(), Vec::new());
            cpu_before = cpu_ms();
        }
        let start = Instant::now();
        writer.offer(snapshot);
        offers_us.push(start.elapsed().as_secs_f64() * 1e6);
        match writer.flush(PATIENCE) {
            Flushed::All { .. } => commits_ms.push(start.elapsed().as_secs_f64() * 1e3),
            Flushed::Missing { reason, .. } => return Err(reason.into()),
        }
    }
    let cpu_ms = (cpu_ms() - cpu_before) / states as f64;
    drop(writer);
    let start = Instant::now();
    let found = newest(&store, None)?.checkpoint.is_some();
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    remove_all(&store)?;
    Ok(json!({
        "states": states, "bytes": bytes, "found": found, "load_ms": load_ms, "cpu_ms": cpu_ms,
        "offer_us": quantiles(offers_us), "commit_ms": quantiles(commits_ms),
    }))
}

/// A third adapter, two thirds moments, other bytes at every step.
fn state(step: u64, bytes: usize) -> Snapshot {
    let filled = |name, bytes: usize| {
        let mut all = vec![0x5A; bytes];
        let head = bytes.min(8);
        all[..head].copy_from_slice(&step.to_le_bytes()[..head]);
        Part {
            name,
            bytes: Bytes::from(all),
        }
    };
    Snapshot {
        step,
        job: JobDigest::of(b"bench"),
        state: json!({"cursor": step}),
        parts: vec![
            filled("adapter", bytes / 3),
            filled("moments", bytes - bytes / 3),
        ],
    }
}

fn quantiles(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    json!({"p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}

/// Processor time of this process, the test's own filling of states included.
fn cpu_ms() -> f64 {
    // SAFETY: the structure is plain numbers, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    ms(usage.ru_utime) + ms(usage.ru_stime)
}
