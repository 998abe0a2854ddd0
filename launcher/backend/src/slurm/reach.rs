//! How a Slurm site is reached, by what its profile says.

use std::sync::Arc;

use schliff_slurm::Slurm;
use schliff_slurm::channel::{Channel, LocalChannel, SshChannel, SshOptions};
use schliff_spec::cluster::{self, Transport};

/// The two ways to a site.
#[derive(Clone)]
pub struct Reach {
    /// To Slurm.
    pub slurm: Arc<dyn Slurm>,
    /// To a shell that sees the shared storage.
    pub channel: Arc<dyn Channel>,
}

impl Reach {
    /// As a profile says.
    pub fn of(site: &cluster::Slurm) -> Self {
        match &site.transport {
            Transport::Command => Self::by_commands(Arc::new(LocalChannel::default())),
            Transport::Ssh { host, config } => {
                let mut options = SshOptions::new(host);
                options.config.clone_from(config);
                options.logins_per_minute = site.logins_per_minute;
                Self::by_commands(Arc::new(SshChannel::new(options)))
            }
            Transport::Rest { .. } => Self::by_commands(Arc::new(LocalChannel::default())),
        }
    }
}
