//! How a verb reaches the coordinator.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// What is left out is found in the environment, and then in the state folder.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Coordinator")]
pub(crate) struct ConnectionArgs {
    /// Where it listens; may be repeated [default: SCHLIFF_COORDINATOR, else the one of this machine]
    #[arg(long, value_name = "URL")]
    pub(crate) coordinator: Vec<String>,
    /// File with the token [default: SCHLIFF_TOKEN_FILE, else the state folder's]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificates that an https:// coordinator is trusted by, PEM [default: SCHLIFF_CA_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}
