//! What waits to be committed, and when the next try is due: decisions without a clock of their own.

use std::fmt;
use std::time::{Duration, Instant};

use super::Snapshot;

/// A state and when it was handed over.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) step: u64,
    pub(super) content: Content,
    pub(super) at: Instant,
}

/// A snapshot, or what makes one.
pub(super) enum Content {
    Made(Box<Snapshot>),
    Draft(Draft),
}

/// Makes a snapshot, or says why it cannot be made.
pub(super) type Draft = Box<dyn FnOnce() -> Result<Snapshot, String> + Send>;

impl Content {
    /// The snapshot.
    pub(super) fn make(self) -> Result<Box<Snapshot>, String> {
        match self {
            Self::Made(snapshot) => Ok(snapshot),
            Self::Draft(draft) => draft().map(Box::new),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Made(_) => "Made",
            Self::Draft(_) => "Draft",
        })
    }
}

/// One place for what waits, and what is known of the rest.
#[derive(Debug)]
pub(super) struct Desk {
    waiting: Option<Offer>,
    in_flight: Option<u64>,
    committed: Option<u64>,
    /// Why the last try failed; none once one went well.
    trouble: Option<String>,
    /// Why a step was given up for good.
    refused: Option<(u64, String)>,
    failures: u32,
    not_before: Option<Instant>,
    closed: bool,
    pub(super) limits: BackOff,
}

/// How long to wait after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// After the first failure; doubled at every further one.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
        }
    }
}

impl BackOff {
    /// The wait after so many failures in a row.
    pub(super) fn after(self, failures: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1));
        let wait = doubled.and_then(|factor| self.first.checked_mul(factor));
        wait.map_or(self.longest, |wait| wait.min(self.longest))
    }
}

/// What the writer's thread is to do.
#[derive(Debug)]
pub(super) enum Next {
    Commit(Offer),
    Wait(Option<Duration>),
    End,
}

/// How things stand for somebody who waits for all to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    AllDone,
    Open { step: u64, trouble: Option<String> },
    Refused { step: u64, reason: String },
}

impl Desk {
    pub(super) fn new(limits: BackOff) -> Self {
        Self {
            waiting: None,
            in_flight: None,
            committed: None,
            trouble: None,
            refused: None,
            failures: 0,
            not_before: None,
            closed: false,
            limits,
        }
    }

    /// Takes an offer; gives back the one that it replaces, for the caller to drop elsewhere.
    pub(super) fn offer(&mut self, offer: Offer) -> Option<Offer> {
        self.waiting.replace(offer)
    }

