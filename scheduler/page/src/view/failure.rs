//! The page of what is not there or may not be done.

use askama::Template;

use crate::source::{Caller, Refusal};
use crate::view::frame::Frame;

/// The page.
#[derive(Template)]
#[template(path = "failure.html")]
pub(crate) struct FailurePage {
    frame: Frame,
    status: u16,
    refusal: Refusal,
}

impl FailurePage {
    pub(crate) fn of(refusal: Refusal) -> Self {
        let title = refusal.status.canonical_reason().unwrap_or("Refused");
        Self {
            // Whoever is refused may be nobody that is known.
            frame: Frame::new(title, "", &Caller::default()),
            status: refusal.status.as_u16(),
            refusal,
        }
    }
}
