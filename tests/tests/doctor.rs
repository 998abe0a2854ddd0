//! `schliff doctor` with the real trainer.

use schliff_tests::desk::{Desk, end_of};
use serde_json::Value;

/// The report on this machine, with no trace of a batch system.
fn report() -> Value {
    let desk = Desk::new();
    let mut command = desk.command(&["doctor", "--json", "--store", "store"]);
    for variable in [
        "SLURM_JOB_ID",
        "OMPI_COMM_WORLD_SIZE",
        "JOB_COMPLETION_INDEX",
    ] {
        command.env_remove(variable);
    }
    end_of(command).json()
}

fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn this_machine_can_train_and_each_lack_has_a_way_out() {
    let report = report();
    assert_eq!(report["can_train"], true);
    let can = |key: &str, name: &str| {
        let list = report[key].as_array().expect("a list");
        list.iter().any(|it| it == name)
    };
    assert!(can("backends", "flex"));
    assert!(can("collectives", "tcp"), "{}", finding(&report, "tcp"));
    assert_eq!(finding(&report, "store")["status"], "ok");
    let cores = &finding(&report, "cores")["facts"]["allowed"];
    let allowed = std::thread::available_parallelism().expect("cores").get();
    assert_eq!(cores.as_u64(), Some(allowed as u64));
    let memory = &finding(&report, "memory")["facts"]["total_bytes"];
    assert!(memory.as_u64() > Some(1 << 30), "{memory}");
    for name in [
        "libcuda",
        "libnccl",
        "libnvrtc",
        "libvulkan",
        "mpirun",
        "mpi",
        "nccl",
    ] {
        finding(&report, name);
    }
    for finding in report["findings"].as_array().expect("a list") {
        let is_fine = finding["status"] == "ok";
        assert!(is_fine || finding["hint"].is_string(), "{finding}");
    }
}
