//! What `squeue` prints: all jobs that Slurm's controller remembers, in one call.
//!
//! Rules: only `-o` letters that 20.11 has. `-t all` keeps jobs that have ended in the list while they
//! are remembered. The name and the comment are free text and stand last. Absent on purpose: exit
//! codes and restarts, which `-o` has no letter for.

use crate::job::{Job, JobId};
use crate::parse::{ParseError, small_count, text, told};
use crate::record::{Record, records};
use crate::state::JobState;
use crate::time::{Span, UnixSeconds};

/// The value of `-o`: see [`ARGUMENTS`].
pub const FORMAT: &str = concat!(
    "%A\u{1f}%F\u{1f}%K\u{1f}%T\u{1f}%u\u{1f}%P\u{1f}%a\u{1f}%q\u{1f}%V\u{1f}%S\u{1f}%e\u{1f}%l",
    "\u{1f}%D\u{1f}%N\u{1f}%E\u{1f}%r\u{1f}%j\u{1f}%k",
);

/// Arguments of `squeue` for [`jobs`]; `--user` may follow. The last one must be quoted.
pub const ARGUMENTS: &[&str] = &["--noheader", "--all", "--states=all", "-o", FORMAT];

pub(crate) const FIELDS: usize = 18;
pub(crate) const FREE: usize = 2;

/// Reads what `squeue` printed.
///
/// # Errors
/// Names the record that is not understood.
pub fn jobs(printed: &str) -> Result<Vec<Job>, ParseError> {
    let records = records(printed, FIELDS, FREE);
    records.iter().map(job).collect()
}

fn job(record: &Record) -> Result<Job, ParseError> {
    let broken = |why: String| ParseError::new("a job of squeue", record.line, why);
    let count = format!("expected {FIELDS} fields, found {}", record.fields.len());
    let fields: [&str; FIELDS] = record
        .fields
        .as_slice()
        .try_into()
        .map_err(|_| broken(count))?;
    read(fields).map_err(|error| broken(error.to_string()))
}

fn read(fields: [&str; FIELDS]) -> Result<Job, ParseError> {
    let [
        id,
        array,
        task,
        state,
        user,
        partition,
        account,
        qos,
        rest @ ..,
    ] = fields;
    let [
        submitted,
        start,
        end,
        limit,
        nodes,
        list,
        dependency,
        reason,
        name,
        comment,
    ] = rest;
    Ok(Job {
        id: JobId::parse(id)?,
        array: place_in_array(array, task)?,
        name: name.to_owned(),
        comment: text(comment),
        user: text(user),
        partition: text(partition),
        account: text(account),
        qos: text(qos),
        state: JobState::parse(state)?,
        reason: reason.to_owned(),
        submitted_at: UnixSeconds::parse(submitted)?,
        start_at: UnixSeconds::parse(start)?,
        end_at: UnixSeconds::parse(end)?,
        time_limit_min: Span::parse(limit)?.minutes(),
        nodes: text(list),
        node_count: small_count("a count of nodes", nodes)?,
        dependency: text(dependency),
        exit: None,
        restarts: None,
    })
}

/// Tasks that wait are one job, whose place is a set such as `0-7%2`.
fn place_in_array(array: &str, task: &str) -> Result<Option<(JobId, Option<u32>)>, ParseError> {
    match told(task) {
        None => Ok(None),
        Some(task) => Ok(Some((JobId::parse(array)?, task.parse().ok()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{BaseState, StateFlag};

    fn line(text: &str) -> String {
        text.replace('|', "\u{1f}")
    }

    #[test]
    fn the_format_has_the_fields_that_are_read() {
        assert_eq!(FORMAT.split('\u{1f}').count(), FIELDS);
    }

    #[test]
    fn a_job_that_runs_and_one_that_waits() {
        let found = jobs(&line(
            "4|4|N/A|RUNNING|root|batch|dev|normal|2026-11-25T22:41:03|2026-11-25T22:41:04|\
             2026-11-25T22:46:04|5:00|2|n[1-2]|(null)|None|parse-run|(null)\n\
             3|3|0-7%2|PENDING|root|batch,urgent||normal|2026-11-25T22:41:03|N/A|N/A|UNLIMITED|1K||\
             afterany:2(unfulfilled)|Dependency|a|b | c\n",
        ));
        let found = found.expect("two jobs");
        assert_eq!(found[0].id, JobId(4));
        assert_eq!(found[0].array, None);
        assert_eq!(found[0].end_at, Some(UnixSeconds(1_795_646_764)));
        assert_eq!((found[0].time_limit_min, found[0].node_count), (Some(5), 2));
        assert_eq!(found[0].comment, "");
        let waits = &found[1];
        assert_eq!(waits.array, Some((JobId(3), None)));
        assert_eq!((waits.start_at, waits.time_limit_min), (None, None));
        assert_eq!(
            (waits.name.as_str(), waits.comment.as_str()),
            ("a", "b \u{1f} c")
        );
        assert_eq!((waits.node_count, waits.nodes.as_str()), (1024, ""));
    }

    #[test]
    fn a_job_that_is_being_ended_has_not_ended() {
        let found = jobs(&line(
            "5|3|7|COMPLETING|1000|batch|dev|normal|N/A|N/A|N/A|INVALID|1|n1||None|x|",
        ));
        let job = &found.expect("a job")[0];
        assert_eq!(job.state.base, BaseState::Running);
        assert_eq!(job.state.flags, [StateFlag::Completing]);
        assert_eq!(job.array, Some((JobId(3), Some(7))));
    }

    #[test]
    fn a_broken_record_is_named() {
        let error = jobs("slurm_load_jobs error: Unable to contact\n").expect_err("no job");
        assert_eq!(
            error.to_string(),
            "cannot read a job of squeue from \"slurm_load_jobs error: Unable to contact\": \
             expected 18 fields, found 1"
        );
    }
}
