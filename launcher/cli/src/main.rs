//! `schliff`: verbs, output, and the composition root.
//!
//! Rules: standard output carries data only, everything else goes to standard error; errors are
//! printed and turned into an exit code here and nowhere else. Absent on purpose: tensors. What
//! needs them is done by `schliff-trainer`, a child process.

mod answer;
mod args;
mod clock;
mod coordinator;
mod doctor;
mod error_page;
mod figures;
mod follow;
mod interrupt;
mod job;
mod live;
mod outcome;
mod plain;
mod plot;
mod profile;
mod progress;
mod relaying;
mod script;
mod state_folder;
mod table;
mod terminal;
mod trainer;
mod verb;
mod view;
mod watching;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    terminal::set_color(args.color);
    let exit = match verb::dispatch(args.verb) {
        Ok(exit) => exit,
        Err(error) => {
            terminal::say(&error.render());
            error.exit
        }
    };
    ExitCode::from(u8::try_from(exit.code()).unwrap_or(u8::MAX))
}
