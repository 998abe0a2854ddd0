//! A submitted job file becomes a submission. Pure.
//!
//! Rules: everything that is wrong with the file is told at once, with its place. Files that it names
//! are not looked for: they are on the clusters' storage, not here.

use std::path::{Component, Path};

use schliff_scheduler::ask::{After, Halving, Sweep, Trial};
use schliff_scheduler::input::Submission;
use schliff_spec::id::{JobId, Step};
use schliff_spec::job::{Job, SweepMethod};
use schliff_spec::load::{LARGEST_FILE_BYTES, Options, load_text};
use schliff_spec::resolved::resolved_toml;
use schliff_spec::sweep;
use schliff_wire::PROTOCOL;
use schliff_wire::v1::SubmitRequest;

use super::shape::{self, Cores};
use crate::refusal::Refusal;

/// The longest name of a request.
const LONGEST_REQUEST_ID: usize = 128;
/// The longest path of a result.
const LONGEST_OUT: usize = 4_096;
/// Jobs that one may wait for.
const MOST_AFTER: usize = 1_000;

/// The submission that a request of `owner` stands for. Where it names no folder of the result, `out`
/// is empty: [`choose_out`] fills it in once the job has a number.
pub(crate) fn submission(
    request: &SubmitRequest,
    owner: &str,
    cores: &Cores,
) -> Result<Submission, Refusal> {
    check_protocol(request.protocol)?;
    check_form(request)?;
    let options = Options { check_files: false };
    let loaded = load_text(&request.job_toml, file_name(request), &[], options)
        .map_err(|problems| Refusal::invalid("job-file", problems.to_string()))?;
    let job = loaded.job;
    let out = request.out.clone();
    let sweep = match &job.sweep {
        Some(_) => Some((sweep_of(&job), trials(&job, &out, cores)?)),
        None => None,
    };
    let after = request.after.iter().map(|it| After {
        job: JobId(it.job),
        any_end: it.any_end,
    });
    Ok(Submission {
        request_id: request.request_id.clone(),
        owner: owner.to_owned(),
        ask: shape::ask(&job, out, cores)?,
        after: after.collect(),
        sweep,
    })
}

/// Refuses a client of another protocol.
pub(crate) fn check_protocol(protocol: u32) -> Result<(), Refusal> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let text =
        format!("this coordinator speaks protocol {PROTOCOL}, the request protocol {protocol}");
    Err(Refusal::invalid("protocol", text).hint("use `schliff` of the coordinator's version"))
}

/// Refuses a name of a request that is none.
pub(super) fn check_request_id(id: &str) -> Result<(), Refusal> {
    if id.len() <= LONGEST_REQUEST_ID {
        return Ok(());
    }
    let text = format!("the request id is longer than {LONGEST_REQUEST_ID} bytes");
    Err(Refusal::invalid("too-long", text))
}

fn check_form(request: &SubmitRequest) -> Result<(), Refusal> {
    let too_long = |what: &str, most: u64| {
        Refusal::invalid(
            "too-long",
            format!("the {what} is longer than {most} bytes"),
        )
    };
    if request.job_toml.len() as u64 > LARGEST_FILE_BYTES {
        return Err(too_long("job file", LARGEST_FILE_BYTES));
    }
    check_request_id(&request.request_id)?;
    if request.after.len() > MOST_AFTER {
        let text = format!("a job waits for {MOST_AFTER} others at most");
        return Err(Refusal::invalid("too-long", text));
    }
    check_out(&request.out)
}

pub(super) fn check_out(out: &str) -> Result<(), Refusal> {
    let path = Path::new(out);
    let is_plain = path.is_absolute()
        && out.len() <= LONGEST_OUT
        && !out.chars().any(char::is_control)
        && !path.components().any(|part| part == Component::ParentDir);
    match out.is_empty() || is_plain {
        true => Ok(()),
        false => {
            let text = format!("the folder of the result must be an absolute path, not {out:?}");
            Err(Refusal::invalid("out", text))
        }
    }
}

/// The body is TOML, whatever the file was that it was made from.
fn file_name(request: &SubmitRequest) -> &str {
    const LONGEST: usize = 1_024;
    let name = request.file_name.as_str();
    match name.ends_with(".toml") && name.len() <= LONGEST {
        true => name,
        false => "job.toml",
    }
}

fn sweep_of(job: &Job) -> Sweep {
    let sweep = job.sweep.as_ref();
    let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let halving = sweep.and_then(|sweep| match &sweep.method {
        SweepMethod::Halving { eta, rungs, .. } => Some(Halving {
            eta: small(*eta),
            rungs: rungs.iter().map(|step| Step(*step as u64)).collect(),
        }),
        SweepMethod::Grid | SweepMethod::Random { .. } => None,
    });
    Sweep {
        max_parallel: sweep.and_then(|sweep| sweep.max_parallel).map(small),
        halving,
    }
}

