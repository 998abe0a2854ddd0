//! Allocations that the batch system takes back into its queue, and that run again with the same key.

use schliff_scheduler::action::Action;
use schliff_scheduler::allocation::{AllocationEnd, AllocationStatus, StopHow};
use schliff_scheduler::cluster::{Queue, Terms};
use schliff_scheduler::ending::{Ending, Outcome};
use schliff_scheduler::fact::What;
use schliff_scheduler::input::{Input, News};
use schliff_scheduler::job::{Crew, LastWords, Phase};
use schliff_scheduler::looks;
use schliff_scheduler::policy::{JOIN_MS, LOOK_MS, SILENT_MS, WORDS_MS};
use schliff_scheduler::shape::Budget;
use schliff_spec::id::{Generation, JobId, Step};

use crate::desk::{Desk, alive, ask, of_shape, phases};

const SETTLE_MS: u64 = 5_000;
const HOUR_MS: u64 = 3_600_000;

/// A cluster whose allocations go on by themselves.
fn chaining() -> Desk {
    let mut desk = Desk::with_terms(Terms {
        max_time_ms: Some(4 * HOUR_MS),
        settle_ms: SETTLE_MS,
        chains: true,
        releases: true,
        ..Terms::of(Queue::Theirs)
    });
    desk.list_nodes(4);
    desk
}

fn begun(desk: &mut Desk, ask: schliff_scheduler::ask::Ask) -> JobId {
    let job = desk.submit(ask);
    desk.tick();
    desk.accept(job);
    list(desk, job, AllocationStatus::Running, &["n0"]);
    desk.report(job, &[News::Joined, News::Started { resumed_from: None }]);
    job
}

fn waits(why: &str) -> AllocationStatus {
    AllocationStatus::Pending {
        why: why.into(),
        start_estimate: None,
    }
}

fn list(desk: &mut Desk, job: JobId, status: AllocationStatus, nodes: &[&str]) {
    let mut listing = desk.listing(&[(job, status)], true);
    let names = nodes.iter().map(|name| name.parse().expect("a name"));
    listing.allocations[0].nodes = names.collect();
    let cluster = listing.cluster.clone();
    desk.observed
        .listings
        .insert(cluster, listing.clone().into());
    desk.tell(Input::Observed(listing));
}

fn said(code: i32) -> News {
    News::Ended(LastWords {
        exit_code: code,
        error: String::new(),
        culprit: None,
    })
}

fn later(desk: &mut Desk, span_ms: u64) {
    desk.now = desk.now.plus(span_ms);
}

/// It ran for an hour and waits again.
fn requeued(desk: &mut Desk, ask: schliff_scheduler::ask::Ask) -> JobId {
    let job = begun(desk, ask);
    later(desk, HOUR_MS);
    desk.report(job, &[alive(7, 20), News::Committed { step: Step(6) }]);
    later(desk, SETTLE_MS);
    list(desk, job, waits("BeginTime"), &[]);
    job
}

fn phase(desk: &Desk, job: JobId) -> &'static str {
    phases(&desk.state)[&job.0]
}

fn stops(desk: &Desk) -> Vec<StopHow> {
    let actions = desk.actions();
    let stops = actions.iter().filter_map(|action| match action {
        Action::Stop { how, .. } => Some(*how),
        _ => None,
    });
    stops.collect()
}

#[test]
fn what_ran_and_waits_again_goes_on_in_the_same_attempt() {
    let mut desk = chaining();
    let job = requeued(&mut desk, ask("job"));
    assert_eq!(phase(&desk, job), "allocating");
    insta::assert_snapshot!(desk.why(job), @"was taken back into the queue of c and waits to run again: BeginTime");
    let attempt = desk.job(job).live().expect("alive");
    assert!(attempt.nodes.is_empty() && attempt.granted_at.is_none());
    later(&mut desk, HOUR_MS);
    let used = desk.job(job).used_until(desk.now);
    assert_eq!(used.gpu_ms, HOUR_MS, "waiting costs nothing");
    list(&mut desk, job, AllocationStatus::Running, &["n2"]);
    assert_eq!(phase(&desk, job), "starting");
    desk.report(job, &[News::Joined, News::Started { resumed_from: None }]);
    assert_eq!(phase(&desk, job), "running");
    later(&mut desk, HOUR_MS);
    desk.exit(job, 0);
    assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded));
    assert_eq!(desk.job(job).generation, Generation(1));
    assert_eq!(desk.job(job).used.gpu_ms, 2 * HOUR_MS);
    assert_eq!(desk.replayed().jobs[&job].used.gpu_ms, 2 * HOUR_MS);
}

