use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, SubmitAnswer};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::ending::{Ending, Outcome};
use schliff_scheduler::input::{Input, News};
use schliff_scheduler::job::{Crew, Phase};
use schliff_scheduler::policy::{JOIN_MS, SILENT_MS, VANISH_MS};
use schliff_scheduler::rejection::Rejection;
use schliff_spec::id::{Generation, Step};

use crate::desk::{Desk, alive, ask, of_shape, older, report};

#[test]
fn a_job_runs_to_its_end() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    insta::assert_snapshot!(desk.why(job), @"is being submitted to c");
    desk.accept(job);
    insta::assert_snapshot!(desk.why(job), @"waits in c");
    desk.list(&[(job, AllocationStatus::Running)]);
    insta::assert_snapshot!(desk.why(job), @"0 of 1 agents have come");
    desk.report(job, &[News::Joined]);
    insta::assert_snapshot!(desk.why(job), @"ranks read the model and the data");
    desk.report(job, &[News::Started { resumed_from: None }, alive(1, 9)]);
    insta::assert_snapshot!(desk.why(job), @"trains");
    desk.exit(job, 0);
    assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded));
    assert_eq!(
        desk.state
            .clusters
            .values()
            .next()
            .map(|c| c.nodes.values().map(|n| n.gpus_held).sum()),
        Some(0)
    );
}

#[test]
fn why_a_submit_is_to_be_tried_again_is_told_until_it_is_taken() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    let answer = SubmitAnswer::TryLater {
        why: "cannot reach it".into(),
    };
    let key = desk.job(job).key();
    let facts = desk.tell(Input::Answered { key, answer });
    assert!(facts.iter().all(|fact| !fact.is_kept()), "{facts:?}");
    insta::assert_snapshot!(desk.why(job), @"is to be submitted to c again: cannot reach it");
    desk.accept(job);
    insta::assert_snapshot!(desk.why(job), @"waits in c");
}

#[test]
fn what_the_cluster_did_is_tried_again_until_the_retries_are_spent() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    for failure in 1..=2 {
        desk.run(job);
        desk.end(job, AllocationEnd::Killed { signal: Some(9) });
        assert_eq!(desk.job(job).failures, failure);
        desk.after_ms(60_000);
    }
    desk.run(job);
    desk.end(job, AllocationEnd::Killed { signal: Some(9) });
    let Some(Outcome::Failed { ending, .. }) = desk.outcome(job) else {
        panic!("{:?}", desk.job(job).phase);
    };
    assert_eq!(*ending, Ending::Killed { signal: Some(9) });
    assert_eq!(desk.job(job).generation, Generation(3));
}

#[test]
fn progress_gives_the_retries_back() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    for step in 1..=9 {
        desk.after_ms(60_000);
        desk.run(job);
        desk.commit(job, step);
        desk.end(job, AllocationEnd::Killed { signal: None });
        assert_eq!(desk.job(job).failures, 1, "at step {step}");
    }
    insta::assert_snapshot!(desk.why(job), @"killed; failure 1, 2 allowed; next attempt in 5 s");
}

#[test]
fn the_jobs_own_fault_is_not_tried_again() {
    let mut desk = Desk::with_nodes(1);
    for (code, ending) in [
        (1, Ending::JobFailed),
        (2, Ending::Misused),
        (70, Ending::Defect),
    ] {
        let job = desk.submit(ask("job"));
        desk.tick();
        desk.run(job);
        desk.exit(job, code);
        let Some(Outcome::Failed { ending: own, .. }) = desk.outcome(job) else {
            panic!("{:?}", desk.job(job).phase);
        };
        assert_eq!(*own, ending);
    }
}

#[test]
fn links_without_a_new_step_are_failures() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    for _ in 0..3 {
        desk.after_ms(60_000);
        desk.run(job);
        desk.exit(job, 75);
    }
    assert!(matches!(
        desk.outcome(job),
        Some(Outcome::Failed {
            ending: Ending::MoreToDo,
            ..
        })
    ));
}

#[test]
fn older_attempts_change_nothing_and_future_ones_are_refused() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.end(job, AllocationEnd::Preempted);
    desk.tick();
    let key = desk.key(job);
    let news = [News::Joined, News::Committed { step: Step(5) }];
    assert!(desk.tell(report(older(key), &news)).is_empty());
    let future = schliff_spec::id::SubmitKey {
        generation: key.generation.next(),
        ..key
    };
    assert!(matches!(
        desk.try_tell(report(future, &news)),
        Err(Rejection::Future { .. })
    ));
}

#[test]
fn a_rank_that_lies_about_its_step_is_refused() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.report(job, &[alive(3, 10)]);
    let lie = report(desk.key(job), &[News::Committed { step: Step(11) }]);
    let error = desk.try_tell(lie).expect_err("a lie");
    insta::assert_snapshot!(error, @"step 11 of job 1 cannot be: it has 10 steps");
    assert_eq!(desk.job(job).committed, None);
}

