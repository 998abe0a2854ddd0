//! `schliff agent`: one node's share of a job.
//!
//! Rules: flags win over the environment; node 0 leads and prints the result, the others follow it
//! and end as it does. With a coordinator, whatever this comes to is told to it, and the agent lives
//! on when whoever started it dies. An agent after which the job was started again elsewhere leaves no
//! word of its end to anybody. Absent on purpose: starting agents on other nodes, which `srun` and pods
//! do.

mod staged;
mod told;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schliff_agent::exit_file::ExitFile;
use schliff_agent::follower::Follower;
use schliff_agent::limits::Limits;
use schliff_agent::place::{self, Flags, NodePlace};
use schliff_agent::port;
use schliff_agent::report::Reporter;
use schliff_agent::shell::{Lead, Run};
use schliff_agent::succession::Succession;
use schliff_spec::exit::ExitCode;
use schliff_spec::job::{Job, Resources};
use schliff_spec::request::Start;
use schliff_spec::world;

use super::run::{RUNS, show};
use crate::args::AgentArgs;
use crate::outcome::{CliError, Outcome};
use crate::progress::Progress;
use crate::{job, terminal, trainer};

/// For the leader to be there, which may still be starting.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ranks are asked to stop so long before the end of the wall time, or this part of it.
const STOP_BEFORE: Duration = Duration::from_secs(30);
const STOP_BEFORE_PART: u32 = 20;

pub(crate) fn agent(args: &AgentArgs) -> Outcome {
    let exit_file = args.report.exit_file.clone().map(ExitFile::new);
    let outcome = reported(args);
    let exit = exit_of(&outcome);
    let left = exit_file.map(|file| match exit {
        ExitCode::Superseded => {
            file.forget();
            Ok(())
        }
        exit => file.leave(exit),
    });
    if let Some(Err(error)) = left {
        let warning = terminal::yellow("warning:");
        terminal::say(&format!("{warning} cannot leave the exit code: {error}"));
    }
    outcome
}

/// Does the node's share, and tells the coordinator where there is one.
fn reported(args: &AgentArgs) -> Outcome {
    let plan = plan(args);
    let succession = succession(args)?;
    let mut reporter = told::reporter(args, plan.as_ref().ok())?;
    let teller = told::Teller::of(plan.as_ref().ok());
    let outcome =
        plan.and_then(|plan| carry_out(&plan, args, reporter.as_mut(), succession.as_ref()));
    if exit_of(&outcome) == ExitCode::Superseded {
        return outcome;
    }
    if succession.as_ref().is_some_and(Succession::look) {
        return Err(trainer::superseded());
    }
    if let Some(reporter) = reporter {
        told::end(reporter, teller, &outcome);
    }
    outcome
}

fn exit_of(outcome: &Outcome) -> ExitCode {
    match outcome {
        Ok(exit) => *exit,
        Err(error) => error.exit,
    }
}

/// The watch over later starts, where there is a file of them.
fn succession(args: &AgentArgs) -> Result<Option<Succession>, CliError> {
    let (Some(starts), Some(own)) = (&args.report.starts, &args.report.start) else {
        return Ok(None);
    };
    let watched = Succession::watch(starts.clone(), own.clone());
    let watched =
        watched.map_err(|error| CliError::bug("cannot watch for later starts").caused_by(error))?;
    Ok(Some(watched))
}

/// What this node is to do.
struct Plan {
    place: NodePlace,
    run: Run,
    secret_file: PathBuf,
}

fn plan(args: &AgentArgs) -> Result<Plan, CliError> {
    let mut job = job::load(&args.job)?.job;
    let place = place_of(args)?;
    if let Some(base) = &args.report.stage_checkpoints {
        staged::stage(&mut job, base, place.node)?;
    }
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from(RUNS).join(&job.name));
    let secret_file = args.place.secret_file.clone();
    let secret_file = secret_file.unwrap_or_else(|| secret_of(&out, &place));
    let ranks = place.nodes * ranks_per_node(&place, &job);
    world::power_of_two(ranks).map_err(|error| CliError::usage(error.to_string()))?;
    let uri = args.resume.clone();
    let run = Run {
        job: Box::new(job),
        out,
        start: uri.map_or(Start::Continue, |uri| Start::Resume { uri }),
        collective: args.group.collective,
        ranks,
        nodes: place.nodes,
        min_nodes: min_nodes(args.place.min_nodes, place.nodes)?,
        max_restarts: args.group.max_restarts,
        limits: Limits::of_hang(args.group.hang_timeout * 1_000),
        stop_after: args.report.time_limit.map(stop_after),
    };
    Ok(Plan {
        place,
        run,
        secret_file,
    })
}

/// The fewest nodes that the job goes on with where some are lost; all of them where nothing is said.
fn min_nodes(asked: Option<usize>, nodes: usize) -> Result<usize, CliError> {
    match asked {
        Some(least) if least > nodes => {
            let error = format!("--min-nodes {least} cannot be: there are {nodes} nodes");
            Err(CliError::usage(error))
        }
        least => Ok(least.unwrap_or(nodes).max(1)),
    }
}

/// When to ask ranks to stop, within a wall time of so many seconds: early enough to commit.
fn stop_after(limit_s: u64) -> Duration {
    let limit = Duration::from_secs(limit_s);
    let before = STOP_BEFORE.max(limit / STOP_BEFORE_PART);
    // Of a short wall time, half is for training.
    limit - before.min(limit / 2)
}

fn carry_out(
    plan: &Plan,
    args: &AgentArgs,
    reporter: Option<&mut Reporter>,
    succession: Option<&Succession>,
) -> Outcome {
    let Plan {
        place,
        run,
        secret_file,
    } = plan;
    let mut progress = Progress::new();
    let leader = leaders(place);
    if place.node > 0 {
        let follower = Follower {
            node: place.node,
            leader,
            secret_file: secret_file.clone(),
            listen: args.place.listen,
            patience: PATIENCE,
        };
        return trainer::follow(run, &follower, reporter, succession, &mut progress);
    }
    let addresses = addresses(&leader)?;
    let lead = Lead {
        listen: args.place.listen.unwrap_or_else(|| ip(&addresses)),
        addresses,
        secret_file: secret_file.clone(),
    };
    let answer = trainer::lead(run, &lead, reporter, succession, &mut progress)?;
    show(&answer, &progress, args.output.json)
}

fn place_of(args: &AgentArgs) -> Result<NodePlace, CliError> {
    let key = told::key(&args.report);
    let args = &args.place;
    let flags = Flags {
        node: args.node,
        nodes: args.nodes,
        ranks_per_node: args.ranks_per_node,
        leader: args.leader.clone(),
    };
    let place = place::find(&flags, |name| std::env::var(name).ok());
    let mut place = place.map_err(|error| CliError::usage(error.to_string()))?;
    if let Some(key) = key {
        // Agents of several attempts may share a host: each has ports and a secret of its own.
        place.job = key.to_string();
    }
    Ok(place)
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
    if place.nodes == 1 {
        // Nobody else has to find it.
        return vec![format!("{host}:0")];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_asked_to_stop_early_enough_to_commit() {
        let after_s = |limit_s| stop_after(limit_s).as_secs();
        assert_eq!(after_s(3_600), 3_420);
        assert_eq!(after_s(86_400), 82_080);
        assert_eq!(after_s(300), 270);
        assert_eq!(after_s(40), 20);
    }
}
