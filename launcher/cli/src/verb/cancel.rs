//! `schliff cancel` and `schliff retry`: change what becomes of a job.

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{CancelRequest, JobView, RetryRequest};

use crate::args::{CancelArgs, JobIdArgs};
use crate::outcome::{CliError, Outcome};
use crate::view::{json, status};
use crate::{coordinator, terminal};

/// Every job gets its turn; the first failure decides the exit code.
pub(crate) fn cancel(args: CancelArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let mut failed: Option<CliError> = None;
        for job in &args.jobs {
            let request = CancelRequest {
                job: job.0,
                why: args.why.clone(),
                now: args.now,
            };
            let cancel = async |jobs: &mut coordinator::Jobs| jobs.cancel(request.clone()).await;
            match coordinator.ask(cancel).await {
                Ok(view) => tell(&view, args.output.json)?,
                Err(refused) => {
                    let error = refused.told(&format!("cannot cancel job {job}"));
                    if let Some(earlier) = failed.replace(error) {
                        terminal::say(&earlier.render());
                    }
                }
            }
        }
        failed.map_or(Ok(ExitCode::Ok), Err)
    })
}

pub(crate) fn retry(args: JobIdArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let request = RetryRequest { job: args.job.0 };
        let retried = coordinator
            .ask(async |jobs| jobs.retry(request).await)
            .await;
        let view =
            retried.map_err(|refused| refused.told(&format!("cannot retry job {}", args.job)))?;
        tell(&view, args.output.json)?;
        Ok(ExitCode::Ok)
    })
}

fn tell(view: &JobView, json: bool) -> Result<(), CliError> {
    match json {
        true => terminal::json_line(&json::of(view)?),
        false => terminal::data(&format!("{}\n", status::line(view))),
    }
}
