//! What a relay ships, whoever runs it: `schliff relay`, or a coordinator over its line to a cluster.
//!
//! Absent on purpose: reports, which [`schliff_agent::relay`] ships.

mod bring;
mod checkpoints;
mod line;
mod stages;

pub(crate) use bring::{Brought, Sought, bring};
pub(crate) use checkpoints::{Checkpoints, Round};
pub(crate) use line::{FarFolders, Line};
pub(crate) use stages::{Folders, Stages};
