//! Checkpoints of nodes without a network: committed on shared storage, for a relay to ship.
//!
//! Rules: a store that the nodes see is left as it is. The leader leaves a note of where they are to
//! go.

use std::path::{Component, Path, PathBuf};

use schliff_registry::checkpoint::staging::{Note, folder, is_remote};
use schliff_spec::exit::ExitCode;
use schliff_spec::job::Job;

use crate::outcome::CliError;

/// Lets `job` commit below `base` where its own store is behind a network.
pub(super) fn stage(job: &mut Job, base: &Path, node: usize) -> Result<(), CliError> {
    let keep = job.checkpoint.keep;
    let Some(uri) = job.checkpoint.uri.take_if(|uri| is_remote(uri)) else {
        return Ok(());
    };
    let place = plain(&folder(base, &uri));
    if node == 0 {
        let left = Note { uri, keep }.leave(&place);
        left.map_err(|error| {
            let text = format!("cannot stage checkpoints in {}", place.display());
            CliError::new(ExitCode::JobFailed, text).caused_by(error)
        })?;
    }
    job.checkpoint.uri = Some(place.display().to_string());
    Ok(())
}

/// The absolute path without `..`. Taken by its letters: the folder of an attempt, which is all that
/// is left that way, is no link.
fn plain(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_registry::checkpoint::staging::NOTE;

    #[test]
    fn a_path_beside_an_attempts_folder_is_made_plain() {
        let path = plain(Path::new("/p/schliff/schliff-1-1/../checkpoints/x"));
        assert_eq!(path, Path::new("/p/schliff/checkpoints/x"));
    }

    #[test]
    fn only_what_is_behind_a_network_is_staged_and_the_leader_leaves_the_note() {
        let base = tempfile::tempdir().expect("a folder");
        let text = "name = \"a\"\n[model]\nbase = \"m.gguf\"\n[data]\ntrain = \"t.jsonl\"\n";
        let loaded = |uri: &str| {
            let text = format!("{text}[checkpoint]\nuri = \"{uri}\"\nkeep = 5\n");
            let path = base.path().join("job.toml");
            std::fs::write(&path, text).expect("a disk");
            let job = crate::args::JobArgs {
                path,
                sets: Vec::new(),
            };
            crate::job::load(&job).expect("a job").job
        };
        let mut own = loaded("/shared/runs/a");
        stage(&mut own, base.path(), 0).expect("nothing to do");
        assert_eq!(own.checkpoint.uri.as_deref(), Some("/shared/runs/a"));
        let mut far = loaded("s3://bucket/a");
        let place = folder(base.path(), "s3://bucket/a");
        stage(&mut far, base.path(), 1).expect("staged");
        assert_eq!(far.checkpoint.uri, Some(place.display().to_string()));
        assert!(!place.exists(), "a follower leaves no note");
        let mut far = loaded("s3://bucket/a");
        stage(&mut far, base.path(), 0).expect("staged");
        let note = Note::parse(&std::fs::read(place.join(NOTE)).expect("a note"));
        let expected = Note {
            uri: "s3://bucket/a".into(),
            keep: 5,
        };
        assert_eq!(note.expect("a note"), expected);
    }
}
