//! What a rank has said so far, and whether it keeps to the protocol. Pure.

use schliff_spec::event::{Event, Failure};
use schliff_spec::request::PROTOCOL;
use serde_json::Value;
use thiserror::Error;

/// This program's version; the trainer must have the same.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const REBUILD: &str = "build both programs from the same source: make build";
/// A line is quoted in an error up to so many characters.
const QUOTED_CHARS: usize = 200;

/// The trainer broke the protocol: a defect, or programs of different versions.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{error}")]
pub struct Breach {
    /// What it did.
    pub error: String,
    /// More about it.
    pub cause: Option<String>,
    /// What the user can do.
    pub hint: Option<&'static str>,
}

impl Breach {
    fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            cause: None,
            hint: None,
        }
    }

    fn caused_by(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    fn rebuild(mut self) -> Self {
        self.hint = Some(REBUILD);
        self
    }
}

/// The trainer's lines, in order.
#[derive(Debug, Default)]
pub struct Conversation {
    greeted: bool,
    end: Option<End>,
}

/// The last word.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The result.
    Done(Value),
    /// The failure.
    Failed(Failure),
}

impl Conversation {
    /// Takes in one line. Gives the event in it, unless it is the greeting or the last word.
    ///
    /// # Errors
    /// The line does not keep to the protocol.
    pub fn hear(&mut self, line: &str) -> Result<Option<Event>, Breach> {
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
                Err(Breach::new(error).rebuild())
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

    /// The rank has said who it is; its signal handlers are in place.
    pub fn greeted(&self) -> bool {
        self.greeted
    }

    /// The last word, if it was said.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
}

fn greet(protocol: u32, version: &str) -> Result<(), Breach> {
    if protocol == PROTOCOL && version == VERSION {
        return Ok(());
    }
    Err(Breach::new("schliff and schliff-trainer do not fit together")
        .caused_by(format!(
            "schliff is {VERSION} (protocol {PROTOCOL}), schliff-trainer is {version} (protocol {protocol})"
        ))
        .rebuild())
}

/// Reads one line as an event, telling an event of another version from what is no event at all.
fn read(line: &str) -> Result<Event, Breach> {
    let cause = match serde_json::from_str(line) {
        Ok(event) => return Ok(event),
        Err(cause) => cause,
    };
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    Err(match value.get("event").and_then(Value::as_str) {
        Some(kind) => Breach::new(format!("schliff cannot read the trainer's event `{kind}`"))
            .caused_by(cause)
            .rebuild(),
        None => Breach::new("schliff-trainer wrote a line that is no event").caused_by(format!(
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

    fn after_hello(line: &str) -> Result<Option<Event>, Breach> {
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
        let cause = error.cause.expect("a cause");
        assert!(cause.contains("8.8.8 (protocol 9)"), "{cause}");
        assert_eq!(error.hint, Some(REBUILD));
    }

    #[test]
    fn an_event_before_hello_is_refused() {
        let error = Conversation::default().hear(r#"{"event":"stage","name":"x"}"#);
        let error = error.expect_err("no hello").error;
        assert!(error.contains("version first"), "{error}");
    }

    #[test]
    fn unknown_events_and_garbage_are_told_apart() {
        let unknown = after_hello(r#"{"event":"teleport"}"#).expect_err("unknown");
        assert!(unknown.error.contains("event `teleport`"), "{unknown}");
        let garbage = after_hello("Segfault? never heard of").expect_err("garbage");
        assert!(garbage.error.contains("no event"), "{garbage}");
        assert!(garbage.cause.expect("a cause").contains("never heard of"));
    }
}
