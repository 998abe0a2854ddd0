//! Whether a job of Slurm's can be adopted, by what Slurm tells of it. Pure.

use schliff_scheduler::allocation::AllocationId;
use schliff_slurm::found::Found;
use schliff_slurm::job::{Job, JobId};
use schliff_slurm::time::UnixSeconds;
use schliff_spec::id::SubmitKey;

use crate::foundling::FindError;
use crate::slurm::batch::by_hand::BY_HAND;
use crate::slurm::listing::{COMMENT, Life, is_ours, life};

/// Whose a job is, of those that can be adopted or were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// It was submitted by hand.
    ByHand {
        /// Folder of the result, as the script names it.
        out: &'a str,
    },
    /// It is this coordinator's.
    Ours(SubmitKey),
}

/// How it stands with a job.
pub(super) fn standing<'a>(
    found: &'a Found,
    instance: &str,
    now: UnixSeconds,
) -> Result<Standing<'a>, FindError> {
    let job = &found.job;
    let id = AllocationId(job.id.to_string());
    if !found.is_own {
        let user = job.user.clone();
        return Err(FindError::OfUser { id, user });
    }
    let Some(out) = out(job) else {
        return of_coordinator(job, instance, id);
    };
    if job.array.is_some() {
        return Err(FindError::Array(id));
    }
    if life(job, now) == Life::Over {
        return Err(FindError::Ended(id));
    }
    if found.folder.is_empty() {
        return Err(FindError::NoFolder("?".to_owned()));
    }
    Ok(Standing::ByHand { out })
}

/// The folder of the result of a job that was submitted by hand.
pub(super) fn out(job: &Job) -> Option<&str> {
    let rest = job.comment.strip_prefix(COMMENT)?.strip_prefix(' ')?;
    let out = rest.strip_prefix(BY_HAND)?.strip_prefix(' ')?;
    (!out.is_empty()).then_some(out)
}

fn of_coordinator<'a>(
    job: &Job,
    instance: &str,
    id: AllocationId,
) -> Result<Standing<'a>, FindError> {
    let mut words = job.comment.split(' ');
    let (first, second) = (words.next(), words.next());
    match (job.name.parse(), second) {
        (Ok(key), _) if is_ours(job, instance) => Ok(Standing::Ours(key)),
        (Ok(_), Some(other)) if first == Some(COMMENT) => Err(FindError::OfCoordinator {
            id,
            instance: other.to_owned(),
        }),
        _ => Err(FindError::NotOurs(id)),
    }
}

/// Jobs of the same script that run, while it runs or waits, too, as far as a list tells.
pub(super) fn rivals(job: &Job, all: &[Job], now: UnixSeconds) -> Vec<JobId> {
    let same =
        |other: &&Job| other.id != job.id && other.name == job.name && other.comment == job.comment;
    let rivals = all.iter().filter(same);
    let rivals = rivals.filter(|other| life(other, now) == Life::Runs);
    rivals.map(|other| other.id).collect()
}

/// A path as seen from a folder, without `.` and `..`.
pub(super) fn absolute(folder: &str, path: &str) -> String {
    let whole = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{folder}/{path}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use schliff_slurm::state::BaseState;

    use super::*;
    use crate::slurm::listing::tests::job;

    const NOW: UnixSeconds = UnixSeconds(1_000);

    fn found(name: &str, comment: &str, state: BaseState) -> Found {
        Found {
            job: Job {
                name: name.into(),
                comment: comment.into(),
                ..job(7, state)
            },
            folder: "/p/runs".into(),
            is_own: true,
        }
    }

    fn refused(found: &Found) -> FindError {
        standing(found, "word", NOW).expect_err("it cannot be adopted")
    }

    #[test]
    fn what_was_submitted_by_hand_runs_or_waits_and_names_its_folder() {
        for state in [BaseState::Running, BaseState::Pending] {
            let found = found("desk", "schliff by-hand runs/it's a b", state);
            let stands = standing(&found, "word", NOW).expect("it can be adopted");
            assert_eq!(
                stands,
                Standing::ByHand {
                    out: "runs/it's a b"
                }
            );
        }
        let ours = found("schliff-4-1", "schliff word desk", BaseState::Running);
        let key = "schliff-4-1".parse().expect("a key");
        assert_eq!(standing(&ours, "word", NOW).ok(), Some(Standing::Ours(key)));
    }

    #[test]
    fn whatever_else_is_refused_with_its_reason() {
        use BaseState::{Completed, Running};
        let by_hand = "schliff by-hand runs/desk";
        let mut other = found("desk", by_hand, Running);
        other.is_own = false;
        assert!(matches!(refused(&other), FindError::OfUser { .. }));
        let ended = found("desk", by_hand, Completed);
        assert!(matches!(refused(&ended), FindError::Ended(_)));
        let mut array = found("desk", by_hand, Running);
        array.job.array = Some((JobId(6), Some(1)));
        assert!(matches!(refused(&array), FindError::Array(_)));
        for (name, comment) in [
            ("desk", ""),
            ("desk", "schliff by-hand"),
            ("desk", "schliff word desk"),
            ("schliff-4-1", ""),
            ("schliff-4-1", "other"),
        ] {
            let found = found(name, comment, Running);
            assert!(
                matches!(refused(&found), FindError::NotOurs(_)),
                "{comment}"
            );
        }
        let theirs = refused(&found("schliff-4-1", "schliff else desk", Running));
        let FindError::OfCoordinator { instance, .. } = &theirs else {
            panic!("{theirs}");
        };
        assert_eq!(instance, "else");
    }

    #[test]
    fn a_job_that_runs_beside_is_a_rival_and_one_that_waits_is_none() {
        let by_hand = "schliff by-hand runs/desk";
        let own = found("desk", by_hand, BaseState::Pending).job;
        let of = |id, comment: &str, state| Job {
            id: JobId(id),
            ..found("desk", comment, state).job
        };
        let harmless = [
            own.clone(),
            of(8, by_hand, BaseState::Pending),
            of(9, by_hand, BaseState::Completed),
            of(10, "schliff by-hand elsewhere", BaseState::Running),
        ];
        assert_eq!(rivals(&own, &harmless, NOW), []);
        let runs = [own.clone(), of(6, by_hand, BaseState::Running)];
        assert_eq!(rivals(&own, &runs, NOW), [JobId(6)]);
    }

    #[test]
    fn paths_are_those_of_the_folder_it_was_submitted_in() {
        for (path, expected) in [
            ("runs/desk", "/p/x/runs/desk"),
            ("/runs//desk/", "/runs/desk"),
            ("../y/./z", "/p/y/z"),
            ("../../../..", "/"),
        ] {
            assert_eq!(absolute("/p/x", path), expected);
        }
    }
}
