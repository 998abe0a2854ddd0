//! Tells the coordinator what becomes of an attempt, and hears whether it is to end.
//!
//! Rules: RE-1 training never waits for the coordinator, nor for the disk of the spool: handing over
//! news takes no more than a lock. RE-2 each piece of news is on disk before it is sent, and arrives
//! once, however often the agent or the coordinator dies in between. RE-3 lines that wait are bounded,
//! and in the spool steps and remarks as well; how many lines were dropped is told. Facts are never
//! dropped, and no bound holds for them. RE-4 what is refused is told to the user once and not sent
//! again. Absent on purpose: supervision, which goes on as it would without a coordinator.

mod address;
mod courier;
mod last_word;
pub(crate) mod ledger;
pub(crate) mod pace;
mod pending;
mod pulse;
mod reporting;
mod scribe;
pub(crate) mod spool;
mod translation;
mod words;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schliff_spec::id::{Generation, JobId, SubmitKey};
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{Beats, Joined, News};
use thiserror::Error;
use tokio::sync::Notify;
use tonic::metadata::{Ascii, MetadataValue};

/// What a run is called that no coordinator has numbered: the first job of one has the number 1.
pub const BY_HAND: SubmitKey = SubmitKey {
    job: JobId(0),
    generation: Generation(0),
};

pub use address::{AddressError, Coordinators};
pub use last_word::LastWord;
pub use reporting::Reporting;

use crate::shell::Asked;
use courier::Courier;
use pending::Pending;
use pulse::Pulses;
use scribe::Scribe;
use translation::Translator;
use words::Gate;

/// The last word has so long to get out.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The thread may be late by so much, before it is left behind.
const LATE: Duration = Duration::from_secs(2);

/// Who reports, to whom.
#[derive(Debug)]
pub struct Options {
    /// Where to.
    pub to: To,
    /// The attempt.
    pub key: SubmitKey,
    /// This node, from 0, and its name.
    pub node: u32,
    /// This node's name.
    pub node_name: String,
    /// Nodes of the attempt.
    pub nodes: u32,
    /// Its ranks on all nodes.
    pub ranks: u32,
    /// The last word has so long to get out.
    pub patience: Duration,
}

/// Where reports go.
#[derive(Debug)]
pub enum To {
    /// To a coordinator.
    Coordinator {
        /// Where it may be.
        coordinators: Coordinators,
        /// The allocation's token.
        token: Token,
        /// Folder of what was not taken yet; without one it dies with the agent.
        spool: Option<PathBuf>,
    },
    /// Into this folder, on storage that a relay sees: see [`crate::relay`].
    Spool(PathBuf),
}

