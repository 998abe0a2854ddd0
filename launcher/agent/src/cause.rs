//! Why a group was lost: the first cause, told in words.

use std::fmt;

use schliff_spec::event::Doing;
use serde::{Deserialize, Serialize};
use signal_hook::low_level::signal_name;

/// How a process ended, as the system tells it. Both absent: the system did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
}

impl fmt::Display for Ending {
    /// `was killed by SIGSEGV`, `exited with 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.code) {
            (Some(signal), _) => match signal_name(signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
            (None, Some(code)) => write!(f, "exited with {code}"),
            (None, None) => f.write_str("ended without a word"),
        }
    }
}

/// The first cause of a group's loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The rank that it began with.
    pub rank: usize,
    /// Optimizer steps that the group had done.
    pub step: usize,
    /// What happened to it.
    pub trouble: Trouble,
}

/// What happened to a rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It ended and did not say why.
    Crashed(Ending),
    /// It gave no sign of life: stopped, or its machine is.
    Silent {
        /// For how long.
        for_ms: u64,
    },
    /// It lives and does not get on.
    Hung {
        /// What with.
        doing: Doing,
        /// For how long.
        for_ms: u64,
    },
    /// All ranks wait for each other.
    Stuck {
        /// For how long.
        for_ms: u64,
    },
    /// It lost its peers, and none of them showed why.
    LostPeers {
        /// Its words.
        told: String,
    },
    /// Its node is gone.
    NodeLost {
        /// The node.
        node: usize,
    },
    /// It said its last word and does not end.
    Lingering,
}

impl Trouble {
    /// Whether another rank's trouble, learned of later, can be what caused this.
    pub fn may_be_a_consequence(&self) -> bool {
        matches!(self, Self::LostPeers { .. } | Self::Stuck { .. })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rank,
            step,
            trouble,
        } = self;
        let seconds = |ms: &u64| ms.div_ceil(1_000);
        match trouble {
            Trouble::Crashed(ending) => write!(f, "rank {rank} {ending} at step {step}"),
            Trouble::Silent { for_ms } => write!(
                f,
                "rank {rank} gave no sign of life for {} s at step {step}",
                seconds(for_ms)
            ),
            Trouble::Hung { doing, for_ms } => write!(
                f,
                "rank {rank} hangs: {} for {} s after step {step}",
                words(*doing),
                seconds(for_ms)
            ),
            Trouble::Stuck { for_ms } => write!(
                f,
                "all ranks wait for each other for {} s after step {step}",
                seconds(for_ms)
            ),
            Trouble::LostPeers { told } => {
                write!(f, "rank {rank} lost its peers at step {step} ({told})")
            }
            Trouble::NodeLost { node } => write!(f, "node {node} was lost at step {step}"),
            Trouble::Lingering => write!(f, "rank {rank} does not end after its last word"),
        }
    }
}

fn words(doing: Doing) -> &'static str {
    match doing {
        Doing::Preparing => "preparing",
        Doing::Joining => "joining",
        Doing::Computing => "computing a step",
        Doing::Reducing => "waiting for its peers",
        Doing::Measuring => "measuring",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_names_rank_event_and_step() {
        let told = |trouble| {
            let (rank, step) = (2, 17);
            let cause = Cause {
                rank,
                step,
                trouble,
            };
            cause.to_string()
        };
        let ending = |code, signal| Trouble::Crashed(Ending { code, signal });
        assert_eq!(
            told(ending(None, Some(9))),
            "rank 2 was killed by SIGKILL at step 17"
        );
        assert_eq!(
            told(ending(Some(3), None)),
            "rank 2 exited with 3 at step 17"
        );
        assert_eq!(
            told(Trouble::Silent { for_ms: 4_200 }),
            "rank 2 gave no sign of life for 5 s at step 17"
        );
        assert_eq!(
            told(Trouble::Hung {
                doing: Doing::Computing,
                for_ms: 70_000
            }),
            "rank 2 hangs: computing a step for 70 s after step 17"
        );
    }
}
