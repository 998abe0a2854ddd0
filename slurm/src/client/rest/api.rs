//! Which of slurmrestd's interfaces to speak. Pure.
//!
//! Rules: the highest that is known to us; one that is not known is never tried, because a field that
//! it does not understand is left out with a warning. v0.0.39 is left out: each release that has it
//! has v0.0.38 or v0.0.40 too.

use serde_json::{Value, json};

use crate::batch::Batch;
use crate::client::Cancel;
use crate::job::JobId;
use crate::time::UnixSeconds;

use super::{v38, v40, v43};

/// One interface of slurmrestd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Api {
    /// The last number of `v0.0.N`.
    number: u32,
    family: Family,
    /// The accounting database is served too.
    has_past: bool,
}

/// Interfaces that take the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// 22.05 and 23.02.
    V38,
    /// 23.11 to 24.11.
    V40,
    /// 25.05 on.
    V43,
}

fn family(number: u32) -> Option<Family> {
    match number {
        38 => Some(Family::V38),
        40..=42 => Some(Family::V40),
        43..=45 => Some(Family::V43),
        _ => None,
    }
}

/// A request, apart from the server's name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// What is done to the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Delete,
}

const BEGIN: &str = "begin_time";

/// What cannot be asked for by an interface.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("slurmrestd v0.0.{number} has no way to say {what}")]
pub(super) struct NoWay {
    pub(super) number: u32,
    pub(super) what: String,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            path: path.into(),
            body: None,
        }
    }
}