#[test]
fn a_listing_from_before_the_run_takes_nothing_back() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    later(&mut desk, SETTLE_MS - 1);
    list(&mut desk, job, waits("Resources"), &[]);
    assert_eq!(phase(&desk, job), "running", "as old as the run itself");
    later(&mut desk, 1);
    desk.report(job, &[alive(1, 9)]);
    list(&mut desk, job, waits("Resources"), &[]);
    assert_eq!(phase(&desk, job), "running", "its agents are heard");
}

#[test]
fn agents_of_the_run_before_wake_nothing_that_waits_again() {
    let mut desk = chaining();
    let job = requeued(&mut desk, ask("job"));
    let late = [News::Joined, News::Started { resumed_from: None }];
    desk.report(job, &late);
    desk.report(job, &[alive(8, 20), said(76)]);
    assert_eq!(phase(&desk, job), "allocating");
    later(&mut desk, WORDS_MS);
    assert_eq!(stops(&desk), [], "its words are worth nothing");
    // What they committed is worth something all the same.
    desk.report(job, &[News::Committed { step: Step(8) }]);
    assert_eq!(desk.job(job).committed, Some(Step(8)));
}

#[test]
fn more_to_do_waits_for_the_listing_where_runs_follow_one_another() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    later(&mut desk, HOUR_MS);
    desk.report(job, &[said(75)]);
    later(&mut desk, SETTLE_MS);
    desk.list_all(&[]);
    assert_eq!(
        phase(&desk, job),
        "running",
        "a listing may lack it for a while"
    );
    later(&mut desk, WORDS_MS);
    assert_eq!(stops(&desk), []);
    list(&mut desk, job, waits("BeginTime"), &[]);
    list(&mut desk, job, AllocationStatus::Running, &["n0"]);
    assert_eq!(phase(&desk, job), "starting");
    assert_eq!(
        desk.job(job).live().and_then(|a| a.last_words.clone()),
        None
    );
    assert_eq!(stops(&desk), []);
    // Nothing that says that it is over for good waits.
    desk.report(job, &[said(76)]);
    later(&mut desk, WORDS_MS);
    assert_eq!(stops(&desk), [StopHow::Now]);
}

#[test]
fn more_to_do_is_ended_as_before_where_nothing_follows() {
    let mut desk = Desk::with_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.run(job);
    desk.report(job, &[said(75)]);
    desk.now = desk.now.plus(WORDS_MS);
    assert_eq!(stops(&desk), [StopHow::Now]);
}

#[test]
fn a_stop_is_carried_out_whatever_was_said() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    desk.report(job, &[said(75)]);
    desk.cancel(job);
    assert_eq!(stops(&desk), [StopHow::Gently]);
    later(&mut desk, WORDS_MS);
    assert_eq!(stops(&desk), [StopHow::Now]);
    desk.end(job, AllocationEnd::Cancelled);
    assert!(matches!(
        desk.outcome(job),
        Some(Outcome::Cancelled { by, .. }) if by == "ada"
    ));
}

#[test]
fn a_chain_that_ends_is_gone_on_from_with_a_new_attempt() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    desk.commit(job, 6);
    desk.exit(job, 75);
    desk.tick();
    assert_eq!(desk.job(job).generation, Generation(2));
}

#[test]
fn a_job_that_is_done_is_not_run_again_though_it_waits_again() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    desk.report(job, &[said(0)]);
    later(&mut desk, HOUR_MS);
    list(&mut desk, job, waits("BeginTime"), &[]);
    assert_eq!(stops(&desk), [StopHow::Now]);
    desk.end(job, AllocationEnd::Cancelled);
    assert_eq!(desk.outcome(job), Some(&Outcome::Succeeded));
}

