//! `schliff submit`: hands a job to the coordinator, and waits for it where asked to.

use std::path::Path;
use std::time::Duration;

use schliff_spec::exit::ExitCode;
use schliff_spec::job::Job;
use schliff_spec::resolved::resolved_toml;
use schliff_spec::sweep;
use schliff_wire::PROTOCOL;
use schliff_wire::v1::{Dependency, JobView, SeriesRequest, StepPoint, SubmitReply, SubmitRequest};
use serde_json::Value;

use crate::args::SubmitArgs;
use crate::coordinator::{self, Coordinator};
use crate::follow::{Audience, Follow};
use crate::outcome::{CliError, Outcome};
use crate::view::{ending, json, status, title};
use crate::watching::Watching;
use crate::{interrupt, job, plain, terminal};

/// A coordinator may be away for so long, such as while it restarts.
const PATIENCE: Duration = Duration::from_secs(15);
/// No cluster in particular.
const ANY: &str = "any";
/// Points of the curve that is drawn at the end.
const POINTS: u32 = 1_000;
/// Largest result that is read from the job's folder.
const LARGEST_RESULT_BYTES: u64 = 16 << 20;

pub(crate) fn submit(args: SubmitArgs) -> Outcome {
    let mut job = absolute(job::load(&args.job)?.job)?;
    if let Some(name) = &args.cluster {
        job.scheduling.cluster = (name != ANY).then(|| name.clone());
    }
    let trials = sweep::children(&job).len();
    if job.sweep.is_some() {
        terminal::say(&format!("a search of {trials} trainings"));
    }
    let request = request_of(&args, &job)?;
    if args.dry_run {
        match args.output.json {
            true => terminal::json(&request)?,
            false => terminal::data(&request.job_toml)?,
        }
        return Ok(ExitCode::Ok);
    }
    coordinator::ask(&args.connection, async |mut coordinator| {
        let reply = send(&mut coordinator, &request).await?;
        let Some(view) = &reply.job else {
            return Err(CliError::bug(
                "the coordinator took the job and did not say its number",
            ));
        };
        if args.wait || args.follow {
            return wait(&mut coordinator, view, &args).await;
        }
        terminal::say(&status::line(view));
        match args.output.json {
            true => terminal::json(&json::of(&reply)?)?,
            false => terminal::data(&format!("{}\n", view.id))?,
        }
        Ok(ExitCode::Ok)
    })
}

/// The same job, whatever the working directory of who runs it. A folder of checkpoints is a path,
/// too, though it is written as an address.
pub(super) fn absolute(job: Job) -> Result<Job, CliError> {
    let cannot = |error| CliError::usage("cannot tell the working directory").caused_by(error);
    let mut job = job.with_absolute_paths().map_err(cannot)?;
    if let Some(uri) = job.checkpoint.uri.as_mut().filter(|uri| is_folder(uri)) {
        let path = std::path::absolute(&*uri).map_err(cannot)?;
        *uri = path.to_string_lossy().into_owned();
    }
    Ok(job)
}

fn is_folder(uri: &str) -> bool {
    !uri.contains("://") && uri != "memory:"
}

fn request_of(args: &SubmitArgs, job: &Job) -> Result<SubmitRequest, CliError> {
    let out = args.out.as_deref().map(std::path::absolute).transpose();
    let out =
        out.map_err(|error| CliError::usage("cannot tell where --out is").caused_by(error))?;
    let dependency = |any_end| {
        move |job: &schliff_spec::id::JobId| Dependency {
            job: job.0,
            any_end,
        }
    };
    let succeeded = args.after.iter().map(dependency(false));
    let ended = args.after_any.iter().map(dependency(true));
    let file_name = args.job.path.file_name().unwrap_or_default();
    Ok(SubmitRequest {
        protocol: PROTOCOL,
        request_id: request_id()?,
        job_toml: resolved_toml(job),
        file_name: file_name.to_string_lossy().into_owned(),
        out: out.map_or(String::new(), |out| out.to_string_lossy().into_owned()),
        after: succeeded.chain(ended).collect(),
    })
}

/// 128 random bits: a request that is sent again is known by them.
pub(super) fn request_id() -> Result<String, CliError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        CliError::new(ExitCode::JobFailed, "cannot draw a random number").caused_by(error)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Sends it until it is taken: a repeated request submits once.
async fn send(
    coordinator: &mut Coordinator,
    request: &SubmitRequest,
) -> Result<SubmitReply, CliError> {
    let what = || format!("cannot submit {}", plain::line(&request.file_name));
    let submit = async |jobs: &mut coordinator::Jobs| jobs.submit(request.clone()).await;
    match coordinator.ask(submit).await {
        Ok(reply) => return Ok(reply),
        Err(refused) if refused.may_pass() => {
            terminal::say("the coordinator does not take it just now; trying again");
        }
        Err(refused) => return Err(refused.told(&what())),
    }
    let reply = coordinator.ask_for(PATIENCE, submit).await;
    reply.map_err(|refused| refused.told(&what()))
}

/// Waits for the end and shows what came of it.
async fn wait(coordinator: &mut Coordinator, view: &JobView, args: &SubmitArgs) -> Outcome {
    let mut watching = Watching::new();
    watching.view(view);
    let mut follow = Follow {
        job: view.id,
        logs: args.follow,
        audience: &mut watching,
    };
    let ended = interrupt::unless(follow.until_end(coordinator)).await;
    watching.clear();
    let Some(ended) = ended else {
        return Err(interrupt::leaves_running(&[view.id]));
    };
    let ended = ended?;
    let steps = curve(coordinator, ended.id).await;
    show(&ended, &steps, args.output.json)
}

/// The steps for the curve; it is drawn from what there is.
async fn curve(coordinator: &mut Coordinator, job: u64) -> Vec<StepPoint> {
    let request = SeriesRequest {
        job,
        points: POINTS,
        after_step: 0,
    };
    let series = coordinator.ask(async |jobs| jobs.series(request).await);
    series.await.map_or(Vec::new(), |series| series.steps)
}

fn show(view: &JobView, steps: &[StepPoint], json: bool) -> Outcome {
    if json {
        terminal::json(&json::of(view)?)?;
    } else {
        let result = result(Path::new(&view.out));
        let summary = ending::summary(view, result.as_ref(), steps);
        terminal::data(&format!(
            "{}: {}\n{summary}",
            title(view),
            plain::line(&view.outcome)
        ))?;
    }
    match ending::failure(view) {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::Ok),
    }
}

/// The trainer's own result, where the job's folder is on this machine.
fn result(out: &Path) -> Option<Value> {
    let path = out.join("summary.json");
    let metadata = path.metadata().ok()?;
    let is_usable = out.is_absolute() && metadata.len() <= LARGEST_RESULT_BYTES;
    let text = is_usable.then(|| std::fs::read(path).ok()).flatten()?;
    serde_json::from_slice(&text).ok()
}
