//! `schliff adopt`: hands a job that was submitted to a batch system by hand to the coordinator.

use schliff_spec::exit::ExitCode;
use schliff_wire::PROTOCOL;
use schliff_wire::v1::AdoptRequest;

use super::submit::request_id;
use crate::args::AdoptArgs;
use crate::outcome::{CliError, Outcome};
use crate::view::{json, status};
use crate::{coordinator, plain, terminal};

pub(crate) fn adopt(args: AdoptArgs) -> Outcome {
    let request = AdoptRequest {
        protocol: PROTOCOL,
        request_id: request_id()?,
        cluster: args.cluster,
        allocation: args.allocation.to_string(),
        name: args.name.unwrap_or_default(),
    };
    coordinator::ask(&args.connection, async |mut coordinator| {
        let adopt = async |jobs: &mut coordinator::Jobs| jobs.adopt(request.clone()).await;
        let reply = coordinator.ask(adopt).await.map_err(|refused| {
            let cluster = plain::line(&request.cluster);
            refused.told(&format!(
                "cannot adopt job {} of {cluster}",
                request.allocation
            ))
        })?;
        let Some(view) = &reply.job else {
            return Err(CliError::bug(
                "the coordinator took the job and did not say its number",
            ));
        };
        terminal::say(&status::line(view));
        match args.output.json {
            true => terminal::json(&json::of(&reply)?)?,
            false => terminal::data(&format!("{}\n", view.id))?,
        }
        Ok(ExitCode::Ok)
    })
}
