//! How a batch system answered a submit.

use schliff_spec::id::SubmitKey;

use super::{Draft, end};
use crate::allocation::SubmitAnswer;
use crate::ending::Ending;
use crate::fact::What;

/// Answers about another attempt than the live one change nothing: a listing shows what is left.
pub(super) fn decide(draft: &mut Draft<'_>, key: SubmitKey, answer: SubmitAnswer) {
    let Some(job) = draft.state.jobs.get(&key.job) else {
        return;
    };
    let Some(attempt) = job.live().filter(|live| live.generation == key.generation) else {
        return;
    };
    match answer {
        SubmitAnswer::Accepted { id } if attempt.allocation.is_none() => {
            draft.push(What::Accepted {
                job: key.job,
                generation: key.generation,
                allocation: id,
            });
        }
        SubmitAnswer::Refused { why } if attempt.allocation.is_none() => {
            end::attempt(draft, job, attempt, Ending::Refused { why });
        }
        SubmitAnswer::TryLater { .. } if attempt.allocation.is_none() && job.stop.is_some() => {
            end::attempt(draft, job, attempt, Ending::Withdrawn);
        }
        // It is tried again: until then people see why.
        SubmitAnswer::TryLater { why } if attempt.allocation.is_none() => {
            draft.push(What::Waiting {
                job: key.job,
                generation: key.generation,
                why,
                start_estimate: None,
            });
        }
        SubmitAnswer::Accepted { .. }
        | SubmitAnswer::Refused { .. }
        | SubmitAnswer::TryLater { .. }
        | SubmitAnswer::Unknown { .. } => {}
    }
}
