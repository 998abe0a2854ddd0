//! The relay of a coordinator to one of its clusters: reports and checkpoints come over the line that
//! leads to the batch system.
//!
//! Rules: only the coordinator that leads relays. Where agents reach it by themselves, only what was
//! adopted is relayed, and nothing is looked at while nothing is. Reports are looked for every two seconds, and at
//! once where an attempt has ended. A checkpoint that is on its way holds up no report, but for a
//! second on a line that both share.

use std::sync::Arc;
use std::time::Duration;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_agent::relay::folder::Folder;
use schliff_agent::relay::source::Source;
use schliff_agent::relay::taker::Taker;
use schliff_agent::relay::{Relay, RelayError, Round, Scope};
use schliff_agent::report::Token;
use schliff_coordinator::{Access, Handle};
use schliff_registry::checkpoint::staging::CHECKPOINTS;
use schliff_slurm::channel::Channel;
use schliff_spec::id::{ClusterName, Generation, JobId, SubmitKey};
use schliff_wire::v1::{ReportReply, ReportRequest};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tonic::Status;

use super::relayed::Drain;
use crate::relaying::{Checkpoints, FarFolders, Folders, Line, Stages};

/// Between two looks at reports, and at checkpoints.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_AT_CHECKPOINTS: Duration = Duration::from_secs(10);
/// The longest pause after looks that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Looks at an ended attempt, until all of it is shipped.
const DRAIN_ROUNDS: usize = 100;
/// Where a cluster's shared storage is.
#[derive(Clone)]
pub(super) enum Storage {
    /// It is mounted here.
    Here,
    /// Behind a line.
    Behind(Arc<dyn Channel>),
}

impl Storage {
    /// Staged checkpoints beside the attempts in `folder`. Called within a runtime.
    pub(super) fn stages(&self, folder: &str) -> Box<dyn Stages> {
        let base = format!("{}/{CHECKPOINTS}", folder.trim_end_matches('/'));
        match self {
            Self::Here => Box::new(Folders::new(base.into())),
            Self::Behind(channel) => {
                let runtime = tokio::runtime::Handle::current();
                Box::new(FarFolders::new(Arc::clone(channel), &base, runtime))
            }
        }
    }

    fn source(self, folder: String) -> Box<dyn Source> {
        match self {
            Self::Here => Box::new(Folder::new(folder.into())),
            Self::Behind(channel) => Box::new(Line::new(channel, &folder)),
        }
    }
}

/// A cluster's relay, before its coordinator is there.
pub(super) struct Relayer {
    pub(super) cluster: ClusterName,
    pub(super) storage: Storage,
    /// Folder of the attempts.
    pub(super) folder: String,
    /// What may be sent, in both directions.
    pub(super) bandwidth: Bandwidth,
    pub(super) drains: Receiver<Drain>,
    /// No agent reaches the coordinator, and no store.
    pub(super) is_for_all: bool,
}

impl Relayer {
    /// Relays for as long as the runtime lives.
    pub(super) fn start(self, handle: &Handle, access: &Access) {
        let taker = Near {
            handle: handle.clone(),
            access: access.clone(),
        };
        let stages = self.storage.stages(&self.folder);
        let source = self.storage.source(self.folder);
        let checkpoints = Checkpoints::new(stages, self.bandwidth.clone());
        let reports = Reports {
            cluster: self.cluster.clone(),
            relay: Relay::new(source, taker, self.bandwidth),
            handle: handle.clone(),
            drains: self.drains,
            is_for_all: self.is_for_all,
            failures: 0,
        };
        tokio::spawn(reports.run());
        if !self.is_for_all {
            return;
        }
        tokio::spawn(ship(self.cluster, checkpoints, handle.clone()));
    }
}

/// The coordinator of this process.
struct Near {
    handle: Handle,
    access: Access,
}

#[tonic::async_trait]
impl Taker for Near {
    async fn report(
        &mut self,
        token: &Token,
        report: ReportRequest,
    ) -> Result<ReportReply, Status> {
        let key = SubmitKey {
            job: JobId(report.job),
            generation: Generation(report.generation),
        };
        // The folder may hold what another coordinator submitted.
        if *token != Token::of(&self.access.agent_token(key)) {
            return Err(Status::unauthenticated("another coordinator's token"));
        }
        let taken = self.handle.report(report).await;
        taken.map_err(Status::from)
    }

    fn place(&self) -> String {
        "this coordinator".to_owned()
    }
}

struct Reports {
    cluster: ClusterName,
    relay: Relay<Box<dyn Source>, Near>,
    handle: Handle,
    drains: Receiver<Drain>,
    is_for_all: bool,
    failures: u32,
}

impl Reports {
    async fn run(mut self) {
        loop {
            let pause = pause(LOOK, self.failures);
            tokio::select! {
                drain = self.drains.recv() => match drain {
                    Some(Drain { key, done }) => {
                        let is_shipped = self.drain(key).await;
                        // It may have waited for long enough.
                        let _ = done.send(is_shipped);
                    }
                    None => return,
                },
                () = sleep(pause) => {
                    if self.handle.is_leading() && self.has_work().await {
                        let _ = self.round(Scope::default()).await;
                    }
                }
            }
        }
    }

    async fn has_work(&mut self) -> bool {
        self.is_for_all || self.handle.has_adopted(&self.cluster).await
    }

    /// Ships all that an attempt left; says whether that is done.
    async fn drain(&mut self, key: SubmitKey) -> bool {
        if !self.is_for_all && !self.handle.is_adopted(key).await {
            return true;
        }
        let scope = Scope {
            only: Some(key),
            is_thorough: true,
        };
        for _ in 0..DRAIN_ROUNDS {
            match self.round(scope).await {
                Ok(round) if round.unfinished == 0 => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        false
    }

    async fn round(&mut self, scope: Scope) -> Result<Round, RelayError> {
        let round = self.relay.round(scope).await;
        let cluster = &self.cluster;
        match &round {
            Ok(round) => {
                self.failures = 0;
                for text in &round.told {
                    tracing::warn!(%cluster, "{text}");
                }
            }
            Err(error) => {
                self.failures += 1;
                tracing::warn!(%cluster, failures = self.failures, "{error}");
            }
        }
        round
    }
}

/// Ships checkpoints as they come.
async fn ship(cluster: ClusterName, mut checkpoints: Checkpoints<Box<dyn Stages>>, handle: Handle) {
    let mut failures = 0;
    loop {
        sleep(pause(LOOK_AT_CHECKPOINTS, failures)).await;
        while handle.is_leading() {
            let looked = tokio::task::spawn_blocking(move || {
                let round = checkpoints.round();
                (checkpoints, round)
            });
            let Ok((back, round)) = looked.await else {
                tracing::error!(%cluster, "checkpoints are shipped no more: a defect");
                return;
            };
            checkpoints = back;
            for text in &round.told {
                tracing::warn!(%cluster, "{text}");
            }
            failures = match round.trouble {
                Some(_) => failures + 1,
                None => 0,
            };
            if !round.has_more {
                break;
            }
        }
    }
}

/// Ever longer, while it goes wrong.
fn pause(look: Duration, failures: u32) -> Duration {
    look.saturating_mul(1 << failures.min(10))
        .min(LONGEST_PAUSE)
}
