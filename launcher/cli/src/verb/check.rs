//! `schliff check`: what a job would do, without doing it.

use schliff_spec::job::Resources;
use schliff_spec::request::Request;
use schliff_spec::sweep;
use serde_json::{Value, json};

use super::run::trained_parameters;
use crate::answer::Fields;
use crate::args::CheckArgs;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::{figures, job, table, terminal, trainer};

pub(crate) fn check(args: CheckArgs) -> Outcome {
    let job = match job::load(&args.job) {
        Ok(loaded) => loaded.job,
        Err(problems) => {
            if args.output.json {
                terminal::json(&json!({ "problems": problems }))?;
            }
            return Err(problems.into());
        }
    };
    if job.sweep.is_some() {
        let trials = sweep::children(&job).len();
        terminal::say(&format!(
            "a search of {trials} trainings; this is the plan of one, as if there were no [sweep]"
        ));
    }
    let of_job = || job.resources.as_ref().map_or(1, Resources::ranks);
    let request = Request::Check {
        world_size: args.ranks.unwrap_or_else(of_job),
        collective: args.collective,
        job: Box::new(job),
    };
    let answer = trainer::ask_of(args.collective, &request, &mut Progress::new())?;
    if args.output.json {
        terminal::json(&answer.result)?;
    } else {
        terminal::data(&plan(&answer.result))?;
    }
    Ok(answer.exit)
}

/// `2, with 16 logical micro-batches a step`.
fn ranks(fields: Fields<'_>) -> Option<String> {
    let ranks = fields.count("world_size")?;
    let micro_batches = fields.count("micro_batches_a_step")?;
    Some(format!(
        "{ranks}, with {} logical micro-batches a step",
        figures::count(micro_batches)
    ))
}

/// The plan as a list of figures, warnings last.
fn plan(result: &Value) -> String {
    let fields = Fields(result);
    let mut rows = Vec::new();
    let mut row = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    row("samples", fields.count("samples").map(figures::count));
    row("held-out", fields.count("eval_samples").map(figures::count));
    row("steps", fields.count("steps").map(figures::count));
    row("ranks", ranks(fields));
    row("tokens", fields.count("tokens").map(figures::count));
    row("trained", trained_parameters(fields));
    row("modules", adapted_modules(fields));
    row(
        "adapter",
        fields.number("adapter_bytes").map(figures::bytes),
    );
    row("base", frozen_base(fields));
    row(
        "memory",
        fields
            .number("memory_bytes_estimate")
            .map(|memory| format!("about {}", figures::bytes(memory))),
    );
    row(
        "work",
        fields
            .number("flops")
            .map(|flops| format!("{}FLOP", figures::si(flops))),
    );
    row(
        "speed",
        fields
            .number("probe_tokens_per_s")
            .map(|speed| format!("{} tok/s, measured", figures::rate(speed))),
    );
    row(
        "time",
        fields
            .number("seconds_estimate")
            .map(|time| format!("about {}", figures::span(time))),
    );
    let mut text = table::list(&rows);
    for warning in fields.list("warnings").iter().filter_map(Value::as_str) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

/// `161 MiB in memory, as f32, quantised to q8-0`.
fn frozen_base(fields: Fields<'_>) -> Option<String> {
    let bytes = fields.number("frozen_bytes").map(figures::bytes)?;
    let form = fields.text("base_held_as").unwrap_or("f32");
    Some(format!("{bytes} in memory, as {form}"))
}

/// How many modules carry an adapter, whether the trainer sends a number or the names.
fn adapted_modules(fields: Fields<'_>) -> Option<String> {
    let number = fields.count("adapted_modules");
    let names = fields.list("adapted_modules").len() as u64;
    number
        .or((names > 0).then_some(names))
        .map(|modules| format!("{} adapted", figures::count(modules)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_a_list_of_figures() {
        let result = json!({
            "samples": 4000, "steps": 250, "tokens": 512_000,
            "trainable_parameters": 2_442_240, "base_parameters": 134_515_008,
            "adapted_modules": 210, "adapter_bytes": 9_823_216,
            "frozen_bytes": 168_820_736, "base_held_as": "f32, quantised to q8-0",
            "memory_bytes_estimate": 2_100_000_000_u64, "flops": 2.75e14,
            "probe_tokens_per_s": 812.4, "seconds_estimate": 630.2,
            "warnings": ["3 samples are cut at 512 tokens"]
        });
        insta::assert_snapshot!(plan(&result));
    }

    #[test]
    fn absent_figures_are_left_out() {
        assert_eq!(plan(&json!({"steps": 7})), "steps  7\n");
    }
}
