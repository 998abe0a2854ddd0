//! Arguments of `schliff serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes the last time's, or any that is free [default: 127.0.0.1:7411, or any free port]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Network")]
    pub(crate) listen: Option<SocketAddr>,
    /// How agents and browsers reach it, where that is not the address it listens on, as with 0.0.0.0
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(crate) url: Option<String>,
    /// Another coordinator on the same journal, which agents may turn to; may be repeated
    #[arg(long = "other", value_name = "URL", help_heading = "Network")]
    pub(crate) others: Vec<String>,
    /// Certificate chain, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["tls_key", "tls_ca"],
        help_heading = "Network"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = "Network"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// What agents are to trust, PEM: the authority of the certificate, or itself
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = "Network"
    )]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Listen on other addresses than loopback without TLS: tokens can be read on the way
    #[arg(long, conflicts_with = "tls_cert", help_heading = "Network")]
    pub(crate) without_tls: bool,
    /// Folder of the journal, the tokens and the results [default: see `schliff help serve`]
    #[arg(long, value_name = "DIR", help_heading = "State")]
    pub(crate) state: Option<PathBuf>,
    /// Journal: sqlite:PATH or postgres://USER@HOST/DATABASE [default: journal.sqlite in the state folder]
    #[arg(long, value_name = "URL", help_heading = "State")]
    pub(crate) journal: Option<String>,
    /// File with the journal's URL, for one with a password
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "journal",
        help_heading = "State"
    )]
    pub(crate) journal_file: Option<PathBuf>,
    /// Cluster profile; may be repeated [default: this machine, as the cluster `local`]
    #[arg(long = "cluster", value_name = "FILE", help_heading = "Clusters")]
    pub(crate) clusters: Vec<PathBuf>,
}
