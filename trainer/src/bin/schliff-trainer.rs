//! `schliff-trainer`: one request on standard input, events on standard output.
//!
//! `schliff` starts it; by hand, `schliff-trainer --help` says what it expects.

use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;

use schliff_spec::event::Event;
use schliff_spec::exit;
use schliff_spec::request::{PROTOCOL, Request};
use schliff_trainer::failure::Failure;
use schliff_trainer::process::allocator::keep_freed_memory;
use schliff_trainer::process::interrupt::Interrupt;
use schliff_trainer::process::report::Reporter;
use schliff_trainer::{backend, bench, verb};

const HELP: &str = "\
schliff-trainer: the part of Schliff that computes; 'schliff' starts it.

It reads one request (a line of JSON) from standard input and writes events
(a line of JSON each) to standard output. It stops when standard input ends.

  schliff-trainer --version       version and backend
  schliff-trainer bench-matmul    measured matrix product rate, as JSON
";

fn main() -> ExitCode {
    keep_freed_memory();
    match std::env::args().nth(1).as_deref() {
        None => serve(),
        Some("--version") => print(&format!("schliff-trainer {VERSION} ({})\n", backend())),
        Some("bench-matmul") => print(&format!("{}\n", bench::matmul_rate())),
        Some("--help" | "-h") => print(HELP),
        Some(_) => {
            let _ = std::io::stderr().write_all(HELP.as_bytes());
            code(exit::ExitCode::Usage)
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers one request.
fn serve() -> ExitCode {
    let interrupt = match Interrupt::on_signals() {
        Ok(interrupt) => interrupt,
        Err(error) => return bug(&format!("cannot handle signals: {error}")),
    };
    let reporter = Reporter::new(std::io::stdout(), interrupt.clone());
    reporter.event(&Event::Hello {
        protocol: PROTOCOL,
        version: VERSION.to_owned(),
        backend: backend(),
    });
    let mut line = String::new();
    let mut input = BufReader::new(std::io::stdin());
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