/// What an agent shows to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in the text of a file.
    pub fn of(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl Token {
    /// As it is sent.
    pub(crate) fn header(&self) -> Result<MetadataValue<Ascii>, ReportError> {
        let header = format!("Bearer {}", self.0);
        let mut header: MetadataValue<_> = header.parse().map_err(|_| ReportError::Token)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

/// Reporting could not begin.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The token has characters that no header may have.
    #[error("cannot use the token: it is not one line of plain characters")]
    Token,
    /// There is no thread to report with.
    #[error("cannot start to report to the coordinator")]
    Thread(#[source] std::io::Error),
}

/// What goes on between the supervisor and the thread that reports.
#[derive(Debug)]
struct Desk {
    bell: Notify,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    pending: Pending,
    pulses: Pulses,
    own: (usize, String),
    asked: Vec<Asked>,
    told: Vec<String>,
    is_end: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is pending, and whether the end has come.
    fn take(&self) -> (Vec<News>, bool) {
        let mut inside = self.lock();
        (inside.pending.take(wall_ms()), inside.is_end)
    }

    /// How all ranks stand now.
    fn beats(&self) -> Body {
        let inside = self.lock();
        let (own, node) = &inside.own;
        let ranks = inside.pulses.views(wall_ms(), (*own, node));
        Body::Beats(Beats { ranks })
    }

    /// The user is to be told.
    fn tell(&self, text: String) {
        self.lock().told.push(words::clean(&text));
    }

    /// The coordinator wants an end; said once of each kind.
    fn ask(&self, asked: Asked, why: &str) {
        let mut inside = self.lock();
        if inside.asked.last() == Some(&asked) {
            return;
        }
        inside.asked.push(asked);
        let what = match asked {
            Asked::Stop => "the coordinator asks to stop",
            Asked::Abort => "the coordinator ends this attempt",
        };
        let text = match why {
            "" => what.to_owned(),
            why => format!("{what}: {why}"),
        };
        inside.told.push(words::clean(&text));
    }
}

/// Reports of one node's agent.
#[derive(Debug)]
pub struct Reporter {
    desk: Arc<Desk>,
    over: Receiver<()>,
    patience: Duration,
    translator: Translator,
    gate: Gate,
    culprit: last_word::Culprit,
    /// How much of what the coordinator asks for was handed on.
    handed_on: usize,
}

impl Reporter {
    /// Begins to report, with the word that this node's agent is there.
    ///
    /// # Errors
    /// The token cannot be sent, or there is no thread. Coordinators need not be there.
    pub fn start(options: Options) -> Result<Self, ReportError> {
        let is_leader = options.node == 0;
        let ranks = if is_leader { options.ranks as usize } else { 0 };
        let own = options.ranks / options.nodes.max(1);
        let mut pending = Pending::default();
        let joined = Joined {
            nodes: options.nodes,
            ranks: options.ranks,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        pending.push(Body::Joined(joined), wall_ms());
        let desk = Arc::new(Desk {
            bell: Notify::new(),
            inside: Mutex::new(Inside {
                pending,
                pulses: Pulses::new(ranks),
                own: (own as usize, options.node_name.clone()),
                asked: Vec::new(),
                told: Vec::new(),
                is_end: false,
            }),
        });
        let (patience, generation) = (options.patience, options.key.generation.0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ReportError::Thread)?;
        let (done, over) = channel();
        let shared = Arc::clone(&desk);
        let work = worker(options, shared)?;
        let work = move || {
            runtime.block_on(work);
            // A request under way is given up, whatever it waits for.
            runtime.shutdown_background();
            let _ = done.send(());
        };
        let thread = thread::Builder::new().name("report".to_owned());
        thread.spawn(work).map_err(ReportError::Thread)?;
        Ok(Self {
            desk,
            over,
            patience,
            translator: Translator::new(generation),
            gate: Gate::default(),
            culprit: last_word::Culprit::default(),
            handed_on: 0,
        })
    }

    /// A remark that the coordinator is told, and nobody else.
    pub fn remark(&mut self, text: &str) {
        let body = translation::remark(text, None);
        self.desk.lock().pending.push(body, wall_ms());
    }

    /// Says the last word, and gives it a bounded time to get out. Without one, only what was said
    /// before gets out. Gives what is left to tell the user.
    pub fn end(self, last_word: Option<LastWord>) -> Vec<String> {
        let ended = last_word.map(|word| word.ended(&self.culprit));
        let mut inside = self.desk.lock();
        if let Some(ended) = ended {
            inside.pending.push(Body::Ended(ended), wall_ms());
        }
        inside.is_end = true;
        drop(inside);
        self.desk.bell.notify_one();
        let is_late = self.over.recv_timeout(self.patience + LATE);
        let mut told = std::mem::take(&mut self.desk.lock().told);
        if is_late == Err(RecvTimeoutError::Timeout) {
            told.push("warning: the report to the coordinator hangs and is left behind".to_owned());
        }
        told
    }
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the thread does.
fn worker(mut options: Options, desk: Arc<Desk>) -> Result<Work, ReportError> {
    let elsewhere = To::Spool(PathBuf::new());
    match std::mem::replace(&mut options.to, elsewhere) {
        To::Coordinator {
            coordinators,
            token,
            spool,
        } => {
            let line = (coordinators, token.header()?);
            // Opened by the thread itself, for it may wait for the disk.
            Ok(Box::pin(async move {
                Courier::new(options, line, spool, desk).work().await;
            }))
        }
        To::Spool(folder) => Ok(Box::pin(async move {
            Scribe::new(&options, folder, desk).work().await;
        })),
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
