//! Where Slurm's commands are run: this machine, or another over ssh.
//!
//! Rules: a script is for a POSIX `sh`; it reaches that shell by its standard input, so that nothing
//! of it stands in a list of processes. Its own standard input is empty.

mod capture;
mod frame;
mod gate;
mod group;
mod local;
mod ssh;

use std::time::Duration;

use async_trait::async_trait;

pub use gate::LoginGate;
pub use local::LocalChannel;
pub use ssh::{SshChannel, SshOptions};

/// What a script printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code; 128 + n for a signal n.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Why a script's answer is not there.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The script certainly did not run.
    #[error("cannot reach {place}: {why}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why, in the words of what failed.
        why: String,
    },
    /// It may have run, in part or in whole.
    #[error("lost {place} in the middle: {why}")]
    Lost {
        /// Where.
        place: String,
        /// Why.
        why: String,
    },
}

/// What a script may take. One that takes more is lost: nobody knows how far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From its first byte to its last answer.
    pub timeout: Duration,
    /// Of each of its two outputs.
    pub output_bytes: usize,
}

impl Default for Limits {
    /// Two minutes: Slurm's own commands give up after nearly `MessageTimeout`, which some sites set to
    /// 100 s. 64 MiB, which tell of some 500,000 jobs.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            output_bytes: 64 << 20,
        }
    }
}

/// A place where scripts are run.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Runs a script. Several at a time wait for each other where the place allows one only.
    ///
    /// # Errors
    /// See [`ChannelError`]; never for the script's exit code.
    async fn run(&self, script: &str) -> Result<Output, ChannelError>;

    /// What people call the place, such as `this machine` or `ssh juwels`.
    fn place(&self) -> String;

    /// Log-ins made since the start.
    fn logins(&self) -> u64;
}
