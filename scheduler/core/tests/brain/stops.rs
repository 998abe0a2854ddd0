use schliff_scheduler::action::Action;
use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};
use schliff_scheduler::ask::Ask;
use schliff_scheduler::ending::Outcome;
use schliff_scheduler::policy::GRACE_MS;
use schliff_scheduler::rejection::Rejection;
use schliff_scheduler::shape::Budget;

use crate::desk::{Desk, ask, cancel};

#[test]
fn a_waiting_job_is_cancelled_at_once_and_a_running_one_gently() {
    let mut desk = Desk::with_nodes(1);
    let (waiting, running) = (desk.submit(ask("w")), desk.submit(ask("r")));
    desk.cancel(waiting);
    insta::assert_snapshot!(desk.why(waiting), @"cancelled by ada: no need");
    assert_eq!(
        desk.try_tell(cancel(waiting)),
        Err(Rejection::Ended(waiting))
    );
    desk.tick();
    desk.run(running);
    desk.cancel(running);
    let how = |desk: &Desk| match &desk.actions()[..] {
        [Action::Stop { how, .. }] => *how,
        other => panic!("{other:?}"),
    };
    assert_eq!(how(&desk), StopHow::Gently);
    desk.after_ms(GRACE_MS);
    assert_eq!(how(&desk), StopHow::Now);
    desk.exit(running, 75);
    assert!(matches!(
        desk.outcome(running),
        Some(Outcome::Cancelled { .. })
    ));
}

#[test]
fn a_job_that_comes_to_its_end_while_it_is_cancelled_has_succeeded() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.cancel(job);
    desk.exit(job, 0);
    assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded));
}

#[test]
fn a_spent_budget_stops_the_job() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(Ask {
        budget: Budget {
            gpu_ms: Some(60_000),
            core_ms: None,
        },
        ..ask("job")
    });
    desk.tick();
    desk.run(job);
    desk.after_ms(30_000);
    assert!(desk.job(job).stop.is_none());
    desk.after_ms(30_000);
    insta::assert_snapshot!(desk.why(job), @"stops: its budget is spent");
    desk.exit(job, 75);
    assert_eq!(desk.outcome(job), Some(&Outcome::BudgetSpent));
}

#[test]
fn somebody_elses_cancel_ends_the_job() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.list(&[(job, AllocationStatus::Running)]);
    desk.end(job, AllocationEnd::Cancelled);
    insta::assert_snapshot!(desk.why(job), @"cancelled by somebody in the batch system");
}
