//! What an attempt is to go on from, brought to a cluster whose nodes cannot fetch it.
//!
//! Rules: BR-1 where a step is known to be committed, shared storage must have it or a newer one, else
//! the attempt must wait. BR-2 where none is known, the store is asked; one that cannot be reached holds
//! up an attempt only on a cluster that has never seen anything of that store. Absent on purpose: when
//! to try again.

use std::sync::Arc;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_registry::Store;
use schliff_registry::checkpoint::fetch::{self, Landing};
use schliff_registry::checkpoint::ship::Pace;
use schliff_registry::checkpoint::staging::{self, NOTE};

use super::Stages;

/// What is to be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sought {
    /// The store that it would be read from where nodes reached it.
    pub(crate) uri: String,
    /// The newest step that is known to be committed.
    pub(crate) committed: Option<u64>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Brought {
    /// The newest step on shared storage.
    pub(crate) step: Option<u64>,
    /// So many bytes were sent for that.
    pub(crate) bytes: u64,
    /// Checkpoints of the store that were passed over, and why.
    pub(crate) passed: Vec<String>,
    /// Why the store could not be asked, where what is there will do.
    pub(crate) unasked: Option<String>,
}

/// Brings what is sought, where it is not there. `progress` hears of bytes that were sent, and of all
/// that are to be. Gives in words why an attempt must wait. For threads that may wait.
pub(crate) fn bring(
    stages: &mut impl Stages,
    sought: &Sought,
    bandwidth: &Bandwidth,
    progress: &dyn Fn(u64, u64),
) -> Result<Brought, String> {
    let mut landing = stages.stage(&staging::name(&sought.uri));
    let before = newest(&mut *landing)?;
    if sought.committed.is_some() && before >= sought.committed {
        return Ok(Brought {
            step: before,
            ..Brought::default()
        });
    }
    let paid = bandwidth.clone();
    let pace: Pace = Arc::new(move |bytes| paid.spend(bytes));
    let fetched = Store::open(&sought.uri)
        .map_err(|error| error.in_words())
        .and_then(|store| {
            let fetched = fetch::fetch(&store, &mut *landing, &pace, progress);
            fetched.map_err(|error| error.in_words())
        });
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(why) if may_go_on_without(sought, before, &mut *landing)? => {
            return Ok(Brought {
                step: before,
                unasked: Some(why),
                ..Brought::default()
            });
        }
        Err(why) => return Err(why),
    };
    let now = before.max(fetched.steps.iter().copied().max());
    match sought.committed {
        Some(step) if now < Some(step) => Err(missing(sought, step, now, &fetched.passed)),
        _ => Ok(Brought {
            step: now,
            bytes: fetched.bytes,
            passed: fetched.passed,
            unasked: None,
        }),
    }
}

fn newest(landing: &mut dyn Landing) -> Result<Option<u64>, String> {
    let staged = fetch::staged(landing).map_err(|error| error.to_string())?;
    Ok(staged.into_values().max())
}

/// BR-2
fn may_go_on_without(
    sought: &Sought,
    before: Option<u64>,
    landing: &mut dyn Landing,
) -> Result<bool, String> {
    if sought.committed.is_some() {
        return Ok(false);
    }
    let noted = landing.read(NOTE).map_err(|error| error.to_string())?;
    Ok(before.is_some() || noted.is_some())
}

fn missing(sought: &Sought, step: u64, now: Option<u64>, passed: &[String]) -> String {
    let uri = &sought.uri;
    let newest = match now {
        Some(now) => format!("the newest that can be had is step {now}"),
        None => "there is none".to_owned(),
    };
    let mut text = format!("the checkpoint of step {step} is not in {uri} yet: {newest}");
    for why in passed {
        text.push_str("; ");
        text.push_str(why);
    }
    text
}

#[cfg(test)]
mod tests;