    /// Takes what is due.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let wait = self
            .not_before
            .map(|due| due.saturating_duration_since(now))
            .filter(|wait| !wait.is_zero());
        match self.waiting.take_if(|_| wait.is_none()) {
            Some(offer) => {
                self.in_flight = Some(offer.step);
                Next::Commit(offer)
            }
            None if self.closed => Next::End,
            None => Next::Wait(wait.filter(|_| self.waiting.is_some())),
        }
    }

    /// The try of what was in flight went well.
    pub(super) fn committed(&mut self, step: u64) {
        self.in_flight = None;
        self.committed = self.committed.max(Some(step));
        self.trouble = None;
        self.refused = None;
        self.failures = 0;
        self.not_before = None;
    }

    /// The try of `offer` failed; it waits again unless a newer one does. Returns whether this is
    /// news: the first failure since all was well.
    pub(super) fn failed(&mut self, offer: Offer, why: String, now: Instant) -> bool {
        self.in_flight = None;
        if self.waiting.is_none() {
            self.waiting = Some(offer);
        }
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + self.limits.after(self.failures));
        self.trouble.replace(why).is_none()
    }

    /// The step of what was in flight cannot be committed, now or later.
    pub(super) fn refused(&mut self, step: u64, why: String) {
        self.in_flight = None;
        self.refused = Some((step, why));
    }

    /// The next try is due at once.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// No further offers are taken, and what waits is given up.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.waiting = None;
    }

    pub(super) fn newest_committed(&self) -> Option<u64> {
        self.committed
    }

    pub(super) fn standing(&self) -> Standing {
        let waiting = self.waiting.as_ref().map(|offer| offer.step);
        match (waiting.or(self.in_flight), &self.refused) {
            (Some(step), _) => Standing::Open {
                step,
                trouble: self.trouble.clone(),
            },
            (None, Some((step, reason))) => Standing::Refused {
                step: *step,
                reason: reason.clone(),
            },
            (None, None) => Standing::AllDone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JobDigest;

    fn offer(step: u64, at: Instant) -> Offer {
        let snapshot = Snapshot {
            step,
            job: JobDigest::of(b""),
            state: serde_json::Value::Null,
            parts: Vec::new(),
        };
        Offer {
            step,
            content: Content::Made(Box::new(snapshot)),
            at,
        }
    }

    fn desk() -> Desk {
        Desk::new(BackOff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
        })
    }

    fn taken(desk: &mut Desk, now: Instant) -> Offer {
        match desk.next(now) {
            Next::Commit(offer) => offer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_is_in_flight_and_a_newer_one_replaces_the_one_that_waits() {
        let (mut desk, now) = (desk(), Instant::now());
        assert!(desk.offer(offer(1, now)).is_none());
        assert_eq!(taken(&mut desk, now).step, 1);
        assert!(desk.offer(offer(2, now)).is_none());
        assert_eq!(desk.offer(offer(3, now)).map(|old| old.step), Some(2));
        desk.committed(1);
        assert_eq!(taken(&mut desk, now).step, 3);
        desk.committed(3);
        assert_eq!(desk.standing(), Standing::AllDone);
        assert_eq!(desk.newest_committed(), Some(3));
    }

    #[test]
    fn a_failure_is_news_once_and_the_newest_state_is_tried_again() {
        let (mut desk, now) = (desk(), Instant::now());
        desk.offer(offer(1, now));
        let first = taken(&mut desk, now);
        assert!(desk.failed(first, "no route".into(), now));
        assert!(matches!(desk.next(now), Next::Wait(Some(wait)) if wait == Duration::from_secs(1)));
        desk.offer(offer(2, now));
        assert!(
            matches!(desk.next(now), Next::Wait(Some(_))),
            "a new offer does not hurry"
        );
        let later = now + Duration::from_secs(1);
        let second = taken(&mut desk, later);
        assert_eq!(second.step, 2);
        desk.offer(offer(3, later));
        assert!(!desk.failed(second, "still".into(), later));
        let open = Standing::Open {
            step: 3,
            trouble: Some("still".into()),
        };
        assert_eq!(desk.standing(), open);
        desk.hurry();
        let third = taken(&mut desk, later);
        desk.committed(3);
        assert_eq!(third.step, 3);
        desk.offer(offer(4, later));
        let fourth = taken(&mut desk, later);
        assert!(desk.failed(fourth, "again".into(), later), "news again");
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let limits = desk().limits;
        let waits = [1, 2, 3, 4, 40, u32::MAX].map(|n| limits.after(n).as_secs());
        assert_eq!(waits, [1, 2, 4, 5, 5, 5]);
    }

    #[test]
    fn a_refused_step_does_not_come_back() {
        let (mut desk, now) = (desk(), Instant::now());
        desk.offer(offer(1, now));
        taken(&mut desk, now);
        desk.refused(1, "taken".into());
        assert!(matches!(desk.next(now), Next::Wait(None)));
        assert!(matches!(desk.standing(), Standing::Refused { step: 1, .. }));
        desk.offer(offer(2, now));
        taken(&mut desk, now);
        desk.committed(2);
        assert_eq!(desk.standing(), Standing::AllDone);
    }

    #[test]
    fn a_closed_desk_gives_up_what_waits() {
        let (mut desk, now) = (desk(), Instant::now());
        desk.offer(offer(1, now));
        desk.close();
        assert!(matches!(desk.next(now), Next::End));
    }
}
