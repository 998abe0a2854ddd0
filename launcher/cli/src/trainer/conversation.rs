//! What the trainer has said so far, and whether it keeps to the protocol. Pure.

use schliff_spec::event::{Event, Failure};
use schliff_spec::request::PROTOCOL;
use serde_json::Value;

use crate::outcome::CliError;

/// This program's version; the trainer must have the same.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const REBUILD: &str = "build both programs from the same source: make build";
/// A line is quoted in an error up to so many characters.
const QUOTED_CHARS: usize = 200;

/// The trainer's lines, in order.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    greeted: bool,
    end: Option<End>,
}

/// The last word.
#[derive(Debug)]
pub(crate) enum End {
    /// The result.
    Done(Value),
    /// The failure.
    Failed(Failure),
}

impl Conversation {
    /// Takes in one line. Gives the event that is to be shown, if any.
    pub(crate) fn hear(&mut self, line: &str) -> Result<Option<Event>, CliError> {
        if self.end.is_some() || line.trim().is_empty() {
            return Ok(None);
        }
        match read(line)? {
            Event::Hello {
                protocol, version, ..
            } => {
                greet(protocol, &version)?;
                self.greeted = true;
                Ok(None)
            }
            _ if !self.greeted => {
                let error = "schliff-trainer did not say its version first";
                Err(CliError::bug(error).hint(REBUILD))
            }
            Event::Done { result } => {
                self.end = Some(End::Done(result));
                Ok(None)
            }
            Event::Failed(failure) => {
                self.end = Some(End::Failed(failure));
                Ok(None)
            }
            event => Ok(Some(event)),
        }
    }

    /// The last word, if it was said.
    pub(crate) fn end(self) -> Option<End> {
        self.end
    }
}

fn greet(protocol: u32, version: &str) -> Result<(), CliError> {
    if protocol == PROTOCOL && version == VERSION {
        return Ok(());
    }
    Err(CliError::bug("schliff and schliff-trainer do not fit together")
        .caused_by(format!(
            "schliff is {VERSION} (protocol {PROTOCOL}), schliff-trainer is {version} (protocol {protocol})"
        ))
        .hint(REBUILD))
}

/// Reads one line as an event, telling an event of another version from what is no event at all.
fn read(line: &str) -> Result<Event, CliError> {
    let cause = match serde_json::from_str(line) {
        Ok(event) => return Ok(event),
        Err(cause) => cause,
    };
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    Err(match value.get("event").and_then(Value::as_str) {
        Some(kind) => CliError::bug(format!("schliff cannot read the trainer's event `{kind}`"))
            .caused_by(cause)
            .hint(REBUILD),
        None => CliError::bug("schliff-trainer wrote a line that is no event").caused_by(format!(
            "`{}`",
            line.chars().take(QUOTED_CHARS).collect::<String>()
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> String {
        format!(r#"{{"event":"hello","protocol":{PROTOCOL},"version":"{VERSION}","backend":"b"}}"#)
    }

    fn after_hello(line: &str) -> Result<Option<Event>, CliError> {
        let mut conversation = Conversation::default();
        conversation.hear(&hello()).expect("a fitting hello");
        conversation.hear(line)
    }

    #[test]
    fn events_are_shown_and_the_result_is_kept() {
        let mut conversation = Conversation::default();
        assert_eq!(conversation.hear(&hello()).expect("hello"), None);
        let shown = conversation
            .hear(r#"{"event":"stage","name":"loading"}"#)
            .expect("stage");
        assert_eq!(
            shown,
            Some(Event::Stage {
                name: "loading".into()
            })
        );
        conversation
            .hear(r#"{"event":"done","result":{"nll":2.0}}"#)
            .expect("done");
        conversation
            .hear("words after the end do no harm")
            .expect("ignored");
        assert!(matches!(conversation.end(), Some(End::Done(_))));
    }

    #[test]
    fn another_version_is_refused_with_both_named() {
        let line = r#"{"event":"hello","protocol":9,"version":"8.8.8","backend":"b"}"#;
        let error = Conversation::default()
            .hear(line)
            .expect_err("must not fit");
        let text = error.render();
        assert!(
            text.contains("8.8.8 (protocol 9)") && text.contains("make build"),
            "{text}"
        );
    }

    #[test]
    fn an_event_before_hello_is_refused() {
        let error = Conversation::default().hear(r#"{"event":"stage","name":"x"}"#);
        assert!(
            error
                .expect_err("no hello")
                .render()
                .contains("version first")
        );
    }

    #[test]
    fn unknown_events_and_garbage_are_told_apart() {
        let unknown = after_hello(r#"{"event":"teleport"}"#)
            .expect_err("unknown")
            .render();
        assert!(
            unknown.contains("event `teleport`") && unknown.contains("make build"),
            "{unknown}"
        );
        let garbage = after_hello("Segfault? never heard of")
            .expect_err("garbage")
            .render();
        assert!(
            garbage.contains("no event") && garbage.contains("never heard of"),
            "{garbage}"
        );
    }
}
