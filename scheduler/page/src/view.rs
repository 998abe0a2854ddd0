//! What pages and their parts show, made from wire types and the time.
//!
//! Rules: everything here is pure; a part that is kept up to date is a template of its own, so that
//! the page and the stream that follows it are made by the same code.

pub(crate) mod act;
pub(crate) mod chain;
pub(crate) mod clusters;
pub(crate) mod cost;
pub(crate) mod failure;
pub(crate) mod frame;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod lines;
pub(crate) mod login;
pub(crate) mod ranks;
pub(crate) mod row;
pub(crate) mod trials;

use askama::Template;

use crate::source::Refusal;

/// A part of a page: the id of its element, and what is inside.
pub(crate) type Part = (&'static str, String);

/// A template's text.
pub(crate) fn text(template: &impl Template) -> Result<String, Refusal> {
    template.render().map_err(|error| Refusal::defect(&error))
}

/// `one` or `many`, by the number.
pub(crate) fn plural(number: u64, one: &'static str, many: &'static str) -> &'static str {
    if number == 1 { one } else { many }
}