fn trials(job: &Job, out: &str, cores: &Cores) -> Result<Vec<Trial>, Refusal> {
    let parent = resolved_toml(job);
    let trial = |(number, trial): (usize, sweep::Trial)| {
        let own = sweep::child(&parent, &trial).map_err(|problems| {
            let text = format!("the trial {} cannot be: {problems}", trial.label);
            Refusal::invalid("job-file", text)
        })?;
        Ok(Trial {
            label: trial.label,
            ask: shape::ask(&own, trial_out(out, number), cores)?,
        })
    };
    sweep::children(job)
        .into_iter()
        .enumerate()
        .map(trial)
        .collect()
}

fn trial_out(out: &str, index: usize) -> String {
    match out.is_empty() {
        true => String::new(),
        false => format!("{}/trial-{}", out.trim_end_matches('/'), index + 1),
    }
}

/// Puts results of which nobody said where they go below `runs`.
pub(crate) fn choose_out(submission: &mut Submission, runs: &Path, job: JobId) {
    if !submission.ask.out.is_empty() {
        return;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = submission.ask.name.chars().filter(|c| is_plain(*c));
    let name: String = name.take(100).collect();
    let out = runs.join(format!("{}-{job}", name.trim_start_matches('.')));
    submission.ask.out = out.to_string_lossy().into_owned();
    let trials = submission.sweep.iter_mut().flat_map(|(_, trials)| trials);
    for (index, trial) in trials.enumerate() {
        trial.ask.out = trial_out(&submission.ask.out, index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "name = \"desk\"\n[model]\nbase = \"gguf:/m.gguf\"\n[data]\nformat = \"messages\"\ntrain = [\"/t.jsonl\"]\neval = [\"/e.jsonl\"]\n";
    const SWEEP: &str = "[sweep]\nmethod = \"grid\"\nmax_parallel = 2\nparameters = { \"training.lr\" = [1e-4, 2e-4] }\n";

    fn request(job_toml: &str) -> SubmitRequest {
        SubmitRequest {
            protocol: PROTOCOL,
            request_id: "r".into(),
            job_toml: job_toml.into(),
            ..SubmitRequest::default()
        }
    }

    fn refused(request: &SubmitRequest) -> (String, String) {
        let refusal = submission(request, "ada", &Cores::new()).expect_err("refused");
        (refusal.code.into(), refusal.text)
    }

    #[test]
    fn a_job_file_becomes_a_submission() {
        let mut made = submission(&request(JOB), "ada", &Cores::new()).unwrap();
        assert_eq!(
            (made.owner.as_str(), made.ask.name.as_str()),
            ("ada", "desk")
        );
        assert_eq!(made.sweep, None);
        choose_out(&mut made, Path::new("/s/runs"), JobId(42));
        assert_eq!(made.ask.out, "/s/runs/desk-42");
    }

    #[test]
    fn a_sweep_becomes_trials_with_folders_of_their_own() {
        let text = format!("{JOB}{SWEEP}");
        let mut made = submission(&request(&text), "ada", &Cores::new()).unwrap();
        choose_out(&mut made, Path::new("/s/runs"), JobId(7));
        let (sweep, trials) = made.sweep.expect("a sweep");
        assert_eq!(sweep.max_parallel, Some(2));
        let told: Vec<_> = trials.iter().map(|it| (&*it.label, &*it.ask.out)).collect();
        assert_eq!(
            told,
            [
                ("lr=1e-4", "/s/runs/desk-7/trial-1"),
                ("lr=2e-4", "/s/runs/desk-7/trial-2"),
            ]
        );
        assert!(!trials[0].ask.document.contains("[sweep]"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = JOB.replace("[model]", "[modle]") + "[training]\nlr = -1\n";
        let (code, told) = refused(&request(&text));
        assert_eq!(code, "job-file");
        assert!(
            told.contains("job.toml:") && told.contains("modle"),
            "{told}"
        );
        assert!(told.contains("training.lr"), "{told}");
    }

    #[test]
    fn other_protocols_and_odd_folders_are_refused() {
        let old = SubmitRequest {
            protocol: 0,
            ..request(JOB)
        };
        assert_eq!(refused(&old).0, "protocol");
        for out in ["relative", "/a/../b", "/a\nb", &"/x".repeat(LONGEST_OUT)] {
            let odd = SubmitRequest {
                out: out.into(),
                ..request(JOB)
            };
            assert_eq!(refused(&odd).0, "out", "{out}");
        }
        assert_eq!(refused(&request(&" ".repeat(2 << 20))).0, "too-long");
    }

    #[test]
    fn names_cannot_lead_out_of_the_folder() {
        let mut made = submission(&request(JOB), "ada", &Cores::new()).unwrap();
        made.ask.name = "../../x".into();
        choose_out(&mut made, Path::new("/s/runs"), JobId(1));
        assert_eq!(made.ask.out, "/s/runs/x-1");
    }
}
