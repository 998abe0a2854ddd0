//! `schliff top`: jobs, live in the terminal.

use std::io::IsTerminal;

use crate::args::TopArgs;
use crate::coordinator;
use crate::live::screen;
use crate::outcome::{CliError, Outcome};

pub(crate) fn top(args: TopArgs) -> Outcome {
    let is_there = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !is_there {
        return Err(CliError::usage("schliff top needs a terminal")
            .hint("'schliff list' prints the jobs once"));
    }
    coordinator::ask(&args.connection, screen::show)
}
