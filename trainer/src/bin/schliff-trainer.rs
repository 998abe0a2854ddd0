//! `schliff-trainer`: one request on standard input, events on standard output.
//!
//! `schliff` starts it; by hand, `schliff-trainer --help` says what it expects.

use std::process::ExitCode;

fn main() -> ExitCode {
    schliff_trainer::program::main()
}
