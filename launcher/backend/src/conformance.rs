//! What every back-end must do, as scripts over one cluster and whatever happens on it.
//!
//! Rules: a script says what must be so, never how long it takes: it waits for states, and
//! [`World::pause`] decides what waiting is, so that the suite runs in real and in virtual time and
//! on any executor. Each script has a job number of its own and forgets its allocations at its end.
//! The cluster must have room for two of [`World::launch`] at a time, and nothing else may use it.
//! Absent on purpose: what is particular to one back-end, such as which cores a process gets.

mod ends;
mod submits;
mod trial;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use schliff_spec::id::{JobId, SubmitKey};

use crate::backend::Backend;
use crate::error::{BackendError, chain};
use crate::launch::Launch;

use trial::Trial;

/// Why something could not be brought about in a [`World`].
pub type WorldError = Box<dyn Error + Send + Sync>;

/// A cluster as a test holds it: it opens back-ends on it, and makes things happen inside.
#[async_trait]
pub trait World: Send + Sync {
    /// A new back-end on the cluster, as a coordinator opens it that has just been started.
    async fn open(&self) -> Result<Arc<dyn Backend>, WorldError>;

    /// Something small, whose node 0 works until it is told to end, and ends with exit code 75 when
    /// it is asked to end gently.
    fn launch(&self, key: SubmitKey) -> Launch;

    /// Something that the cluster will never take; `None` where it takes anything.
    fn unfit(&self, key: SubmitKey) -> Option<Launch>;

    /// Has an accepted allocation granted, if it still waits; returns once what it started works.
    async fn start(&self, key: SubmitKey) -> Result<(), WorldError>;

    /// Has the working process of node 0 end by itself with this exit code.
    async fn end(&self, key: SubmitKey, code: i32) -> Result<(), WorldError>;

    /// Kills all that an allocation started.
    async fn kill(&self, key: SubmitKey) -> Result<(), WorldError>;

    /// How often an allocation of this key was started.
    async fn starts(&self, key: SubmitKey) -> Result<u32, WorldError>;

    /// Lets a little time pass; a state that is waited for has come after a few thousand of them.
    async fn pause(&self);

    /// The first of the job numbers that nobody has used on this cluster.
    fn first_job(&self) -> u64 {
        1
    }

    /// The back-end keeps records of its own: what is forgotten leaves the listing, and its key is
    /// refused for ever. `false` where the batch system's memory is the only one.
    fn keeps_records(&self) -> bool {
        true
    }
}

/// A rule that a back-end breaks.
#[derive(Debug, thiserror::Error)]
#[error("{script}: {}", chain(.fault))]
pub struct Broken {
    /// The script that found it.
    pub script: &'static str,
    /// What it found.
    pub fault: Fault,
}

/// What went wrong in a script.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A call failed that must not.
    #[error("a call failed")]
    Call(#[from] BackendError),
    /// The world did not do what it was told.
    #[error("cannot arrange the world")]
    World(#[from] WorldError),
    /// Something is not as it must be.
    #[error("{0}")]
    Wrong(String),
}

/// A script, with its name.
type Script = (
    &'static str,
    for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>,
);

macro_rules! scripts {
    ($($script:path),* $(,)?) => {
        &[$((stringify!($script), |trial| Box::pin($script(trial)))),*]
    };
}

const SCRIPTS: &[Script] = scripts![
    submits::what_was_submitted_is_listed,
    submits::a_key_submitted_again_starts_nothing,
    submits::a_key_submitted_twice_at_once_starts_once,
    submits::a_key_submitted_after_its_end_starts_nothing,
    submits::a_submit_that_nobody_waits_for_happens_once_or_not_at_all,
    submits::a_refused_submit_leaves_nothing,
    submits::a_forgotten_key_is_not_used_again,
    ends::exit_codes_are_told,
    ends::a_violent_end_is_told,
    ends::what_has_ended_stays_until_it_is_forgotten,
    ends::what_lives_is_not_forgotten,
    ends::a_gentle_stop_ends_with_more_to_do,
    ends::a_stop_at_once_ends_it,
    ends::a_stop_before_the_start_ends_it,
    ends::a_stop_of_what_has_ended_changes_nothing,
    ends::what_nobody_knows_is_neither_stopped_nor_forgotten,
    ends::allocations_leave_each_other_alone,
];

/// Runs every script.
///
/// # Errors
/// The first rule that is broken.
pub async fn all(world: &dyn World) -> Result<(), Broken> {
    for (job, (name, script)) in (world.first_job()..).zip(SCRIPTS) {
        let told = match Trial::begin(world, JobId(job)).await {
            Ok(trial) => script(&trial).await,
            Err(fault) => Err(fault),
        };
        told.map_err(|fault| Broken {
            script: name,
            fault,
        })?;
    }
    Ok(())
}
