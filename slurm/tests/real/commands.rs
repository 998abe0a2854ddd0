//! Commands, on this machine and over ssh.

use std::sync::Arc;

use schliff_slurm::channel::{Channel, ChannelError, SshChannel, SshOptions};
use schliff_slurm::client::command::CommandSlurm;
use schliff_slurm::{Slurm, SlurmError};

use crate::cluster::{Cluster, here, variable};
use crate::conformance;

fn login_node() -> Arc<SshChannel> {
    let mut options = SshOptions::new(&variable("SCHLIFF_SLURM_SSH_HOST"));
    options.config = Some(variable("SCHLIFF_SLURM_SSH_CONFIG").into());
    Arc::new(SshChannel::new(options))
}

#[tokio::test]
async fn commands_on_this_machine() {
    let Some(cluster) = Cluster::find("commands_on_this_machine").await else {
        return;
    };
    let slurm = CommandSlurm::new(here());
    conformance::all(&cluster, &slurm).await;
    let partitions = slurm.partitions().await.expect("partitions");
    let default = partitions.iter().find(|partition| partition.is_default);
    assert_eq!(default.expect("a default").name, "batch");
    let known = slurm.associations().await.expect("accounts");
    let known = known.expect("this cluster has accounting");
    assert!(
        known.iter().any(|known| known.account == "dev"),
        "{known:?}"
    );
}

#[tokio::test]
async fn commands_over_ssh_with_one_login() {
    let Some(cluster) = Cluster::find("commands_over_ssh_with_one_login").await else {
        return;
    };
    let channel = login_node();
    conformance::all(&cluster, &CommandSlurm::new(channel.clone())).await;
    assert_eq!(channel.logins(), 1);
}

#[tokio::test]
async fn a_dropped_connection_is_lost_once_and_then_comes_back() {
    let Some(cluster) = Cluster::find("a_dropped_connection_is_lost_once").await else {
        return;
    };
    let channel = login_node();
    let slurm = CommandSlurm::new(channel.clone());
    slurm.queue(&cluster.prefix).await.expect("a queue");
    // The login node's own side of this connection dies under the script.
    let error = channel.run("kill -KILL $PPID; sleep 20").await;
    let error = error.expect_err("cut off");
    assert!(matches!(error, ChannelError::Lost { .. }), "{error}");
    let batch = cluster.held("again");
    slurm.submit(&batch).await.expect("a new log-in");
    assert_eq!(channel.logins(), 2);
    cluster.clean().await;
}

#[tokio::test]
async fn a_login_node_that_is_not_there_is_unavailable() {
    let Some(cluster) = Cluster::find("a_login_node_that_is_not_there").await else {
        return;
    };
    let config = cluster.folder.path().join("ssh_config");
    std::fs::write(&config, "Host login\n  HostName 127.0.0.1\n  Port 9\n").expect("written");
    let mut options = SshOptions::new("login");
    options.config = Some(config);
    let slurm = CommandSlurm::new(Arc::new(SshChannel::new(options)));
    let error = slurm
        .submit(&cluster.held("never"))
        .await
        .expect_err("nobody there");
    assert!(matches!(error, SlurmError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
