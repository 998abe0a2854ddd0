//! slurmrestd.

use schliff_slurm::channel::Limits;
use schliff_slurm::client::Cancel;
use schliff_slurm::client::rest::{RestOptions, RestSlurm};
use schliff_slurm::{Slurm, SlurmError};

use crate::cluster::{Cluster, variable};
use crate::conformance;

fn options() -> RestOptions {
    RestOptions {
        url: variable("SCHLIFF_SLURM_REST_URL"),
        user: variable("SCHLIFF_SLURM_REST_USER"),
        token_file: variable("SCHLIFF_SLURM_JWT_FILE").into(),
        limits: Limits::default(),
    }
}

#[tokio::test]
async fn rest() {
    let Some(cluster) = Cluster::find("rest").await else {
        return;
    };
    let slurm = RestSlurm::new(options()).expect("a client");
    conformance::all(&cluster, &slurm).await;
}

#[tokio::test]
async fn a_bad_token_is_told_and_a_renewed_one_is_picked_up() {
    let Some(cluster) = Cluster::find("a_bad_token_is_told").await else {
        return;
    };
    let mut options = options();
    let good = std::fs::read_to_string(&options.token_file).expect("a token");
    options.token_file = cluster.folder.path().join("jwt");
    // Its signature is wrong, and it has no end.
    std::fs::write(&options.token_file, "eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n").expect("written");
    let slurm = RestSlurm::new(options.clone()).expect("a client");
    let batch = cluster.held("token");
    let error = slurm.submit(&batch).await.expect_err("a bad token");
    assert!(matches!(error, SlurmError::Unauthorized { .. }), "{error}");
    let error = slurm.queue("").await.expect_err("a bad token");
    assert!(matches!(error, SlurmError::Unauthorized { .. }), "{error}");
    // `{"exp":1}`: it is not even sent.
    std::fs::write(
        &options.token_file,
        "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.AAAA\n",
    )
    .expect("written");
    let error = slurm.queue("").await.expect_err("an expired token");
    assert!(matches!(error, SlurmError::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    std::fs::write(&options.token_file, good).expect("written");
    let id = slurm.submit(&batch).await.expect("a good token");
    slurm.cancel(&[id], Cancel::End).await.expect("cancelled");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    if Cluster::find("nobody_there_is_unavailable").await.is_none() {
        return;
    }
    let mut options = options();
    options.url = "http://127.0.0.1:9".to_owned();
    let slurm = RestSlurm::new(options).expect("a client");
    let error = slurm.nodes().await.expect_err("nobody there");
    assert!(matches!(error, SlurmError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
