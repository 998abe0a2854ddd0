//! `schliff cancel`, `schliff retry` and `schliff adopt`.

use schliff_wire::v1::Phase;
use tonic::Code;

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

#[test]
fn a_job_of_slurms_is_adopted_or_the_reason_is_told() {
    let fake = Fake::start();
    let adopted = fake.play(&["adopt", "1234", "--cluster", "alex"]);
    assert_eq!((adopted.code, &*adopted.stdout), (Some(0), "1\n"));
    assert!(
        adopted.stderr.contains("1234 of alex"),
        "{}",
        adopted.stderr
    );
    let reason = "alex: job 77 was not made by `schliff export`".to_owned();
    let refusal = (Code::InvalidArgument, "adopt-foreign", reason);
    fake.change(|scene| scene.refuses = Some(refusal));
    let refused = fake.play(&["adopt", "77", "--cluster", "alex"]);
    assert_eq!((refused.code, &*refused.stdout), (Some(2), ""));
    insta::assert_snapshot!(refused.stderr, @r"
    error: cannot adopt job 77 of alex
    caused by: alex: job 77 was not made by `schliff export`
    ");
}
