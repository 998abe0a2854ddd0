//! The coordinator as its clients see it: where it is, how it is asked, and what its refusals mean.
//!
//! Rules: every address is tried, and a coordinator that does not lead says who does; a request is
//! sent again only where that cannot do it twice. Absent on purpose: what answers look like
//! ([`crate::view`]) and the verbs.

pub(crate) mod address;
mod client;
pub(crate) mod refusal;

pub(crate) use client::{Coordinator, Jobs};
pub(crate) use refusal::Refused;

use schliff_spec::exit::ExitCode;

use crate::args::ConnectionArgs;
use crate::outcome::{CliError, Outcome};

/// Runs a verb that speaks with the coordinator. Ctrl-C ends it: nothing is lost by that.
pub(crate) fn ask(
    args: &ConnectionArgs,
    verb: impl AsyncFnOnce(Coordinator) -> Outcome,
) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            CliError::new(
                ExitCode::JobFailed,
                "cannot start to speak with the coordinator",
            )
            .caused_by(error)
        })?;
    let place = address::find(args)?;
    runtime.block_on(async { verb(Coordinator::at(place)?).await })
}
