//! `schliff cancel` and `schliff retry`.

use schliff_wire::v1::Phase;

use crate::fake::Fake;

#[test]
fn each_job_gets_its_turn() {
    let fake = Fake::start();
    fake.change(|scene| {
        for _ in 0..3 {
            scene.add("desk", Phase::Running);
        }
        scene.end(2, "succeeded", 0);
    });
    let ended = fake.play(&["cancel", "1", "2", "3", "--why", "wrong data", "--now"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stdout,
        "job 1 desk: stopping: so it is\njob 3 desk: stopping: so it is\n"
    );
    insta::assert_snapshot!(ended.stderr, @r"
    error: cannot cancel job 2
    caused by: job 2 has ended
    see: schliff help E-JOB-STATE
    ");
    let scene = fake.scene();
    let told: Vec<_> = scene
        .cancelled
        .iter()
        .map(|it| (it.job, &*it.why, it.now))
        .collect();
    assert_eq!(told, [(1, "wrong data", true), (3, "wrong data", true)]);
}

#[test]
fn a_job_is_tried_again() {
    let fake = Fake::start();
    fake.change(|scene| {
        scene.add("desk", Phase::Running);
        scene.end(1, "failed", 76);
    });
    let ended = fake.play(&["retry", "1", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let view: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one line of JSON");
    assert_eq!(view["phase"], "queued");
    assert_eq!(fake.scene().jobs[&1].phase(), Phase::Queued);
}