#[test]
fn a_requeue_that_no_listing_showed_is_found_by_its_nodes() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    later(&mut desk, HOUR_MS);
    desk.report(job, &[alive(7, 20)]);
    list(&mut desk, job, AllocationStatus::Running, &["n3"]);
    let attempt = desk.job(job).live().expect("alive");
    assert_eq!((attempt.requeues, attempt.earlier_ms), (1, HOUR_MS));
    assert_eq!(attempt.nodes[0].as_str(), "n3");
    assert_eq!(phase(&desk, job), "starting");
    // That its agents are heard has to do: they may have said before that they came.
    desk.report(job, &[alive(8, 20)]);
    assert_eq!(phase(&desk, job), "running");
}

#[test]
fn an_allocation_that_lost_a_node_and_lives_on_has_not_moved() {
    let mut desk = chaining();
    let job = desk.submit(of_shape(2, 1));
    desk.tick();
    desk.accept(job);
    list(&mut desk, job, AllocationStatus::Running, &["n0", "n1"]);
    later(&mut desk, HOUR_MS);
    list(&mut desk, job, AllocationStatus::Running, &["n0"]);
    assert_eq!(desk.job(job).live().map(|a| a.requeues), Some(0));
    assert_eq!(desk.job(job).stop, None);
}

#[test]
fn an_allocation_that_lives_on_without_the_node_of_its_leader_is_over() {
    let mut desk = chaining();
    let job = desk.submit(of_shape(2, 1));
    desk.tick();
    desk.accept(job);
    list(&mut desk, job, AllocationStatus::Running, &["n0", "n1"]);
    list(&mut desk, job, AllocationStatus::Running, &["n1"]);
    assert_eq!(
        desk.job(job).stop,
        None,
        "the listing may be of an earlier run"
    );
    later(&mut desk, HOUR_MS);
    list(&mut desk, job, AllocationStatus::Running, &["n1"]);
    insta::assert_snapshot!(desk.why(job), @"is taken down: failed: n0");
    desk.end(job, AllocationEnd::Cancelled);
    let attempt = desk.job(job).attempts.last();
    let nodes = vec!["n0".parse().expect("a name")];
    assert_eq!(
        attempt.and_then(|it| it.ending()),
        Some(&Ending::NodesLost { nodes })
    );
    assert_eq!(phase(&desk, job), "recovering");
}

#[test]
fn a_further_run_has_all_nodes_again() {
    let mut desk = chaining();
    let job = desk.submit(of_shape(2, 1));
    desk.tick();
    desk.accept(job);
    list(&mut desk, job, AllocationStatus::Running, &["n0", "n1"]);
    let crew = Crew {
        nodes: vec![0],
        gone: vec![1],
    };
    let started = News::Started { resumed_from: None };
    desk.report(
        job,
        &[News::Joined, News::Regrouped(crew.clone()), started.clone()],
    );
    insta::assert_snapshot!(desk.why(job), @"goes on with 1 of 2 nodes; n1 is gone");
    later(&mut desk, HOUR_MS);
    list(&mut desk, job, waits("BeginTime"), &[]);
    list(&mut desk, job, AllocationStatus::Running, &["n0", "n2"]);
    desk.report(
        job,
        &[News::Regrouped(crew), said(75), News::Joined, started],
    );
    insta::assert_snapshot!(desk.why(job), @"trains");
}

#[test]
fn a_requeue_that_no_listing_showed_is_found_by_its_agents() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    later(&mut desk, HOUR_MS);
    desk.report(job, &[said(75)]);
    later(&mut desk, HOUR_MS);
    desk.report(job, &[News::Joined]);
    assert_eq!(phase(&desk, job), "starting");
    let attempt = desk.job(job).live().expect("alive");
    assert_eq!((attempt.requeues, attempt.earlier_ms), (1, HOUR_MS));
    list(&mut desk, job, AllocationStatus::Running, &["n1"]);
    let attempt = desk.job(job).live().expect("alive");
    assert_eq!((attempt.requeues, attempt.nodes.len()), (1, 1));
}

