//! Ranks that `mpirun` starts: they come to the supervisor's door and speak there.
//!
//! Rules: what the last connection of a rank said counts before the launcher's own end; a rank is
//! signalled by a descriptor of its process, never by a number that could have been given away.
//! Absent on purpose: ranks of other machines, whose launcher is `schliff agent`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};
use schliff_collective::attach::{ADDRESS, GENERATION, SECRET_FILE, Visit};
use schliff_collective::rendezvous::{Door, Secret};
use schliff_spec::request::Request;

use crate::binding::{Stock, THREADS};
use crate::cause::Ending;
use crate::crew::Crew;
use crate::generation::News;
use crate::hands::{Ranks, Trainer, allowed_cores};
use crate::lines::{lines, whole_lines};
use crate::log::Log;
use crate::rank::{Launched, Post};
use crate::supervisor::Input;

/// The launcher.
pub const MPIRUN: &str = "mpirun";

/// The ranks of one `mpirun`.
pub(crate) struct MpiRanks {
    trainer: Trainer,
    secret_file: PathBuf,
    outbox: SyncSender<Input>,
    door: Door,
    lobby: Arc<Lobby>,
    launcher: Option<Launched>,
}

/// What the door's threads and the supervisor share.
#[derive(Default)]
struct Lobby {
    state: Mutex<State>,
    /// A rank's connection ended.
    left: Condvar,
}

#[derive(Default)]
struct State {
    generation: u64,
    /// What each rank is asked for; none are wanted once the launcher has ended.
    requests: Vec<Request>,
    ranks: BTreeMap<usize, OwnedFd>,
    /// Kept open: its end tells an orphan to stop.
    connections: Vec<TcpStream>,
    talking: usize,
}

