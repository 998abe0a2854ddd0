//! The status page: templates, live updates, and what they are served with.
//!
//! Rules: the page shows wire types and nothing else ([`source`]); it works without JavaScript; no
//! script and no style is inline, and the headers of every answer say so ([`route`]).

pub mod route;
pub mod source;

pub use route::router;
pub use source::{Caller, Change, Refusal, Source};
