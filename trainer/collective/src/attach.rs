//! How a rank that another program started, such as `mpirun`, comes to its supervisor.
//!
//! Rules: the supervisor's address, the file of the job's secret and the generation come by the
//! environment, the rank by that of the launcher; the connection then carries what standard input
//! and output carry otherwise; the rank dies with the launcher. Absent on purpose: arguments, which
//! everybody on the machine can read.

use std::env;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::rendezvous::{Secret, call};

/// Names the supervisor's door, `host:port`.
pub const ADDRESS: &str = "SCHLIFF_SUPERVISOR";
/// Names the file with the job's secret.
pub const SECRET_FILE: &str = "SCHLIFF_SECRET_FILE";
/// Holds the number of the generation.
pub const GENERATION: &str = "SCHLIFF_GENERATION";
/// Where launchers write a rank's number; the first that is set counts.
pub const RANK_VARIABLES: [&str; 4] = [
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "SLURM_PROCID",
];
/// For the supervisor to answer, which runs before the launcher does.
const WAIT: Duration = Duration::from_secs(30);

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The generation that started it.
    pub generation: u64,
    /// Its rank.
    pub rank: usize,
    /// Its process number, by which the supervisor signals it.
    pub pid: u32,
}

/// Connects this process to its supervisor as the environment says.
///
/// # Errors
/// A variable is missing, or the supervisor cannot be reached.
pub fn attach() -> io::Result<TcpStream> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let variable = |name: &str| {
        env::var(name).map_err(|_| io::Error::other(format!("{name} is not set: --connect is for ranks that 'schliff run --collective mpi' starts")))
    };
    let number = |name: &str, text: String| {
        text.parse::<u64>()
            .map_err(|_| io::Error::other(format!("{name} is `{text}`, which is no number")))
    };
    let address = variable(ADDRESS)?;
    let secret = Secret::read(&PathBuf::from(variable(SECRET_FILE)?))?;
    let set = RANK_VARIABLES
        .iter()
        .find(|name| env::var_os(name).is_some());
    let name = set.unwrap_or(&RANK_VARIABLES[0]);
    let rank = number(name, variable(name)?)?;
    let visit = Visit {
        generation: number(GENERATION, variable(GENERATION)?)?,
        rank: usize::try_from(rank).map_err(io::Error::other)?,
        pid: std::process::id(),
    };
    let message = serde_json::to_vec(&visit)?;
    call(&address, &secret, &message, WAIT).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot reach the supervisor at {address}: {error}"),
        )
    })
}
