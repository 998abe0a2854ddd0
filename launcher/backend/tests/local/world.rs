//! A cluster on this host whose program is a small shell script that does what it is told.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use schliff_backend::Backend;
use schliff_backend::Launch;
use schliff_backend::conformance::{World, WorldError};
use schliff_backend::local::{Local, LocalOptions};
use schliff_scheduler::allocation::AllocationStatus;
use schliff_scheduler::shape::Shape;
use schliff_spec::id::{Generation, JobId, SubmitKey};

/// An agent with one rank: waits at a door for a word, which is its exit code; 75 when it is asked
/// to end. Arguments: the world's folder, the key, `--exit-file` and that file.
const AGENT: &str = r#"
world=$1 key=$2 exit_file=$4
finish() { echo "$1" >"$exit_file.part" && mv "$exit_file.part" "$exit_file"; exit "$1"; }
mkfifo "$world/$key.door"
$RANK cat "$world/$key.door" >"$world/$key.word" & rank=$!
trap 'kill $rank; finish 75' TERM
env >"$world/$key.env"
grep Cpus_allowed_list /proc/self/status >"$world/$key.cores"
echo "$$ $rank" >>"$world/$key.starts"
wait $rank
finish "$(cat "$world/$key.word")"
"#;

/// Looks until something that must come is given up.
const PATIENCE: u32 = 5_000;

pub(crate) fn key(job: u64) -> SubmitKey {
    SubmitKey {
        job: JobId(job),
        generation: Generation(1),
    }
}

/// Processes started in it are killed when it is dropped.
pub(crate) struct LocalWorld {
    pub(crate) options: LocalOptions,
    /// Where the scripts leave word.
    folder: PathBuf,
    owned: Option<tempfile::TempDir>,
}

impl LocalWorld {
    /// A cluster of its own with so many cores and GPUs.
    pub(crate) fn new(cpus: u32, gpus: u32) -> Self {
        let owned = tempfile::tempdir().expect("a folder");
        let mut world = Self::at(owned.path(), cpus);
        world.options.gpu_slots = Some(gpus);
        world.owned = Some(owned);
        world
    }

