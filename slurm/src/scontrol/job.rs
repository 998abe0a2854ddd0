//! `scontrol show job --oneliner`.

use super::Pairs;
use crate::job::{Exit, Job, JobId};
use crate::parse::{ParseError, small_count};
use crate::state::JobState;
use crate::time::{Span, UnixSeconds};

/// Reads the jobs of what it printed; `No jobs in the system` is none.
///
/// # Errors
/// Names the line that is not understood.
pub fn jobs(printed: &str) -> Result<Vec<Job>, ParseError> {
    let lines = lines(printed).into_iter();
    let read = |line: &str| {
        let broken =
            |error: ParseError| ParseError::new("a job of scontrol", line, error.to_string());
        job(&Pairs::read(line)).map_err(broken)
    };
    lines.map(read).collect()
}

/// Lines that begin with a job, each with those that follow because a name holds a line's end.
fn lines(printed: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in printed.split_inclusive('\n') {
        if line.starts_with("JobId=") {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([printed.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| &printed[*from..to])
        .collect()
}

fn job(pairs: &Pairs) -> Result<Job, ParseError> {
    let time = |name| pairs.get(name).map_or(Ok(None), UnixSeconds::parse);
    let task = pairs.get("ArrayTaskId").and_then(|task| task.parse().ok());
    let array = pairs.get("ArrayJobId").map(JobId::parse).transpose()?;
    let limit = pairs.get("TimeLimit").unwrap_or_default();
    // An end that is told of a job that waits is only its limit counted from a start that is a guess.
    Ok(Job {
        id: JobId::parse(pairs.get("JobId").unwrap_or_default())?,
        array: array.map(|array| (array, task)),
        name: pairs.text("JobName"),
        comment: pairs.text("Comment"),
        user: user(pairs.get("UserId").unwrap_or_default()),
        partition: pairs.text("Partition"),
        account: pairs.text("Account"),
        qos: pairs.text("QOS"),
        state: JobState::parse(pairs.get("JobState").unwrap_or_default())?,
        // Blanks are written as lines here.
        reason: pairs.text("Reason").replace('_', " "),
        submitted_at: time("SubmitTime")?,
        start_at: time("StartTime")?,
        end_at: time("EndTime")?,
        time_limit_min: Span::parse(limit)?.minutes(),
        nodes: pairs.text("NodeList"),
        node_count: node_count(pairs.get("NumNodes"))?,
        dependency: pairs.text("Dependency"),
        exit: pairs.get("ExitCode").map(Exit::parse).transpose()?,
        restarts: pairs.get("Restarts").and_then(|count| count.parse().ok()),
    })
}

/// `root(0)` without the number.
fn user(text: &str) -> String {
    let name = text.split_once('(').map_or(text, |(name, _)| name);
    name.to_owned()
}

/// `2`, or `2-4` of a job that waits.
fn node_count(text: Option<&str>) -> Result<u32, ParseError> {
    let text = text.unwrap_or("0");
    let least = text.split_once('-').map_or(text, |(least, _)| least);
    small_count("a count of nodes", least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::BaseState;

    #[test]
    fn jobs_with_exit_codes_and_restarts() {
        let found = jobs(
            "JobId=16 JobName=a b\nNodeList=n9 UserId=root(0) GroupId=root(0) Account=dev QOS=normal JobState=RUNNING \
             Reason=None Dependency=(null) Requeue=1 Restarts=2 ExitCode=0:0 TimeLimit=00:05:00 \
             SubmitTime=2026-11-25T22:44:55 StartTime=2026-11-25T22:44:56 EndTime=2026-11-25T22:49:56 \
             Partition=batch AllocNode:Sid=l:1 NodeList=n[1-2] BatchHost=n1 NumNodes=2-4 Comment=x | y  StdErr=/dev/null \n\
             JobId=21 ArrayJobId=20 ArrayTaskId=7 JobName=x UserId=1000 JobState=PENDING \
             Reason=ReqNodeNotAvail,_UnavailableNodes:n1 TimeLimit=UNLIMITED StartTime=Unknown NumNodes=1 NodeList= \n",
        );
        let found = found.expect("two jobs");
        assert_eq!(found[0].name, "a b\nNodeList=n9");
        assert_eq!(found[0].nodes, "n[1-2]");
        assert_eq!(
            (found[0].user.as_str(), found[0].comment.as_str()),
            ("root", "x | y")
        );
        assert_eq!((found[0].restarts, found[0].node_count), (Some(2), 2));
        assert_eq!(found[0].exit, Some(Exit { code: 0, signal: 0 }));
        assert_eq!(found[1].array, Some((JobId(20), Some(7))));
        assert_eq!(found[1].state.base, BaseState::Pending);
        assert_eq!(found[1].reason, "ReqNodeNotAvail, UnavailableNodes:n1");
    }

    #[test]
    fn none_and_broken_ones() {
        assert_eq!(jobs("No jobs in the system\n"), Ok(Vec::new()));
        assert!(jobs("JobId=x\n").is_err());
        assert!(jobs("JobId=1 JobName=x\n").is_err());
    }
}