impl Api {
    /// Picks from the paths of an OpenAPI document, or tells which interfaces there are.
    pub(super) fn pick(document: &Value) -> Result<Self, String> {
        let paths = document.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or("it is no list of paths")?;
        let numbers = |root: &str| {
            let number = |path: &String| {
                let rest = path.strip_prefix(root)?.strip_prefix("/v0.0.")?;
                rest.split('/').next()?.parse().ok()
            };
            let mut numbers: Vec<u32> = paths.keys().filter_map(number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let offered = numbers("/slurm");
        let known = |number: &u32| family(*number).map(|family| (*number, family));
        let Some((number, family)) = offered.iter().rev().find_map(known) else {
            let offered: Vec<_> = offered.iter().map(|n| format!("v0.0.{n}")).collect();
            return Err(format!(
                "it offers none of v0.0.38 and v0.0.40 to v0.0.45, but {}",
                offered.join(", ")
            ));
        };
        Ok(Self {
            number,
            family,
            has_past: numbers("/slurmdb").contains(&number),
        })
    }

    /// The job as this interface can be asked for it.
    pub(super) fn adapted(self, batch: &Batch) -> Batch {
        match self.family {
            Family::V38 => v38::adapted(batch),
            Family::V40 | Family::V43 => batch.clone(),
        }
    }

    /// Submits an adapted job, which does not begin before then.
    pub(super) fn submit(
        self,
        batch: &Batch,
        script: &str,
        begin: Option<UnixSeconds>,
    ) -> Result<Request, NoWay> {
        let body = match self.family {
            Family::V38 => v38::submit(batch, script),
            Family::V40 => v40::submit(batch, script),
            Family::V43 => v43::submit(batch, script),
        };
        let mut body = body.map_err(|what| self.no_way(what))?;
        if let Some(at) = begin {
            body["job"][BEGIN] = self.begin(at);
        }
        Ok(Request {
            method: Method::Post,
            path: self.path("job/submit"),
            body: Some(body),
        })
    }

    pub(super) fn cancel(self, job: JobId, how: Cancel) -> Result<Request, NoWay> {
        let query = match (how, self.family) {
            (Cancel::End, _) => String::new(),
            // It would reach every process of every step, and end those that do not expect it.
            (Cancel::SignalBatch(_), Family::V38) => {
                return Err(self.no_way("that a signal is for the batch script alone".to_owned()));
            }
            (Cancel::SignalBatch(name), _) => format!("?signal={name}&flags=BATCH_JOB"),
            (Cancel::SignalAll(name), Family::V38) => format!("?signal={name}"),
            (Cancel::SignalAll(name), _) => format!("?signal={name}&flags=FULL_JOB"),
        };
        Ok(Request {
            method: Method::Delete,
            path: format!("{}{query}", self.path(&format!("job/{job}"))),
            body: None,
        })
    }

    /// Moves a job's begin.
    pub(super) fn start(self, job: JobId, at: UnixSeconds) -> Request {
        Request {
            method: Method::Post,
            path: self.path(&format!("job/{job}")),
            body: Some(json!({ BEGIN: self.begin(at) })),
        }
    }

    /// One job.
    /// Changes what a job is called.
    pub(super) fn rename(self, job: JobId, name: &str, comment: &str) -> Result<Request, NoWay> {
        // It takes the comment, and passes over the name without a word.
        if self.family == Family::V38 {
            return Err(self.no_way("that a job gets another name".to_owned()));
        }
        Ok(Request {
            method: Method::Post,
            path: self.path(&format!("job/{job}")),
            body: Some(json!({ "name": name, "comment": comment })),
        })
    }

    fn begin(self, at: UnixSeconds) -> Value {
        match self.family {
            Family::V38 => v38::begin(at),
            Family::V40 | Family::V43 => v40::begin(at),
        }
    }

    pub(super) fn jobs(self) -> Request {
        Request::get(self.path("jobs"))
    }

    pub(super) fn job(self, job: JobId) -> Request {
        Request::get(self.path(&format!("job/{job}")))
    }

    pub(super) fn nodes(self) -> Request {
        Request::get(self.path("nodes"))
    }

    pub(super) fn partitions(self) -> Request {
        Request::get(self.path("partitions"))
    }

    pub(super) fn ping(self) -> Request {
        Request::get(self.path("ping"))
    }

    /// None where the accounting database is not served.
    pub(super) fn past(self, since: UnixSeconds) -> Option<Request> {
        let (number, since) = (self.number, since.0.max(0));
        // `uts` says that seconds since 1970 follow, which no time zone changes.
        let path = format!("/slurmdb/v0.0.{number}/jobs?start_time=uts{since}");
        self.has_past.then(|| Request::get(path))
    }

    fn path(self, rest: &str) -> String {
        format!("/slurm/v0.0.{}/{rest}", self.number)
    }

    fn no_way(self, what: String) -> NoWay {
        NoWay {
            number: self.number,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(paths: &[&str]) -> Value {
        let paths = paths.iter().map(|path| ((*path).to_owned(), json!({})));
        json!({ "paths": paths.collect::<serde_json::Map<_, _>>() })
    }

    #[test]
    fn the_highest_known_one_is_picked() {
        for (offered, picked) in [
            (&["/slurm/v0.0.36/jobs", "/slurm/v0.0.38/jobs"][..], 38),
            (&["/slurm/v0.0.39/jobs/", "/slurm/v0.0.40/jobs/"], 40),
            (
                &[
                    "/slurm/v0.0.42/jobs/",
                    "/slurm/v0.0.45/jobs/",
                    "/slurm/v0.0.46/jobs/",
                ],
                45,
            ),
            (&["/slurm/v0.0.42/jobs/", "/slurmdb/v0.0.43/jobs/"], 42),
        ] {
            let api = Api::pick(&document(offered)).expect("known");
            assert_eq!(api.number, picked);
            assert!(api.past(UnixSeconds(9)).is_none());
        }
        let with_past = ["/slurm/v0.0.42/jobs", "/slurmdb/v0.0.42/jobs"];
        let api = Api::pick(&document(&with_past)).expect("known");
        let past = api.past(UnixSeconds(9)).expect("a past");
        assert_eq!(past.path, "/slurmdb/v0.0.42/jobs?start_time=uts9");
    }

    #[test]
    fn an_unknown_one_is_named_and_not_tried() {
        let why = Api::pick(&document(&["/slurm/v0.0.46/jobs/"])).expect_err("unknown");
        assert!(why.contains("v0.0.46"), "{why}");
        assert!(Api::pick(&json!("hello")).is_err());
    }

    #[test]
    fn a_signal_is_for_the_batch_script_or_not_sent() {
        let api = |path: &str| Api::pick(&document(&[path])).expect("known");
        let how = Cancel::SignalBatch("USR1");
        let new = api("/slurm/v0.0.41/jobs").cancel(JobId(3), how);
        assert_eq!(
            new.expect("a way").path,
            "/slurm/v0.0.41/job/3?signal=USR1&flags=BATCH_JOB"
        );
        let old = api("/slurm/v0.0.38/jobs");
        let error = old.cancel(JobId(3), how).expect_err("no way").to_string();
        assert!(error.contains("v0.0.38"), "{error}");
        assert!(old.cancel(JobId(3), Cancel::End).is_ok());
        let all = old.cancel(JobId(3), Cancel::SignalAll("USR1"));
        assert_eq!(all.expect("a way").path, "/slurm/v0.0.38/job/3?signal=USR1");
    }

    #[test]
    fn times_are_in_the_form_of_the_interface() {
        for (path, expected) in [
            ("/slurm/v0.0.38/jobs", json!("uts9")),
            (
                "/slurm/v0.0.42/jobs",
                json!({ "set": true, "infinite": false, "number": 9 }),
            ),
        ] {
            let api = Api::pick(&document(&[path])).expect("known");
            let moved = api.start(JobId(3), UnixSeconds(9)).body.expect("a body");
            assert_eq!(moved[BEGIN], expected);
            let batch = Batch::default();
            let later = api.submit(&batch, "", Some(UnixSeconds(9))).expect("a way");
            assert_eq!(later.body.expect("a body")["job"][BEGIN], expected);
            let now = api.submit(&batch, "", None).expect("a way");
            assert!(now.body.expect("a body")["job"].get(BEGIN).is_none());
        }
    }
}
