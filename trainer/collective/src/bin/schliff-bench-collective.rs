//! Ranks without a trainer: for `make bench-collective`, and for tests that kill them.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use schliff_collective::rendezvous::{Limits, join};
use schliff_collective::{Collective, bench, conformance};
use schliff_spec::place::{CollectiveKind, Place};

const HELP: &str = "\
schliff-bench-collective: ranks without a trainer.

A rank reads its place (a line of JSON) from standard input, or takes it from
the environment that mpirun makes.

  conformance                a rank that checks what a group must do
  in-any-order               a rank that checks a group whose sums are in no fixed order
  out-of-step                a rank that checks that it is told of another's operation
  abort                      a rank that checks that it hears of another's leaving
  rehearse-nccl              a rank that goes NCCL's way as far as a machine without a GPU can
  work                       a rank that sums until its group breaks, a line a sum
  all-reduce BYTES TIMES     a rank that measures sums
  launch RANKS BYTES TIMES   starts that many ranks over TCP on this machine; seconds
                             of each sum on its slowest rank, as a list in JSON
  loopback FLOWS BYTES       bytes a second of plain TCP streams side by side
";
/// Long enough for a loaded machine; tests that wait for a limit set their own.
const LIMIT: Duration = Duration::from_secs(60);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match answer(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(words: &[&str]) -> Result<(), Failure> {
    match words {
        ["conformance"] => {
            conformance::healthy(group()?.as_mut())?;
            say("conforms")
        }
        ["in-any-order"] => {
            conformance::in_any_order(group()?.as_mut())?;
            say("conforms")
        }
        #[cfg(feature = "nccl")]
        ["rehearse-nccl"] => rehearse(),
        ["out-of-step"] => {
            conformance::out_of_step(group()?)?;
            say("told")
        }
        ["abort"] => {
            conformance::abort(group()?)?;
            say("heard")
        }
        ["work"] => work(),
        ["all-reduce", bytes, times] => {
            let seconds = bench::sums(group()?.as_mut(), bytes.parse()?, times.parse()?)?;
            seconds.map_or(Ok(()), |seconds| say(&serde_json::to_string(&seconds)?))
        }
        ["launch", ranks, bytes, times] => say(&bench::launch(
            ranks.parse()?,
            ["all-reduce", bytes, times],
        )?),
        ["loopback", flows, bytes] => {
            let rate = bench::loopback(flows.parse()?, bytes.parse()?)?;
            say(&rate.to_string())
        }
        _ => Err(HELP.into()),
    }
}

fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}

/// Says NCCL's version, the group's id as this rank has it, and why NCCL did not start the group.
#[cfg(feature = "nccl")]
fn rehearse() -> Result<(), Failure> {
    let rehearsal = schliff_collective::rehearse(&place()?, &limits()?)?;
    say(&format!("version {}", rehearsal.version))?;
    say(&format!("id {}", rehearsal.id))?;
    match rehearsal.started {
        Ok(()) => say("started"),
        Err(reason) => say(&format!("refused {reason}")),
    }
}

/// Joins the group of this process.
fn group() -> Result<Box<dyn Collective>, Failure> {
    Ok(join(&place()?, &limits()?)?)
}

fn limits() -> Result<Limits, Failure> {
    let milliseconds = std::env::var("SCHLIFF_BENCH_LIMIT_MS").ok();
    let limit = match milliseconds {
        Some(milliseconds) => Duration::from_millis(milliseconds.parse()?),
        None => LIMIT,
    };
    Ok(Limits {
        join: LIMIT,
        operation: limit,
    })
}

fn place() -> Result<Place, Failure> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    if let (Some(rank), Some(world_size)) = (
        number("OMPI_COMM_WORLD_RANK"),
        number("OMPI_COMM_WORLD_SIZE"),
    ) {
        let place = Place::alone();
        return Ok(Place {
            rank,
            world_size,
            collective: CollectiveKind::Mpi,
            ..place
        });
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Sums until the group breaks, and says how long that took to be noticed.
fn work() -> Result<(), Failure> {
    const LEN: usize = 100_000;
    let mut group = group()?;
    let mut data = vec![1.0; LEN];
    loop {
        let start = Instant::now();
        data.fill(1.0);
        match group.all_reduce(&mut data) {
            Ok(()) => say("sum")?,
            Err(error) => {
                let waited_ms = start.elapsed().as_millis();
                return say(&format!("broken after {waited_ms} ms: {error:?}"));
            }
        }
    }
}
