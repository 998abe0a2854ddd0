//! Ranks that `mpirun` starts: the bytes of every other collective, whatever happens to them.
//!
//! Needs `schliff-trainer-mpi` and an MPI library; `make test-mpi` runs it.

use std::process::Command;

use schliff_tests::desk::Desk;
use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::running::{Running, signal};

/// Enough for a rank to be killed on its way.
const STEPS: usize = 400;

/// `schliff run` over MPI, kept on loopback.
fn over_mpi(desk: &Desk, out: &str) -> Command {
    let args = ["run", "job.toml", "--collective", "mpi", "--ranks", "2"];
    let mut command = desk.command(&[&args[..], &["--out", out]].concat());
    command.envs([
        ("OMPI_MCA_btl_tcp_if_include", "lo"),
        ("OMPI_MCA_oob_tcp_if_include", "lo"),
    ]);
    command
}

#[test]
fn two_ranks_over_mpi_give_the_bytes_of_one() {
    let desk = tiny_desk(60);
    let end = Running::start(over_mpi(&desk, "mpi")).end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    assert!(
        adapter(&desk, "mpi") == train(&desk, "1"),
        "another adapter"
    );
}

#[test]
fn a_rank_over_mpi_that_is_killed_takes_its_group_along_and_changes_nothing() {
    let desk = tiny_desk(STEPS);
    let mut run = Running::start(over_mpi(&desk, "killed"));
    run.wait_for(|line| line.starts_with("step "));
    let trainers = run.trainers();
    assert!(signal("-KILL", trainers[1]), "no rank {}", trainers[1]);
    run.wait_for(|line| line.contains("; restarting from"));
    let end = run.end();
    assert_eq!(end.code, Some(0), "{}", end.said);
    assert!(
        adapter(&desk, "killed") == train(&desk, "1"),
        "another adapter"
    );
}
