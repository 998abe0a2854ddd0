//! How values are written: numbers with their units, times, phases.
//!
//! Rules: what implements [`askama::filters::HtmlSafe`] writes nothing that came from outside.

pub(crate) mod nodes;
pub(crate) mod number;
pub(crate) mod phase;
pub(crate) mod time;
