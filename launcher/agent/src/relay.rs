//! Ships what agents on nodes without a network wrote into their spools.
//!
//! Rules: RL-1 news arrive in order and once, however often a relay dies or several are at work: each
//! has a sequence that its place in the file gives it, and the coordinator takes each sequence once.
//! RL-2 what was taken is marked beside the file, so that its agent forgets it; a mark that is lost
//! costs that it is sent again. RL-3 a file that its agent appends to or replaces meanwhile is safe to
//! read. RL-4 no more bytes a second are sent than allowed. RL-5 an attempt that the coordinator
//! refuses holds up no other. Absent on purpose: when to look again, which whoever has the relay
//! decides, and what the coordinator wants of agents: the batch system's signals bring that.

pub mod allowance;
pub mod folder;
pub mod source;
pub mod taker;

mod cursor;
mod track;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schliff_spec::id::SubmitKey;
use schliff_wire::PROTOCOL;
use schliff_wire::v1::ReportRequest;
use thiserror::Error;
use tokio::time::sleep;
use tonic::Status;

use crate::report::Token;
use crate::report::pace::{Failure, judge};
use allowance::Bandwidth;
use source::{Listed, Source, SourceError, SpoolFile, Want};
use taker::Taker;
use track::{Refusal, Track};

/// Files that are read in one call: what they give is held in memory.
const READS_AT_ONCE: usize = 16;
/// For a coordinator that is busy and does not say how long.
const BUSY: Duration = Duration::from_millis(500);
/// It is waited for no longer than this.
const LONGEST_BUSY: Duration = Duration::from_secs(60);

/// A round could not be finished; the next one goes on where it ended.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The spools are not to be seen.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The coordinator does not take anything now.
    #[error("cannot report to {place}: {}", status.message())]
    Taker {
        /// Where it is.
        place: String,
        /// What it says, or what the network says.
        status: Status,
    },
}

/// Which files a round is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Those of one attempt only.
    pub only: Option<SubmitKey>,
    /// Those that seem to be as they were, too.
    pub is_thorough: bool,
}

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// News that were taken.
    pub news: usize,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Files of which more is to be read, or to be sent.
    pub unfinished: usize,
    /// Files of which the coordinator takes nothing.
    pub refused: usize,
    /// What people should know, each said once.
    pub told: Vec<String>,
}

/// Ships from a source to a taker.
#[derive(Debug)]
pub struct Relay<S, T> {
    source: S,
    taker: T,
    tracks: BTreeMap<SpoolFile, Track>,
    tokens: BTreeMap<SubmitKey, Token>,
    bandwidth: Bandwidth,
    clock: Instant,
}

impl<S: Source, T: Taker> Relay<S, T> {
    /// Nothing was looked at yet.
    pub fn new(source: S, taker: T, bandwidth: Bandwidth) -> Self {
        Self {
            source,
            taker,
            tracks: BTreeMap::new(),
            tokens: BTreeMap::new(),
            bandwidth,
            clock: Instant::now(),
        }
    }

