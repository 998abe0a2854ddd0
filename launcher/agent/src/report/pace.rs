//! When to send, and what follows from a failure. Pure.
//!
//! Rules: facts go at once, steps and lines a few times a second, signs of life alone once a second;
//! after a failure the pause doubles; one that is busy is waited for as it asks; what can never work is not tried again; who says that another
//! leads is believed.

use schliff_wire::metadata;
use tonic::{Code, Status};

/// Between two batches with nothing urgent in them.
const GAP_MS: u64 = 200;
/// Signs of life are so far apart.
pub(super) const BEATS_MS: u64 = 1_000;
/// Pauses after failures.
const FIRST_PAUSE_MS: u64 = 200;
const LAST_PAUSE_MS: u64 = 5_000;
/// Pauses while the last word waits.
const LAST_WORD_PAUSE_MS: u64 = 500;
/// The coordinator may ask for a pause, and for no longer one.
const MOST_ASKED_MS: u64 = 60_000;

/// When was sent, and when may be.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent_ms: Option<u64>,
    not_before_ms: u64,
    pause_ms: u64,
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) news: usize,
    /// A whole batch waits, or facts do, or the agent is about to end.
    pub(super) is_urgent: bool,
}

impl Pace {
    /// Whether to send now.
    pub(super) fn is_due(&self, waiting: Waiting, now_ms: u64) -> bool {
        let gap_ms = if waiting.is_urgent { 0 } else { GAP_MS };
        let is_apart = self.sent_ms.is_none_or(|sent| now_ms >= sent + gap_ms);
        waiting.news > 0 && is_apart && now_ms >= self.not_before_ms
    }

    /// A batch goes out.
    pub(super) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = Some(now_ms);
    }

    /// The coordinator took some of it, and asks for a pause of so long.
    pub(super) fn answered(&mut self, asked_ms: u32, now_ms: u64) {
        self.pause_ms = 0;
        self.not_before_ms = now_ms + u64::from(asked_ms).min(MOST_ASKED_MS);
    }

    /// It is busy: the pause that it asks for, none longer than after failures, for the last word
    /// may wait; where it asks for none, as after a failure.
    pub(super) fn busy(&mut self, asked_ms: Option<u64>, now_ms: u64) {
        match asked_ms.filter(|asked_ms| *asked_ms > 0) {
            Some(asked_ms) => {
                self.pause_ms = 0;
                self.not_before_ms = now_ms + asked_ms.min(LAST_PAUSE_MS);
            }
            None => self.failed(now_ms),
        }
    }

    /// It failed, or nothing was taken.
    pub(super) fn failed(&mut self, now_ms: u64) {
        self.pause_ms = (self.pause_ms * 2).clamp(FIRST_PAUSE_MS, LAST_PAUSE_MS);
        self.not_before_ms = now_ms + self.pause_ms;
    }

    /// The last word waits: no long pauses any more.
    pub(super) fn hurry(&mut self, now_ms: u64) {
        self.pause_ms = self.pause_ms.min(LAST_WORD_PAUSE_MS / 2);
        self.not_before_ms = self.not_before_ms.min(now_ms + LAST_WORD_PAUSE_MS);
    }
}

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may work later, with another coordinator, too.
    Later,
    /// This one leads.
    Elsewhere(String),
    /// It is there and has too much to do: it will take it later, after so many ms where it says so.
    Busy(Option<u64>),
    /// What was sent is refused: less of it may be taken.
    Refused,
    /// Nothing will ever be taken.
    Never,
}

/// What follows from a coordinator's status.
pub(crate) fn judge(status: &Status) -> Failure {
    match status.code() {
        Code::Unavailable => {
            let leader = word(status, metadata::LEADER);
            leader.map_or(Failure::Later, |url| Failure::Elsewhere(url.to_owned()))
        }
        Code::ResourceExhausted => {
            let pause = word(status, metadata::PAUSE_MS);
            Failure::Busy(pause.and_then(|pause| pause.parse().ok()))
        }
        Code::InvalidArgument | Code::OutOfRange => Failure::Refused,
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::NotFound => Failure::Never,
        _ => Failure::Later,
    }
}

fn word<'a>(status: &'a Status, name: &str) -> Option<&'a str> {
    let word = status.metadata().get(name)?.to_str().ok()?;
    Some(word).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Waiting = Waiting {
        news: 1,
        is_urgent: false,
    };
    const URGENT: Waiting = Waiting {
        news: 1,
        is_urgent: true,
    };

    #[test]
    fn urgent_news_go_at_once_and_others_are_gathered() {
        let mut pace = Pace::default();
        let (news, is_urgent) = (0, true);
        assert!(
            !pace.is_due(Waiting { news, is_urgent }, 0),
            "nothing waits"
        );
        assert!(pace.is_due(SOME, 0));
        pace.sent(0);
        pace.answered(0, 10);
        assert!(pace.is_due(URGENT, 10));
        assert!(!pace.is_due(SOME, 199));
        assert!(pace.is_due(SOME, 200));
        pace.answered(4_000_000_000, 200);
        assert!(!pace.is_due(URGENT, 60_199));
        assert!(pace.is_due(URGENT, 60_200));
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_the_last_word_hurries() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..7)
            .map(|_| {
                pace.failed(0);
                pace.not_before_ms
            })
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert!(!pace.is_due(URGENT, 4_999));
        pace.hurry(1_000);
        assert!(pace.is_due(URGENT, 1_500));
        pace.answered(0, 1_500);
        pace.failed(1_500);
        assert_eq!(pace.not_before_ms, 1_700);
    }

    #[test]
    fn who_is_busy_is_waited_for_as_it_asks() {
        let mut pace = Pace::default();
        pace.busy(Some(1_000), 0);
        assert!(!pace.is_due(URGENT, 999));
        assert!(pace.is_due(URGENT, 1_000));
        pace.busy(Some(u64::MAX), 0);
        assert!(pace.is_due(URGENT, LAST_PAUSE_MS));
        pace.busy(None, 0);
        pace.busy(Some(0), 0);
        assert_eq!(pace.not_before_ms, 2 * FIRST_PAUSE_MS);
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        assert_eq!(judge(&Status::unavailable("")), Failure::Later);
        assert_eq!(judge(&Status::deadline_exceeded("")), Failure::Later);
        assert_eq!(judge(&Status::invalid_argument("")), Failure::Refused);
        assert_eq!(judge(&Status::unauthenticated("")), Failure::Never);
        assert_eq!(judge(&Status::failed_precondition("")), Failure::Never);
        let mut standby = Status::unavailable("another one leads");
        let url = "http://127.0.0.1:9".parse().expect("ASCII");
        standby.metadata_mut().insert(metadata::LEADER, url);
        assert_eq!(
            judge(&standby),
            Failure::Elsewhere("http://127.0.0.1:9".into())
        );
        let mut busy = Status::resource_exhausted("too many requests");
        assert_eq!(judge(&busy), Failure::Busy(None));
        let pause = "250".parse().expect("ASCII");
        busy.metadata_mut().insert(metadata::PAUSE_MS, pause);
        assert_eq!(judge(&busy), Failure::Busy(Some(250)));
    }
}
