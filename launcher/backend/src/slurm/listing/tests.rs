use proptest::prelude::*;
use schliff_scheduler::allocation::{AllocationEnd, StopHow};
use schliff_slurm::job::{Exit, JobId};
use schliff_slurm::state::JobState;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_000_000);

fn key(generation: u64) -> SubmitKey {
    format!("schliff-42-{generation}").parse().unwrap()
}

pub(crate) fn job(id: u32, base: BaseState) -> Job {
    Job {
        id: JobId(id),
        array: None,
        name: key(1).to_string(),
        comment: "schliff word a name".into(),
        user: "root".into(),
        partition: "batch".into(),
        account: String::new(),
        qos: String::new(),
        state: JobState {
            base,
            flags: Vec::new(),
            cancelled_by: None,
        },
        reason: "None".into(),
        submitted_at: None,
        start_at: None,
        end_at: Some(UnixSeconds(NOW.0 - 400)),
        time_limit_min: None,
        nodes: "n1".into(),
        node_count: 1,
        dependency: String::new(),
        exit: None,
        restarts: None,
    }
}

fn facts() -> Facts {
    Facts {
        instance: "word".into(),
        ids: vec![JobId(7)],
        ..Facts::default()
    }
}

/// What is listed of these jobs of one key, and its folder.
fn listed(jobs: &[Job], facts: Option<Facts>, history: &[Job]) -> Vec<Allocation> {
    let glance = |facts: &Facts| Glance {
        key: key(1),
        first: facts.ids.first().copied(),
    };
    let glances: BTreeMap<_, _> = facts.iter().map(|it| (key(1), glance(it))).collect();
    let ours = ours(jobs, "word", &glances);
    let asked = unclear(&ours, &glances, NOW, false);
    let facts: BTreeMap<_, _> = facts
        .into_iter()
        .filter(|_| asked.contains(&key(1)))
        .map(|it| (key(1), it))
        .collect();
    let history = match gone(&ours, &facts).is_empty() {
        true => BTreeMap::new(),
        false => BTreeMap::from([(key(1), history.to_vec())]),
    };
    allocations(&Known {
        now: NOW,
        instance: "word",
        jobs: ours,
        glances: &glances,
        facts: &facts,
        history: &history,
    })
}

fn status(jobs: &[Job], facts: Facts) -> AllocationStatus {
    let mut all = listed(jobs, Some(facts), &[]);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).status
}

fn end(jobs: &[Job], facts: Facts) -> AllocationEnd {
    match status(jobs, facts) {
        AllocationStatus::Ended { end } => end,
        other => panic!("{other:?}"),
    }
}

fn exited(code: i32) -> AllocationEnd {
    AllocationEnd::Exited { code }
}

#[test]
fn a_key_is_all_jobs_of_its_name() {
    use BaseState::{Failed, Pending, Running};
    let requeued = [job(7, Failed), job(8, Pending)];
    assert!(matches!(
        status(&requeued, facts()),
        AllocationStatus::Pending { .. }
    ));
    let goes_on = [job(7, Failed), job(8, Running), job(9, Pending)];
    assert_eq!(status(&goes_on, facts()), AllocationStatus::Running);
    let all = listed(&goes_on, Some(facts()), &[]);
    assert_eq!(all[0].id, AllocationId("7".into()));
}

#[test]
fn the_scripts_word_counts_more_than_slurms() {
    let done = |code| Facts {
        done: Some(code),
        exit: Some(code),
        ..facts()
    };
    let jobs = [job(7, BaseState::Completed), job(8, BaseState::Pending)];
    assert_eq!(end(&jobs, done(0)), exited(0));
    assert_eq!(end(&[job(7, BaseState::NodeFail)], done(75)), exited(75));
    assert_eq!(end(&[], done(1)), exited(1));
}

#[test]
fn no_word_of_slurms_makes_a_job_finished() {
    let mut late = job(7, BaseState::Completed);
    assert!(matches!(
        end(std::slice::from_ref(&late), facts()),
        AllocationEnd::NeverStarted { .. }
    ));
    late.end_at = Some(UnixSeconds(NOW.0 - 5));
    assert_eq!(status(&[late], facts()), AllocationStatus::Running);
    // One that gave way to the one that ran.
    let twice = [job(7, BaseState::NodeFail), job(8, BaseState::Completed)];
    let nodes = vec!["n1".parse().unwrap()];
    assert_eq!(end(&twice, facts()), AllocationEnd::NodesLost { nodes });
}

#[test]
fn slurms_ends_have_their_words() {
    let ended = |base| end(&[job(7, base)], facts());
    assert_eq!(ended(BaseState::Timeout), AllocationEnd::TimedOut);
    assert_eq!(ended(BaseState::Preempted), AllocationEnd::Preempted);
    assert_eq!(ended(BaseState::Cancelled), AllocationEnd::Cancelled);
    assert_eq!(ended(BaseState::OutOfMemory), AllocationEnd::OutOfMemory);
    let killed = |signal| AllocationEnd::Killed { signal };
    assert_eq!(ended(BaseState::Failed), killed(None));
    let failed = |code, signal| Job {
        exit: Some(Exit { code, signal }),
        ..job(7, BaseState::Failed)
    };
    assert_eq!(end(&[failed(0, 9)], facts()), killed(Some(9)));
    assert_eq!(end(&[failed(75, 0)], facts()), exited(75));
}

