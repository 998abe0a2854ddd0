//! How an agent ended, as the coordinator is told. Pure.

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::Ended;

use super::words;
use crate::outcome::Outcome;

/// A result that is longer is left in its file.
const MOST_RESULT_BYTES: usize = 1 << 20;
/// More causes, or lines, say nothing more.
const MOST_LINES: usize = 32;

/// The exit code and the words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWord {
    /// The agent's exit code.
    pub exit: ExitCode,
    /// What failed; empty where nothing did.
    pub error: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// What the user can do.
    pub hint: Option<String>,
}

impl LastWord {
    /// An end with nothing to say about it.
    pub fn of(exit: ExitCode) -> Self {
        Self {
            exit,
            error: String::new(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// With what supervision found out.
    pub(super) fn ended(self, culprit: &Culprit) -> Ended {
        Ended {
            exit_code: self.exit.code(),
            error: paragraph(&self.error),
            causes: bounded(&self.causes),
            hint: self.hint.as_deref().map(paragraph).unwrap_or_default(),
            rank: culprit.rank,
            last_lines: bounded(&culprit.last_lines),
            result_json: culprit.result_json.clone(),
        }
    }
}

/// What supervision found out about the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Culprit {
    rank: Option<u32>,
    last_lines: Vec<String>,
    result_json: String,
}

impl Culprit {
    /// What an outcome holds of it.
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done { result, .. } => {
                let text = result.to_string();
                let fits = text.len() <= MOST_RESULT_BYTES;
                Self {
                    result_json: if fits { text } else { String::new() },
                    ..Self::default()
                }
            }
            // A rank that stopped as asked is no culprit.
            Outcome::Failed {
                exit: ExitCode::MoreToDo | ExitCode::Interrupted,
                ..
            } => Self::default(),
            Outcome::Failed { rank, .. } => Self {
                rank: Some(*rank as u32),
                ..Self::default()
            },
            Outcome::Lost {
                cause, last_lines, ..
            } => Self {
                rank: Some(cause.rank as u32),
                last_lines: last_lines.clone(),
                ..Self::default()
            },
            Outcome::Stopped(_)
            | Outcome::Breach(_)
            | Outcome::Absent { .. }
            | Outcome::Superseded => Self::default(),
        }
    }
}

/// Text of several lines, each of them fit to be sent.
fn paragraph(text: &str) -> String {
    let lines = text.lines().take(MOST_LINES).map(words::clean);
    lines.collect::<Vec<_>>().join("\n")
}

fn bounded(texts: &[String]) -> Vec<String> {
    texts
        .iter()
        .take(MOST_LINES)
        .map(|it| paragraph(it))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Cause, Ending, Trouble};
    use serde_json::json;

    #[test]
    fn an_end_names_the_culprit_and_is_bounded() {
        let ending = Ending {
            code: None,
            signal: Some(9),
        };
        let outcome = Outcome::Lost {
            cause: Cause {
                rank: 2,
                step: 17,
                trouble: Trouble::Crashed(ending),
            },
            last_lines: vec!["last\u{1b} words".into()],
            budget: 3,
            committed: None,
        };
        let word = LastWord {
            error: "the group is lost\nfor good".into(),
            causes: vec!["again".into(); 1_000],
            hint: Some("look".into()),
            ..LastWord::of(ExitCode::GroupLost)
        };
        let ended = word.ended(&Culprit::of(&outcome));
        assert_eq!((ended.exit_code, ended.rank), (76, Some(2)));
        assert_eq!(ended.error, "the group is lost\nfor good");
        assert_eq!(ended.last_lines, ["last words"]);
        assert_eq!(ended.causes.len(), MOST_LINES);
    }

    #[test]
    fn a_result_goes_along_unless_it_is_huge() {
        let exit = ExitCode::Ok;
        let told = |result| {
            let culprit = Culprit::of(&Outcome::Done { result, exit });
            LastWord::of(exit).ended(&culprit).result_json
        };
        assert_eq!(told(json!({"steps": 3})), r#"{"steps":3}"#);
        assert_eq!(told(json!("x".repeat(MOST_RESULT_BYTES))), "");
    }
}
