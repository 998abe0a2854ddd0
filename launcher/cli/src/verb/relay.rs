//! `schliff relay`: ships what agents on nodes without a network left on shared storage.
//!
//! Rules: the storage is looked at every two seconds, and ever more rarely while nobody takes
//! anything. What goes wrong is told once. Absent on purpose: what is shipped and how, which is
//! [`schliff_agent::relay`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use schliff_agent::relay::allowance::Allowance;
use schliff_agent::relay::folder::Folder;
use schliff_agent::relay::taker::Far;
use schliff_agent::relay::{Relay, RelayError, Round, Scope};
use schliff_agent::report::Coordinators;
use schliff_spec::exit::ExitCode;

use crate::args::RelayArgs;
use crate::outcome::{CliError, Outcome};
use crate::{figures, interrupt, terminal};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// The longest pause after looks that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// With `--once`: between two tries, and how many may fail in a row.
const AGAIN: Duration = Duration::from_millis(500);
const TRIES: u32 = 5;

pub(crate) fn relay(args: RelayArgs) -> Outcome {
    let authority = args.ca_file.as_deref().map(read).transpose()?;
    let coordinators =
        Coordinators::new(&args.coordinator, authority.as_deref()).map_err(|error| {
            let hint = "https:// with --ca-file leads to other machines";
            CliError::usage(error.to_string()).hint(hint)
        })?;
    if !args.folder.is_dir() {
        let folder = args.folder.display();
        let hint = "--folder takes the folder that the cluster's profile names";
        return Err(CliError::usage(format!("there is no folder {folder}")).hint(hint));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::bug("cannot start the runtime").caused_by(error))?;
    let work = Work {
        relay: Relay::new(
            Folder::new(args.folder.clone()),
            Far::new(coordinators),
            Allowance::new(args.max_rate),
        ),
        trouble: None,
        failures: 0,
        news: 0,
        bytes: 0,
    };
    runtime.block_on(async {
        let done = match args.once {
            true => interrupt::unless(work.once()).await,
            false => interrupt::unless(work.go_on()).await,
        };
        // What was taken is marked with each round, and the next start goes on from there.
        done.unwrap_or(Ok(ExitCode::Interrupted))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        CliError::usage(format!("cannot read {}", PathBuf::from(path).display())).caused_by(error)
    })
}

struct Work {
    relay: Relay<Folder, Far>,
    /// What was told last of what is wrong.
    trouble: Option<String>,
    /// In a row.
    failures: u32,
    news: usize,
    bytes: u64,
}

impl Work {
    /// Ships what is there.
    async fn once(mut self) -> Outcome {
        let scope = Scope {
            only: None,
            is_thorough: true,
        };
        loop {
            let round = self.round(scope).await;
            match round {
                Ok(round) if round.unfinished == 0 => return Ok(self.summary(&round)),
                Ok(_) => {}
                Err(error) if self.failures >= TRIES => return Err(told(&error)),
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Ships what is there and what comes, until it is ended.
    async fn go_on(mut self) -> Outcome {
        loop {
            let _ = self.round(Scope::default()).await;
            let pause = LOOK.saturating_mul(1 << self.failures.min(10));
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
    }

    async fn round(&mut self, scope: Scope) -> Result<Round, RelayError> {
        let round = self.relay.round(scope).await;
        match &round {
            Ok(round) => {
                self.failures = 0;
                self.news += round.news;
                self.bytes += round.bytes;
                let warning = terminal::yellow("warning:");
                for text in &round.told {
                    terminal::say(&format!("{warning} {text}"));
                }
                if self.trouble.take().is_some() {
                    terminal::say("goes on");
                }
            }
            Err(error) => {
                self.failures += 1;
                let text = error.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    let warning = terminal::yellow("warning:");
                    terminal::say(&format!("{warning} {text}; it is tried again"));
                }
                self.trouble = Some(text);
            }
        }
        round
    }

    fn summary(&self, round: &Round) -> ExitCode {
        let size = figures::bytes(self.bytes as f64);
        terminal::say(&format!("shipped {} reports, {size}", self.news));
        match round.refused {
            0 => ExitCode::Ok,
            _ => ExitCode::Refused,
        }
    }
}

fn told(error: &RelayError) -> CliError {
    let exit = match error {
        RelayError::Source(_) => ExitCode::JobFailed,
        RelayError::Taker { .. } => ExitCode::Unreachable,
    };
    let hint = "what was not shipped stays where it is: the same command goes on";
    CliError::new(exit, error.to_string()).hint(hint)
}
