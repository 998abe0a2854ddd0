//! The thread that reports where no coordinator can be reached: it writes, and a relay ships.
//!
//! Rules: SC-1 nothing that is in the file is ever changed or renumbered while it waits, for a relay
//! may have read it: where too much waits, new lines, then new steps and remarks are left out instead,
//! and how many lines is told. SC-2 what a relay's mark says is taken is forgotten. SC-3 signs of life
//! are written with their content, and none while one waits. SC-4 the last words are on the disk before
//! the agent ends, or the user is told. Absent on purpose: a network, and what the coordinator wants:
//! the batch system's signals bring that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schliff_wire::v1::News;
use tokio::time::{sleep, timeout};

use super::ledger::{Answer, Entry, Kind, Ledger, lines_dropped, lines_of};
use super::spool::Spool;
use super::spool::mark::{mark_of, read_mark};
use super::{Desk, Options, wall_ms};

/// News are written so often: the storage is shared.
const TURN: Duration = Duration::from_secs(1);
/// While the last words cannot be written, they are tried again so soon.
const AGAIN: Duration = Duration::from_millis(500);
/// The relay's mark is looked at so often while something waits.
const LOOK_MS: u64 = 3_000;
/// What was written is brought to the disk so often, for other machines to see it.
const SYNC_MS: u64 = 2_000;
/// Signs of life of the leader, and of other nodes, are so far apart.
const BEATS_MS: u64 = 10_000;
const BEATS_OF_FOLLOWERS_MS: u64 = 60_000;
/// Where more than this waits, lines are left out, and at twice as much steps and remarks.
const MOST_WAITING_BYTES: usize = 64 << 20;

/// What the thread holds.
pub(super) struct Scribe {
    desk: Arc<Desk>,
    ledger: Ledger,
    spool: Spool,
    mark: PathBuf,
    quota: Quota,
    clock: Instant,
    patience: Duration,
    beats_ms: u64,
    beaten_ms: Option<u64>,
    looked_ms: u64,
    synced_ms: u64,
    is_dirty: bool,
}

impl Scribe {
    /// Goes on with what an earlier life left in the folder.
    pub(super) fn new(options: &Options, folder: PathBuf, desk: Arc<Desk>) -> Self {
        let path = folder.join(format!("{}-node{}", options.key, options.node));
        let (spool, ledger, opened) = Spool::open(path.clone(), &options.node_name);
        if let Err(error) = opened {
            let path = path.display();
            desk.tell(format!(
                "warning: cannot spool reports in {path}: {error}; it is tried again"
            ));
        }
        let mut scribe = Self {
            desk,
            ledger,
            spool,
            mark: mark_of(&path),
            quota: Quota::default(),
            clock: Instant::now(),
            patience: options.patience,
            beats_ms: match options.node {
                0 => BEATS_MS,
                _ => BEATS_OF_FOLLOWERS_MS,
            },
            beaten_ms: None,
            looked_ms: 0,
            synced_ms: 0,
            is_dirty: true,
        };
        scribe.look();
        scribe
    }

