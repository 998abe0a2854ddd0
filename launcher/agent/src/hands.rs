//! The ranks of this node: started, signalled and reaped together.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::SyncSender;

use rustix::process::Signal;
use schliff_spec::request::Request;

use crate::binding::{DEVICES, Stock, THREADS};
use crate::crew::Crew;
use crate::generation::News;
use crate::log::Log;
use crate::rank::{Post, Rank};
use crate::supervisor::Input;

/// How ranks of this node are started.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// The program.
    pub program: PathBuf,
    /// Where what ranks write for people is kept, too.
    pub logs: Option<PathBuf>,
    /// Ranks compute on GPUs: each is shown its own.
    pub gpus: bool,
}

/// Ranks that can be started, signalled and reaped, wherever they are.
pub(crate) trait Ranks {
    /// Starts all ranks of a generation on its nodes, one for each request; none of an older one is left.
    fn start(&mut self, generation: u64, crew: &Crew, requests: Vec<Request>) -> io::Result<()>;
    /// Signals a rank; SIGKILL ends all that it started, too.
    fn signal(&self, rank: usize, signal: i32);
    /// Looks at news on their way to the supervisor.
    fn look_at(&mut self, input: &Input);
    /// Supervision is over, with this exit code.
    fn over(&mut self, _exit: i32) {}
}

/// The ranks of this node.
pub(crate) struct Hands {
    trainer: Trainer,
    stock: Stock,
    outbox: SyncSender<Input>,
    generation: u64,
    first_rank: usize,
    ranks: Vec<Rank>,
}

impl Hands {
    /// No ranks yet; news go to `outbox`.
    pub(crate) fn new(trainer: Trainer, outbox: SyncSender<Input>) -> Self {
        let stock = Stock {
            cores: allowed_cores(),
            threads_set: std::env::var_os(THREADS).is_some(),
            devices: trainer
                .gpus
                .then(|| DEVICES.map(|name| std::env::var(name).ok())),
        };
        Self {
            trainer,
            stock,
            outbox,
            generation: 0,
            first_rank: 0,
            ranks: Vec::new(),
        }
    }

    /// Starts the ranks of this node, the first with number `first_rank`.
    pub(crate) fn start_from(
        &mut self,
        generation: u64,
        first_rank: usize,
        requests: &[Request],
    ) -> io::Result<()> {
        self.ranks.clear();
        (self.generation, self.first_rank) = (generation, first_rank);
        for (local_rank, request) in requests.iter().enumerate() {
            let rank = first_rank + local_rank;
            let post = Post {
                outbox: self.outbox.clone(),
                generation,
                rank,
            };
            let logs = self.trainer.logs.as_deref();
            let log = logs.map(|folder| Log::new(folder, rank, generation));
            let binding = self.stock.share(local_rank, requests.len());
            let command = Command::new(&self.trainer.program);
            self.ranks
                .push(Rank::start(command, &binding, request, (post, log))?);
        }
        Ok(())
    }
}

impl Ranks for Hands {
    fn start(&mut self, generation: u64, _crew: &Crew, requests: Vec<Request>) -> io::Result<()> {
        self.start_from(generation, 0, &requests)
    }

    fn signal(&self, rank: usize, signal: i32) {
        let local = rank.checked_sub(self.first_rank);
        let rank = local.and_then(|local| self.ranks.get(local));
        if let (Some(rank), Some(signal)) = (rank, Signal::from_named_raw(signal)) {
            rank.signal(signal);
        }
    }

    /// An ended rank is reaped.
    fn look_at(&mut self, input: &Input) {
        if let Input::Rank {
            generation,
            rank,
            news: News::Ended(_),
        } = input
            && *generation == self.generation
            && let Some(local) = rank.checked_sub(self.first_rank)
            && let Some(rank) = self.ranks.get_mut(local)
        {
            rank.reap();
        }
    }
}

/// The cores that this process may run on.
pub(crate) fn allowed_cores() -> Vec<usize> {
    let allowed = rustix::thread::sched_getaffinity(None);
    allowed.map_or_else(
        |_| Vec::new(),
        |set| {
            (0..rustix::thread::CpuSet::MAX_CPU)
                .filter(|&core| set.is_set(core))
                .collect()
        },
    )
}
