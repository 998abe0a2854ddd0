//! JSON of `squeue`, `sinfo`, `scontrol` and slurmrestd, from 22.05 (v0.0.38) to 25.11 (v0.0.44).
//!
//! Rules: releases differ in the form of a value, rarely in its name, so one reader takes every form:
//! a word or a list of words, a number or `{set, infinite, number}`. What is absent or of a form of its
//! own is not told; only the list itself and a job's number and state are needed, so that an answer
//! that is none never reads as an empty queue. Errors and warnings stand beside the
//! answer and are the caller's to look at. Absent on purpose: requests, which must be exact.

mod job;
mod node;
mod partition;
mod past;
mod value;

use serde::Deserialize;

use crate::job::{Job, JobId};
use crate::node::{Node, Partition};
use crate::parse::ParseError;
use value::{List, Number, Text, section};

/// What Slurm says beside an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Each an error, in Slurm's words.
    pub errors: Vec<String>,
    /// Each a warning, in Slurm's words: something of the request was not understood.
    pub warnings: Vec<String>,
    /// Each a word of the controller about a job that it took, such as that it is held: 24.11 has them
    /// among the warnings.
    pub notes: Vec<String>,
}

/// Reads the remarks of any answer.
///
/// # Errors
/// It is no JSON object.
pub fn remarks(answer: &str) -> Result<Remarks, ParseError> {
    let form: RemarksForm = read("an answer of Slurm", answer)?;
    let words = |list: Vec<RemarkForm>| list.into_iter().map(RemarkForm::words).collect();
    let is_note = |remark: &RemarkForm| remark.source.as_str() == SUBMITTING;
    let (notes, warnings) = form.warnings.0.into_iter().partition(is_note);
    Ok(Remarks {
        errors: words(form.errors.0),
        warnings: words(warnings),
        notes: words(notes),
    })
}

/// Reads the jobs of an answer.
///
/// # Errors
/// It has no list of jobs, or a job has no number or no known state.
pub fn jobs(answer: &str) -> Result<Vec<Job>, ParseError> {
    let form: JobsForm = read("jobs in JSON", answer)?;
    form.jobs.into_iter().map(job::Form::into_job).collect()
}

/// Reads the first job of an answer, and the folder where it works; `None` where it has no job.
///
/// # Errors
/// As [`jobs`].
pub fn found(answer: &str) -> Result<Option<(Job, String)>, ParseError> {
    let form: FoundForm = read("jobs in JSON", answer)?;
    let folder = form.jobs.into_iter().next();
    let job = jobs(answer)?.into_iter().next();
    let folder = folder.map(|it| it.current_working_directory.into_text());
    Ok(job.map(|job| (job, folder.unwrap_or_default())))
}

/// Reads the runs of an answer of the accounting database.
///
/// # Errors
/// It has no list of jobs, or one has no number or no known state.
pub fn past(answer: &str) -> Result<Vec<Job>, ParseError> {
    let form: PastForm = read("past jobs in JSON", answer)?;
    form.jobs.into_iter().map(past::Form::into_job).collect()
}

/// Reads the nodes of an answer, also of those that `sinfo` groups from 23.02 on.
///
/// # Errors
/// It has no list of nodes, or a host list in it is broken.
pub fn nodes(answer: &str) -> Result<Vec<Node>, ParseError> {
    let form: NodesForm = read("nodes in JSON", answer)?;
    match (form.nodes, form.sinfo) {
        (Some(nodes), _) => Ok(nodes.into_iter().map(node::Form::into_node).collect()),
        (None, Some(groups)) => node::of_groups(groups),
        (None, None) => Err(ParseError::new("nodes in JSON", answer, "it has none")),
    }
}

/// Reads the partitions of an answer.
///
/// # Errors
/// It has no list of partitions.
pub fn partitions(answer: &str) -> Result<Vec<Partition>, ParseError> {
    let form: PartitionsForm = read("partitions in JSON", answer)?;
    let forms = form.partitions.into_iter();
    Ok(forms.map(partition::Form::into_partition).collect())
}

/// Reads the number of the job that a submit made; `None` where it made none.
///
/// # Errors
/// It is no JSON object.
pub fn submitted(answer: &str) -> Result<Option<JobId>, ParseError> {
    let form: SubmittedForm = read("the answer to a submit", answer)?;
    let id = form.job_id.count().or(form.result.job_id.count());
    Ok(id.filter(|id| *id > 0).map(JobId))
}

/// Reads the release, such as `22.05.8`, where it is told.
///
/// # Errors
/// It is no JSON object.
pub fn release(answer: &str) -> Result<Option<String>, ParseError> {
    let form: MetaForm = read("the release in JSON", answer)?;
    let release = form.meta.slurm.release.into_text();
    Ok(Some(release).filter(|release| !release.is_empty()))
}

