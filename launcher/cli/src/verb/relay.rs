//! `schliff relay`: ships what agents on nodes without a network left on shared storage.
//!
//! Rules: the storage is looked at every few seconds, and ever more rarely while nobody takes
//! anything. Reports never wait for a checkpoint. What goes wrong is told once. Absent on purpose:
//! what is shipped and how, which is [`schliff_agent::relay`].

mod fetched;

use std::path::{Path, PathBuf};
use std::time::Duration;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_agent::relay::folder::Folder;
use schliff_agent::relay::taker::Far;
use schliff_agent::relay::{self, Relay, RelayError, Scope};
use schliff_agent::report::Coordinators;
use schliff_registry::checkpoint::staging::CHECKPOINTS;
use schliff_spec::exit::ExitCode;

use crate::args::RelayArgs;
use crate::outcome::{CliError, Outcome};
use crate::relaying::{Checkpoints, Folders, Round};
use crate::{figures, interrupt, terminal};

/// Between two looks at reports, and at checkpoints.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_AT_CHECKPOINTS: Duration = Duration::from_secs(10);
/// The longest pause after looks that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// With `--once`: between two tries, and how many may fail in a row.
const AGAIN: Duration = Duration::from_millis(500);
const TRIES: u32 = 5;

pub(crate) fn relay(args: RelayArgs) -> Outcome {
    if !args.folder.is_dir() {
        let folder = args.folder.display();
        let hint = "--folder takes the folder that the cluster's profile names";
        return Err(CliError::usage(format!("there is no folder {folder}")).hint(hint));
    }
    match &args.fetch {
        Some(uri) => fetched::fetch(&args, uri),
        None => ship_all(args),
    }
}

fn ship_all(args: RelayArgs) -> Outcome {
    let authority = args.ca_file.as_deref().map(read).transpose()?;
    let coordinators =
        Coordinators::new(&args.coordinator, authority.as_deref()).map_err(|error| {
            let hint = "https:// with --ca-file leads to other machines";
            CliError::usage(error.to_string()).hint(hint)
        })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::bug("cannot start the runtime").caused_by(error))?;
    let bandwidth = Bandwidth::new(args.max_rate);
    let folder = Folder::new(args.folder.clone());
    let reports = Reports {
        relay: Relay::new(folder, Far::new(coordinators), bandwidth.clone()),
        trouble: None,
        failures: 0,
        news: 0,
        bytes: 0,
    };
    let stages = Folders::new(args.folder.join(CHECKPOINTS));
    let checkpoints = Checkpoints::new(stages, bandwidth);
    let outcome = runtime.block_on(async {
        let done = match args.once {
            true => interrupt::unless(once(reports, checkpoints)).await,
            false => {
                let both = async { tokio::join!(reports.go_on(), ship(checkpoints)).0 };
                interrupt::unless(both).await
            }
        };
        // What was taken is marked with each round, and the next start goes on from there.
        done.unwrap_or(Ok(ExitCode::Interrupted))
    });
    // A checkpoint on its way is given up, and gone on with by the next start.
    runtime.shutdown_background();
    outcome
}

/// Ships all that is there: reports, and then checkpoints.
async fn once(reports: Reports, mut checkpoints: Checkpoints<Folders>) -> Outcome {
    let exit = reports.once().await?;
    let (mut committed, mut failures) = (0, 0);
    loop {
        let round;
        (checkpoints, round) = look(checkpoints).await?;
        committed += round.committed;
        match round.trouble {
            None if !round.has_more => break,
            None => failures = 0,
            Some(why) if !round.has_more => {
                failures += 1;
                if failures >= TRIES {
                    let text = "cannot ship all checkpoints";
                    return Err(CliError::new(ExitCode::JobFailed, text).caused_by(why));
                }
                tokio::time::sleep(AGAIN).await;
            }
            Some(_) => {}
        }
    }
    if committed > 0 {
        terminal::say(&format!("shipped {committed} checkpoints"));
    }
    Ok(exit)
}

/// Ships checkpoints as they come.
async fn ship(mut checkpoints: Checkpoints<Folders>) -> Outcome {
    let mut failures = 0;
    loop {
        let round;
        (checkpoints, round) = look(checkpoints).await?;
        failures = match round.trouble {
            Some(_) => failures + 1,
            None => 0,
        };
        if !round.has_more {
            tokio::time::sleep(pause(LOOK_AT_CHECKPOINTS, failures)).await;
        }
    }
}

/// Looks once, on a thread that may wait for disks and stores.
async fn look(
    mut checkpoints: Checkpoints<Folders>,
) -> Result<(Checkpoints<Folders>, Round), CliError> {
    let looked = tokio::task::spawn_blocking(move || {
        let round = checkpoints.round();
        (checkpoints, round)
    });
    let (checkpoints, round) = looked
        .await
        .map_err(|error| CliError::bug("cannot ship checkpoints").caused_by(error))?;
    warn(&round.told);
    Ok((checkpoints, round))
}

fn warn(told: &[String]) {
    let warning = terminal::yellow("warning:");
    for text in told {
        terminal::say(&format!("{warning} {text}"));
    }
}

/// Ever longer, while it goes wrong.
fn pause(look: Duration, failures: u32) -> Duration {
    look.saturating_mul(1 << failures.min(10))
        .min(LONGEST_PAUSE)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        CliError::usage(format!("cannot read {}", PathBuf::from(path).display())).caused_by(error)
    })
}

struct Reports {
    relay: Relay<Folder, Far>,
    /// What was told last of what is wrong.
    trouble: Option<String>,
    /// In a row.
    failures: u32,
    news: usize,
    bytes: u64,
}

impl Reports {
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
            tokio::time::sleep(pause(LOOK, self.failures)).await;
        }
    }

    async fn round(&mut self, scope: Scope) -> Result<relay::Round, RelayError> {
        let round = self.relay.round(scope).await;
        match &round {
            Ok(round) => {
                self.failures = 0;
                self.news += round.news;
                self.bytes += round.bytes;
                warn(&round.told);
                if self.trouble.take().is_some() {
                    terminal::say("goes on");
                }
            }
            Err(error) => {
                self.failures += 1;
                let text = error.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    warn(&[format!("{text}; it is tried again")]);
                }
                self.trouble = Some(text);
            }
        }
        round
    }

    fn summary(&self, round: &relay::Round) -> ExitCode {
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
