//! What addresses ask for, and how addresses are written.
//!
//! Rules: a part of an address that makes no sense counts as absent, so that an old bookmark still
//! shows something.

use std::fmt::Write as _;

use schliff_wire::v1::{ListRequest, LogsRequest, Phase};
use serde::Deserialize;

/// Jobs on one page of the list.
const JOBS_A_PAGE: u32 = 50;
/// Lines of a log that are shown unless asked otherwise.
const LINES: u32 = 200;
/// Lines in one answer of the coordinator.
pub(crate) const MOST_LINES: u32 = 500;

/// Which jobs to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    /// Key of a [`Filter`].
    pub(crate) show: String,
    /// Part of a name.
    pub(crate) q: String,
    pub(crate) cluster: String,
    pub(crate) owner: String,
    before: String,
    open: String,
}

/// Jobs that a click shows.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) key: &'static str,
    pub(crate) word: &'static str,
    pub(crate) phases: &'static [Phase],
    pub(crate) outcome: &'static str,
}

const fn filter(key: &'static str, word: &'static str, phases: &'static [Phase]) -> Filter {
    Filter {
        key,
        word,
        phases,
        outcome: "",
    }
}

/// All of them; the first one is meant where none is named.
pub(crate) const FILTERS: &[Filter] = &[
    filter("", "All", &[]),
    filter("queued", "Queued", &[Phase::Queued]),
    filter(
        "starting",
        "Starting",
        &[Phase::Allocating, Phase::Starting],
    ),
    filter("running", "Running", &[Phase::Running]),
    filter("recovering", "Recovering", &[Phase::Recovering]),
    filter("ended", "Ended", &[Phase::Done]),
    Filter {
        key: "failed",
        word: "Failed",
        phases: &[Phase::Done],
        outcome: "failed",
    },
];

impl ListQuery {
    /// The filter that is meant.
    pub(crate) fn filter(&self) -> &'static Filter {
        let named = FILTERS.iter().find(|filter| filter.key == self.show);
        named.unwrap_or(&FILTERS[0])
    }

    /// Anything is asked for but all jobs.
    pub(crate) fn is_narrow(&self) -> bool {
        let asked = [&self.show, &self.q, &self.cluster, &self.owner];
        asked.iter().any(|part| !part.is_empty())
    }

    /// Not the newest page.
    pub(crate) fn is_later_page(&self) -> bool {
        self.before.parse().unwrap_or(0_u64) > 0
    }

    /// The sweep whose trials are shown, or 0.
    pub(crate) fn open(&self) -> u64 {
        self.open.parse().unwrap_or(0)
    }

    /// What to ask the coordinator.
    pub(crate) fn ask(&self) -> ListRequest {
        let filter = self.filter();
        ListRequest {
            phases: filter.phases.iter().map(|phase| *phase as i32).collect(),
            outcome: filter.outcome.into(),
            name_contains: self.q.trim().into(),
            cluster: self.cluster.clone(),
            owner: self.owner.clone(),
            parent: 0,
            before: self.before.parse().unwrap_or(0),
            limit: JOBS_A_PAGE,
            top: true,
        }
    }

    /// The address of the same list, on its first page, with another filter.
    pub(crate) fn with_show(&self, show: &str) -> String {
        let before = String::new();
        Self {
            show: show.into(),
            before,
            ..self.clone()
        }
        .address("/")
    }

    /// The address of the list of another owner's jobs.
    pub(crate) fn with_owner(&self, owner: &str) -> String {
        let before = String::new();
        Self {
            owner: owner.into(),
            before,
            ..self.clone()
        }
        .address("/")
    }

    /// The address of another page of the same list.
    pub(crate) fn with_before(&self, before: u64) -> String {
        Self {
            before: number(before),
            ..self.clone()
        }
        .address("/")
    }

    /// The address of the same list with the trials of a sweep, or of none.
    pub(crate) fn with_open(&self, open: u64) -> String {
        Self {
            open: number(open),
            ..self.clone()
        }
        .address("/")
    }

    /// The address of this list at `path`.
    pub(crate) fn address(&self, path: &str) -> String {
        let parts = [
            ("show", &self.show),
            ("q", &self.q),
            ("cluster", &self.cluster),
            ("owner", &self.owner),
            ("before", &self.before),
            ("open", &self.open),
        ];
        address(path, &parts.map(|(name, value)| (name, value.as_str())))
    }
}

/// Which lines to show.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LinesQuery {
    /// A rank; empty for all.
    pub(crate) rank: String,
    /// What lines contain.
    pub(crate) contains: String,
    /// So many of the last.
    pub(crate) tail: String,
    /// Nothing is wanted before this position: for the stream.
    line: String,
    /// Nor before this step.
    step: String,
}

impl LinesQuery {
    /// So many lines are wanted.
    pub(crate) fn most(&self) -> u32 {
        let asked = self.tail.parse().unwrap_or(LINES);
        asked.clamp(1, MOST_LINES)
    }

    /// Step and position that the page has already.
    pub(crate) fn seen(&self) -> (u64, u64) {
        let parse = |text: &str| text.parse().unwrap_or(0);
        (parse(&self.step), parse(&self.line))
    }

    /// What to ask the coordinator for, after a position: the last lines where there is none, else all
    /// that follow, as far as one answer holds them.
    pub(crate) fn ask(&self, job: u64, after: u64) -> LogsRequest {
        LogsRequest {
            job,
            follow: false,
            tail: if after == 0 { self.most() } else { 0 },
            rank: self.rank.trim().parse().ok(),
            generation: None,
            contains: self.contains.clone(),
            after,
        }
    }

    /// The address of these lines at `path`, beginning behind what the page has.
    pub(crate) fn address(&self, path: &str, step: u64, line: u64) -> String {
        let (step, line) = (number(step), number(line));
        let parts = [
            ("rank", self.rank.as_str()),
            ("contains", &self.contains),
            ("tail", &self.tail),
            ("step", &step),
            ("line", &line),
        ];
        address(path, &parts)
    }
}

/// Digits, or nothing for 0.
fn number(value: u64) -> String {
    match value {
        0 => String::new(),
        value => value.to_string(),
    }
}

/// An address with those of `parts` that have a value.
fn address(path: &str, parts: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut join = '?';
    for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
        address.push(join);
        address.push_str(name);
        address.push('=');
        encode(value, &mut address);
        join = '&';
    }
    address
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            // Writing into a string cannot fail.
            byte => drop(write!(into, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_whatever_was_typed() {
        let query = ListQuery {
            q: "a&b=c d/é".into(),
            owner: "ada".into(),
            before: "40".into(),
            ..ListQuery::default()
        };
        assert_eq!(
            query.address("/events"),
            "/events?q=a%26b%3Dc%20d%2F%C3%A9&owner=ada&before=40"
        );
        assert_eq!(
            query.with_show("failed"),
            "/?show=failed&q=a%26b%3Dc%20d%2F%C3%A9&owner=ada"
        );
    }

    #[test]
    fn nonsense_counts_as_absent() {
        let query = ListQuery {
            show: "?".into(),
            before: "x".into(),
            ..ListQuery::default()
        };
        assert_eq!((query.filter().key, query.ask().before), ("", 0));
        let lines = LinesQuery {
            tail: "1e9".into(),
            rank: "first".into(),
            ..LinesQuery::default()
        };
        assert_eq!((lines.most(), lines.ask(1, 0).rank), (LINES, None));
        let lines = LinesQuery {
            tail: "99999999".into(),
            ..LinesQuery::default()
        };
        assert_eq!(lines.most(), MOST_LINES);
    }
}
