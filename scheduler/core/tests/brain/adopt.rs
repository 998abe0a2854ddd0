//! What somebody submitted by hand becomes a job: its history is told afterwards, its end ends it.

use schliff_scheduler::action::Action;
use schliff_scheduler::allocation::{AllocationEnd, AllocationId, AllocationStatus, SubmitAnswer};
use schliff_scheduler::ask::Ask;
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::ending::{Ending, Outcome};
use schliff_scheduler::fact::Fact;
use schliff_scheduler::input::{Adoption, Command, Input, News};
use schliff_scheduler::job::{LastWords, Phase};
use schliff_scheduler::policy::{JOIN_MS, SILENT_MS, WORDS_MS};
use schliff_scheduler::rejection::Rejection;
use schliff_spec::id::{JobId, Step};

use crate::desk::{Desk, alive, ask, shape};

const SETTLE_MS: u64 = 5_000;

/// A cluster where nothing goes on by itself.
fn site() -> Desk {
    let mut desk = Desk::with_terms(Terms {
        settle_ms: SETTLE_MS,
        ..Terms::of(Queue::Theirs)
    });
    desk.list_nodes(4);
    desk
}

fn adoption(request_id: &str, allocation: &str) -> Input {
    Input::Command(Command::Adopt(Box::new(Adoption {
        request_id: request_id.into(),
        owner: "ada".into(),
        ask: Ask {
            cluster: Some("c".parse().expect("a name")),
            out: "/p/runs/desk".into(),
            ..ask("desk")
        },
        cluster: "c".parse().expect("a name"),
        allocation: AllocationId(allocation.into()),
        shape: shape(1, 1),
        time_limit_ms: Some(3_600_000),
    })))
}

/// A job that was adopted, and that a listing shows like this.
fn adopted(status: AllocationStatus) -> (Desk, JobId) {
    let mut desk = site();
    let job = desk.state.next_job();
    desk.tell(adoption("r", "1234"));
    let answer = SubmitAnswer::Accepted {
        id: AllocationId("1234".into()),
    };
    let key = desk.key(job);
    desk.tell(Input::Answered { key, answer });
    desk.list_all(&[(job, status)]);
    (desk, job)
}

fn said(code: i32) -> News {
    News::Ended(LastWords {
        exit_code: code,
        error: String::new(),
        culprit: None,
    })
}

fn started() -> News {
    News::Started { resumed_from: None }
}

#[test]
fn it_becomes_an_attempt_at_once_and_nothing_is_submitted() {
    let mut desk = site();
    let job = desk.state.next_job();
    desk.tell(adoption("r", "1234"));
    assert_eq!(desk.job(job).phase, Phase::Allocating);
    let actions = desk.actions();
    let [Action::Submit(order)] = actions.as_slice() else {
        panic!("not one order: {actions:?}");
    };
    assert_eq!(order.adopts, Some(AllocationId("1234".into())));
    assert_eq!(order.key, desk.key(job));
    assert!(desk.tell(adoption("r", "1234")).is_empty(), "asked again");
    let again = desk.try_tell(adoption("s", "1234"));
    assert!(
        matches!(again, Err(Rejection::Adopted { job: one, .. }) if one == job),
        "{again:?}"
    );
    desk.tell(adoption("s", "1235"));
    let replayed = desk.replayed();
    assert_eq!(replayed.jobs[&job].attempts[0].adopts, order.adopts);
}

#[test]
fn where_schliff_keeps_the_queue_nothing_is_adopted() {
    let mut desk = Desk::with_nodes(1);
    let refused = desk.try_tell(adoption("r", "1234"));
    let name = "c".parse().expect("a name");
    assert_eq!(refused, Err(Rejection::NoAdoption(name)));
    assert!(desk.state.jobs.is_empty());
}

#[test]
fn facts_of_before_there_was_adoption_are_read() {
    let old = r#"{"at":5,"fact":"planned","job":1,"generation":1,"cluster":"c","shape":{"nodes":1,
        "gpus_per_node":0,"cpus_per_node":8,"ranks":1},"placement":[],"time_limit_ms":null,
        "resume_from":null}"#;
    let fact: Fact = serde_json::from_str(old).expect("a fact");
    let text = serde_json::to_string(&fact).expect("JSON");
    assert!(!text.contains("adopts"), "{text}");
}