#[test]
fn a_code_that_is_not_the_agents_says_that_it_did_not_end_by_itself() {
    let done = |code| Facts {
        done: Some(code),
        last_line: "bash: schliff: command not found".into(),
        ..facts()
    };
    let why = "its batch script ended with code 127; \
               its last line: bash: schliff: command not found";
    let never = AllocationEnd::NeverStarted { why: why.into() };
    assert_eq!(end(&[], done(127)), never);
    let killed = AllocationEnd::Killed { signal: Some(9) };
    assert_eq!(end(&[], done(137)), killed);
}

#[test]
fn what_was_asked_to_end_gently_and_has_not_begun_has_more_to_do() {
    let stopped = |how, starts, exit| Facts {
        stop: Some(how),
        starts: vec![JobId(7); starts],
        exit,
        ..facts()
    };
    let jobs = [job(7, BaseState::Cancelled)];
    let gently = StopHow::Gently;
    assert_eq!(end(&jobs, stopped(gently, 0, None)), exited(75));
    assert_eq!(end(&jobs, stopped(gently, 1, Some(75))), exited(75));
    let cancelled = AllocationEnd::Cancelled;
    assert_eq!(end(&jobs, stopped(gently, 1, None)), cancelled);
    let done = Facts {
        done: Some(75),
        ..stopped(StopHow::Now, 1, Some(75))
    };
    assert_eq!(end(&jobs, done), cancelled);
}

#[test]
fn what_nobody_remembers_is_over_and_what_was_forgotten_is_not_listed() {
    let killed = AllocationEnd::Killed { signal: None };
    assert_eq!(end(&[], facts()), killed);
    let said = Facts {
        exit: Some(75),
        ..facts()
    };
    assert_eq!(end(&[], said), exited(75), "the agent's own word");
    let history = [job(7, BaseState::Timeout)];
    let all = listed(&[], Some(facts()), &history);
    let timed_out = AllocationEnd::TimedOut;
    assert_eq!(all[0].status, AllocationStatus::Ended { end: timed_out });
    // Slurm remembers; its folder is gone.
    assert_eq!(listed(&[job(7, BaseState::Completed)], None, &[]), []);
    let being_submitted = Facts {
        ids: Vec::new(),
        ..facts()
    };
    assert_eq!(listed(&[], Some(being_submitted), &[]), []);
}

#[test]
fn others_jobs_are_left_alone() {
    let other = Job {
        comment: "schliff other a name".into(),
        ..job(7, BaseState::Running)
    };
    let foreign = Facts {
        instance: "other".into(),
        ..facts()
    };
    assert_eq!(listed(&[other], Some(foreign), &[]), []);
    let untold = Job {
        comment: String::new(),
        ..job(7, BaseState::Running)
    };
    let untold = [untold];
    assert_eq!(listed(&untold, None, &[]), []);
    assert_eq!(listed(&untold, Some(facts()), &[]).len(), 1);
}

#[test]
fn what_is_completing_runs_unless_it_has_done_so_for_too_long() {
    let completing = |ended_ago| {
        let mut job = job(7, BaseState::Running);
        job.state.flags = vec![StateFlag::Completing];
        job.end_at = Some(UnixSeconds(NOW.0 - ended_ago));
        [job]
    };
    assert_eq!(status(&completing(5), facts()), AllocationStatus::Running);
    let done = Facts {
        done: Some(0),
        exit: Some(0),
        ..facts()
    };
    assert_eq!(end(&completing(5), done), exited(0));
    let killed = AllocationEnd::Killed { signal: None };
    assert_eq!(end(&completing(500), facts()), killed);
    let [mut put_back] = completing(0);
    put_back.end_at = None;
    assert_eq!(status(&[put_back], facts()), AllocationStatus::Running);
}

const BASES: [BaseState; 13] = [
    BaseState::Pending,
    BaseState::Running,
    BaseState::Suspended,
    BaseState::Completed,
    BaseState::Cancelled,
    BaseState::Failed,
    BaseState::Timeout,
    BaseState::NodeFail,
    BaseState::Preempted,
    BaseState::BootFail,
    BaseState::Deadline,
    BaseState::OutOfMemory,
    BaseState::Revoked,
];

proptest! {
    #[test]
    fn whatever_slurm_tells_success_is_told_by_the_script_alone(
        bases in proptest::collection::vec(0..BASES.len(), 0..4),
        code in proptest::option::of(0_i32..200),
        starts in 0_usize..3,
    ) {
        let jobs: Vec<_> = (7..).zip(&bases).map(|(id, base)| job(id, BASES[*base])).collect();
        let alive = jobs.iter().any(|job| life(job, NOW) > Life::Over);
        let facts = Facts { done: code, exit: code, starts: vec![JobId(7); starts], ..facts() };
        for allocation in listed(&jobs, Some(facts), &[]) {
            match allocation.status {
                AllocationStatus::Ended { end } => {
                    prop_assert!(!alive || code.is_some());
                    prop_assert_eq!(end == exited(0), code == Some(0));
                }
                _ => prop_assert!(alive),
            }
        }
    }
}
