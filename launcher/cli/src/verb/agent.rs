//! `schliff agent`: one node's share of a job.
//!
//! Rules: flags win over the environment; node 0 leads and prints the result, the others follow it
//! and end as it does. Absent on purpose: starting agents on other nodes, which `srun` and pods do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schliff_agent::follower::Follower;
use schliff_agent::limits::Limits;
use schliff_agent::place::{self, Flags, NodePlace};
use schliff_agent::port;
use schliff_agent::shell::{Lead, Run};
use schliff_spec::job::{Job, Resources};
use schliff_spec::request::Start;
use schliff_spec::world;

use super::run::{RUNS, show};
use crate::args::{AgentArgs, PlaceArgs};
use crate::outcome::{CliError, Outcome};
use crate::progress::Progress;
use crate::{job, trainer};

/// For the leader to be there, which may still be starting.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn agent(args: AgentArgs) -> Outcome {
    let job = job::load(&args.job)?.job;
    let place = place_of(&args.place)?;
    let out = args
        .out
        .unwrap_or_else(|| PathBuf::from(RUNS).join(&job.name));
    let secret_file = args
        .place
        .secret_file
        .unwrap_or_else(|| secret_of(&out, &place));
    let ranks = place.nodes * ranks_per_node(&place, &job);
    world::power_of_two(ranks).map_err(|error| CliError::usage(error.to_string()))?;
    let run = Run {
        job: Box::new(job),
        out,
        start: args
            .resume
            .map_or(Start::Continue, |uri| Start::Resume { uri }),
        collective: args.group.collective,
        ranks,
        nodes: place.nodes,
        max_restarts: args.group.max_restarts,
        limits: Limits::of_hang(args.group.hang_timeout * 1_000),
    };
    let leader = leaders(&place);
    if place.node > 0 {
        let follower = Follower {
            node: place.node,
            leader,
            secret_file,
            listen: args.place.listen,
            patience: PATIENCE,
        };
        return trainer::follow(&run, &follower);
    }
    let addresses = addresses(&leader)?;
    let lead = Lead {
        listen: args.place.listen.unwrap_or_else(|| ip(&addresses)),
        addresses,
        secret_file,
    };
    let mut progress = Progress::new();
    let answer = trainer::lead(&run, &lead, &mut progress)?;
    show(&answer, &progress, args.output.json)
}

fn place_of(args: &PlaceArgs) -> Result<NodePlace, CliError> {
    let flags = Flags {
        node: args.node,
        nodes: args.nodes,
        ranks_per_node: args.ranks_per_node,
        leader: args.leader.clone(),
    };
    let place = place::find(&flags, |name| std::env::var(name).ok());
    place.map_err(|error| CliError::usage(error.to_string()))
}

fn ranks_per_node(place: &NodePlace, job: &Job) -> usize {
    let of_job = || job.resources.as_ref().and_then(gpus).unwrap_or(1);
    place.ranks_per_node.unwrap_or_else(of_job).max(1)
}

fn gpus(resources: &Resources) -> Option<usize> {
    resources.gpus_per_node
}

/// Where the secret is by default: beside the result, which all nodes see.
fn secret_of(out: &Path, place: &NodePlace) -> PathBuf {
    let NodePlace { job, restart, .. } = place;
    out.join(format!(".secret-{job}-{restart}"))
}

/// Where the leader may be, `host:port` each.
fn leaders(place: &NodePlace) -> Vec<String> {
    let host = &place.leader;
    if let Some((_, port)) = host.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return vec![host.clone()];
    }
    let ports = port::candidates(&place.job, place.restart);
    ports.iter().map(|port| format!("{host}:{port}")).collect()
}

fn addresses(leaders: &[String]) -> Result<Vec<SocketAddr>, CliError> {
    let mut addresses = Vec::new();
    for leader in leaders {
        let found = leader.to_socket_addrs().map_err(|error| {
            CliError::usage(format!("the leader {leader} has no address"))
                .caused_by(error)
                .hint("--leader takes an address of node 0")
        })?;
        addresses.extend(found);
    }
    Ok(addresses)
}

fn ip(addresses: &[SocketAddr]) -> IpAddr {
    let first = addresses.first().map(SocketAddr::ip);
    first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
