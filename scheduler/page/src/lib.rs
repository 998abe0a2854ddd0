//! The status page: templates, live updates, and what they are served with.
//!
//! Rules: the page shows wire types and nothing else ([`source`]); it works without JavaScript; no
//! script and no style is inline, and the headers of every answer say so ([`route`]).

mod asset;
mod chart;
mod gather;
mod live;
mod query;
pub mod route;
mod show;
pub mod source;
mod timeline;
mod view;

pub use route::{assets, login, router};
pub use source::{Caller, Change, Refusal, Source};
