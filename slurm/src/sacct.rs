//! What `sacct` prints: every run of each job that the accounting database knows.
//!
//! Rules: a job that was put into the queue again has several records (`--duplicates`), the oldest
//! first. Steps are left out. The name and the comment stand last. Absent on purpose: what jobs used.

use crate::job::{Exit, Job, JobId};
use crate::parse::{ParseError, small_count, text, told};
use crate::record::{Record, records};
use crate::state::JobState;
use crate::time::{Span, UnixSeconds};

/// Arguments of `sacct` for [`runs`]; `--user` and `--starttime` follow. Both that hold U+001F must be
/// quoted.
pub const ARGUMENTS: &[&str] = &[
    "--noheader",
    "--parsable2",
    "--duplicates",
    "--allocations",
    "--delimiter=\u{1f}",
    "--format=JobID,JobIDRaw,State,User,Partition,Account,QOS,Submit,Start,End,Timelimit,NNodes,\
     NodeList,Reason,ExitCode,JobName,Comment",
];

const FIELDS: usize = 17;
const FREE: usize = 2;

/// Reads what `sacct` printed.
///
/// # Errors
/// Names the record that is not understood.
pub fn runs(printed: &str) -> Result<Vec<Job>, ParseError> {
    let records = records(printed, FIELDS, FREE);
    records.iter().map(run).collect()
}

fn run(record: &Record) -> Result<Job, ParseError> {
    let broken = |why: String| ParseError::new("a job of sacct", record.line, why);
    let count = format!("expected {FIELDS} fields, found {}", record.fields.len());
    let fields: [&str; FIELDS] = record
        .fields
        .as_slice()
        .try_into()
        .map_err(|_| broken(count))?;
    read(fields).map_err(|error| broken(error.to_string()))
}

fn read(fields: [&str; FIELDS]) -> Result<Job, ParseError> {
    let [shown, id, state, user, partition, account, qos, rest @ ..] = fields;
    let [
        submitted,
        start,
        end,
        limit,
        nodes,
        list,
        reason,
        exit,
        name,
        comment,
    ] = rest;
    let list = text(list);
    let is_none = list == "None assigned";
    Ok(Job {
        id: JobId::parse(id)?,
        array: place_in_array(shown)?,
        name: name.to_owned(),
        comment: text(comment),
        user: user.to_owned(),
        partition: partition.to_owned(),
        account: account.to_owned(),
        qos: qos.to_owned(),
        state: JobState::parse(state)?,
        reason: reason.to_owned(),
        submitted_at: UnixSeconds::parse(submitted)?,
        start_at: UnixSeconds::parse(start)?,
        end_at: UnixSeconds::parse(end)?,
        time_limit_min: Span::parse(limit)?.minutes(),
        nodes: if is_none { String::new() } else { list },
        node_count: told(nodes).map_or(Ok(0), |word| small_count("a count of nodes", word))?,
        dependency: String::new(),
        exit: told(exit).map(Exit::parse).transpose()?,
        restarts: None,
    })
}

/// `3_7`, or `3_[0-7%2]` for tasks that wait.
fn place_in_array(shown: &str) -> Result<Option<(JobId, Option<u32>)>, ParseError> {
    match shown.split_once('_') {
        None => Ok(None),
        Some((array, task)) => Ok(Some((JobId::parse(array)?, task.parse().ok()))),
    }
}

impl Exit {
    /// Reads `3:0`: the exit code and the signal.
    ///
    /// # Errors
    /// It is not of that form.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let broken = || ParseError::new("an exit code", text, "expected CODE:SIGNAL");
        let (code, signal) = text.trim().split_once(':').ok_or_else(broken)?;
        let number = |word: &str| word.parse::<u32>().map_err(|_| broken());
        Ok(Self {
            code: number(code)?,
            signal: number(signal)?,
        })
    }

    /// Reads what `wait` tells of a process, as JSON up to 23.02 has it.
    pub fn of_wait(status: u32) -> Self {
        Self {
            code: status >> 8 & 0xff,
            signal: status & 0x7f,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::BaseState;

    #[test]
    fn runs_of_one_job_and_a_task() {
        let found = runs(
            &"4|4|PREEMPTED|root|batch|dev|normal|2026-11-25T22:41:03|2026-11-25T22:41:04|\
              2026-11-25T22:41:50|00:05:00|2|n[1-2]|None|0:0|a|\n\
              4|4|CANCELLED by 0|root|batch|dev|normal|2026-11-25T22:41:50|None|2026-11-25T22:41:55|\
              00:05:00|2|None assigned|BeginTime|0:15|a\nb|c\n\
              21_2|23|FAILED|root|batch|dev|normal|2026-11-25T22:41:50|Unknown|Unknown|Partition_Limit|\
              |n1|None|3:0|x|y\n"
                .replace('|', "\u{1f}"),
        );
        let found = found.expect("three runs");
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].id, found[1].id), (JobId(4), JobId(4)));
        assert_eq!(found[0].state.base, BaseState::Preempted);
        assert_eq!(found[1].state.cancelled_by, Some(0));
        assert_eq!((found[1].start_at, found[1].nodes.as_str()), (None, ""));
        assert_eq!(
            found[1].exit,
            Some(Exit {
                code: 0,
                signal: 15
            })
        );
        assert_eq!(found[1].name, "a\nb");
        assert_eq!(found[2].array, Some((JobId(21), Some(2))));
        assert_eq!(found[2].node_count, 0);
    }

    #[test]
    fn exit_codes() {
        assert_eq!(Exit::parse("3:0"), Ok(Exit { code: 3, signal: 0 }));
        assert_eq!(Exit::of_wait(768), Exit { code: 3, signal: 0 });
        assert_eq!(Exit::of_wait(9), Exit { code: 0, signal: 9 });
        assert!(Exit::parse("3").is_err());
    }
}
