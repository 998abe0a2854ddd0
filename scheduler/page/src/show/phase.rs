//! What a job's phase looks like: a word, an icon and a colour, never a colour alone.

use std::fmt;

use askama::filters::HtmlSafe;
use schliff_wire::v1::{JobView, Phase};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Of the icon in `templates/icons.html` and of the class in `assets/page.css`.
    pub(crate) key: &'static str,
    /// For people.
    pub(crate) word: &'static str,
}

impl Look {
    /// That of a job. What is not known is shown as that.
    pub(crate) fn of(job: &JobView) -> Self {
        if job.stopping && job.phase() != Phase::Done {
            return Self {
                key: "stopping",
                word: "Stopping",
            };
        }
        match job.phase() {
            Phase::Done => Self::of_outcome(&job.outcome),
            Phase::Queued => Self {
                key: "queued",
                word: "Queued",
            },
            Phase::Allocating => Self {
                key: "allocating",
                word: "Allocating",
            },
            Phase::Starting => Self {
                key: "starting",
                word: "Starting",
            },
            Phase::Running => Self {
                key: "running",
                word: "Running",
            },
            Phase::Recovering => Self {
                key: "recovering",
                word: "Recovering",
            },
            Phase::Unspecified => Self {
                key: "unknown",
                word: "Unknown",
            },
        }
    }

    fn of_outcome(outcome: &str) -> Self {
        match outcome {
            "succeeded" => Self {
                key: "succeeded",
                word: "Succeeded",
            },
            "failed" => Self {
                key: "failed",
                word: "Failed",
            },
            "cancelled" => Self {
                key: "cancelled",
                word: "Cancelled",
            },
            "pruned" => Self {
                key: "pruned",
                word: "Pruned",
            },
            _ => Self {
                key: "unknown",
                word: "Ended",
            },
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, word } = self;
        write!(
            f,
            "<span class=\"phase is-{key}\">{}{word}</span>",
            Icon(key)
        )
    }
}

impl HtmlSafe for Look {}

/// An icon of `templates/icons.html`, which says nothing to who cannot see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Icon(
    /// Its name.
    pub(crate) &'static str,
);

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0;
        write!(
            f,
            "<svg class=\"icon\" aria-hidden=\"true\"><use href=\"#i-{name}\"/></svg>"
        )
    }
}

impl HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_has_its_icon_and_its_colour() {
        let icons = include_str!("../../templates/icons.html");
        let style = include_str!("../../assets/page.css");
        let mut job = JobView::default();
        let mut looks = Vec::new();
        for phase in 0..=6 {
            job.phase = phase;
            for outcome in ["", "succeeded", "failed", "cancelled", "pruned"] {
                job.outcome = outcome.into();
                for stopping in [false, true] {
                    job.stopping = stopping;
                    looks.push(Look::of(&job));
                }
            }
        }
        for look in looks {
            assert!(
                icons.contains(&format!("id=\"i-{}\"", look.key)),
                "{look:?}"
            );
            assert!(style.contains(&format!(".is-{}", look.key)), "{look:?}");
        }
    }
}
