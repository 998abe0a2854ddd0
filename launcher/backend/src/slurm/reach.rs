//! How a Slurm site is reached, by what its profile says.

use std::sync::Arc;

use schliff_slurm::channel::{Channel, Limits, LocalChannel, SshChannel, SshOptions};
use schliff_slurm::client::command::CommandSlurm;
use schliff_slurm::client::rest::{RestOptions, RestSlurm};
use schliff_slurm::{Slurm, SlurmError};
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
    ///
    /// # Errors
    /// Calls to slurmrestd cannot be prepared on this machine.
    pub fn of(site: &cluster::Slurm) -> Result<Self, SlurmError> {
        Ok(match &site.transport {
            Transport::Command => Self::by_commands(Arc::new(LocalChannel::default())),
            Transport::Ssh { host, config } => {
                let mut options = SshOptions::new(host);
                options.config.clone_from(config);
                options.logins_per_minute = site.logins_per_minute;
                Self::by_commands(Arc::new(SshChannel::new(options)))
            }
            Transport::Rest {
                url,
                user,
                token_file,
            } => {
                let rest = RestSlurm::new(RestOptions {
                    url: url.clone(),
                    user: user.clone(),
                    token_file: token_file.clone(),
                    limits: Limits::default(),
                })?;
                Self::apart(Arc::new(rest), Arc::new(LocalChannel::default()))
            }
        })
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
