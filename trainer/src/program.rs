//! The trainer as a program: one request in, events out.
//!
//! Every binary that computes is this; they differ in what they are linked with. Rules: one request
//! a process; the other side's end is a wish to stop. Absent on purpose: restarts, which are the
//! supervisor's.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use crate::doctor::examine;
use crate::failure::Failure;
use crate::process::allocator::keep_freed_memory;
use crate::process::interrupt::Interrupt;
use crate::process::report::Reporter;
use crate::{backend, bench, verb};
use schliff_collective::attach::attach;
use schliff_spec::event::Event;
use schliff_spec::exit;
use schliff_spec::request::{PROTOCOL, Request};

const HELP: &str = "\
schliff-trainer: the part of Schliff that computes; 'schliff' starts it.

It reads one request (a line of JSON) from standard input and writes events
(a line of JSON each) to standard output. It stops when standard input ends.

  schliff-trainer --connect       a rank that mpirun started, for 'schliff run --collective mpi'
  schliff-trainer doctor          what this build and this machine can do, as JSON
  schliff-trainer --version       version and backend
  schliff-trainer bench-matmul    measured matrix product rate, as JSON
";

/// Does what the arguments of this process say.
pub fn main() -> ExitCode {
    keep_freed_memory();
    match std::env::args().nth(1).as_deref() {
        None => serve(std::io::stdin(), std::io::stdout()),
        Some("--connect") => connect(),
        Some("--version") => print(&format!("schliff-trainer {VERSION} ({})\n", backend())),
        Some("doctor") => doctor(),
        Some("bench-matmul") => print(&format!("{}\n", bench::matmul_rate())),
        Some("--help" | "-h") => print(HELP),
        Some(_) => {
            let _ = std::io::stderr().write_all(HELP.as_bytes());
            code(exit::ExitCode::Usage)
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says what this build and this machine can do.
fn doctor() -> ExitCode {
    match serde_json::to_string(&examine(VERSION)) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => bug(&format!("cannot write what was found: {error}")),
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers the request of a supervisor that did not start this process itself.
fn connect() -> ExitCode {
    let connected = attach().and_then(|stream| Ok((stream.try_clone()?, stream)));
    match connected {
        Ok((input, output)) => serve(input, output),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "schliff-trainer: {error}");
            code(exit::ExitCode::Usage)
        }
    }
}

/// Answers one request.
fn serve(input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> ExitCode {
    let interrupt = match Interrupt::on_signals() {
        Ok(interrupt) => interrupt,
        Err(error) => return bug(&format!("cannot handle signals: {error}")),
    };
    let reporter = Reporter::new(output, interrupt.clone());
    reporter.event(&Event::Hello {
        protocol: PROTOCOL,
        version: VERSION.to_owned(),
        backend: backend(),
    });
    let mut line = String::new();
    let mut input = BufReader::new(input);
    if let Err(error) = input.read_line(&mut line) {
        return bug(&format!("cannot read the request: {error}"));
    }
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            let told = format!("the request cannot be understood: {error}");
            return fail(&reporter, Failure::words(exit::ExitCode::Usage, told));
        }
    };
    interrupt.on_end_of(input);
    match verb::answer(&request, &reporter) {
        Ok(result) => {
            reporter.event(&Event::Done { result });
            ExitCode::SUCCESS
        }
        Err(failure) => fail(&reporter, failure),
    }
}

fn fail(reporter: &Reporter, failure: Failure) -> ExitCode {
    let exit = failure.exit();
    reporter.event(&failure.event());
    code(exit)
}

fn bug(told: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "schliff-trainer: {told}");
    code(exit::ExitCode::Bug)
}

fn code(exit: exit::ExitCode) -> ExitCode {
    u8::try_from(exit.code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
