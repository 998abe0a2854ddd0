use schliff_scheduler::allocation::AllocationStatus;
use schliff_scheduler::ask::{After, Ask};
use schliff_scheduler::ending::Outcome;
use schliff_scheduler::input::{Command, Input, Submission};
use schliff_scheduler::rejection::Rejection;
use schliff_spec::id::JobId;

use crate::desk::{Desk, ask, of_shape};

#[test]
fn a_request_that_is_repeated_submits_once() {
    let mut desk = Desk::with_nodes(1);
    let submission = Submission {
        request_id: "r1".into(),
        owner: "ada".into(),
        ask: ask("job"),
        after: Vec::new(),
        sweep: None,
    };
    let input = Input::Command(Command::Submit(Box::new(submission)));
    desk.tell(input.clone());
    assert!(desk.tell(input).is_empty());
    assert_eq!(desk.state.requests["r1"], JobId(1));
    assert_eq!(desk.state.jobs.len(), 1);
}

#[test]
fn what_can_never_run_is_refused_with_what_there_is() {
    let mut desk = Desk::with_nodes(2);
    let error = desk.try_submit(of_shape(3, 1), Vec::new());
    insta::assert_snapshot!(error.expect_err("too large"), @"no cluster can ever run it: it needs 1 GPU on each of 3 nodes; c has 2 nodes of at most 4 GPUs and 8 cores");
    let elsewhere = Ask {
        cluster: Some("d".parse().expect("a name")),
        ..ask("job")
    };
    let error = desk.try_submit(elsewhere, Vec::new());
    insta::assert_snapshot!(error.expect_err("unknown"), @"there is no cluster d; there is c");
    assert!(desk.state.jobs.is_empty());
}

#[test]
fn a_job_waits_for_others_and_fails_with_them_unless_any_end_will_do() {
    let mut desk = Desk::with_nodes(1);
    let first = desk.submit(ask("first"));
    let after = |any_end| {
        vec![After {
            job: first,
            any_end,
        }]
    };
    desk.try_submit(ask("second"), after(false)).expect("taken");
    desk.try_submit(ask("third"), after(true)).expect("taken");
    desk.tick();
    assert_eq!(desk.why(JobId(2)), "waits for the end of job 1");
    desk.run(first);
    desk.exit(first, 1);
    desk.tick();
    assert_eq!(
        desk.outcome(JobId(2)),
        Some(&Outcome::AfterFailed { job: first })
    );
    assert!(desk.job(JobId(3)).live().is_some());
    let unknown = vec![After {
        job: JobId(77),
        any_end: false,
    }];
    assert_eq!(
        desk.try_submit(ask("x"), unknown),
        Err(Rejection::NoJob(JobId(77)))
    );
}

#[test]
fn an_ended_job_stays_ended_and_a_new_one_goes_on_with_it() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.commit(job, 40);
    let retry = Input::Command(Command::Retry {
        job,
        by: "ada".into(),
    });
    assert_eq!(desk.try_tell(retry.clone()), Err(Rejection::NotEnded(job)));
    desk.exit(job, 1);
    desk.tell(retry.clone());
    desk.tick();
    let next = desk.job(JobId(2));
    assert_eq!(
        (next.retry_of, next.committed),
        (Some(job), desk.job(job).committed)
    );
    assert_eq!(next.attempts[0].resume_from, next.committed);
    // One at a time: both would write under the same prefix.
    assert_eq!(desk.try_tell(retry), Err(Rejection::NotEnded(JobId(2))));
}

#[test]
fn nothing_is_too_large_for_a_cluster_that_was_not_observed_since_a_restart() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.state = desk.replayed();
    // The node that is held is known by its name, and by nothing else.
    desk.submit(ask("another"));
    desk.list(&[(job, AllocationStatus::Running)]);
    let error = desk.try_submit(of_shape(2, 1), Vec::new());
    assert!(error.is_err(), "{error:?}");
}

#[test]
fn retries_of_one_job_never_train_beside_each_other_nor_over_a_result() {
    let mut desk = Desk::with_nodes(1);
    let retry = |job| {
        Input::Command(Command::Retry {
            job,
            by: "ada".into(),
        })
    };
    let first = desk.submit(ask("job"));
    for job in [first, JobId(2)] {
        desk.tick();
        desk.run(job);
        desk.exit(job, 1);
        desk.tell(retry(job));
    }
    assert_eq!(
        desk.try_tell(retry(first)),
        Err(Rejection::NotEnded(JobId(3)))
    );
    desk.tick();
    desk.run(JobId(3));
    desk.exit(JobId(3), 0);
    assert_eq!(
        desk.try_tell(retry(first)),
        Err(Rejection::Succeeded(JobId(3)))
    );
}
