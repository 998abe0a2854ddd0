//! The wire's views as JSON. Phases are words, because their numbers are gRPC's own affair.

use schliff_wire::v1::Phase;
use serde::Serialize;
use serde_json::Value;

use super::phase_word;
use crate::outcome::CliError;

/// A view, or a list of them.
pub(crate) fn of(view: &impl Serialize) -> Result<Value, CliError> {
    let value = serde_json::to_value(view);
    let mut value =
        value.map_err(|error| CliError::bug("cannot write a view as JSON").caused_by(error))?;
    name_phases(&mut value);
    Ok(value)
}

fn name_phases(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(name_phases),
        Value::Object(fields) => {
            for (name, field) in fields {
                let number = field.as_i64().and_then(|number| i32::try_from(number).ok());
                match number.filter(|_| name == "phase") {
                    Some(number) => {
                        let phase = Phase::try_from(number).unwrap_or(Phase::Unspecified);
                        *field = phase_word(phase).into();
                    }
                    None => name_phases(field),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_wire::v1::{JobView, ListReply, PhaseCount};

    #[test]
    fn phases_are_words() {
        let reply = ListReply {
            jobs: vec![JobView {
                id: 7,
                phase: Phase::Running.into(),
                ..JobView::default()
            }],
            counts: vec![PhaseCount { phase: 99, jobs: 1 }],
            ..ListReply::default()
        };
        let value = of(&reply).expect("JSON");
        assert_eq!(value["jobs"][0]["phase"], "running");
        assert_eq!(value["jobs"][0]["id"], 7);
        assert_eq!(value["counts"][0]["phase"], "unknown");
    }
}
