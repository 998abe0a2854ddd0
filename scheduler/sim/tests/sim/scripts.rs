use schliff_sim::World;
use schliff_sim::scenario::{SCRIPTS, Scenario};
use schliff_sim::trace::Trace;

#[test]
fn scripts_tell_what_they_told_before() {
    for name in SCRIPTS {
        let script = Scenario::script(name).expect("a script");
        let run = World::new(script, Trace::kept()).expect("a world").run();
        let trace = run.trace.lines().join("\n");
        assert_eq!(run.breach, None, "{name}:\n{trace}");
        insta::assert_snapshot!(*name, trace);
    }
}

#[test]
fn an_unknown_script_is_none() {
    assert_eq!(Scenario::script("none"), None);
}
