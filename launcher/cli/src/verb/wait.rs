//! `schliff wait`: waits until jobs have ended, and ends as they did.

use std::time::Duration;

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{JobView, LogLine};

use crate::args::WaitArgs;
use crate::coordinator::{self, Coordinator};
use crate::follow::{Audience, Follow};
use crate::outcome::{CliError, Outcome};
use crate::view::{ending, json, status};
use crate::{figures, interrupt, terminal};

pub(crate) fn wait(args: WaitArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let mut quiet = Quiet { newest: None };
        let limit = args.timeout.unwrap_or(Duration::MAX);
        let all = tokio::time::timeout(limit, each(&mut coordinator, &args, &mut quiet));
        let jobs: Vec<_> = args.jobs.iter().map(|job| job.0).collect();
        match interrupt::unless(all).await {
            None => Err(interrupt::leaves_running(&jobs)),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(gave_up(limit, quiet.newest.as_ref())),
        }
    })
}

/// Each in turn: all must have ended, so their order does not matter.
async fn each(coordinator: &mut Coordinator, args: &WaitArgs, quiet: &mut Quiet) -> Outcome {
    let mut worst = ExitCode::Ok;
    for job in &args.jobs {
        let mut follow = Follow {
            job: job.0,
            logs: false,
            audience: quiet,
        };
        let view = follow.until_end(coordinator).await?;
        match args.output.json {
            true => terminal::json_line(&json::of(&view)?)?,
            false => terminal::data(&format!("{}\n", status::line(&view)))?,
        }
        if worst == ExitCode::Ok {
            worst = ending::exit(&view);
        }
    }
    Ok(worst)
}

fn gave_up(limit: Duration, newest: Option<&JobView>) -> CliError {
    let span = figures::span_of(limit);
    let error = CliError::new(ExitCode::GaveUp, format!("gave up waiting after {span}"));
    match newest {
        Some(view) => error.caused_by(status::line(view)),
        None => error,
    }
}

/// Keeps the newest view, and tells only what is wrong on the way.
struct Quiet {
    newest: Option<JobView>,
}

impl Audience for Quiet {
    fn view(&mut self, view: &JobView) {
        self.newest = Some(view.clone());
    }

    fn line(&mut self, _line: &LogLine) {}

    fn remark(&mut self, words: &str) {
        terminal::say(words);
    }
}