    /// Looks once at all files, and ships what is new in them.
    ///
    /// # Errors
    /// The files cannot be seen, or the coordinator cannot be reached. What was taken before is marked
    /// all the same.
    pub async fn round(&mut self, scope: Scope) -> Result<Round, RelayError> {
        let listed = self.source.list().await?;
        self.follow(&listed);
        let of_scope = |listed: &Listed| scope.only.is_none_or(|key| key == listed.file.key);
        let in_scope: Vec<_> = listed.into_iter().filter(of_scope).collect();
        self.read(&in_scope, scope.is_thorough).await?;
        let mut round = Round::default();
        let mut shipped = Ok(());
        for listed in &in_scope {
            shipped = self.ship(listed.file, &mut round).await;
            if shipped.is_err() {
                break;
            }
        }
        self.mark().await?;
        shipped?;
        let tracks = in_scope.iter().filter_map(|it| self.tracks.get(&it.file));
        for track in tracks {
            round.unfinished += usize::from(track.is_unfinished());
            round.refused += usize::from(track.is_refused());
        }
        Ok(round)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Forgets files that are gone.
    fn follow(&mut self, listed: &[Listed]) {
        let is_there = |file: &SpoolFile| listed.binary_search_by_key(file, |it| it.file).is_ok();
        self.tracks.retain(|file, _| is_there(file));
        let tracks = &self.tracks;
        self.tokens
            .retain(|key, _| tracks.keys().any(|file| file.key == *key));
        for listed in listed {
            self.tracks.entry(listed.file).or_default();
        }
    }

    async fn read(&mut self, listed: &[Listed], is_thorough: bool) -> Result<(), RelayError> {
        let now_ms = self.now_ms();
        let wants: Vec<Want> = listed
            .iter()
            .filter_map(|listed| {
                let track = self.tracks.get(&listed.file)?;
                track.want(*listed, is_thorough, now_ms)
            })
            .collect();
        for wants in wants.chunks(READS_AT_ONCE) {
            for got in self.source.read(wants).await? {
                if let Some(track) = self.tracks.get_mut(&got.want.file) {
                    track.read(&got);
                }
            }
        }
        Ok(())
    }

    /// Sends what was read of a file.
    async fn ship(&mut self, file: SpoolFile, round: &mut Round) -> Result<(), RelayError> {
        let Some(mut track) = self.tracks.remove(&file) else {
            return Ok(());
        };
        let shipped = self.ship_track(file, &mut track, round).await;
        self.tracks.insert(file, track);
        shipped
    }

    async fn ship_track(
        &mut self,
        file: SpoolFile,
        track: &mut Track,
        round: &mut Round,
    ) -> Result<(), RelayError> {
        while !track.is_refused()
            && let Some((first_sequence, news)) = track.batch()
        {
            let Some(token) = self.token(file.key).await? else {
                let text = format!("{} has no token: its reports stay where they are", file.key);
                round.told.extend(track.refuse(text, self.now_ms()));
                break;
            };
            let count = news.len();
            let report = ReportRequest {
                protocol: PROTOCOL,
                job: file.key.job.0,
                generation: file.key.generation.0,
                node: file.node,
                node_name: track.node_name().to_owned(),
                first_sequence,
                news,
            };
            let bytes = prost::Message::encoded_len(&report) as u64;
            round.bytes += bytes;
            let answer = self.taker.report(&token, report).await;
            sleep(self.bandwidth.spend(bytes)).await;
            match answer {
                Ok(reply) => {
                    let before = track.waiting();
                    let is_progress = track.answered(reply.taken);
                    round.news += before - track.waiting();
                    if reply.pause_ms > 0 {
                        let pause = Duration::from_millis(reply.pause_ms.into());
                        sleep(pause.min(LONGEST_BUSY)).await;
                    }
                    if !is_progress {
                        break;
                    }
                }
                Err(status) => {
                    self.failed(status, (file, count), track, round).await?;
                }
            }
        }
        Ok(())
    }

    /// What follows from a coordinator's refusal.
    async fn failed(
        &mut self,
        status: Status,
        (file, count): (SpoolFile, usize),
        track: &mut Track,
        round: &mut Round,
    ) -> Result<(), RelayError> {
        let why = status.message();
        match judge(&status) {
            Failure::Busy(asked_ms) => {
                let pause = asked_ms.map_or(BUSY, Duration::from_millis);
                sleep(pause.min(LONGEST_BUSY)).await;
            }
            Failure::Refused => match track.is_too_much(count) {
                Refusal::Less => {}
                Refusal::Blanked => round.told.push(format!(
                    "{}: the coordinator refuses a report of node {}: {why}",
                    file.key, file.node
                )),
                Refusal::Whole => round.told.extend(track.refuse(
                    format!("{}: the coordinator takes no reports: {why}", file.key),
                    self.now_ms(),
                )),
            },
            Failure::Never => {
                // It may have been another coordinator's, or be given anew.
                self.tokens.remove(&file.key);
                let text = format!("{}: the coordinator takes no reports: {why}", file.key);
                round.told.extend(track.refuse(text, self.now_ms()));
            }
            Failure::Later | Failure::Elsewhere(_) => {
                let place = self.taker.place();
                return Err(RelayError::Taker { place, status });
            }
        }
        Ok(())
    }

    async fn token(&mut self, key: SubmitKey) -> Result<Option<Token>, RelayError> {
        if let Some(token) = self.tokens.get(&key) {
            return Ok(Some(token.clone()));
        }
        let token = self.source.token(key).await?;
        let token = token.map(|text| Token::of(&text));
        if let Some(token) = &token {
            self.tokens.insert(key, token.clone());
        }
        Ok(token)
    }

    /// Leaves marks of all that was taken and is not marked yet.
    async fn mark(&mut self) -> Result<(), RelayError> {
        let marks = self.tracks.iter().filter_map(|(file, track)| {
            let taken = track.unmarked()?;
            Some((*file, taken))
        });
        let marks: Vec<_> = marks.collect();
        if marks.is_empty() {
            return Ok(());
        }
        self.source.mark(&marks).await?;
        for (file, taken) in marks {
            if let Some(track) = self.tracks.get_mut(&file) {
                track.marked(taken);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
