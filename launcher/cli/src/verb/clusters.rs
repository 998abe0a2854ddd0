//! `schliff clusters` and `schliff nodes`: what jobs can run on.

mod check;

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{ClustersRequest, NodesRequest};

use crate::args::{ClustersArgs, ClustersVerb, NodesArgs};
use crate::outcome::Outcome;
use crate::view::{clusters as view, json};
use crate::{clock, coordinator, terminal};

pub(crate) fn clusters(args: ClustersArgs) -> Outcome {
    if let Some(ClustersVerb::Check(args)) = &args.verb {
        return check::check(args);
    }
    coordinator::ask(&args.connection, async |mut coordinator| {
        let reply = coordinator.ask(async |jobs| jobs.clusters(ClustersRequest {}).await);
        let reply = reply
            .await
            .map_err(|refused| refused.told("cannot list clusters"))?;
        if args.output.json {
            terminal::json(&json::of(&reply)?)?;
            return Ok(ExitCode::Ok);
        }
        if reply.clusters.is_empty() {
            terminal::say("the coordinator has no cluster");
        }
        let columns = terminal::columns_of_stdout();
        terminal::data(&view::clusters(&reply.clusters, clock::now_ms(), columns))?;
        Ok(ExitCode::Ok)
    })
}

pub(crate) fn nodes(args: NodesArgs) -> Outcome {
    coordinator::ask(&args.connection, async |mut coordinator| {
        let request = NodesRequest {
            cluster: args.cluster.clone().unwrap_or_default(),
        };
        let nodes = async |jobs: &mut coordinator::Jobs| jobs.nodes(request.clone()).await;
        let reply = coordinator.ask(nodes).await;
        let reply = reply.map_err(|refused| refused.told("cannot list nodes"))?;
        if args.output.json {
            terminal::json(&json::of(&reply)?)?;
            return Ok(ExitCode::Ok);
        }
        if reply.nodes.is_empty() {
            terminal::say("no node is known");
        }
        let columns = terminal::columns_of_stdout();
        terminal::data(&view::nodes(&reply.nodes, clock::now_ms(), columns))?;
        Ok(ExitCode::Ok)
    })
}