impl Lobby {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a rank in that is wanted, and hands it its request.
    fn welcome(&self, stream: &TcpStream, visit: Visit) -> io::Result<()> {
        let mut state = self.lock();
        let wanted = visit.generation == state.generation && !state.ranks.contains_key(&visit.rank);
        let request = state.requests.get(visit.rank).filter(|_| wanted);
        let Some(request) = request else {
            return Err(io::Error::other("this rank is not wanted"));
        };
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let pid = i32::try_from(visit.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no process has this number"))?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
        let mut writer = stream.try_clone()?;
        writer.write_all(line.as_bytes())?;
        state.connections.push(writer);
        state.ranks.insert(visit.rank, descriptor);
        state.talking += 1;
        Ok(())
    }

    /// Hears a rank to its end.
    fn hear(&self, stream: TcpStream, visit: Visit, outbox: SyncSender<Input>) {
        if self.welcome(&stream, visit).is_err() {
            return;
        }
        let post = Post {
            outbox,
            generation: visit.generation,
            rank: visit.rank,
        };
        for line in whole_lines(stream) {
            post.send(News::Line(line));
        }
        post.send(News::Ended(Ending::default()));
        let mut state = self.lock();
        // With its end told, the next generation may have begun already.
        if state.generation == visit.generation {
            state.talking -= 1;
        }
        drop(state);
        self.left.notify_all();
    }

    /// Ranks of another generation are wanted from now on.
    fn begin(&self, generation: u64, requests: Vec<Request>) {
        *self.lock() = State {
            generation,
            requests,
            ..State::default()
        };
        self.left.notify_all();
    }

    /// The launcher of a generation ended: so do its ranks. Gives those that never came. Where the
    /// next generation has begun, all of them have ended, and the next one's are left alone.
    fn close(&self, generation: u64) -> Vec<usize> {
        let mut state = self.lock();
        if state.generation != generation {
            return Vec::new();
        }
        let wanted = state.requests.len();
        state.requests.clear();
        state.signal_all(Signal::KILL);
        while state.generation == generation && state.talking > 0 {
            state = self
                .left
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.generation != generation {
            return Vec::new();
        }
        let came = &state.ranks;
        let missing = (0..wanted)
            .filter(|rank| !came.contains_key(rank))
            .collect();
        state.connections.clear();
        missing
    }
}

impl State {
    fn signal_all(&self, signal: Signal) {
        for descriptor in self.ranks.values() {
            // It fails for one that has ended.
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}

impl MpiRanks {
    /// No ranks yet; news go to `outbox`.
    pub(crate) fn new(
        trainer: Trainer,
        host: SocketAddr,
        (secret, secret_file): (Secret, &Path),
        outbox: SyncSender<Input>,
    ) -> io::Result<Self> {
        let lobby = Arc::new(Lobby::default());
        let (own, news) = (Arc::clone(&lobby), outbox.clone());
        let door = Door::open(host, secret, move |stream, message| {
            if let Ok(visit) = serde_json::from_slice::<Visit>(&message) {
                own.hear(stream, visit, news.clone());
            }
        })?;
        Ok(Self {
            trainer,
            secret_file: secret_file.to_owned(),
            outbox,
            door,
            lobby,
            launcher: None,
        })
    }

    fn command(&self, ranks: usize, generation: u64) -> Command {
        let stock = Stock {
            cores: allowed_cores(),
            ..Stock::default()
        };
        let threads = stock.share(0, ranks).cores.len().max(1);
        let mut command = Command::new(MPIRUN);
        command.args(["-np", &ranks.to_string()]);
        // Cores are shared out by their number of threads; a small machine may run many ranks.
        command.args(["--tag-output", "--bind-to", "none", "--oversubscribe"]);
        if geteuid().is_root() {
            command.arg("--allow-run-as-root");
        }
        command
            .arg(&self.trainer.program)
            .arg("--connect")
            .env(ADDRESS, self.door.address().to_string())
            .env(SECRET_FILE, &self.secret_file)
            .env(GENERATION, generation.to_string());
        if ranks > 1 && std::env::var_os(THREADS).is_none() {
            command.env(THREADS, threads.to_string());
        }
        command
    }
}

impl Ranks for MpiRanks {
    fn start(&mut self, generation: u64, _crew: &Crew, requests: Vec<Request>) -> io::Result<()> {
        // The old launcher has gone: dropping it waits for it.
        self.launcher = None;
        let ranks = requests.len();
        self.lobby.begin(generation, requests);
        let post = |rank| Post {
            outbox: self.outbox.clone(),
            generation,
            rank,
        };
        let mut command = self.command(ranks, generation);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut launched = Launched::start(command, &[])?;
        let words = launched.words()?;
        let mut logs: Vec<_> = (0..ranks)
            .map(|rank| {
                let folder = self.trainer.logs.as_deref();
                let log = folder.map(|folder| Log::new(folder, rank, generation));
                (post(rank), log)
            })
            .collect();
        let reader = thread::spawn(move || {
            for line in lines(words) {
                let (rank, text) = untagged(&line.text);
                let Some((post, log)) = logs.get_mut(rank) else {
                    continue;
                };
                if let Some(log) = log {
                    log.line(text);
                }
                post.send(News::Words(text.to_owned()));
            }
        });
        let (lobby, posts) = (
            Arc::clone(&self.lobby),
            (0..ranks).map(post).collect::<Vec<_>>(),
        );
        launched.at_end(move |ending| {
            let missing = lobby.close(generation);
            let _ = reader.join();
            for rank in missing {
                posts[rank].send(News::Ended(ending));
            }
        });
        self.launcher = Some(launched);
        Ok(())
    }

    fn signal(&self, rank: usize, signal: i32) {
        let Some(signal) = Signal::from_named_raw(signal) else {
            return;
        };
        match self.lobby.lock().ranks.get(&rank) {
            Some(descriptor) => {
                let _ = pidfd_send_signal(descriptor, signal);
            }
            // It has not come yet, so only its launcher can be told.
            None if matches!(signal, Signal::KILL | Signal::TERM) => {
                if let Some(launcher) = &self.launcher {
                    launcher.signal(Signal::KILL);
                }
            }
            None => {}
        }
    }

    fn look_at(&mut self, _input: &Input) {}
}

/// Open MPI's `[1,2]<stderr>:words` as rank 2 and its words; what is not tagged is the launcher's
/// own and shown with rank 0.
fn untagged(line: &str) -> (usize, &str) {
    let tagged = line.strip_prefix('[').and_then(|rest| {
        let (tag, text) = rest.split_once(">:")?;
        let (place, _) = tag.split_once("]<")?;
        let (_, rank) = place.split_once(',')?;
        Some((rank.parse().ok()?, text))
    });
    tagged.unwrap_or((0, line))
}

#[cfg(test)]
mod tests {
    use schliff_spec::job::BaseModel;

    use super::*;

    /// The thread that waits for a launcher's end may come late, when all ranks have ended and the next
    /// generation has begun: it must not send that one's ranks away.
    #[test]
    fn a_late_end_of_one_generation_leaves_the_next_alone() {
        let lobby = Lobby::default();
        let request = Request::Generate {
            base: BaseModel::HfDirectory("base".into()),
            adapter: None,
            prompt: String::new(),
            raw: true,
            max_new_tokens: 1,
        };
        lobby.begin(1, Vec::new());
        lobby.begin(2, vec![request]);
        assert_eq!(lobby.close(1), [0_usize; 0]);
        assert_eq!(lobby.lock().requests.len(), 1, "still wanted");
        assert_eq!(lobby.close(2), [0], "it never came");
    }

    #[test]
    fn words_of_ranks_are_told_apart() {
        assert_eq!(untagged("[1,3]<stderr>:a >: b"), (3, "a >: b"));
        for own in ["mpirun noticed", "[host:12] ORTE", "[1,x]<stderr>:y"] {
            assert_eq!(untagged(own), (0, own));
        }
    }
}
