//! The thread that reports: takes news over, spools them, sends them, hears what is wanted.
//!
//! Rules: everything that may wait for a disk or a network waits here, and nowhere else; one batch
//! is under way at a time. What to do is decided in [`super::ledger`] and [`super::pace`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schliff_wire::v1::agents_client::AgentsClient;
use schliff_wire::v1::{Directive, News, ReportReply, ReportRequest};
use schliff_wire::{MAX_MESSAGE_BYTES, PROTOCOL, metadata};
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::address::Coordinators;
use super::ledger::{Answer, BATCH_BYTES, BATCH_NEWS, Entry, Ledger};
use super::pace::{BEATS_MS, Failure, Pace, Waiting, judge};
use super::spool::Spool;
use super::{Desk, Options, wall_ms};
use crate::shell::Asked;

/// News are taken over so often; it is also how late the loop notices what nobody rings for.
const TURN: Duration = Duration::from_millis(100);
/// Where what waits takes more than this, on disk and in memory, lines are shed, then steps and
/// remarks; facts never are, so that no bound holds for them.
const MOST_WAITING_BYTES: usize = 64 << 20;

/// What the thread holds.
pub(super) struct Courier {
    options: Options,
    coordinators: Coordinators,
    token: MetadataValue<Ascii>,
    desk: Arc<Desk>,
    ledger: Ledger,
    spool: Option<Spool>,
    pace: Pace,
    clock: Instant,
    client: Option<AgentsClient<Channel>>,
    under_way: Option<UnderWay>,
    /// Most news of a batch; fewer after one was refused.
    most: usize,
    beaten_ms: Option<u64>,
    /// It was told that nobody answers.
    is_alone: bool,
    /// Nothing is sent any more.
    is_mute: bool,
    end_ms: Option<u64>,
}

/// A batch under way: the sequence of its first news, how many they are, and the answer to come.
struct UnderWay {
    first: u64,
    news: usize,
    answer: Receiver<Result<ReportReply, Status>>,
}

impl Courier {
    /// Goes on with what an earlier life left in the spool.
    pub(super) fn new(
        options: Options,
        (coordinators, token): (Coordinators, MetadataValue<Ascii>),
        spool: Option<PathBuf>,
        desk: Arc<Desk>,
    ) -> Self {
        let name = format!("{}-node{}", options.key, options.node);
        let (spool, ledger) = match spool.map(|folder| folder.join(name)) {
            Some(path) => {
                let (spool, ledger, opened) = Spool::open(path.clone(), &options.node_name);
                if let Err(error) = opened {
                    let path = path.display();
                    desk.tell(format!("warning: cannot spool reports in {path}: {error}"));
                }
                (Some(spool), ledger)
            }
            None => (None, Ledger::new(0, [])),
        };
        Self {
            options,
            coordinators,
            token,
            desk,
            ledger,
            spool,
            pace: Pace::default(),
            clock: Instant::now(),
            client: None,
            under_way: None,
            most: BATCH_NEWS,
            beaten_ms: None,
            is_alone: false,
            is_mute: false,
            end_ms: None,
        }
    }

