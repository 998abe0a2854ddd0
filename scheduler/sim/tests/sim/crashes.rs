use schliff_sim::World;
use schliff_sim::fault::Fault;
use schliff_sim::scenario::Scenario;
use schliff_sim::trace::Trace;

/// The coordinator dies at each write of a script in turn, in each way.
#[track_caller]
fn dies_at_every_write(name: &str) {
    let script = || Scenario::script(name).expect("a script");
    let run = |scenario| World::new(scenario, Trace::kept()).expect("a world").run();
    let writes = run(script()).writes;
    assert!(writes > 10, "{name} has {writes} writes");
    for fault in [
        Fault::CrashBeforeWrite,
        Fault::CrashAfterWrite,
        Fault::TornJournal,
    ] {
        for case in 1..=writes {
            let died = run(script().dying(fault, case));
            let trace = died.trace.lines().join("\n");
            assert_eq!(died.breach, None, "{name}, {fault} {case}:\n{trace}");
            assert!(trace.contains("shell     dies"), "{name}, {fault} {case}");
        }
    }
}

#[test]
fn a_job_survives_a_crash_at_any_write() {
    dies_at_every_write("plain");
    dies_at_every_write("walltime-chain");
}

#[test]
fn a_chain_that_goes_on_by_itself_survives_a_crash_at_any_write() {
    dies_at_every_write("requeue-chain");
    dies_at_every_write("successor-chain");
    dies_at_every_write("requeue-preempted");
}

#[test]
fn a_lost_reply_and_a_crash_at_any_write_submit_once() {
    dies_at_every_write("lost-reply");
    dies_at_every_write("lost-submit");
}

#[test]
fn a_search_survives_a_crash_at_any_write() {
    dies_at_every_write("halving");
}

#[test]
fn an_end_that_was_asked_for_survives_a_crash_at_any_write() {
    dies_at_every_write("cancel");
    dies_at_every_write("isolated-node");
}
