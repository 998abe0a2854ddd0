//! What Slurm is asked for, for a launch at a site. Pure.
//!
//! Rules: BA-1 a submission has a word of its own, its claim, and only the one that holds the claim
//! ever runs; jobs that start again, and successors, share it. BA-2 whatever others wrote reaches
//! bash as a quoted word, except for the lines of set-up, which are meant for it. BA-3 no secret is in
//! the script. BA-4 the script does not need a coordinator. Absent on purpose: submitting it.

mod ask;
mod body;
pub(crate) mod by_hand;
mod environment;
mod flow;
mod node;

use schliff_slurm::batch::{Batch, BatchError};
use schliff_slurm::quote::QuoteError;
use schliff_spec::cluster::{Chain, Slurm};

use crate::launch::Launch;
use body::Body;

pub use by_hand::{ByHand, Trials, by_hand};
pub use environment::environment;

/// Most links of a chain: nobody's job waits for more.
const MOST_LINKS: u64 = 1_000;

/// Where an attempt's files are, and what tells this submission of it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Its folder on shared storage; absolute.
    pub folder: &'a str,
    /// A random word, one for every submission.
    pub nonce: &'a str,
    /// The coordinator's own word, one for all of its jobs.
    pub instance: &'a str,
}

/// Why there can be no batch script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A text that no shell can take.
    #[error("cannot write {what} into a batch script")]
    Quote {
        /// What it is.
        what: String,
        /// Why.
        source: QuoteError,
    },
    /// A word that does not mean itself where it has to stand.
    #[error("cannot use `{text}` as {what}: {why}")]
    Word {
        /// What it is to be.
        what: &'static str,
        /// The word.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Slurm cannot be asked for it.
    #[error(transparent)]
    Ask(#[from] BatchError),
}

/// The jobs that an attempt consists of: one, or every link of a chain of successors, which are alike.
///
/// # Errors
/// A word of the profile or of the launch cannot be written where it has to stand.
pub fn batches(
    site: &Slurm,
    launch: &Launch,
    attempt: Attempt<'_>,
) -> Result<Vec<Batch>, ScriptError> {
    let links = links(site.chain, launch);
    let batch = batch(site, launch, attempt, links)?;
    let jobs = match site.chain {
        Chain::Successors => links,
        Chain::Requeue | Chain::None => 1,
    };
    Ok((0..jobs).map(|_| batch.clone()).collect())
}

fn batch(
    site: &Slurm,
    launch: &Launch,
    attempt: Attempt<'_>,
    links: u64,
) -> Result<Batch, ScriptError> {
    let body = Body {
        site,
        launch,
        attempt,
        links,
    };
    Ok(Batch {
        name: launch.key.to_string(),
        comment: comment(attempt.instance, &launch.name),
        ask: ask::ask(site, launch),
        output: format!("{}/log", pattern(attempt.folder)?),
        folder: attempt.folder.to_owned(),
        body: body.render()?,
    })
}

/// How often a job may start in all, or how many jobs follow each other.
fn links(chain: Chain, launch: &Launch) -> u64 {
    let parts = match (launch.work_ms, launch.time_limit_ms) {
        (Some(work_ms), Some(limit_ms)) => work_ms.div_ceil(limit_ms.max(1)).max(1),
        _ => 1,
    };
    match chain {
        Chain::None => 1,
        // One to spare: what is done between the last checkpoint and the end is done again.
        Chain::Requeue | Chain::Successors => parts.saturating_add(1).min(MOST_LINKS),
    }
}

/// What people see beside the job; only its first two words mean something.
pub(crate) fn comment(instance: &str, name: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    format!("schliff {instance} {name}")
        .chars()
        .map(plain)
        .collect()
}

/// A path in which Slurm replaces nothing.
fn pattern(path: &str) -> Result<String, ScriptError> {
    if path.contains('\\') {
        return Err(ScriptError::Word {
            what: "the folder of an attempt",
            text: path.to_owned(),
            why: "Slurm reads a backslash in the name of a log as more than itself",
        });
    }
    Ok(path.replace('%', "%%"))
}

#[cfg(test)]
mod tests;
