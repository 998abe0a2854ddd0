use proptest::prelude::*;
use schliff_scheduler::State;
use schliff_scheduler::allocation::{AllocationId, NodeReport};
use schliff_scheduler::ending::{Ending, Outcome};
use schliff_scheduler::fact::{Fact, What};
use schliff_scheduler::job::{Crew, LastWords, StopWhy};
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{ClusterName, Generation, JobId, NodeName, Step};

use crate::example::{at, cluster_added, measured, planned, shape, submitted};
use crate::place::{file_in, led, open, wait};

fn a_job() -> impl Strategy<Value = JobId> {
    (1..4_u64).prop_map(JobId)
}

fn an_attempt() -> impl Strategy<Value = (JobId, Generation)> {
    (a_job(), (1..4_u64).prop_map(Generation))
}

fn a_step() -> impl Strategy<Value = Step> {
    (0..9_u64).prop_map(Step)
}

fn a_node() -> impl Strategy<Value = NodeName> {
    "n[12]".prop_map(|name| name.parse().unwrap())
}

fn a_cluster() -> impl Strategy<Value = ClusterName> {
    "one|two".prop_map(|name| name.parse().unwrap())
}

fn words(exit_code: i32) -> LastWords {
    LastWords {
        exit_code,
        error: "it broke".into(),
        culprit: None,
    }
}

fn beginnings() -> impl Strategy<Value = What> {
    prop_oneof![
        "one|two".prop_map(|name| cluster_added(&name)),
        a_cluster().prop_map(|cluster| What::ClusterRemoved { cluster }),
        (1..4_u64, ".{0,9}").prop_map(|(job, document)| submitted(job, &document)),
        (1..4_u64, 1..4_u64, "n[12]").prop_map(|(job, number, node)| planned(job, number, &node)),
        (an_attempt(), a_node()).prop_map(|((job, generation), node)| What::Granted {
            job,
            generation,
            nodes: vec![node],
            deadline: Timestamp(9),
        }),
        (an_attempt(), any::<String>()).prop_map(|((job, generation), id)| What::Accepted {
            job,
            generation,
            allocation: AllocationId(id),
        }),
        (an_attempt(), 0..2_u32).prop_map(|((job, generation), node)| What::Joined {
            job,
            generation,
            node
        }),
        (an_attempt(), 0..3_u32).prop_map(|((job, generation), gone)| What::Regrouped {
            job,
            generation,
            crew: Crew {
                nodes: vec![0],
                gone: vec![gone],
            },
        }),
        an_attempt().prop_map(|(job, generation)| What::Started {
            job,
            generation,
            resumed_from: None
        }),
    ]
}

fn course() -> impl Strategy<Value = What> {
    prop_oneof![
        (an_attempt(), a_step()).prop_map(|((job, generation), step)| What::Committed {
            job,
            generation,
            step
        }),
        (1..4_u64, 0..9_u64, proptest::num::f64::NORMAL)
            .prop_map(|(job, step, loss)| measured(job, step, loss)),
        (an_attempt(), any::<i32>()).prop_map(move |((job, generation), code)| What::Spoke {
            job,
            generation,
            words: words(code),
        }),
        (a_job(), any::<bool>()).prop_map(|(job, is_now)| What::StopAsked {
            job,
            why: StopWhy::BudgetSpent,
            is_now
        }),
        (a_cluster(), a_node()).prop_map(|(cluster, node)| What::NodeStruck { cluster, node }),
        an_attempt().prop_map(|(job, generation)| What::Missed { job, generation }),
        (an_attempt(), a_step()).prop_map(|((job, generation), step)| What::Heard {
            job,
            generation,
            step: Some(step),
            steps: None
        }),
        (a_cluster(), a_node(), 0..3_u32).prop_map(|(cluster, name, gpus)| What::NodesSeen {
            cluster,
            nodes: vec![NodeReport {
                name,
                is_up: true,
                gpus,
                cpus: 8
            }],
        }),
    ]
}

fn ends() -> impl Strategy<Value = What> {
    prop_oneof![
        an_attempt().prop_map(|(job, generation)| What::Ended {
            job,
            generation,
            ending: Ending::Killed { signal: Some(9) },
            usage: shape().usage(5),
        }),
        (a_job(), 0..3_u32).prop_map(|(job, failures)| What::Requeued { job, failures }),
        a_job().prop_map(|job| What::RetryPlanned {
            job,
            cause: Ending::GroupLost,
            failures: 1,
            not_before: Timestamp(77),
        }),
        a_job().prop_map(|job| What::Finished {
            job,
            outcome: Outcome::Succeeded
        }),
    ]
}

/// Facts of few jobs on few nodes, in any order: most fit, and some do not.
fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    let what = prop_oneof![3 => beginnings(), 2 => course(), 1 => ends()];
    let fact = (0..1_000_u64, what).prop_map(|(ms, what)| at(ms, what));
    proptest::collection::vec(fact, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// SCH-9: the replayed journal is the live state, with and without a snapshot on the way.
    #[test]
    fn a_replayed_journal_is_the_live_state(
        facts in any_facts(),
        batch in 1..20_usize,
        snapshot_after in proptest::option::of(0..5_usize),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let url = file_in(&folder);
        let mut live = State::default();
        let replayed = wait(async {
            let (journal, lease) = led(&url).await;
            let mut next = 1;
            for (number, facts) in facts.chunks(batch).enumerate() {
                facts.iter().for_each(|fact| live.apply(fact));
                next = journal.append(&lease, next, facts).await.unwrap();
                if snapshot_after == Some(number) {
                    journal.snapshot(&lease, live.clone(), next).await.unwrap();
                }
            }
            journal.close().await;
            open(&url).await.load().await.unwrap()
        });
        prop_assert_eq!(replayed.state.kept(), live.kept());
        let kept = facts.iter().filter(|fact| fact.is_kept()).count() as u64;
        prop_assert_eq!(replayed.next_seq, kept + 1);
    }
}
