//! One module a verb. A verb asks, the trainer answers, the verb prints.

mod agent;
mod check;
mod checkpoints;
mod config;
mod data;
mod doctor;
mod eval;
mod generate;
mod merge;
mod run;

use crate::args::Verb;
use crate::outcome::Outcome;

/// Does what the command line says.
pub(crate) fn dispatch(verb: Verb) -> Outcome {
    match verb {
        Verb::Run(args) => run::run(args),
        Verb::Agent(args) => agent::agent(&args),
        Verb::Check(args) => check::check(args),
        Verb::Data(args) => data::data(args),
        Verb::Eval(args) => eval::eval(args),
        Verb::Generate(args) => generate::generate(args),
        Verb::Merge(args) => merge::merge(args),
        Verb::Config(args) => config::config(args),
        Verb::Checkpoints(args) => checkpoints::checkpoints(args),
        Verb::Doctor(args) => doctor::doctor(args),
    }
}