/// A spool tells of two runs in one report.
#[test]
fn last_words_that_news_of_a_further_run_follow_are_no_last_words() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    let started = News::Started { resumed_from: None };
    desk.report(job, &[said(76), News::Joined, started]);
    assert_eq!(phase(&desk, job), "running");
    let attempt = desk.job(job).live().expect("alive");
    assert_eq!((attempt.last_words.clone(), attempt.requeues), (None, 0));
}

#[test]
fn a_further_runs_end_counts_though_an_earlier_ones_words_are_left() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    desk.report(job, &[said(75)]);
    desk.end(job, AllocationEnd::Exited { code: 1 });
    assert!(matches!(
        desk.outcome(job),
        Some(Outcome::Failed {
            ending: Ending::JobFailed,
            ..
        })
    ));
}

#[test]
fn what_waits_again_is_neither_silent_nor_late() {
    let mut desk = chaining();
    let job = requeued(&mut desk, ask("job"));
    desk.after_ms(JOIN_MS + SILENT_MS);
    assert_eq!(desk.job(job).stop, None);
    list(&mut desk, job, AllocationStatus::Running, &["n0"]);
    desk.after_ms(JOIN_MS - 1);
    assert_eq!(desk.job(job).stop, None, "its agents have the whole time");
    desk.after_ms(1);
    assert!(desk.job(job).stop.is_some());
}

#[test]
fn runs_together_have_the_wall_time_and_the_budget_that_were_asked_for() {
    let runs = |budget_ms: Option<u64>, time_ms: Option<u64>| {
        let mut desk = chaining();
        let budget = Budget {
            gpu_ms: budget_ms,
            core_ms: None,
        };
        let ask = schliff_scheduler::ask::Ask {
            budget,
            time_ms,
            ..ask("job")
        };
        let job = requeued(&mut desk, ask);
        list(&mut desk, job, AllocationStatus::Running, &["n0"]);
        desk.report(job, &[News::Joined, alive(7, 20)]);
        for _ in 0..4 {
            assert_eq!(desk.job(job).stop, None);
            desk.report(job, &[alive(9, 20)]);
            desk.after_ms(HOUR_MS / 4);
        }
        let why = desk.why(job);
        desk.exit(job, 75);
        (why, desk.outcome(job).cloned())
    };
    let (why, outcome) = runs(None, Some(2 * HOUR_MS));
    insta::assert_snapshot!(why, @"stops: the wall time that it asked for is over");
    assert!(matches!(
        outcome,
        Some(Outcome::Failed {
            ending: Ending::TimedOut,
            ..
        })
    ));
    let (why, outcome) = runs(Some(2 * HOUR_MS), None);
    insta::assert_snapshot!(why, @"stops: its budget is spent");
    assert_eq!(outcome, Some(Outcome::BudgetSpent));
}

#[test]
fn the_journal_tells_of_requeues() {
    let mut desk = chaining();
    let job = requeued(&mut desk, ask("job"));
    let mut told = desk.journal.iter().filter_map(|fact| match &fact.what {
        What::RequeuedInPlace { why, ran_ms, .. } => Some((why.clone(), *ran_ms)),
        _ => None,
    });
    assert_eq!(told.next(), Some(("BeginTime".to_owned(), HOUR_MS)));
    let replayed = desk.replayed();
    assert_eq!(replayed.jobs[&job].phase, Phase::Allocating);
    assert_eq!(replayed.jobs[&job].attempts[0].requeues, 1);
}

#[test]
fn what_is_being_put_back_is_looked_for_for_a_moment() {
    let looked_for = |desk: &Desk| !looks(&desk.state, desk.now).is_empty();
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    later(&mut desk, HOUR_MS);
    assert!(!looked_for(&desk), "it works");
    desk.report(job, &[said(75)]);
    assert!(looked_for(&desk));
    later(&mut desk, LOOK_MS);
    assert!(!looked_for(&desk), "it takes too long");
    later(&mut desk, SETTLE_MS);
    list(&mut desk, job, waits("BeginTime"), &[]);
    assert!(!looked_for(&desk), "it was found");
}

#[test]
fn what_ended_for_good_is_not_looked_for() {
    let mut desk = chaining();
    let job = begun(&mut desk, ask("job"));
    later(&mut desk, HOUR_MS);
    desk.report(job, &[said(0)]);
    assert!(looks(&desk.state, desk.now).is_empty());
}
