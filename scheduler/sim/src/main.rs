//! `schliff-sim`: runs seeds, replays one, tells a script.
//!
//! Exit codes: 0 all is well; 1 something was found, or something was never seen; 2 usage.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use schliff_sim::scenario::{SCRIPTS, Scenario};
use schliff_sim::trace::Trace;
use schliff_sim::{Run, Summary, World, seeds};

/// Lines of a trace that are shown of what went wrong.
const LAST_LINES: usize = 60;
/// With so many seeds everything must have been seen.
const ENOUGH_SEEDS: u64 = 300;

/// A deterministic world around Schliff's scheduler.
#[derive(Parser)]
#[command(name = "schliff-sim", version)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run many seeds, and tell what was seen.
    Run {
        /// How many.
        #[arg(long, default_value_t = ENOUGH_SEEDS)]
        seeds: u64,
        /// The first one.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Threads; as many as there are cores where absent.
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Run one seed again.
    Replay {
        /// The seed.
        seed: u64,
        /// Show all that happens, not only the end.
        #[arg(long)]
        trace: bool,
    },
    /// Run a script, and show all that happens.
    Script {
        /// Its name.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(SCRIPTS))]
        name: String,
    },
}

fn main() -> ExitCode {
    let result = match Args::parse().verb {
        Verb::Run { seeds, from, jobs } => run(seeds, from, jobs),
        Verb::Replay { seed, trace } => replay(Scenario::drawn(seed), trace),
        Verb::Script { name } => match Scenario::script(&name) {
            Some(script) => replay(script, true),
            None => Ok(false),
        },
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody reads on: there is nobody to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Fallible = Result<bool, Box<dyn std::error::Error>>;

fn run(count: u64, from: u64, jobs: Option<usize>) -> Fallible {
    let begin = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let summary = seeds(from, count, jobs.unwrap_or(cores))?;
    let mut out = io::stdout().lock();
    write!(out, "{}", summary.coverage.table())?;
    tell(&mut out, &summary, begin.elapsed().as_secs_f64())?;
    let missing = match count >= ENOUGH_SEEDS {
        true => summary.coverage.missing(),
        false => Vec::new(),
    };
    for name in &missing {
        writeln!(out, "never seen: {name}")?;
    }
    for failure in &summary.failures {
        let (at_s, breach) = (failure.at_ms / 1_000, &failure.breach);
        let text: String = breach.text.chars().take(400).collect();
        writeln!(
            out,
            "seed {}: {at_s} s: {}: {text}",
            failure.seed, breach.id
        )?;
    }
    if let Some(first) = summary.failures.first() {
        let run = World::new(Scenario::drawn(first.seed), Trace::kept())?.run();
        writeln!(out, "the last lines of seed {}:", first.seed)?;
        show(&mut out, run.trace.last(LAST_LINES))?;
    }
    if summary.runs != count {
        writeln!(out, "{} of {count} seeds came to an end", summary.runs)?;
    }
    Ok(summary.failures.is_empty() && missing.is_empty() && summary.runs == count)
}

fn tell(out: &mut impl Write, summary: &Summary, seconds: f64) -> io::Result<()> {
    writeln!(
        out,
        "{} seeds, {} jobs, {} events, {} writes, {} hours in {seconds:.1} s; {} found something",
        summary.runs,
        summary.jobs,
        summary.events,
        summary.writes,
        summary.world_ms / 3_600_000,
        summary.failures.len()
    )
}

fn replay(scenario: Scenario, is_whole: bool) -> Fallible {
    let Run {
        breach,
        trace,
        events,
        world_ms,
        jobs,
        ..
    } = World::new(scenario, Trace::kept())?.run();
    let mut out = io::stdout().lock();
    match is_whole {
        true => show(&mut out, trace.lines())?,
        false => show(&mut out, trace.last(LAST_LINES))?,
    }
    writeln!(out, "{jobs} jobs, {events} events, {} s", world_ms / 1_000)?;
    if let Some((_, breach)) = &breach {
        writeln!(out, "{}: {}", breach.id, breach.text)?;
    }
    Ok(breach.is_none())
}

fn show(out: &mut impl Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}
