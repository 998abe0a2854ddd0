//! The page of who is not logged in.

use askama::Template;

use crate::source::Caller;
use crate::view::frame::Frame;

/// The page.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    frame: Frame,
    /// What was wrong with the last attempt; empty before the first.
    remark: &'a str,
}

impl<'a> LoginPage<'a> {
    pub(crate) fn new(remark: &'a str) -> Self {
        Self {
            frame: Frame::new("Log in", "", &Caller::default()),
            remark,
        }
    }
}
