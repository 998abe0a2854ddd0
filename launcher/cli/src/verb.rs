//! One module a verb. A verb asks the trainer or the coordinator, and prints the answer.

mod adopt;
mod agent;
mod cancel;
mod check;
mod checkpoints;
mod clusters;
mod completion;
mod config;
mod data;
mod doctor;
mod eval;
mod export;
mod generate;
mod help;
mod list;
mod logs;
mod merge;
mod relay;
mod run;
mod serve;
mod status;
mod submit;
mod top;
mod wait;

pub(crate) use run::summary as run_summary;

use crate::args::{JobsVerb, Verb};
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
        Verb::Serve(args) => serve::serve(args),
        Verb::Relay(args) => relay::relay(args),
        Verb::Jobs(verb) => of_jobs(verb),
        Verb::Completion(args) => completion::completion(args),
        Verb::Man(args) => completion::man(args),
        Verb::Help(args) => help::help(args),
    }
}

/// The verbs that speak with the coordinator.
fn of_jobs(verb: JobsVerb) -> Outcome {
    match verb {
        JobsVerb::Submit(args) => submit::submit(args),
        JobsVerb::List(args) => list::list(args),
        JobsVerb::Status(args) => status::status(args),
        JobsVerb::Logs(args) => logs::logs(args),
        JobsVerb::Cancel(args) => cancel::cancel(args),
        JobsVerb::Explain(args) => status::explain(args),
        JobsVerb::Wait(args) => wait::wait(args),
        JobsVerb::Retry(args) => cancel::retry(args),
        JobsVerb::Adopt(args) => adopt::adopt(args),
        JobsVerb::Export(args) => export::export(args),
        JobsVerb::Clusters(args) => clusters::clusters(args),
        JobsVerb::Nodes(args) => clusters::nodes(args),
        JobsVerb::Top(args) => top::top(args),
    }
}
