//! A coordinator of a test's own on the Slurm cluster of `make slurm-up`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use schliff_tests::desk::{Desk, Ended, end_of, programs};
use schliff_tests::repository_root;
use schliff_tests::running::wait_until;
use schliff_tests::serving::Serving;
use serde_json::Value;

/// How Slurm is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Command,
    Ssh,
    Rest,
}

/// The running cluster, as `slurm/dev/slurm env` tells of it.
#[derive(Clone, Copy)]
pub(crate) struct Dev {
    is_alone: bool,
}

/// Who may disturb the cluster: one test at a time, while no other is on it.
static CLUSTER: RwLock<()> = RwLock::new(());

/// A share of the cluster, or all of it.
pub(crate) enum Turn {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

impl Turn {
    /// Waits for it. A test that failed has put back what it disturbed.
    fn take(is_alone: bool) -> Self {
        match is_alone {
            true => Self::Alone {
                _guard: CLUSTER.write().unwrap_or_else(PoisonError::into_inner),
            },
            false => Self::Shared {
                _guard: CLUSTER.read().unwrap_or_else(PoisonError::into_inner),
            },
        }
    }
}

/// The cluster that tests may use, if there is one.
pub(crate) fn dev() -> Option<Dev> {
    if std::env::var_os("SCHLIFF_SLURM_STATE").is_none() {
        eprintln!(
            "SKIPPED: no Slurm here: SCHLIFF_SLURM_STATE is not set (make test-slurm sets it)"
        );
        return None;
    }
    Some(Dev { is_alone: false })
}

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

impl Dev {
    /// While its coordinator lives, no other test is on the cluster.
    pub(crate) fn alone(self) -> Self {
        Self { is_alone: true }
    }

    /// A share of the cluster without a coordinator.
    pub(crate) fn turn(self) -> Turn {
        Turn::take(self.is_alone)
    }

    /// The profile of a coordinator at this desk.
    pub(crate) fn profile(self, desk: &Desk, way: Way, more: &str) -> String {
        let (slurm, sections) = more.split_once("---\n").unwrap_or((more, ""));
        let transport = match way {
            Way::Command => "transport = \"command\"\n".to_owned(),
            Way::Ssh => format!(
                "transport = \"ssh\"\nssh_host = {:?}\nssh_config = {:?}\nlogins_per_minute = 60\n",
                told("SCHLIFF_SLURM_SSH_HOST"),
                told("SCHLIFF_SLURM_SSH_CONFIG"),
            ),
            Way::Rest => format!(
                "transport = \"rest\"\nrest_url = {:?}\nrest_user = {:?}\nrest_token_file = {:?}\n",
                told("SCHLIFF_SLURM_REST_URL"),
                told("SCHLIFF_SLURM_REST_USER"),
                told("SCHLIFF_SLURM_JWT_FILE"),
            ),
        };
        let folder = desk.path("shared").display().to_string();
        let program = programs().join("schliff").display().to_string();
        let launch = match sections.contains("[launch]") {
            true => "",
            false => "[launch]\ninterface = \"lo\"\n",
        };
        let ask = match sections.contains("[ask]") {
            true => "",
            false => "[ask]\naccount = \"dev\"\npartition = \"batch\"\n",
        };
        format!(
            "name = \"dev\"\nbackend = \"slurm\"\n[slurm]\n{transport}folder = {folder:?}\n\
             program = {program:?}\nobserve_every = \"1s\"\n{slurm}{ask}{launch}{sections}"
        )
    }

    /// Starts a coordinator; lines of `more` are for `[slurm]`, and after `---` sections may follow.
    pub(crate) fn serve(self, desk: Desk, way: Way, more: &str) -> Site {
        self.serve_with(desk, way, more, &[])
    }

    /// As [`Self::serve`], with further environment.
    pub(crate) fn serve_with(self, desk: Desk, way: Way, more: &str, env: &[(&str, &str)]) -> Site {
        let profile = self.profile(&desk, way, more);
        self.serve_as(desk, &profile, env)
    }

    /// Starts a coordinator with this profile.
    pub(crate) fn serve_as(self, desk: Desk, profile: &str, env: &[(&str, &str)]) -> Site {
        self.serve_at(desk, profile, &[], env)
    }

    /// The same with further arguments, such as where it listens.
    pub(crate) fn serve_at(
        self,
        desk: Desk,
        profile: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Site {
        let turn = Turn::take(self.is_alone);
        let path = desk.file("dev.toml", profile);
        let path = path.display().to_string();
        let mut all = vec!["--cluster", &*path];
        all.extend(args);
        Site {
            serving: Serving::start_as(desk, &all, env),
            _turn: turn,
        }
    }
}

/// A coordinator; its jobs are cancelled when it is dropped.
pub(crate) struct Site {
    pub(crate) serving: Serving,
    // The last to go: what the others leave is cleared away before.
    _turn: Turn,
}

impl Site {
    /// Numbers of all its Slurm jobs that wait or run.
    pub(crate) fn jobs(&self) -> Vec<u32> {
        let word = fs::read_to_string(self.serving.state().join("instance"));
        let comment = format!("schliff {} ", word.unwrap_or_default().trim());
        let listed = slurm(&["squeue", "-h", "-o", "%A %k"]).stdout;
        let own = listed.lines().filter_map(|line| line.split_once(' '));
        let own = own.filter(|(_, told)| told.starts_with(&comment));
        own.filter_map(|(id, _)| id.parse().ok()).collect()
    }

    /// Waits until a Slurm job of its runs; gives its number.
    #[track_caller]
    pub(crate) fn running(&self) -> u32 {
        let mut found = None;
        wait_until(
            || "a running job".to_owned(),
            || {
                found = self
                    .jobs()
                    .into_iter()
                    .find(|id| state_of(*id) == "RUNNING");
                found.is_some()
            },
        );
        found.unwrap_or_default()
    }

    /// Waits for a step of a job; gives what is told of it.
    #[track_caller]
    pub(crate) fn at_step(&self, job: u64, step: u64) -> Value {
        let at = |status: &Value| status["progress"]["step"].as_u64().unwrap_or(0) >= step;
        self.serving.wait_for(job, at)
    }

    /// The folder of attempts.
    pub(crate) fn shared(&self) -> PathBuf {
        self.serving.desk.path("shared")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.kill();
        for id in self.jobs() {
            slurm(&["scancel", "--full", "--signal=KILL", &id.to_string()]);
            slurm(&["scancel", &id.to_string()]);
        }
    }
}

/// A job's state, as Slurm words it; empty where it is not in the queue.
pub(crate) fn state_of(id: u32) -> String {
    let told = slurm(&["squeue", "-h", "-j", &id.to_string(), "-o", "%T"]);
    told.stdout.trim().to_owned()
}

/// Runs one of Slurm's commands to its end.
pub(crate) fn slurm(words: &[&str]) -> Ended {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    end_of(command)
}

/// Orders a fault of the cluster, or mends it: a verb of `slurm/dev/slurm`; gives what it prints.
#[track_caller]
pub(crate) fn order(words: &[&str]) -> String {
    let mut command = Command::new(repository_root().join("slurm/dev/slurm"));
    command.args(words);
    let ended = end_of(command);
    assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
    ended.stdout
}
