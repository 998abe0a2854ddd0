//! What an agent tells the coordinator, from its first word to its last.
//!
//! Rules: what cannot be told is said here and costs no training; only flags that can never be right
//! do. A follower's end is the leader's to tell, unless the follower failed by itself and the job needs it.

use std::path::{Path, PathBuf};

use schliff_agent::report::{
    BY_HAND, Coordinators, LastWord, Options, PATIENCE, Reporter, To, Token,
};
use schliff_spec::exit::ExitCode;
use schliff_spec::id::SubmitKey;

use super::Plan;
use crate::args::{AgentArgs, ReportArgs};
use crate::outcome::{CliError, Outcome};
use crate::terminal;

/// Folder of what was not taken yet, in the folder of the result.
const SPOOL: &str = "spool";
/// Names of this node, in the environment of a batch system or an orchestrator.
const NODE_NAMES: [&str; 2] = ["SLURMD_NODENAME", "NODE_NAME"];
/// The name that the system knows.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Begins to report where a coordinator or a spool is given. Without a plan there is still an end to tell.
pub(super) fn reporter(
    args: &AgentArgs,
    plan: Option<&Plan>,
) -> Result<Option<Reporter>, CliError> {
    let by_hand = args.report.spool.as_ref().map(|_| BY_HAND);
    let Some(key) = key(&args.report).or(by_hand) else {
        return Ok(None);
    };
    outlive_the_parent();
    let out = plan.map(|plan| plan.run.out.clone()).or(args.out.clone());
    let node = plan.map(|plan| plan.place.node).or(args.place.node);
    let nodes = plan.map(|plan| plan.run.nodes).or(args.place.nodes);
    let of_flags = || nodes.unwrap_or(1) * args.place.ranks_per_node.unwrap_or(1);
    let options = Options {
        to: to(&args.report, out)?,
        key,
        node: node.unwrap_or(0) as u32,
        node_name: node_name(),
        nodes: nodes.unwrap_or(1) as u32,
        ranks: plan.map_or_else(of_flags, |plan| plan.run.ranks) as u32,
        patience: PATIENCE,
    };
    let started = Reporter::start(options).map_err(|error| {
        let hint = "--token-file holds what the coordinator wrote for this attempt";
        CliError::usage(error.to_string()).hint(hint)
    })?;
    Ok(Some(started))
}

/// Whose end is told.
#[derive(Clone, Copy)]
pub(super) struct Teller {
    node: usize,
    /// The others go on without it.
    is_spare: bool,
}

impl Teller {
    /// The node with this plan; without one it speaks for itself.
    pub(super) fn of(plan: Option<&Plan>) -> Self {
        let node = plan.map_or(0, |plan| plan.place.node);
        let may_go = plan.is_some_and(|plan| plan.run.min_nodes < plan.run.nodes);
        Self {
            node,
            is_spare: node > 0 && may_go,
        }
    }
}

/// Tells how it ended, in so far as that is this node's to tell.
pub(super) fn end(mut reporter: Reporter, teller: Teller, outcome: &Outcome) {
    let Teller { node, is_spare } = teller;
    let last_word = match outcome {
        Ok(exit) if node == 0 => Some(LastWord::of(*exit)),
        Ok(exit) => {
            reporter.remark(&format!("node {node} ends with exit code {}", exit.code()));
            None
        }
        Err(error) if is_spare => {
            let (code, told) = (error.exit.code(), error.last_word().error);
            reporter.remark(&format!("node {node} ends with exit code {code}: {told}"));
            None
        }
        Err(error) => Some(error.last_word()),
    };
    for told in reporter.end(last_word) {
        terminal::say(&told);
    }
}

/// The attempt that a coordinator numbered.
pub(super) fn key(args: &ReportArgs) -> Option<SubmitKey> {
    let (job, generation) = (args.job?, args.generation?);
    Some(SubmitKey { job, generation })
}

/// Where reports go; to a coordinator over a spool in the folder of the result.
fn to(args: &ReportArgs, out: Option<PathBuf>) -> Result<To, CliError> {
    if let Some(folder) = &args.spool {
        return Ok(To::Spool(folder.clone()));
    }
    Ok(To::Coordinator {
        coordinators: coordinators(args)?,
        token: token(args)?,
        spool: out.map(|out| out.join(SPOOL)),
    })
}

fn coordinators(args: &ReportArgs) -> Result<Coordinators, CliError> {
    let authority = args.ca_file.as_deref().map(read).transpose()?;
    Coordinators::new(&args.coordinator, authority.as_deref()).map_err(|error| {
        let hint = "https:// with --ca-file leads to other machines";
        CliError::usage(error.to_string()).hint(hint)
    })
}

fn token(args: &ReportArgs) -> Result<Token, CliError> {
    let bytes = args.token_file.as_deref().map(read).transpose()?;
    let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    Ok(Token::of(&text))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        CliError::new(ExitCode::Usage, format!("cannot read {}", path.display())).caused_by(error)
    })
}

/// A session of its own: no terminal, and nobody's end is its end. A process that leads a group has
/// been given one by whoever started it.
fn outlive_the_parent() {
    let _ = rustix::process::setsid();
}

fn node_name() -> String {
    let of_environment = NODE_NAMES.iter().find_map(|name| std::env::var(name).ok());
    let of_system = || std::fs::read_to_string(HOST_NAME).ok();
    let name = of_environment.or_else(of_system).unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
