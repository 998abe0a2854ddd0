//! A job in JSON.

use serde::Deserialize;

use super::value::{Number, Text, Words};
use crate::job::{Exit, Job, JobId};
use crate::parse::ParseError;
use crate::state::JobState;

/// The fields that are read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    job_id: Number,
    array_job_id: Number,
    array_task_id: Number,
    name: Text,
    comment: Text,
    user_name: Text,
    user_id: Text,
    partition: Text,
    account: Text,
    qos: Text,
    job_state: Words,
    state_reason: Text,
    state_description: Text,
    submit_time: Number,
    start_time: Number,
    end_time: Number,
    time_limit: Number,
    nodes: Text,
    node_count: Number,
    dependency: Text,
    exit_code: ExitForm,
    restart_cnt: Number,
}

/// What `wait` tells as a number, or its parts from 23.11 on.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ExitForm {
    Parts {
        return_code: Number,
        #[serde(default)]
        signal: SignalForm,
    },
    Status(Number),
}

impl Default for ExitForm {
    fn default() -> Self {
        Self::Status(Number::NotTold)
    }
}

/// `{"id": …}` up to 24.05's v0.0.41, and as `signal_id` before v0.0.40.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SignalForm {
    #[serde(alias = "signal_id")]
    id: Number,
}

impl Form {
    pub(super) fn into_job(self) -> Result<Job, ParseError> {
        let name = self.name.into_text();
        let no_number = || ParseError::new("a job in JSON", &name, "it has no number");
        let id = self
            .job_id
            .count()
            .filter(|id| *id > 0)
            .ok_or_else(no_number)?;
        let no_state = |error: ParseError| {
            ParseError::new("a job in JSON", &id.to_string(), error.to_string())
        };
        let state = JobState::of_words(self.job_state.0.iter().map(String::as_str));
        let user = self.user_name.into_text();
        let array = self.array_job_id.count().filter(|array| *array > 0);
        Ok(Job {
            id: JobId(id),
            array: array.map(|array| (JobId(array), self.array_task_id.count())),
            comment: self.comment.into_text(),
            user: if user.is_empty() {
                self.user_id.into_text()
            } else {
                user
            },
            partition: self.partition.into_text(),
            account: self.account.into_text(),
            qos: self.qos.into_text(),
            state: state.map_err(no_state)?,
            reason: reason(
                self.state_reason.into_text(),
                self.state_description.into_text(),
            ),
            submitted_at: self.submit_time.time(),
            start_at: self.start_time.time(),
            end_at: self.end_time.time(),
            time_limit_min: self.time_limit.minutes(),
            nodes: self.nodes.into_text(),
            node_count: self.node_count.count().unwrap_or(0),
            dependency: self.dependency.into_text(),
            exit: self.exit_code.into_exit(),
            restarts: self.restart_cnt.count(),
            name,
        })
    }
}

/// As `squeue` has it: the description, where there is one, says more.
fn reason(word: String, description: String) -> String {
    if description.is_empty() {
        word
    } else {
        description
    }
}

impl ExitForm {
    pub(super) fn into_exit(self) -> Option<Exit> {
        match self {
            Self::Parts {
                return_code,
                signal,
            } => {
                let (code, signal) = (return_code.count(), signal.id.count());
                let is_told = code.is_some() || signal.is_some();
                let (code, signal) = (code.unwrap_or(0), signal.unwrap_or(0));
                is_told.then_some(Exit { code, signal })
            }
            Self::Status(status) => status.count().map(Exit::of_wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::jobs;
    use super::*;
    use crate::state::{BaseState, StateFlag};
    use crate::time::UnixSeconds;

    #[test]
    fn a_job_as_22_05_has_it() {
        let found = jobs(
            r#"{"jobs":[{"job_id":18,"array_job_id":0,"array_task_id":null,"job_state":"FAILED",
            "name":"a","comment":"","user_name":"root","user_id":0,"partition":"batch","account":"dev",
            "qos":"normal","state_reason":"NonZeroExitCode","state_description":"","submit_time":1795646695,
            "start_time":1795646696,"end_time":1795646696,"time_limit":5,"nodes":"n1","node_count":1,
            "dependency":"","exit_code":768,"restart_cnt":1,"cores":[{}]}]}"#,
        );
        let job = &found.expect("a job")[0];
        assert_eq!((job.id, job.array), (JobId(18), None));
        assert_eq!(job.exit, Some(Exit { code: 3, signal: 0 }));
        assert_eq!((job.restarts, job.time_limit_min), (Some(1), Some(5)));
        assert_eq!(job.start_at, Some(UnixSeconds(1_795_646_696)));
    }

    #[test]
    fn a_job_as_24_11_has_it() {
        let found = jobs(
            r#"{"jobs":[{"job_id":30,"array_job_id":{"set":true,"infinite":false,"number":28},
            "array_task_id":{"set":true,"infinite":false,"number":1},"job_state":["RUNNING","CONFIGURING"],
            "name":"a","user_name":"","user_id":1000,"time_limit":{"set":false,"infinite":true,"number":0},
            "state_reason":"None","start_time":{"set":true,"infinite":false,"number":1795646696},
            "end_time":{"set":false,"infinite":false,"number":0},
            "node_count":{"set":true,"infinite":false,"number":2},
            "exit_code":{"status":["SUCCESS"],"return_code":{"set":true,"infinite":false,"number":0},
            "signal":{"id":{"set":false,"infinite":false,"number":0},"name":""}}}],"warnings":[]}"#,
        );
        let job = &found.expect("a job")[0];
        assert_eq!(job.array, Some((JobId(28), Some(1))));
        assert_eq!(
            (job.state.base, job.state.has(StateFlag::Configuring)),
            (BaseState::Running, true)
        );
        assert_eq!(
            (job.user.as_str(), job.time_limit_min, job.node_count),
            ("1000", None, 2)
        );
        assert_eq!(
            (job.end_at, job.exit),
            (None, Some(Exit { code: 0, signal: 0 }))
        );
    }

    #[test]
    fn a_job_without_a_number_or_a_state_is_an_error() {
        assert!(jobs(r#"{"jobs":[{"job_state":["RUNNING"]}]}"#).is_err());
        assert!(jobs(r#"{"jobs":[{"job_id":4}]}"#).is_err());
        assert_eq!(jobs(r#"{"jobs":[]}"#), Ok(Vec::new()));
        assert!(
            jobs("{}").is_err(),
            "an answer without jobs is no empty queue"
        );
    }
}
