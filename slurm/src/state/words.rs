//! The words for a job's state, as `squeue`, `sacct`, `scontrol` and JSON have them.
//!
//! Rules: long words, short ones (`PD`) and lists of them (`["RUNNING", "CONFIGURING"]`) give the
//! same. Flags of releases to come are left out beside a known state; a state that is not known is
//! an error. A flag alone (`COMPLETING`) never means that the job has ended.

use super::{BaseState, JobState, StateFlag};
use crate::parse::ParseError;

const WHAT: &str = "a job's state";

/// The states with their short forms.
const BASES: &[(&str, &str, BaseState)] = &[
    ("PENDING", "PD", BaseState::Pending),
    ("RUNNING", "R", BaseState::Running),
    ("SUSPENDED", "S", BaseState::Suspended),
    ("COMPLETED", "CD", BaseState::Completed),
    ("CANCELLED", "CA", BaseState::Cancelled),
    ("FAILED", "F", BaseState::Failed),
    ("TIMEOUT", "TO", BaseState::Timeout),
    ("NODE_FAIL", "NF", BaseState::NodeFail),
    ("PREEMPTED", "PR", BaseState::Preempted),
    ("BOOT_FAIL", "BF", BaseState::BootFail),
    ("DEADLINE", "DL", BaseState::Deadline),
    ("OUT_OF_MEMORY", "OOM", BaseState::OutOfMemory),
];

/// The flags with their short forms, and the state of a job of which nothing else is told.
const FLAGS: &[(&str, &str, StateFlag, BaseState)] = &[
    (
        "COMPLETING",
        "CG",
        StateFlag::Completing,
        BaseState::Running,
    ),
    (
        "CONFIGURING",
        "CF",
        StateFlag::Configuring,
        BaseState::Running,
    ),
    ("REQUEUED", "RQ", StateFlag::Requeued, BaseState::Pending),
    (
        "REQUEUE_FED",
        "RF",
        StateFlag::RequeueFed,
        BaseState::Pending,
    ),
    (
        "REQUEUE_HOLD",
        "RH",
        StateFlag::RequeueHold,
        BaseState::Pending,
    ),
    (
        "SPECIAL_EXIT",
        "SE",
        StateFlag::SpecialExit,
        BaseState::Pending,
    ),
    ("RESIZING", "RS", StateFlag::Resizing, BaseState::Running),
    ("STOPPED", "ST", StateFlag::Stopped, BaseState::Running),
    ("STAGE_OUT", "SO", StateFlag::StageOut, BaseState::Running),
    (
        "LAUNCH_FAILED",
        "LF",
        StateFlag::LaunchFailed,
        BaseState::Pending,
    ),
    (
        "RECONFIG_FAIL",
        "RC",
        StateFlag::ReconfigFail,
        BaseState::Pending,
    ),
    (
        "RESV_DEL_HOLD",
        "RD",
        StateFlag::ResvDelHold,
        BaseState::Pending,
    ),
    ("SIGNALING", "SI", StateFlag::Signaling, BaseState::Running),
    ("UPDATE_DB", "UD", StateFlag::UpdateDb, BaseState::Running),
    (
        "POWER_UP_NODE",
        "PU",
        StateFlag::PowerUpNode,
        BaseState::Running,
    ),
    (
        "EXPEDITING",
        "EX",
        StateFlag::Expediting,
        BaseState::Pending,
    ),
    ("REVOKED", "RV", StateFlag::Revoked, BaseState::Revoked),
];

impl JobState {
    /// A state without flags.
    pub fn plain(base: BaseState) -> Self {
        Self {
            base,
            flags: Vec::new(),
            cancelled_by: None,
        }
    }

    /// Reads it from words such as `RUNNING`, `CG`, `CANCELLED by 1000` or `COMPLETED,UPDATE_DB`.
    ///
    /// # Errors
    /// None of the words is a state or a flag that is known.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (words, by) = match text.split_once(" by ") {
            Some((words, by)) => (words, Some(by)),
            None => (text, None),
        };
        let words = words.split([',', '+', ' ']).filter(|word| !word.is_empty());
        let mut state =
            Self::of_words(words).map_err(|error| ParseError::new(WHAT, text, error.why))?;
        state.cancelled_by = by.and_then(|by| by.trim().parse().ok());
        Ok(state)
    }

    /// Reads it from the words of a list.
    ///
    /// # Errors
    /// None of them is a state or a flag that is known.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, ParseError> {
        let (mut base, mut alone) = (None, None);
        let mut flags = Vec::new();
        let mut unknown = String::new();
        for word in words {
            let is = |long: &str, short: &str| {
                word.eq_ignore_ascii_case(long) || word.eq_ignore_ascii_case(short)
            };
            if let Some((_, _, state)) = BASES.iter().find(|row| is(row.0, row.1)) {
                base = base.or(Some(*state));
            } else if let Some((_, _, flag, state)) = FLAGS.iter().find(|row| is(row.0, row.1)) {
                flags.push(*flag);
                alone = alone.or(Some(*state));
            } else {
                unknown = format!("{unknown} {word}");
            }
        }
        flags.sort();
        flags.dedup();
        let none = || ParseError::new(WHAT, unknown.trim(), "none of the known states");
        let base = base.or(alone).ok_or_else(none)?;
        Ok(Self {
            base,
            flags,
            cancelled_by: None,
        })
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: StateFlag) -> bool {
        self.flags.contains(&flag)
    }
}

impl BaseState {
    /// Slurm's word for it, such as `NODE_FAIL`.
    pub fn word(self) -> &'static str {
        let row = BASES.iter().find(|row| row.2 == self);
        row.map_or("REVOKED", |row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_and_its_short_form_give_the_same() {
        for (long, short, base) in BASES {
            assert_eq!(JobState::parse(long), Ok(JobState::plain(*base)), "{long}");
            assert_eq!(JobState::parse(short), JobState::parse(long));
            assert_eq!(base.word(), *long);
        }
        for (long, short, flag, base) in FLAGS {
            let state = JobState::parse(long).expect("known");
            assert_eq!((state.base, state.flags.as_slice()), (*base, &[*flag][..]));
            assert_eq!(JobState::parse(short), Ok(state));
        }
        assert_eq!(BaseState::Revoked.word(), "REVOKED");
    }

    #[test]
    fn who_cancelled_it_is_told() {
        let state = JobState::parse("CANCELLED by 1000").expect("known");
        assert_eq!(state.base, BaseState::Cancelled);
        assert_eq!(state.cancelled_by, Some(1000));
        let nameless = JobState::parse("CANCELLED by somebody").expect("known");
        assert_eq!(nameless.cancelled_by, None);
    }

    #[test]
    fn a_list_is_a_state_with_flags() {
        let state = JobState::of_words(["COMPLETING", "CANCELLED", "COMPLETING", "NEWS"]);
        let state = state.expect("known");
        assert_eq!(state.base, BaseState::Cancelled);
        assert_eq!(state.flags, [StateFlag::Completing]);
        assert!(state.has(StateFlag::Completing));
        let joined = JobState::parse("RUNNING,CONFIGURING").expect("known");
        assert_eq!(joined.flags, [StateFlag::Configuring]);
    }

    #[test]
    fn what_is_not_known_is_an_error_that_shows_it() {
        let error = JobState::parse("DANCING").expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "cannot read a job's state from \"DANCING\": none of the known states"
        );
        assert!(JobState::parse("").is_err());
    }
}