    /// Works until the last words are written, or their time is over.
    pub(super) async fn work(mut self) {
        loop {
            let desk = Arc::clone(&self.desk);
            let _ = timeout(TURN, desk.bell.notified()).await;
            if self.turn() {
                return self.finish().await;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes what there is; says whether the end has come.
    fn turn(&mut self) -> bool {
        let now_ms = self.now_ms();
        let (news, is_end) = self.desk.take();
        news.into_iter().for_each(|news| self.note(news));
        let is_quiet = self
            .beaten_ms
            .is_none_or(|beaten| now_ms >= beaten + self.beats_ms);
        if is_quiet && !is_end && !self.ledger.has_beats() {
            self.beaten_ms = Some(now_ms);
            let (at_ms, body) = (wall_ms(), Some(self.desk.beats()));
            self.note(News { at_ms, body });
        }
        if self.ledger.waiting().0 > 0 && now_ms >= self.looked_ms + LOOK_MS {
            self.looked_ms = now_ms;
            self.look();
        }
        // Told at the beginning and at the end; a disk that comes and goes is no news each time.
        let _ = self.spool.write(&self.ledger, now_ms);
        if self.is_dirty && now_ms >= self.synced_ms + SYNC_MS {
            self.synced_ms = now_ms;
            self.is_dirty = self.spool.sync().is_err();
        }
        is_end
    }

    fn note(&mut self, news: News) {
        let waiting = self.ledger.waiting().1;
        for news in self.quota.admit(news, waiting, MOST_WAITING_BYTES) {
            let entry = Entry::of(&news);
            self.spool.push(&entry);
            self.ledger.push(entry);
            self.is_dirty = true;
        }
    }

    /// Forgets what the relay says was taken.
    fn look(&mut self) {
        let Some(taken) = read_mark(&self.mark) else {
            return;
        };
        // Whoever reads the file may have sent all of it.
        self.ledger.all_shown();
        match self.ledger.answered(taken) {
            Answer::Taken => self.spool.taken(self.ledger.taken()),
            Answer::Nothing => {}
            Answer::CountOn => {
                // A disk that refuses is met again by the next write.
                let _ = self.spool.rewrite(&self.ledger);
            }
        }
    }

    /// Brings the last words to the disk.
    async fn finish(mut self) {
        let until = Instant::now() + self.patience;
        loop {
            let written = match self.spool.is_written() {
                true => Ok(()),
                false => self.spool.rewrite(&self.ledger),
            };
            let Err(error) = written.and_then(|()| self.spool.sync()) else {
                return;
            };
            if Instant::now() >= until {
                self.desk.tell(format!(
                    "warning: the last report cannot be written: {error}"
                ));
                return;
            }
            sleep(AGAIN).await;
        }
    }
}

/// Leaves out what is too much. Pure.
#[derive(Debug, Default)]
struct Quota {
    /// Lines that were left out and not told of.
    missing: u64,
}

impl Quota {
    /// What to write for this piece of news while so much waits.
    fn admit(&mut self, news: News, waiting: usize, most: usize) -> Vec<News> {
        let is_left_out = match Kind::of(&news) {
            Kind::Lines => waiting > most,
            Kind::Course => waiting > most.saturating_mul(2),
            Kind::Fact | Kind::Beats => false,
        };
        if is_left_out {
            self.missing += lines_of(&news);
            return Vec::new();
        }
        let told = match waiting <= most {
            true => std::mem::take(&mut self.missing),
            false => 0,
        };
        let told = (told > 0).then(|| lines_dropped(told, news.at_ms));
        told.into_iter().chain([news]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_wire::v1::news::Body;
    use schliff_wire::v1::{Ended, LineOfRank, Lines, StepPoint};

    fn news(body: Body) -> News {
        let (at_ms, body) = (5, Some(body));
        News { at_ms, body }
    }

    fn lines(count: usize) -> News {
        let lines = vec![LineOfRank::default(); count];
        news(Body::Lines(Lines { lines, dropped: 0 }))
    }

    #[test]
    fn too_much_leaves_out_lines_then_steps_and_never_facts() {
        let mut quota = Quota::default();
        let step = || news(Body::Step(StepPoint::default()));
        let ended = || news(Body::Ended(Ended::default()));
        assert_eq!(quota.admit(lines(2), 100, 100), [lines(2)]);
        assert_eq!(quota.admit(lines(2), 101, 100), []);
        assert_eq!(quota.admit(lines(3), 101, 100), []);
        assert_eq!(quota.admit(step(), 200, 100), [step()]);
        assert_eq!(quota.admit(step(), 201, 100), []);
        assert_eq!(quota.admit(ended(), 201, 100), [ended()]);
        let told = quota.admit(lines(1), 7, 100);
        assert_eq!(told, [lines_dropped(5, 5), lines(1)]);
        assert_eq!(quota.admit(lines(1), 7, 100), [lines(1)], "told once");
    }
}
