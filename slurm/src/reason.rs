//! Why a job waits, for people: Slurm's word, a sentence, and what can be done.
//!
//! Rules: the words of `squeue` (`ReqNodeNotAvail, UnavailableNodes:n[1-3]`) and of `scontrol` (lines
//! for blanks) give the same. A word that is not known is kept as it is. Some waits end by themselves;
//! the others say who must act. Absent on purpose: why a job ended, which is its state.

mod limit;
mod simple;

pub use limit::{Limit, Owner};
pub use simple::Simple;

/// Why a job waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Slurm has not said yet.
    NotTold,
    /// A reason of one word.
    Simple(Simple),
    /// A limit of an account, a user or a QOS.
    Limit(Limit),
    /// Nodes that it needs are down, drained, or reserved for others.
    NodesUnavailable {
        /// Which, as a host list; empty where it is not told.
        nodes: String,
        /// They are reserved for maintenance.
        is_maintenance: bool,
    },
    /// Another reason, in Slurm's words.
    Other(String),
}

/// Who must act before the job starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Nobody: it starts when its time has come.
    ByItself,
    /// Whoever submitted it.
    ByUser,
    /// The site's administrators.
    BySite,
}

impl Reason {
    /// Reads Slurm's words.
    pub fn read(text: &str) -> Self {
        let inside = text
            .trim()
            .strip_prefix('(')
            .and_then(|text| text.strip_suffix(')'));
        let plain = inside.filter(|word| *word != "null").unwrap_or(text.trim());
        let words = plain.replace('_', " ");
        let words = words.trim();
        if crate::parse::told(words).is_none() {
            return Self::NotTold;
        }
        let first = words.split([',', ' ']).next().unwrap_or_default();
        if let Some(simple) = Simple::read(words, first) {
            return Self::Simple(simple);
        }
        if let Some(nodes) = unavailable(words, first) {
            return nodes;
        }
        match Limit::read(first) {
            Some(limit) => Self::Limit(limit),
            None => Self::Other(plain.to_owned()),
        }
    }

    /// A sentence without its full stop, such as `waits for nodes to become free`; it follows the
    /// job's name.
    pub fn sentence(&self) -> String {
        match self {
            Self::NotTold => "waits; Slurm has not looked at it yet".to_owned(),
            Self::Simple(simple) => simple.sentence().to_owned(),
            Self::Limit(limit) => limit.sentence(),
            Self::NodesUnavailable {
                nodes,
                is_maintenance,
            } => {
                let of = if nodes.is_empty() {
                    "nodes that it needs".to_owned()
                } else {
                    format!("nodes {nodes}")
                };
                let are = if *is_maintenance {
                    "reserved for maintenance"
                } else {
                    "down, drained or reserved"
                };
                format!("waits because {of} are {are}")
            }
            Self::Other(words) => format!("waits; Slurm says {words}"),
        }
    }

    /// What can be done, where anything can.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NotTold | Self::Other(_) => None,
            Self::Simple(simple) => simple.remedy(),
            Self::Limit(limit) => Some(limit.remedy()),
            Self::NodesUnavailable {
                is_maintenance: true,
                ..
            } => Some("ask for less time, so that it ends before the maintenance, or wait"),
            Self::NodesUnavailable { .. } => {
                Some("do not ask for these nodes by name, or ask the site when they come back")
            }
        }
    }

    /// Who must act.
    pub fn ends(&self) -> Ends {
        match self {
            Self::NotTold | Self::Other(_) | Self::NodesUnavailable { .. } => Ends::ByItself,
            Self::Simple(simple) => simple.ends(),
            Self::Limit(limit) => limit.ends(),
        }
    }
}

/// `ReqNodeNotAvail, UnavailableNodes:n[1-3]`, `ReqNodeNotAvail, Reserved for maintenance`, or the
/// sentence that some releases write instead.
fn unavailable(words: &str, first: &str) -> Option<Reason> {
    let is_sentence = words.starts_with("Nodes required for job are");
    if first != "ReqNodeNotAvail" && !is_sentence {
        return None;
    }
    let list = words.split_once("UnavailableNodes:");
    // Names of nodes may hold the lines that were taken for blanks; spaces they hold none.
    let nodes = list.map_or("", |(_, nodes)| nodes.trim()).replace(' ', "_");
    Some(Reason::NodesUnavailable {
        nodes,
        is_maintenance: words.to_ascii_lowercase().contains("maintenance"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_not_there() {
        let squeue = Reason::read("ReqNodeNotAvail, UnavailableNodes:n[1-3]");
        assert_eq!(
            squeue,
            Reason::read("ReqNodeNotAvail,_UnavailableNodes:n[1-3]")
        );
        assert_eq!(
            squeue.sentence(),
            "waits because nodes n[1-3] are down, drained or reserved"
        );
        let maintenance = Reason::read("(ReqNodeNotAvail, Reserved for maintenance)");
        assert_eq!(
            maintenance.sentence(),
            "waits because nodes that it needs are reserved for maintenance"
        );
        assert!(maintenance.remedy().expect("one").contains("less time"));
        let told = "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions";
        assert_eq!(Reason::read(told), Reason::read("ReqNodeNotAvail"));
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let reason = Reason::read("MoonPhase_Full");
        assert_eq!(reason, Reason::Other("MoonPhase_Full".to_owned()));
        assert_eq!(reason.sentence(), "waits; Slurm says MoonPhase_Full");
        assert_eq!((reason.remedy(), reason.ends()), (None, Ends::ByItself));
        for nothing in ["", "None", "(null)", "(None)"] {
            assert_eq!(Reason::read(nothing), Reason::NotTold, "{nothing}");
        }
    }
}