fn read<'a, T: Deserialize<'a>>(what: &'static str, answer: &'a str) -> Result<T, ParseError> {
    serde_json::from_str(answer).map_err(|error| ParseError::new(what, answer, error.to_string()))
}

/// Who tells of a job that was taken; fields that are not understood have their path in its place.
const SUBMITTING: &str = "slurm_submit_batch_job()";

#[derive(Deserialize)]
struct RemarksForm {
    #[serde(default)]
    errors: List<RemarkForm>,
    #[serde(default)]
    warnings: List<RemarkForm>,
}

#[derive(Deserialize)]
struct RemarkForm {
    #[serde(default)]
    error: Text,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    source: Text,
}

impl RemarkForm {
    fn words(self) -> String {
        let (error, description) = (self.error.into_text(), self.description.into_text());
        match (error.is_empty(), description.is_empty()) {
            (true, true) => "no words".to_owned(),
            (true, false) => description,
            (false, true) => error,
            (false, false) => format!("{error}: {description}"),
        }
    }
}

#[derive(Deserialize)]
struct JobsForm {
    jobs: Vec<job::Form>,
}

#[derive(Deserialize)]
struct FoundForm {
    jobs: Vec<FolderForm>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FolderForm {
    current_working_directory: Text,
}

#[derive(Deserialize)]
struct PastForm {
    jobs: Vec<past::Form>,
}

#[derive(Deserialize)]
struct NodesForm {
    #[serde(default)]
    nodes: Option<Vec<node::Form>>,
    #[serde(default)]
    sinfo: Option<Vec<node::GroupForm>>,
}

#[derive(Deserialize)]
struct PartitionsForm {
    partitions: Vec<partition::Form>,
}

#[derive(Deserialize)]
struct SubmittedForm {
    #[serde(default)]
    job_id: Number,
    #[serde(default, deserialize_with = "section")]
    result: ResultForm,
}

#[derive(Default, Deserialize)]
struct ResultForm {
    #[serde(default)]
    job_id: Number,
}

#[derive(Deserialize)]
struct MetaForm {
    #[serde(default, deserialize_with = "section")]
    meta: MetaInside,
}

#[derive(Default, Deserialize)]
struct MetaInside {
    #[serde(default, alias = "Slurm", deserialize_with = "section")]
    slurm: SlurmForm,
}

#[derive(Default, Deserialize)]
struct SlurmForm {
    #[serde(default)]
    release: Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_of_old_and_new_answers() {
        let old =
            r#"{"meta":{},"errors":[{"error_number":2017,"error":"Invalid job id specified"}]}"#;
        assert_eq!(
            remarks(old).expect("an object").errors,
            ["Invalid job id specified"]
        );
        let new = r#"{"errors":[],"warnings":[{"description":"Ignoring unknown field \"nodez\"","source":"x"}, 3]}"#;
        let found = remarks(new).expect("an object");
        assert_eq!(found.warnings, ["Ignoring unknown field \"nodez\""]);
        assert!(remarks("Authentication failure").is_err());
        assert_eq!(remarks("{}"), Ok(Remarks::default()));
        assert_eq!(remarks(r#"{"errors":null}"#), Ok(Remarks::default()));
    }

    #[test]
    fn what_is_said_of_a_job_is_no_warning() {
        let answer = r##"{"job_id":20,"errors":[],"warnings":[
            {"description":"Ignoring unknown field \"nodez\"","source":"#/job/nodez/"},
            {"description":"Job is in held state, pending scheduler release",
             "source":"slurm_submit_batch_job()"}]}"##;
        let found = remarks(answer).expect("an object");
        assert_eq!(found.warnings, ["Ignoring unknown field \"nodez\""]);
        assert_eq!(
            found.notes,
            ["Job is in held state, pending scheduler release"]
        );
    }

    #[test]
    fn the_number_of_a_submitted_job() {
        for (answer, id) in [
            (r#"{"job_id":9,"step_id":"BATCH"}"#, Some(9)),
            (
                r#"{"result":{"job_id":9},"job_id":{"set":true,"infinite":false,"number":9}}"#,
                Some(9),
            ),
            (r#"{"result":{"job_id":9}}"#, Some(9)),
            (r#"{"job_id":0,"errors":[{"error":"no"}]}"#, None),
            (r"{}", None),
        ] {
            assert_eq!(submitted(answer), Ok(id.map(JobId)), "{answer}");
        }
    }

    #[test]
    fn the_release() {
        for meta in [
            r#"{"Slurm":{"release":"22.05.8"}}"#,
            r#"{"slurm":{"release":"22.05.8"}}"#,
        ] {
            let answer = format!(r#"{{"meta":{meta}}}"#);
            assert_eq!(release(&answer), Ok(Some("22.05.8".to_owned())));
        }
        assert_eq!(release("{}"), Ok(None));
    }
}
