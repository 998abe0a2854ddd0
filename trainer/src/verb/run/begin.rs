//! The state that a run begins with: new, or that of a checkpoint, and the same on every rank.
//!
//! Rank 0 alone looks at the store. What it finds travels to the others through the group, so
//! that they need no way to the store and can have no other opinion.

use schliff_spec::event::CheckpointNews;
use schliff_spec::event::Event;
use schliff_spec::exit::ExitCode;
use serde::{Deserialize, Serialize};

use super::leader::Leader;
use super::{Totals, lost};
use crate::failure::Failure;
use crate::process::report::Reporter;
use crate::training::group::Group;
use crate::training::loss_scale::LossScale;
use crate::training::optimizer::Moments;
use crate::training::snapshot::{from_bytes, to_bytes};
use crate::training::step::State;
use crate::verb::job::OpenJob;

/// What a run begins with.
pub(super) struct Begun {
    pub(super) state: State,
    pub(super) totals: Totals,
    pub(super) resumed_from: Option<usize>,
}

/// A checkpoint's place in the run: the part of it that is no array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Optimizer steps done; with the plan, the place in the data.
    pub(super) step: usize,
    /// Optimizer steps in all.
    pub(super) steps: usize,
    /// Updates that the moments have seen.
    pub(super) updates: u64,
    /// Seed of sample order and dropout; both are functions of it, the step and the sample.
    pub(super) seed: u64,
    /// Trained parameters.
    pub(super) parameters: usize,
    /// The loss scale, in half precision. Checkpoints from before there was one have no such key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) loss_scale: Option<LossScale>,
    pub(super) totals: Totals,
}

/// A state that was read from a checkpoint.
pub(super) struct Found {
    pub(super) cursor: Cursor,
    pub(super) masters: Vec<f32>,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    /// Newer checkpoints that were passed over, with reasons.
    pub(super) skipped: Vec<String>,
}

/// Agrees on the state to begin with.
pub(super) fn begin(
    group: &mut Group,
    leader: Option<&mut Leader>,
    open: &OpenJob<'_>,
    reporter: &Reporter,
) -> Result<Begun, Failure> {
    let (mut found, mut cursor) = (None, Vec::new());
    if let Some(leader) = leader {
        reporter.stage("looking for checkpoints");
        found = leader.saver.find(open, &leader.start)?;
        let step = found.as_ref().map_or(0, |found| found.cursor.step);
        leader.output.begin_after(step).map_err(Failure::job)?;
        if let Some(found) = &found {
            cursor = serde_json::to_vec(&found.cursor).map_err(Failure::job)?;
            reporter.event(&Event::Checkpoint(CheckpointNews::Resumed {
                step,
                skipped: found.skipped.clone(),
            }));
        }
    }
    let cursor = group.leaders(cursor).map_err(lost)?;
    if cursor.is_empty() {
        return Ok(Begun {
            state: open.initial_state()?,
            totals: Totals::default(),
            resumed_from: None,
        });
    }
    let cursor: Cursor = serde_json::from_slice(&cursor).map_err(Failure::job)?;
    let own = found.map_or_else(Vec::new, |found| {
        to_bytes(&[&found.masters, &found.first, &found.second])
    });
    let arrays = group.leaders(own).map_err(lost)?;
    let Some([masters, first, second]) = from_bytes(&arrays, open.layout.len) else {
        let told = "the checkpoint is not of this job: it trains other parameters";
        return Err(Failure::words(ExitCode::Usage, told));
    };
    reporter.pulse().step(cursor.step);
    Ok(Begun {
        state: State {
            masters,
            moments: Moments {
                first,
                second,
                updates: cursor.updates,
            },
            step: cursor.step,
            loss_scale: cursor.loss_scale.or(open.first_loss_scale()),
        },
        totals: cursor.totals,
        resumed_from: Some(cursor.step),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(loss_scale: Option<LossScale>) -> Cursor {
        Cursor {
            step: 7,
            steps: 9,
            updates: 6,
            seed: 1,
            parameters: 2,
            loss_scale,
            totals: Totals::default(),
        }
    }

    #[test]
    fn a_loss_scale_comes_back_to_the_bit() {
        let mut scale = LossScale::default();
        for is_finite in [true, false, true, true] {
            scale = scale.after(is_finite);
            let saved = serde_json::to_vec(&cursor(Some(scale))).expect("JSON");
            let read: Cursor = serde_json::from_slice(&saved).expect("a cursor");
            assert_eq!(read, cursor(Some(scale)));
        }
    }

    #[test]
    fn checkpoints_from_before_there_was_a_loss_scale_are_read() {
        let old = r#"{"step":7,"steps":9,"updates":6,"seed":1,"parameters":2,
            "totals":{"tokens":0,"last_loss":null,"baseline":null}}"#;
        let read: Cursor = serde_json::from_str(old).expect("a cursor");
        assert_eq!(read, cursor(None));
        // And a job without one writes what it always wrote.
        let written = serde_json::to_string(&cursor(None)).expect("JSON");
        assert!(!written.contains("loss_scale"), "{written}");
    }
}
