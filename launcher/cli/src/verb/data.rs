//! `schliff data`: the data doctor's report, and samples with their trained tokens marked.

use owo_colors::OwoColorize;
use schliff_spec::request::Request;
use serde_json::Value;

use crate::answer::{self, Fields};
use crate::args::DataArgs;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::{figures, job, table, terminal, trainer};

/// Width of the longest bar of the histogram.
const BAR_COLUMNS: u64 = 40;

pub(crate) fn data(args: DataArgs) -> Outcome {
    let job = Box::new(job::load(&args.job)?.job);
    let request = Request::Data {
        job,
        samples: args.samples,
    };
    let answer = trainer::ask(&request, &mut Progress::new())?;
    if args.output.json {
        terminal::json(&answer.result)?;
    } else {
        terminal::data(&show(&answer.result, terminal::color_on_stdout()))?;
    }
    Ok(answer.exit)
}

/// The report's figures, then the samples.
fn show(result: &Value, color: bool) -> String {
    let fields = Fields(result);
    let mut text = String::new();
    for (key, what) in [
        ("report", "training data"),
        ("eval_report", "held-out data"),
    ] {
        if let Some(report) = fields.object(key) {
            let lengths = report.object("lengths").map_or_else(String::new, histogram);
            text.push_str(&format!("{what}\n{}{lengths}\n", answer::listing(report.0)));
        }
    }
    for sample in fields.list("samples") {
        let sample = Fields(sample);
        let origin = sample.text("origin").unwrap_or("a sample");
        let head = format!("-- {origin}");
        let head = if color {
            head.dimmed().to_string()
        } else {
            head
        };
        text.push_str(&format!(
            "{head}\n{}\n\n",
            preview(sample.list("tokens"), color)
        ));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// Samples by length, a bar a bucket; one bucket says nothing that the figures do not.
fn histogram(lengths: Fields<'_>) -> String {
    let number = |bucket: &Value, key| Fields(bucket).count(key).unwrap_or(0);
    let buckets = lengths.list("histogram");
    let most = buckets
        .iter()
        .map(|bucket| number(bucket, "samples"))
        .max()
        .unwrap_or(0);
    if buckets.len() < 2 || most == 0 {
        return String::new();
    }
    let row = |bucket: &Value| {
        let samples = number(bucket, "samples");
        let bar = "\u{2588}".repeat((samples * BAR_COLUMNS).div_ceil(most) as usize);
        let label = format!("up to {}", figures::count(number(bucket, "up_to")));
        vec![
            label,
            figures::count(samples),
            format!("{bar:<width$}", width = BAR_COLUMNS as usize),
        ]
    };
    format!(
        "length in tokens\n{}",
        table::render(&buckets.iter().map(row).collect::<Vec<_>>())
    )
}

/// The tokens' text, runs of trained ones green, or between brackets without colour.
fn preview(tokens: &[Value], color: bool) -> String {
    let is_trained = |token: &Value| token.get("trained").and_then(Value::as_bool) == Some(true);
    let mut text = String::new();
    for run in tokens.chunk_by(|a, b| is_trained(a) == is_trained(b)) {
        let words: String = run
            .iter()
            .filter_map(|token| Fields(token).text("text"))
            .map(visible)
            .collect();
        match (run.first().is_some_and(is_trained), color) {
            (true, true) => text.push_str(&words.green().to_string()),
            (true, false) => text.push_str(&format!("\u{27e6}{words}\u{27e7}")),
            (false, _) => text.push_str(&words),
        }
    }
    text
}

/// A token's text with its control characters spelled out: data must not steer the terminal.
fn visible(text: &str) -> String {
    let spell = |c: char| match c {
        '\n' => "\u{21b5}\n".to_owned(),
        '\t' => "\u{21e5}\t".to_owned(),
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result() -> Value {
        let token = |text: &str, trained: bool| json!({"text": text, "trained": trained});
        json!({
            "report": {"samples": 4000, "truncated": 3, "padding_share": 0.0175, "lengths": {
                "min": 12, "p50": 40, "max": 71, "mean": 40.5,
                "histogram": [{"up_to": 16, "samples": 3}, {"up_to": 32, "samples": 0},
                              {"up_to": 64, "samples": 3900}, {"up_to": 128, "samples": 97}]
            }},
            "eval_report": {"samples": 250},
            "samples": [{"origin": "train.jsonl:1", "tokens": [
                token("<|user|>", false), token("Licht", false), token(" an\n", false),
                token("{\"on\"", true), token(":1}", true), token("\u{1b}[2J", false)
            ]}]
        })
    }

    #[test]
    fn trained_tokens_are_marked_without_colour() {
        insta::assert_snapshot!(show(&result(), false));
    }

    #[test]
    fn trained_tokens_are_green_in_colour() {
        let text = show(&result(), true);
        assert!(text.contains("\u{1b}[32m{\"on\":1}\u{1b}[39m"), "{text:?}");
        assert!(
            !text.contains("\u{1b}[2J"),
            "data must not steer the terminal: {text:?}"
        );
    }
}