    /// One that is shared with another process, whose folder it is.
    pub(crate) fn at(folder: &Path, cpus: u32) -> Self {
        let folder = fs::canonicalize(folder).expect("a folder");
        let cluster = "local".parse().expect("a name");
        let mut options =
            LocalOptions::new(cluster, folder.join("cluster"), PathBuf::from("/bin/sh"));
        (options.cpu_slots, options.gpu_slots) = (Some(cpus), Some(0));
        Self {
            options,
            folder,
            owned: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn local(&self) -> Local {
        Local::open(self.options.clone()).expect("a cluster")
    }

    /// Starts something and waits until it works.
    pub(crate) async fn running(&self, local: &Local, launch: Launch) -> Vec<i32> {
        local.submit(&launch).await.expect("submitted");
        self.begun(launch.key).await.expect("started")
    }

    /// Waits until a listing tells that it is over, and tells how.
    pub(crate) async fn ended(&self, local: &dyn Backend, key: SubmitKey) -> String {
        for _ in 0..PATIENCE {
            match status(local, key).await {
                Some(AllocationStatus::Ended { end }) => return format!("{end:?}"),
                _ => self.pause().await,
            }
        }
        panic!("{key} does not end");
    }

    /// What a script left in a file, without the last end of line.
    pub(crate) fn word(&self, key: SubmitKey, name: &str) -> String {
        let path = self.folder.join(format!("{key}.{name}"));
        let text = fs::read_to_string(path).expect("it left word");
        text.trim_end().to_owned()
    }

    /// The processes that starts of a key have told of.
    fn processes(&self, key: SubmitKey) -> Vec<Vec<i32>> {
        let told = fs::read_to_string(self.folder.join(format!("{key}.starts")));
        let told = told.unwrap_or_default();
        let numbers = |line: &str| {
            line.split(' ')
                .map(|it| it.parse().expect("a pid"))
                .collect()
        };
        told.split_inclusive('\n')
            .filter_map(|line| Some(numbers(line.strip_suffix('\n')?)))
            .collect()
    }

    /// Waits until it works; the agent, then its rank.
    pub(crate) async fn begun(&self, key: SubmitKey) -> Result<Vec<i32>, WorldError> {
        for _ in 0..PATIENCE {
            if let Some(first) = self.processes(key).into_iter().next() {
                return Ok(first);
            }
            self.pause().await;
        }
        Err(format!("{key} does not start").into())
    }

    /// Tells the rank its word.
    async fn tell(&self, key: SubmitKey, word: &str) -> Result<(), WorldError> {
        let door = self.folder.join(format!("{key}.door"));
        for _ in 0..PATIENCE {
            // There is a door once somebody reads at it.
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            let door = OpenOptions::new()
                .write(true)
                .custom_flags(flags)
                .open(&door);
            match door {
                Ok(mut door) => return Ok(door.write_all(word.as_bytes())?),
                Err(_) => self.pause().await,
            }
        }
        Err(format!("{key} does not listen").into())
    }
}

/// What is listed of a key.
pub(crate) async fn status(local: &dyn Backend, key: SubmitKey) -> Option<AllocationStatus> {
    let listing = local.observe().await.expect("a listing");
    assert!(listing.is_complete);
    let found = listing.allocations.into_iter().find(|it| it.key == key);
    found.map(|it| it.status)
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it lives");
}

#[async_trait]
impl World for LocalWorld {
    async fn open(&self) -> Result<Arc<dyn Backend>, WorldError> {
        Ok(Arc::new(Local::open(self.options.clone())?))
    }

    fn launch(&self, key: SubmitKey) -> Launch {
        let world = self.folder.to_str().expect("text").to_owned();
        Launch {
            key,
            name: "small".to_owned(),
            shape: Shape {
                nodes: 1,
                gpus_per_node: 0,
                cpus_per_node: 1,
                ranks: 1,
            },
            min_nodes: None,
            placement: Vec::new(),
            avoid: Vec::new(),
            time_limit_ms: None,
            work_ms: None,
            wish: schliff_spec::cluster::BatchWish::default(),
            args: ["-c", AGENT, "sh", &world, &key.to_string()]
                .map(str::to_owned)
                .to_vec(),
            env: vec![("RANK".to_owned(), String::new())],
            files: Vec::new(),
        }
    }

    fn unfit(&self, key: SubmitKey) -> Option<Launch> {
        let mut launch = self.launch(key);
        launch.shape.cpus_per_node = 1_000_000;
        Some(launch)
    }

    async fn start(&self, key: SubmitKey) -> Result<(), WorldError> {
        self.begun(key).await.map(|_| ())
    }

    async fn end(&self, key: SubmitKey, code: i32) -> Result<(), WorldError> {
        self.tell(key, &format!("{code}\n")).await
    }

    async fn kill(&self, key: SubmitKey) -> Result<(), WorldError> {
        for pid in self.begun(key).await? {
            signal(pid, Signal::KILL);
        }
        Ok(())
    }

    async fn starts(&self, key: SubmitKey) -> Result<u32, WorldError> {
        Ok(u32::try_from(self.processes(key).len())?)
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Drop for LocalWorld {
    fn drop(&mut self) {
        let Some(owned) = &self.owned else {
            return;
        };
        let folder = fs::canonicalize(owned.path()).expect("a folder");
        // One that is just being started appears the next time.
        loop {
            let left = working_in(&folder);
            if left.is_empty() {
                return;
            }
            for pid in left {
                // It may just have ended.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Live processes that work in a folder of a world, which are its own whatever their numbers are.
fn working_in(folder: &Path) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let works_here = |process: &fs::DirEntry| {
        let place = fs::read_link(process.path().join("cwd"));
        place.is_ok_and(|place| place.starts_with(folder))
    };
    let pids = entries
        .filter(works_here)
        .filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

/// Whether something is there.
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}