#[test]
fn a_listing_that_lacks_a_job_ends_it_only_after_long_silence() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.list_all(&[]);
    for _ in 0..20 {
        desk.now = desk.now.plus(VANISH_MS / 10);
        desk.list_all(&[]);
        desk.report(job, &[alive(1, 9)]);
    }
    assert!(desk.job(job).live().is_some(), "its agents are heard");
    desk.now = desk.now.plus(VANISH_MS);
    desk.list_all(&[]);
    desk.now = desk.now.plus(VANISH_MS);
    desk.list_all(&[]);
    assert!(matches!(
        desk.job(job).phase,
        Phase::Recovering {
            cause: Ending::Vanished,
            ..
        }
    ));
}

#[test]
fn agents_that_do_not_come_or_fall_silent_are_taken_down() {
    let mut desk = Desk::with_nodes(2);
    let job = desk.submit(of_shape(2, 1));
    desk.tick();
    desk.accept(job);
    desk.list(&[(job, AllocationStatus::Running)]);
    desk.report(job, &[News::Joined]);
    desk.after_ms(JOIN_MS);
    insta::assert_snapshot!(desk.why(job), @"is taken down: 1 of 2 agents came in time");
    desk.end(job, AllocationEnd::Cancelled);
    assert!(matches!(
        desk.job(job).phase,
        Phase::Recovering {
            cause: Ending::Incomplete { .. },
            ..
        }
    ));
    desk.after_ms(60_000);
    desk.run(job);
    desk.after_ms(60_000);
    insta::assert_snapshot!(desk.why(job), @"trains; nothing was heard for 60 s");
    desk.after_ms(SILENT_MS);
    insta::assert_snapshot!(desk.why(job), @"is taken down: its agents were not heard for too long");
}

#[test]
fn agents_that_are_heard_over_a_relay_may_be_silent_for_as_long_as_it_is_away() {
    let mut desk = Desk::with_terms(Terms {
        relayed: true,
        ..Terms::of(Queue::Theirs)
    });
    desk.list_nodes(2);
    let job = desk.submit(of_shape(2, 1));
    desk.tick();
    desk.accept(job);
    desk.list(&[(job, AllocationStatus::Running)]);
    desk.after_ms(JOIN_MS);
    desk.report(job, &[News::Joined]);
    desk.after_ms(2 * SILENT_MS);
    assert_eq!(desk.job(job).stop, None);
    desk.end(job, AllocationEnd::TimedOut);
    assert!(matches!(desk.job(job).phase, Phase::Recovering { .. }));
}

#[test]
fn a_coordinator_that_begins_anew_gives_attempts_the_time_to_be_heard() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.now = desk.now.plus(SILENT_MS);
    desk.report(job, &[alive(3, 9)]);
    desk.state = desk.replayed();
    for fact in schliff_scheduler::begin(&desk.state, desk.now) {
        desk.state.apply(&fact);
    }
    desk.after_ms(SILENT_MS - 1);
    assert_eq!(desk.job(job).stop, None);
    desk.after_ms(1);
    assert!(desk.job(job).stop.is_some());
}

#[test]
fn nodes_that_fail_are_avoided_while_others_are_left() {
    let mut desk = Desk::with_nodes(8);
    let job = desk.submit(ask("job"));
    for _ in 0..2 {
        desk.after_ms(60_000);
        desk.run(job);
        let nodes = desk.job(job).live().expect("it runs").nodes.clone();
        desk.end(job, AllocationEnd::NodesLost { nodes });
    }
    desk.after_ms(60_000);
    let places: Vec<_> = desk
        .job(job)
        .attempts
        .iter()
        .map(|a| a.placement[0].as_str().to_owned())
        .collect();
    assert_eq!(places, ["n0", "n0", "n1"]);
}

#[test]
fn an_attempt_lives_on_without_a_node_and_says_so() {
    let mut desk = Desk::with_nodes(8);
    let job = desk.submit(of_shape(2, 4));
    desk.tick();
    desk.run(job);
    assert_eq!(desk.why(job), "trains");
    let crew = Crew {
        nodes: vec![0],
        gone: vec![1],
    };
    let news = [News::Regrouped(crew), News::Started { resumed_from: None }];
    desk.report(job, &news);
    desk.report(job, &news);
    assert_eq!(desk.why(job), "goes on with 1 of 2 nodes; n1 is gone");
    let cluster = &desk.state.clusters[&desk.job(job).attempts[0].cluster];
    let strikes: Vec<_> = cluster
        .strikes
        .iter()
        .map(|(node, s)| (node.as_str(), s.count))
        .collect();
    assert_eq!(strikes, [("n1", 1)], "blamed once");
    let back = Crew {
        nodes: vec![0, 1],
        gone: Vec::new(),
    };
    desk.report(job, &[News::Regrouped(back)]);
    assert_eq!(desk.why(job), "trains");
    desk.exit(job, 0);
    assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded));
    assert_eq!(desk.job(job).attempts.len(), 1);
}