    /// Works until the last word is out, or its time is over.
    pub(super) async fn work(mut self) {
        while !self.is_over() {
            let desk = Arc::clone(&self.desk);
            let _ = timeout(TURN, desk.bell.notified()).await;
            self.take_over();
            self.hear();
            self.send();
        }
        self.take_over();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_over(&self) -> bool {
        let is_late = |end_ms| self.now_ms() >= end_ms;
        let is_empty = self.ledger.waiting().0 == 0 && self.under_way.is_none();
        self.end_ms
            .is_some_and(|end_ms| self.is_mute || is_empty || is_late(end_ms))
    }

    /// Takes news over, into the ledger and the spool.
    fn take_over(&mut self) {
        let now_ms = self.now_ms();
        let (news, is_end) = self.desk.take();
        if is_end && self.end_ms.is_none() {
            let patience_ms = self.options.patience.as_millis();
            self.end_ms = Some(now_ms + u64::try_from(patience_ms).unwrap_or(u64::MAX / 2));
            self.pace.hurry(now_ms);
        }
        if self.is_mute {
            return;
        }
        news.iter().for_each(|news| self.note(Entry::of(news)));
        let is_quiet = self
            .beaten_ms
            .is_none_or(|beaten| now_ms >= beaten + BEATS_MS);
        if is_quiet && !is_end && !self.ledger.has_beats() {
            self.beaten_ms = Some(now_ms);
            self.note(Entry::Beats);
        }
        let is_less = self.ledger.shed(MOST_WAITING_BYTES, wall_ms());
        if let Some(spool) = &mut self.spool {
            let written = match is_less {
                true => spool.rewrite(&self.ledger),
                false => spool.write(&self.ledger, now_ms),
            };
            // Told at the beginning; a disk that comes and goes is no news each time.
            let _ = written;
        }
    }

    fn note(&mut self, entry: Entry) {
        if let Some(spool) = &mut self.spool {
            spool.push(&entry);
        }
        self.ledger.push(entry);
    }

    /// Hears the answer to the batch under way, if it is there.
    fn hear(&mut self) {
        let Some(mut batch) = self.under_way.take() else {
            return;
        };
        match batch.answer.try_recv() {
            Err(TryRecvError::Empty) => self.under_way = Some(batch),
            Ok(Ok(reply)) => self.answered(batch.first, &reply),
            Ok(Err(status)) => self.failed(batch.news, &status),
            Err(TryRecvError::Closed) => self.pace.failed(self.now_ms()),
        }
    }

    fn answered(&mut self, first: u64, reply: &ReportReply) {
        let now_ms = self.now_ms();
        if std::mem::take(&mut self.is_alone) {
            self.desk.tell("the coordinator answers again".to_owned());
        }
        let answer = self.ledger.answered(reply.taken);
        if let Some(spool) = &mut self.spool {
            // A disk that refuses is met again by the next write.
            let _ = match answer {
                Answer::CountOn => spool.rewrite(&self.ledger),
                Answer::Taken | Answer::Nothing => {
                    spool.taken(self.ledger.taken());
                    Ok(())
                }
            };
        }
        match answer {
            Answer::Nothing if reply.pause_ms == 0 => self.pace.failed(now_ms),
            _ => {
                self.most = (self.most * 2).clamp(2, BATCH_NEWS);
                self.pace.answered(reply.pause_ms, now_ms);
            }
        }
        let why = reply.reason.as_ref().map_or("", |reason| &reason.text);
        match reply.directive() {
            Directive::GoOn => {}
            Directive::Stop => self.desk.ask(Asked::Stop, why),
            Directive::Abort => {
                self.desk.ask(Asked::Abort, why);
                // Of an older attempt nothing is taken any more.
                self.is_mute |= reply.taken < first;
            }
        }
    }

    fn failed(&mut self, news: usize, status: &Status) {
        let now_ms = self.now_ms();
        let url = self.coordinators.current().uri().to_string();
        let failure = judge(status);
        if !matches!(failure, Failure::Busy(_)) {
            self.client = None;
        }
        match failure {
            // It is there, and so it is no news for the user.
            Failure::Busy(asked_ms) => self.pace.busy(asked_ms, now_ms),
            Failure::Later => {
                self.coordinators.next();
                self.pace.failed(now_ms);
                if !std::mem::replace(&mut self.is_alone, true) {
                    let why = why_of(status);
                    self.desk.tell(format!(
                        "warning: the coordinator at {url} does not answer ({why}); \
                         training goes on, and reports are kept for it"
                    ));
                }
            }
            Failure::Elsewhere(leader) => {
                self.coordinators.turn_to(&leader);
                self.pace.failed(now_ms);
            }
            Failure::Refused if news > 1 => {
                self.most = news / 2;
                self.pace.answered(0, now_ms);
            }
            Failure::Refused if self.ledger.blank_oldest() => {
                let why = status.message();
                self.desk
                    .tell(format!("warning: the coordinator refuses a report: {why}"));
                self.pace.answered(0, now_ms);
                if let Some(spool) = &mut self.spool {
                    let _ = spool.rewrite(&self.ledger);
                }
            }
            Failure::Refused | Failure::Never => {
                self.is_mute = true;
                let why = status.message();
                self.desk.tell(format!(
                    "warning: the coordinator at {url} takes no reports: {why}; training goes on \
                     without it"
                ));
            }
        }
    }

    /// Sends the next batch where one is due.
    fn send(&mut self) {
        let now_ms = self.now_ms();
        let (news, bytes) = self.ledger.waiting();
        let is_full = news >= BATCH_NEWS || bytes >= BATCH_BYTES;
        let is_urgent = is_full || self.end_ms.is_some() || self.ledger.is_urgent();
        let is_due = self.pace.is_due(Waiting { news, is_urgent }, now_ms);
        if self.is_mute || self.under_way.is_some() || !is_due {
            return;
        }
        let beats = || News {
            at_ms: wall_ms(),
            body: Some(self.desk.beats()),
        };
        let Some(batch) = self.ledger.batch(self.most, beats) else {
            return;
        };
        let (first, news) = (batch.first, batch.news.len());
        let mut request = Request::new(ReportRequest {
            protocol: PROTOCOL,
            job: self.options.key.job.0,
            generation: self.options.key.generation.0,
            node: self.options.node,
            node_name: self.options.node_name.clone(),
            first_sequence: batch.first,
            news: batch.news,
        });
        request
            .metadata_mut()
            .insert(metadata::AUTHORIZATION, self.token.clone());
        let mut client = self.client().clone();
        let (answer, answered) = oneshot::channel();
        let desk = Arc::clone(&self.desk);
        tokio::spawn(async move {
            let reply = client.report(request).await;
            let _ = answer.send(reply.map(tonic::Response::into_inner));
            desk.bell.notify_one();
        });
        self.under_way = Some(UnderWay {
            first,
            news,
            answer: answered,
        });
        self.pace.sent(now_ms);
    }

    fn client(&mut self) -> &mut AgentsClient<Channel> {
        let coordinators = &self.coordinators;
        self.client.get_or_insert_with(|| {
            let channel = coordinators.current().connect_lazy();
            AgentsClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES)
        })
    }
}

/// A status with its causes, in one line.
fn why_of(status: &Status) -> String {
    let mut why = status.message().to_owned();
    let mut next = std::error::Error::source(status);
    while let Some(cause) = next {
        why = format!("{why}: {cause}");
        next = cause.source();
    }
    why
}
