//! The verbs that need tensors, one module each; [`answer`] runs the one that is asked for.

mod check;
mod data;
mod eval;
mod generate;
mod job;
mod merge;
mod output;
mod run;
mod tuned;

use schliff_spec::request::Request;
use serde_json::Value;

use crate::failure::Failure;
use crate::on_device;
use crate::process::report::Reporter;

/// Does what is asked, and gives back the result.
///
/// # Errors
/// Whatever stopped it, ready to print.
pub fn answer(request: &Request, reporter: &Reporter) -> Result<Value, Failure> {
    on_device(|| answer_unguarded(request, reporter))
}

fn answer_unguarded(request: &Request, reporter: &Reporter) -> Result<Value, Failure> {
    match request {
        Request::Run {
            job,
            out,
            place,
            start,
        } => {
            let order = run::Order {
                job,
                out,
                place,
                start,
            };
            run::run(order, reporter)
        }
        Request::Check {
            job,
            world_size,
            collective,
        } => check::check(job, (*world_size, *collective), reporter),
        Request::Data { job, samples } => data::data(job, *samples, reporter),
        Request::Eval {
            base,
            adapter,
            input,
        } => eval::eval(base, adapter.as_deref(), input, reporter),
        Request::Generate {
            base,
            adapter,
            prompt,
            raw,
            max_new_tokens,
        } => {
            let prompt = generate::Prompt {
                text: prompt,
                raw: *raw,
            };
            generate::generate(base, adapter.as_deref(), &prompt, *max_new_tokens, reporter)
        }
        Request::Merge {
            base,
            adapter,
            out,
            dtype,
        } => merge::merge(base, adapter, (out, *dtype), reporter),
    }
}
