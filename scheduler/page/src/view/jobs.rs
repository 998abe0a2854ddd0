//! The list of jobs.

use askama::Template;
use schliff_wire::v1::{ListReply, Phase, PhaseCount, ServerReply};

use crate::query::{FILTERS, Filter, ListQuery};
use crate::show::number;
use crate::show::phase::Icon;
use crate::source::Refusal;
use crate::view::frame::Frame;
use crate::view::row::Row;
use crate::view::{Part, text};

/// The page.
#[derive(Template)]
#[template(path = "jobs.html")]
pub(crate) struct JobsPage {
    pub(crate) frame: Frame,
    pub(crate) query: ListQuery,
    /// Names, for a choice.
    pub(crate) clusters: Vec<String>,
    pub(crate) chips: Chips,
    pub(crate) list: List,
    pub(crate) notice: Notice,
}

/// What is wrong with the coordinator itself.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice {
    pub(crate) violations: Vec<String>,
    /// Where the one is that leads, if this does not.
    pub(crate) leader: Option<String>,
}

impl Notice {
    pub(crate) fn of(server: &ServerReply) -> Self {
        Self {
            violations: server.violations.clone(),
            leader: (!server.leader).then(|| server.leader_url.clone()),
        }
    }
}

/// Filters by phase, with how many jobs each shows.
#[derive(Template)]
#[template(path = "jobs_chips.html")]
pub(crate) struct Chips {
    chips: Vec<Chip>,
    /// There is no job at all.
    is_empty: bool,
}

struct Chip {
    key: &'static str,
    word: &'static str,
    count: u64,
    address: String,
    is_current: bool,
}

impl Chip {
    fn count_text(&self) -> String {
        number::count(self.count)
    }

    fn icon(&self) -> Option<Icon> {
        match self.key {
            "" => None,
            "ended" => Some(Icon("succeeded")),
            key => Some(Icon(key)),
        }
    }
}

impl Chips {
    fn of(query: &ListQuery, reply: &ListReply) -> Self {
        let chip = |filter: &'static Filter| Chip {
            key: filter.key,
            word: filter.word,
            count: match filter.key {
                "failed" => reply.failed,
                _ => counted(&reply.counts, filter.phases),
            },
            address: query.with_show(filter.key),
            is_current: query.filter().key == filter.key,
        };
        Self {
            is_empty: counted(&reply.counts, &[]) == 0,
            chips: FILTERS.iter().map(chip).collect(),
        }
    }
}

/// Jobs in any of the phases, or in all where there is none.
fn counted(counts: &[PhaseCount], phases: &[Phase]) -> u64 {
    let is_meant = |count: &&PhaseCount| phases.is_empty() || phases.contains(&count.phase());
    counts.iter().filter(is_meant).map(|count| count.jobs).sum()
}

/// The table and the way to its next page.
#[derive(Template)]
#[template(path = "jobs_list.html")]
pub(crate) struct List {
    rows: Vec<Row>,
    /// Jobs there are whatever was asked for.
    total: u64,
    is_narrow: bool,
    newest: Option<String>,
    older: Option<String>,
}

/// Both parts that change; `trials` are those of the sweep that is open.
pub(crate) fn parts(
    query: &ListQuery,
    reply: &ListReply,
    trials: &ListReply,
    now_ms: i64,
) -> (Chips, List) {
    let mut rows = Vec::with_capacity(reply.jobs.len() + trials.jobs.len());
    for job in &reply.jobs {
        rows.push(Row::of(job, query, now_ms));
        if job.sweep && query.open() == job.id {
            // The oldest first: that is how a sweep counts them.
            rows.extend(
                trials
                    .jobs
                    .iter()
                    .rev()
                    .map(|job| Row::of(job, query, now_ms)),
            );
        }
    }
    let list = List {
        rows,
        total: counted(&reply.counts, &[]),
        is_narrow: query.is_narrow(),
        newest: query.is_later_page().then(|| query.with_before(0)),
        older: (reply.next_before > 0).then(|| query.with_before(reply.next_before)),
    };
    (Chips::of(query, reply), list)
}

/// The same as texts.
pub(crate) fn rendered(chips: &Chips, list: &List, notice: &Notice) -> Result<Vec<Part>, Refusal> {
    Ok(vec![
        ("notice", text(notice)?),
        ("chips", text(chips)?),
        ("list", text(list)?),
    ])
}
