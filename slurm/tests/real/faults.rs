//! A controller that is away for a while.

use schliff_slurm::channel::Limits;
use schliff_slurm::client::Cancel;
use schliff_slurm::client::command::CommandSlurm;
use schliff_slurm::client::rest::{RestOptions, RestSlurm};
use schliff_slurm::state::BaseState;
use schliff_slurm::{Slurm, SlurmError};

use crate::cluster::{Cluster, dev, here, variable};

#[tokio::test]
async fn a_controller_that_is_away_is_unavailable_and_its_jobs_come_back_with_it() {
    let Some(cluster) = Cluster::find_alone("a_controller_that_is_away").await else {
        return;
    };
    let rest = RestSlurm::new(RestOptions {
        url: variable("SCHLIFF_SLURM_REST_URL"),
        user: variable("SCHLIFF_SLURM_REST_USER"),
        token_file: variable("SCHLIFF_SLURM_JWT_FILE").into(),
        limits: Limits::default(),
    });
    let clients: [Box<dyn Slurm>; 2] = [
        Box::new(CommandSlurm::new(here())),
        Box::new(rest.expect("a client")),
    ];
    let batch = cluster.held("away");
    let mut jobs = Vec::new();
    for slurm in &clients {
        jobs.push(slurm.submit(&batch).await.expect("taken"));
    }
    dev("ctld-stop").await;
    // Slurm's own commands try for seconds before they give up.
    let mut answers = Vec::new();
    for slurm in &clients {
        let (submitted, listed, cancelled) = tokio::join!(
            slurm.submit(&batch),
            slurm.queue(""),
            slurm.cancel(&jobs, Cancel::End),
        );
        answers.extend([submitted.err(), listed.err()]);
        cancelled.expect_err("nobody there");
        assert!(slurm.calls().1 >= 3);
    }
    // Before anything can fail: others need it.
    dev("ctld-start").await;
    for error in answers {
        let error = error.expect("nobody there");
        assert!(matches!(error, SlurmError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("controller"), "{error}");
    }
    for (slurm, id) in clients.iter().zip(jobs) {
        let job = cluster.until(&**slurm, id, |_| true).await;
        assert_eq!(job.state.base, BaseState::Pending);
    }
    let all = clients[0].queue(&batch.name).await.expect("a queue");
    assert_eq!(all.len(), 2, "nothing was submitted meanwhile");
    cluster.clean().await;
}
