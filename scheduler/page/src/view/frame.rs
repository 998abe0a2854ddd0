//! What is around every page.

use crate::asset;
use crate::source::Caller;

/// The frame of a page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Of the window.
    pub(crate) title: String,
    /// The part of the site that the page is in.
    pub(crate) nav: &'static str,
    /// Address of the stream that keeps the page up to date; empty where nothing changes.
    pub(crate) events: String,
    /// The page has charts.
    pub(crate) charts: bool,
    /// Who looks.
    pub(crate) caller: String,
    /// Where scripts and styles are.
    pub(crate) assets: &'static str,
}

impl Frame {
    /// One without anything that moves.
    pub(crate) fn new(title: impl Into<String>, nav: &'static str, caller: &Caller) -> Self {
        Self {
            title: title.into(),
            nav,
            events: String::new(),
            charts: false,
            caller: caller.name.clone(),
            assets: asset::prefix(),
        }
    }

    /// The same, kept up to date.
    pub(crate) fn watching(mut self, events: String) -> Self {
        self.events = events;
        self
    }

    /// The same, with charts.
    pub(crate) fn with_charts(mut self) -> Self {
        self.charts = true;
        self
    }
}