/// Agents know of no coordinator, and their words come when they were fetched.
#[test]
fn silence_ends_nothing() {
    let (mut desk, job) = adopted(AllocationStatus::Running);
    for _ in 0..2 {
        desk.after_ms(JOIN_MS.max(SILENT_MS) + 1);
        desk.list_all(&[(job, AllocationStatus::Running)]);
    }
    assert!(desk.job(job).live().is_some() && desk.job(job).stop.is_none());
}

#[test]
fn runs_from_before_do_not_end_it_whatever_they_said() {
    for code in [1, 75, 76] {
        let (mut desk, job) = adopted(AllocationStatus::Running);
        desk.report(job, &[News::Joined, started(), alive(4, 20)]);
        desk.report(job, &[News::Committed { step: Step(4) }, said(code)]);
        desk.after_ms(WORDS_MS + 1);
        assert!(desk.actions().is_empty(), "{code}: {:?}", desk.actions());
        desk.report(job, &[News::Joined, started(), alive(9, 20)]);
        assert!(
            matches!(desk.job(job).phase, Phase::Running { .. }),
            "{code}"
        );
        assert_eq!(desk.job(job).committed, Some(Step(4)));
        assert_eq!(
            desk.job(job).live().and_then(|it| it.last_words.clone()),
            None
        );
        desk.exit(job, 0);
        assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded), "{code}");
    }
}

/// The words of its last run were not fetched: the batch system's count.
#[test]
fn an_end_that_the_batch_system_tells_is_believed_before_old_words() {
    let (mut desk, job) = adopted(AllocationStatus::Running);
    desk.report(job, &[News::Joined, started(), said(1)]);
    desk.end(job, AllocationEnd::Exited { code: 0 });
    assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded));
}

#[test]
fn while_it_waits_the_words_of_earlier_runs_do_not_make_it_run() {
    let waits = AllocationStatus::Pending {
        why: "Resources".into(),
        start_estimate: None,
    };
    let (mut desk, job) = adopted(waits);
    let told = [
        News::Joined,
        started(),
        alive(4, 20),
        News::Committed { step: Step(4) },
    ];
    desk.report(job, &told);
    assert_eq!(desk.job(job).phase, Phase::Allocating);
    assert_eq!(desk.job(job).committed, Some(Step(4)));
    desk.list_all(&[(job, AllocationStatus::Running)]);
    desk.report(job, &[alive(5, 20)]);
    assert!(
        matches!(desk.job(job).phase, Phase::Running { .. }),
        "a step tells it"
    );
}

#[test]
fn where_its_chain_is_used_up_the_next_attempt_is_submitted() {
    let (mut desk, job) = adopted(AllocationStatus::Running);
    desk.report(job, &[News::Joined, started(), alive(4, 20)]);
    desk.commit(job, 4);
    desk.exit(job, 75);
    desk.tick();
    let next = desk.job(job).live().expect("an attempt");
    assert_eq!((next.generation.0, next.resume_from), (2, Some(Step(4))));
    assert_eq!(next.adopts, None);
    let actions = desk.actions();
    let submits =
        |action: &&Action| matches!(action, Action::Submit(order) if order.adopts.is_none());
    assert_eq!(actions.iter().filter(submits).count(), 1, "{actions:?}");
}

#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    let mut desk = site();
    let job = desk.state.next_job();
    desk.tell(adoption("r", "1234"));
    let key = desk.key(job);
    let why = "another coordinator has it".to_owned();
    let answer = SubmitAnswer::Refused { why: why.clone() };
    desk.tell(Input::Answered { key, answer });
    let Some(Outcome::Failed { ending, .. }) = desk.outcome(job) else {
        panic!("{:?}", desk.outcome(job));
    };
    assert_eq!(*ending, Ending::Refused { why });
}
