//! `schliff status` and `schliff explain`: how a job is doing, and why. Both explain in the same words.

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{Explanation, JobRequest};

use crate::args::JobIdArgs;
use crate::coordinator::{self, Coordinator};
use crate::outcome::{CliError, Outcome};
use crate::view::{explanation, json, status as view};
use crate::{clock, terminal};

pub(crate) fn status(args: JobIdArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let request = JobRequest { job: args.job.0 };
        let what = format!("cannot show job {}", args.job);
        let job = coordinator.ask(async |jobs| jobs.get(request).await).await;
        let job = job.map_err(|refused| refused.told(&what))?;
        if args.output.json {
            terminal::json(&json::of(&job)?)?;
            return Ok(ExitCode::Ok);
        }
        let why = why(&mut coordinator, &args).await?;
        terminal::data(&view::text(&job, &why, clock::now_ms()))?;
        Ok(ExitCode::Ok)
    })
}

pub(crate) fn explain(args: JobIdArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let why = why(&mut coordinator, &args).await?;
        match args.output.json {
            true => terminal::json(&json::of(&why)?)?,
            false => terminal::data(&explanation::text(&why, clock::now_ms()))?,
        }
        Ok(ExitCode::Ok)
    })
}

async fn why(coordinator: &mut Coordinator, args: &JobIdArgs) -> Result<Explanation, CliError> {
    let request = JobRequest { job: args.job.0 };
    let why = coordinator
        .ask(async |jobs| jobs.explain(request).await)
        .await;
    why.map_err(|refused| refused.told(&format!("cannot explain job {}", args.job)))
}
