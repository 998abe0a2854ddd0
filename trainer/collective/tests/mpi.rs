//! Groups over a real MPI library, under `mpirun`. Needs the feature `mpi`.

use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_schliff-bench-collective");

fn mpirun(ranks: usize, arguments: &[&str]) -> Output {
    Command::new("mpirun")
        .args(["--oversubscribe", "-np", &ranks.to_string(), PROGRAM])
        .args(arguments)
        .envs([
            ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
            ("OMPI_MCA_btl_tcp_if_include", "lo"),
            ("OMPI_MCA_oob_tcp_if_include", "lo"),
        ])
        .output()
        .expect("mpirun starts; on Debian: apt install openmpi-bin")
}

#[test]
fn groups_under_mpirun_conform() {
    for ranks in [1, 2, 4] {
        let output = mpirun(ranks, &["conformance"]);
        let told = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{failed}");
        assert_eq!(told.matches("conforms").count(), ranks, "{told}{failed}");
    }
}

#[test]
fn ranks_out_of_step_are_told() {
    let output = mpirun(2, &["out-of-step"]);
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{failed}");
    assert_eq!(told.matches("told").count(), 2, "{told}{failed}");
}

#[test]
fn a_rank_that_leaves_takes_the_group_with_it() {
    let output = mpirun(2, &["abort"]);
    // The exit code that a group has which was given up; the library's words vary.
    assert_eq!(output.status.code(), Some(76), "{output:?}");
}
