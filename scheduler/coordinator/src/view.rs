//! The state as it is told: wire types made of it. Pure.
//!
//! Rules: command line, page and gRPC tell the same, since all of them get these. Absent on purpose:
//! what only the journal knows; whoever asks adds that.

use std::collections::BTreeMap;

use schliff_scheduler::time::Timestamp;
use schliff_scheduler::{Explainer, State};
use schliff_spec::cluster::Cost;
use schliff_spec::id::ClusterName;

use crate::memory::Memory;

pub(crate) mod cluster;
mod cost;
pub(crate) mod entry;
pub(crate) mod job;
pub(crate) mod list;
mod reason;

pub(crate) use reason::{explanation, told};

/// What a view is made of.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) state: &'a State,
    pub(crate) memory: &'a Memory,
    /// What the clusters cost.
    pub(crate) costs: &'a BTreeMap<ClusterName, Cost>,
    pub(crate) now: Timestamp,
    pub(crate) explainer: &'a Explainer<'a>,
}
