//! How a Slurm site is reached, by what its profile says.

use std::sync::Arc;

use schliff_slurm::Slurm;
use schliff_slurm::channel::{Channel, LocalChannel, SshChannel, SshOptions};
use schliff_slurm::client::command::CommandSlurm;
use schliff_spec::cluster::{self, Transport};

/// The two ways to a site: to Slurm, and to a shell that sees the shared storage.
#[derive(Clone)]
pub struct Reach {
    pub(super) slurm: Arc<dyn Slurm>,
    pub(super) channel: Arc<dyn Channel>,
    /// Slurm's commands, where that shell has them: a submit is one script then.
    pub(super) commands: Option<Arc<CommandSlurm>>,
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

    /// By Slurm's commands in the shell that the channel leads to.
    pub fn by_commands(channel: Arc<dyn Channel>) -> Self {
        let commands = Arc::new(CommandSlurm::new(Arc::clone(&channel)));
        Self {
            slurm: Arc::<CommandSlurm>::clone(&commands),
            channel,
            commands: Some(commands),
        }
    }

    /// By two ways that have nothing to do with each other.
    pub fn apart(slurm: Arc<dyn Slurm>, channel: Arc<dyn Channel>) -> Self {
        Self {
            slurm,
            channel,
            commands: None,
        }
    }

    /// To Slurm.
    pub fn slurm(&self) -> &Arc<dyn Slurm> {
        &self.slurm
    }

    /// To a shell that sees the shared storage.
    pub fn channel(&self) -> &Arc<dyn Channel> {
        &self.channel
    }
}
