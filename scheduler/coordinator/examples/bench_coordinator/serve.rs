//! A coordinator over pretended allocations: what users and agents of the benchmark talk to.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use schliff_backend::folder::{Folder, FolderOptions};
use schliff_coordinator::journal::{self, Journal, JournalUrl};
use schliff_coordinator::{Access, Coordinator, Limits, Options, Rate, Site};

use crate::BenchError;

pub(crate) async fn run(
    state: &Path,
    journal: &JournalUrl,
    world: FolderOptions,
) -> Result<(), BenchError> {
    // The benchmark is one user who asks for as much as it can.
    let unlimited = Rate {
        per_second: 1e6,
        burst: 1e6,
    };
    let limits = Limits {
        people: unlimited,
        agent: unlimited,
        ..Limits::default()
    };
    let handle = Coordinator::start(Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        url: None,
        other_urls: Vec::new(),
        journal: Journal::open(journal, journal::Options::default()).await?,
        sites: vec![Site::new(Arc::new(Folder::open(world)?))],
        access: Access::open(state)?,
        runs: state.join("runs"),
        tls: None,
        is_plain_allowed: false,
        limits,
        version: "bench".into(),
    })
    .await?;
    handle.settled().await;
    writeln!(std::io::stdout(), "{}", handle.url())?;
    let end = handle.ended().await;
    match &*end {
        Ok(()) => Ok(()),
        Err(error) => Err(error.to_string().into()),
    }
}
