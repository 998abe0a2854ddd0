//! `schliff list`: jobs, the newest first.

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{ListReply, ListRequest, Phase};

use crate::args::{ListArgs, PhaseWord};
use crate::coordinator::{self, Coordinator};
use crate::outcome::{CliError, Outcome};
use crate::view::{jobs, json};
use crate::{clock, terminal};

/// Jobs of one answer; the coordinator's own limit.
const PAGE: u32 = 1_000;

pub(crate) fn list(args: ListArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let reply = pages(&mut coordinator, &args).await?;
        if args.output.json {
            terminal::json(&json::of(&reply)?)?;
            return Ok(ExitCode::Ok);
        }
        let columns = terminal::columns_of_stdout();
        terminal::data(&jobs::table(&reply.jobs, clock::now_ms(), columns))?;
        if reply.jobs.is_empty() {
            terminal::say(&jobs::nothing(&reply.counts));
        } else if reply.next_before > 0 {
            let counts = jobs::counts(&reply);
            terminal::say(&format!(
                "and older ones ({counts} in all); --limit lists more"
            ));
        }
        Ok(ExitCode::Ok)
    })
}

/// Page after page, until there are as many as wanted or no more.
async fn pages(coordinator: &mut Coordinator, args: &ListArgs) -> Result<ListReply, CliError> {
    let mut all = ListReply::default();
    loop {
        let have = u32::try_from(all.jobs.len()).unwrap_or(u32::MAX);
        let request = request(
            args,
            all.next_before,
            (args.limit - have.min(args.limit)).min(PAGE),
        );
        let list = async |jobs: &mut coordinator::Jobs| jobs.list(request.clone()).await;
        let page = coordinator.ask(list).await;
        let page = page.map_err(|refused| refused.told("cannot list jobs"))?;
        let goes_on = page.next_before > 0
            && (all.next_before == 0 || page.next_before < all.next_before)
            && !page.jobs.is_empty();
        all.jobs.extend(page.jobs);
        all.counts = page.counts;
        all.next_before = if goes_on { page.next_before } else { 0 };
        if !goes_on || all.jobs.len() >= args.limit as usize {
            return Ok(all);
        }
    }
}

fn request(args: &ListArgs, before: u64, limit: u32) -> ListRequest {
    let phase = |word: &PhaseWord| match word {
        PhaseWord::Queued => Phase::Queued,
        PhaseWord::Allocating => Phase::Allocating,
        PhaseWord::Starting => Phase::Starting,
        PhaseWord::Running => Phase::Running,
        PhaseWord::Recovering => Phase::Recovering,
        PhaseWord::Done => Phase::Done,
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    ListRequest {
        phases: args.phase.iter().map(|word| phase(word).into()).collect(),
        name_contains: text(&args.name),
        cluster: text(&args.cluster),
        owner: text(&args.owner),
        parent: args.sweep.map_or(0, |sweep| sweep.0),
        before,
        limit,
        ..ListRequest::default()
    }
}
