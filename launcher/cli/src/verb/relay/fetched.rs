//! `schliff relay --fetch`: what a job is to go on from, brought to its cluster by hand.
//!
//! Rules: the same as what a coordinator does before it submits. A note is left, so that a coordinator
//! without an account of the store knows that somebody has looked.

use std::path::Path;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_registry::checkpoint::staging::{self, CHECKPOINTS, NOTE, Note, is_remote};
use schliff_spec::exit::ExitCode;

use crate::args::RelayArgs;
use crate::outcome::{CliError, Outcome};
use crate::relaying::{Brought, Folders, Sought, bring};
use crate::{figures, terminal};

/// Until a job says how many stay in the store.
const KEEP: usize = 1_000;

pub(super) fn fetch(args: &RelayArgs, uri: &str) -> Outcome {
    if !is_remote(uri) {
        let text = format!("{uri} is a folder, which nodes see by themselves");
        let hint = "--fetch takes an address such as s3://bucket/prefix";
        return Err(CliError::usage(text).hint(hint));
    }
    let base = args.folder.join(CHECKPOINTS);
    let sought = Sought {
        uri: uri.to_owned(),
        committed: None,
    };
    let bandwidth = Bandwidth::new(args.max_rate);
    let mut stages = Folders::new(base.clone());
    let place = staging::folder(&base, uri);
    let cannot = |why: &String| {
        let text = format!("cannot bring checkpoints of {uri}");
        let hint = "what has arrived stays: the same command goes on";
        CliError::new(ExitCode::JobFailed, text)
            .caused_by(why)
            .hint(hint)
    };
    let brought = bring(&mut stages, &sought, &bandwidth, &|_, _| {});
    let brought = brought.map_err(|why| cannot(&why))?;
    // What is there already is no reason to be content with it.
    if let Some(why) = &brought.unasked {
        return Err(cannot(why));
    }
    note(&place, uri)?;
    for why in &brought.passed {
        let warning = terminal::yellow("warning:");
        terminal::say(&format!("{warning} {why}"));
    }
    terminal::say(&told(&brought, uri, &place));
    Ok(ExitCode::Ok)
}

/// Leaves one where there is none.
fn note(place: &Path, uri: &str) -> Result<(), CliError> {
    if place.join(NOTE).is_file() {
        return Ok(());
    }
    let note = Note {
        uri: uri.to_owned(),
        keep: KEEP,
    };
    note.leave(place).map_err(|error| {
        let text = format!("cannot write to {}", place.display());
        CliError::new(ExitCode::JobFailed, text).caused_by(error)
    })
}

fn told(brought: &Brought, uri: &str, place: &Path) -> String {
    let place = place.display();
    match brought.step {
        Some(step) => {
            let size = figures::bytes(brought.bytes as f64);
            format!("step {step} of {uri} is in {place}; {size} were brought")
        }
        None => format!("{uri} holds no checkpoint: a job begins anew"),
    }
}
