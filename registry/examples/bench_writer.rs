//! Times the writer alone: what a caller pays for handing a state over, how long the commit takes, and
//! what it costs in processor time. `reference/bench_checkpoint.py` runs it.
//!
//! Arguments: the store and how many states. A state is as large as a LoRA adapter of rank 8 on all
//! linear layers of SmolLM2-135M with its moments. Prints one JSON object.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use schliff_registry::checkpoint::{
    BackOff, Buffers, Flushed, Part, Snapshot, Writer, WriterSettings, newest, remove_all,
};
use schliff_registry::{JobDigest, Store};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);
const PARAMETERS: usize = 2_442_240;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let states = |text: String| text.parse().ok();
    let (Some(uri), Some(states)) = (arguments.next(), arguments.next().and_then(states)) else {
        return told("usage: bench_writer STORE STATES");
    };
    match measure(&uri, states) {
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

fn measure(uri: &str, states: u64) -> Result<Value, Box<dyn std::error::Error>> {
    let store = Store::open(uri)?;
    let settings = WriterSettings {
        keep: 3,
        generation: 1,
        back_off: BackOff::default(),
    };
    let writer = Writer::start(&store, settings, |_| {})?;
    let mut state = State::new();
    let (mut pauses_ms, mut latencies_ms) = (Vec::new(), Vec::new());
    let mut cpu_before = 0.0;
    for step in 0..=states {
        state.change();
        let begun = Instant::now();
        state.offer(&writer, step);
        let pause_ms = begun.elapsed().as_secs_f64() * 1e3;
        if let Flushed::Missing { reason, .. } = writer.flush(PATIENCE) {
            return Err(reason.into());
        }
        // The first one also pays for connections and the probe.
        if step == 0 {
            cpu_before = cpu_ms();
        } else {
            pauses_ms.push(pause_ms);
            latencies_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    let cpu_ms = (cpu_ms() - cpu_before) / states as f64;
    drop(writer);
    let begun = Instant::now();
    let found = newest(&store, None)?.checkpoint.is_some();
    let load_ms = begun.elapsed().as_secs_f64() * 1e3;
    remove_all(&store)?;
    Ok(json!({
        "found": found, "load_ms": load_ms, "cpu_ms": cpu_ms,
        "pause_ms": pauses_ms, "latency_ms": latencies_ms,
    }))
}

/// Numbers as a trainer has them, and memory for their copies.
struct State {
    masters: Vec<f32>,
    moments: [Vec<f32>; 2],
    copies: Buffers<u8>,
}

impl State {
    fn new() -> Self {
        let numbers = || (0..PARAMETERS).map(|at| at as f32).collect();
        Self {
            masters: numbers(),
            moments: [numbers(), numbers()],
            copies: Buffers::default(),
        }
    }

    /// As an optimizer's step does.
    fn change(&mut self) {
        let all = self.moments.iter_mut().chain([&mut self.masters]);
        all.flatten().for_each(|number| *number += 1.0);
    }

    /// Hands copies over.
    fn offer(&self, writer: &Writer, step: u64) {
        let (mut masters, mut moments) = (self.copies.lease(), self.copies.lease());
        append(&mut masters, &self.masters);
        self.moments
            .iter()
            .for_each(|moment| append(&mut moments, moment));
        writer.offer_draft(step, move || {
            let part = |name, bytes| Part { name, bytes };
            Ok(Snapshot {
                step,
                job: JobDigest::of(b"bench"),
                state: json!({"cursor": step}),
                parts: vec![
                    part("adapter", masters.into_bytes()),
                    part("moments", moments.into_bytes()),
                ],
            })
        });
    }
}

fn append(bytes: &mut Vec<u8>, numbers: &[f32]) {
    bytes.reserve(size_of_val(numbers));
    for chunk in numbers.chunks(256) {
        bytes.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
    }
}

/// Processor time of this process.
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
