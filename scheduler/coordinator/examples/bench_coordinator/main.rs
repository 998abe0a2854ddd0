//! The coordinator under the load that it is made for. `make bench-coordinator` runs it.
//!
//! `serve` is a coordinator over a cluster of pretended allocations, in a process of its own so that what
//! it uses can be told. `load` is its users and agents; it prints one line of JSON.

mod client;
mod figures;
mod load;
mod serve;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use schliff_backend::folder::{FolderOptions, FolderWorld};
use schliff_coordinator::journal::JournalUrl;

pub(crate) type BenchError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// The coordinator
    Serve {
        /// Its state folder
        #[arg(long)]
        state: PathBuf,
        /// Its journal
        #[arg(long)]
        journal: JournalUrl,
    },
    /// Users and agents
    Load(Load),
}

/// How much is asked of it.
#[derive(Args)]
pub(crate) struct Load {
    /// Where it is
    #[arg(long)]
    pub(crate) url: String,
    /// Its state folder
    #[arg(long)]
    pub(crate) state: PathBuf,
    /// Its process
    #[arg(long)]
    pub(crate) pid: u32,
    /// Jobs that wait
    #[arg(long, default_value_t = 10_000)]
    pub(crate) queued: u64,
    /// Jobs that run, of eight ranks each
    #[arg(long, default_value_t = 1_000)]
    pub(crate) running: u64,
    /// How long they run
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
}

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    match Cli::parse().part {
        Part::Serve { state, journal } => {
            let world = world(&state)?;
            serve::run(&state, &journal, world).await
        }
        Part::Load(load) => {
            let world = FolderWorld::open(world(&load.state)?)?;
            let nodes = u32::try_from(load.running)?;
            world.set_equal_nodes(nodes, client::RANKS, 64)?;
            let figures = load::run(&load, &world).await?;
            writeln!(std::io::stdout(), "{figures}")?;
            Ok(())
        }
    }
}

fn world(state: &std::path::Path) -> Result<FolderOptions, BenchError> {
    Ok(FolderOptions::new("bench".parse()?, state.join("world")))
}
