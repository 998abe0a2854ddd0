//! `schliff data`: the data doctor's report, and samples with their trained tokens marked.

use owo_colors::OwoColorize;
use schliff_spec::request::Request;
use serde_json::Value;

use crate::answer::{self, Fields};
use crate::args::DataArgs;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::{job, terminal, trainer};

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
    if let Some(Fields(report)) = fields.object("report") {
        text.push_str(&answer::listing(report));
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
            "\n{head}\n{}\n",
            preview(sample.list("tokens"), color)
        ));
    }
    text
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
            "report": {"samples": 4000, "truncated": 3, "padding_share": 0.0175, "worst": []},
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
