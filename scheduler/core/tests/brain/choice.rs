//! Which cluster a job goes to that may run on several.

use schliff_scheduler::State;
use schliff_scheduler::action::{Action, Order};
use schliff_scheduler::allocation::{AllocationStatus, Estimate, Listing};
use schliff_scheduler::ask::Ask;
use schliff_scheduler::cluster::{Price, Queue, Terms};
use schliff_scheduler::input::{Command, Input};
use schliff_scheduler::policy::{COMPARE_AT_ONCE, COMPARE_MS, ESTIMATE_MS};
use schliff_scheduler::rejection::Rejection;
use schliff_spec::id::{ClusterName, JobId};

use crate::desk::{Desk, ask};

const MINUTE_MS: u64 = 60_000;

fn name(name: &str) -> ClusterName {
    name.parse().expect("a name")
}

fn queue() -> Terms {
    Terms::of(Queue::Theirs)
}

fn standing(country: &str) -> Terms {
    Terms {
        country: Some(country.into()),
        ..queue()
    }
}

fn costing(micro_eur_per_gpu_hour: u64) -> Terms {
    Terms {
        price: Price {
            micro_eur_per_gpu_hour: Some(micro_eur_per_gpu_hour),
            micro_eur_per_core_hour: None,
        },
        ..queue()
    }
}

/// Clusters that have answered.
fn desk(clusters: &[(&str, Terms)]) -> Desk {
    let mut desk = Desk::with_terms(queue());
    let clusters: Vec<_> = clusters
        .iter()
        .map(|(own, terms)| (name(own), terms.clone()))
        .collect();
    desk.tell(Input::Command(Command::Clusters(clusters.clone())));
    for (cluster, _) in clusters {
        desk.tell(Input::Observed(Listing {
            cluster,
            asked_at: desk.now,
            is_complete: true,
            allocations: Vec::new(),
            nodes: None,
        }));
    }
    desk
}

fn questions(desk: &Desk) -> Vec<Order> {
    let actions = desk.actions().into_iter();
    let questions = actions.filter_map(|action| match action {
        Action::Estimate(order) => Some(*order),
        _ => None,
    });
    questions.collect()
}

fn asked(desk: &Desk) -> Vec<String> {
    let questions = questions(desk).into_iter();
    let words = questions.map(|order| format!("{} about {}", order.cluster, order.key));
    words.collect()
}

fn answer(desk: &mut Desk, job: JobId, cluster: &str, estimate: Estimate) {
    let cluster = name(cluster);
    desk.observed.asked.remove(&(job, cluster.clone()));
    desk.tell(Input::Estimated {
        job,
        cluster,
        estimate,
    });
}

fn starts(desk: &Desk, in_ms: u64) -> Estimate {
    Estimate::Starts {
        at: desk.now.plus(in_ms),
    }
}

fn place(state: &State, job: JobId) -> Option<&str> {
    let attempt = state.jobs[&job].live();
    attempt.map(|attempt| attempt.cluster.as_str())
}

fn staying_in(countries: &[&str]) -> Ask {
    Ask {
        residency: countries.iter().map(|one| (*one).to_owned()).collect(),
        ..ask("job")
    }
}

#[test]
fn the_earliest_start_is_taken_and_told() {
    let mut desk = desk(&[("east", queue()), ("west", queue())]);
    let job = desk.submit(ask("job"));
    desk.tick();
    insta::assert_snapshot!(desk.why(job), @"east, west are asked when they would start it");
    assert_eq!(
        asked(&desk),
        ["east about schliff-1-1", "west about schliff-1-1"]
    );
    let late = starts(&desk, 240 * MINUTE_MS);
    answer(&mut desk, job, "east", late);
    desk.tick();
    assert_eq!(place(&desk.state, job), None, "the other has not answered");
    assert_eq!(asked(&desk), ["west about schliff-1-1"]);
    let soon = starts(&desk, 5 * MINUTE_MS);
    answer(&mut desk, job, "west", soon);
    desk.tick();
    assert_eq!(place(&desk.state, job), Some("west"));
    assert_eq!(asked(&desk), [""; 0]);
    let explained = schliff_scheduler::explain(&desk.state, desk.now, job).expect("a job");
    insta::assert_snapshot!(explained.because[0], @"west was chosen: west would start it in 5 min; east would start it in 4 h 00 min");
    assert_eq!(desk.replayed().jobs[&job].attempts[0].offers.len(), 2);
}

#[test]
fn at_the_same_start_the_cheaper_one_is_taken() {
    let mut desk = desk(&[("a", queue()), ("b", costing(900)), ("c", costing(400))]);
    let job = desk.submit(ask("job"));
    desk.tick();
    for (cluster, in_ms) in [("a", 0), ("b", MINUTE_MS), ("c", 4 * MINUTE_MS)] {
        let start = starts(&desk, in_ms);
        answer(&mut desk, job, cluster, start);
    }
    desk.tick();
    assert_eq!(place(&desk.state, job), Some("c"));
}

#[test]
fn jobs_that_could_go_anywhere_are_spread() {
    let mut desk = desk(&[("a", queue()), ("b", queue())]);
    let jobs = [(); 4].map(|()| desk.submit(ask("job")));
    desk.tick();
    for job in jobs {
        for cluster in ["a", "b"] {
            let start = starts(&desk, 0);
            answer(&mut desk, job, cluster, start);
        }
    }
    desk.tick();
    let places = jobs.map(|job| place(&desk.state, job).expect("placed").to_owned());
    assert_eq!(places, ["a", "b", "a", "b"]);
}

#[test]
fn who_cannot_tell_comes_later_and_who_would_refuse_last() {
    let mut desk = desk(&[("a", queue()), ("b", queue()), ("c", queue())]);
    let job = desk.submit(ask("job"));
    desk.tick();
    let why = "no such partition".to_owned();
    answer(&mut desk, job, "a", Estimate::Refused { why });
    answer(&mut desk, job, "b", Estimate::Unknown);
    let late = starts(&desk, 600 * MINUTE_MS);
    answer(&mut desk, job, "c", late);
    desk.tick();
    assert_eq!(place(&desk.state, job), Some("c"));
    let explained = schliff_scheduler::explain(&desk.state, desk.now, job).expect("a job");
    insta::assert_snapshot!(explained.because[0], @"c was chosen: c would start it in 10 h 00 min; b cannot tell when; a would not take it: no such partition");
}

#[test]
fn nobody_waits_long_for_an_answer() {
    let mut desk = desk(&[("a", queue()), ("b", queue())]);
    let job = desk.submit(ask("job"));
    desk.tick();
    desk.after_ms(COMPARE_MS - 1);
    assert_eq!(place(&desk.state, job), None);
    desk.after_ms(1);
    assert_eq!(place(&desk.state, job), Some("a"));
}

#[test]
fn clusters_are_asked_rarely_and_about_few_jobs_at_a_time() {
    let capped = Terms {
        max_waiting: Some(0),
        ..queue()
    };
    let mut desk = desk(&[("a", queue()), ("b", queue())]);
    for _ in 0..COMPARE_AT_ONCE + 5 {
        desk.submit(ask("job"));
    }
    desk.tick();
    assert_eq!(asked(&desk).len(), 2 * COMPARE_AT_ONCE);
    for order in questions(&desk) {
        let key = (order.key.job, order.cluster.clone());
        desk.observed.asked.insert(key);
    }
    assert_eq!(asked(&desk).len(), 0, "they were asked");
    // Before they answer, no place is left: what they say then is too old one day.
    let closed = [("a", &capped), ("b", &capped)].map(|(own, terms)| (name(own), terms.clone()));
    desk.tell(Input::Command(Command::Clusters(closed.to_vec())));
    for order in std::mem::take(&mut desk.observed.asked) {
        answer(&mut desk, order.0, order.1.as_str(), Estimate::Unknown);
    }
    desk.after_ms(ESTIMATE_MS - 1);
    assert_eq!(asked(&desk).len(), 0);
    let open = [name("a"), name("b")].map(|own| (own, queue()));
    desk.tell(Input::Command(Command::Clusters(open.to_vec())));
    desk.after_ms(1);
    assert_eq!(asked(&desk).len(), 2 * COMPARE_AT_ONCE, "asked again");
}

#[test]
fn a_single_queue_is_not_asked() {
    let mut desk = desk(&[("a", queue())]);
    let job = desk.submit(ask("job"));
    desk.tick();
    assert_eq!(place(&desk.state, job), Some("a"));
}

#[test]
fn room_at_home_is_taken_at_once() {
    let mut desk = desk(&[
        ("a", queue()),
        ("b", queue()),
        ("c", Terms::of(Queue::Ours)),
    ]);
    desk.list_nodes(1);
    let job = desk.submit(ask("job"));
    desk.tick();
    assert_eq!(place(&desk.state, job), Some("c"));
}

#[test]
fn data_stays_where_it_may_lie() {
    let mut desk = desk(&[
        ("munich", standing("DE")),
        ("paris", standing("FR")),
        ("somewhere", queue()),
    ]);
    let job = desk.submit(staying_in(&["NO", "DE"]));
    desk.tick();
    assert_eq!(place(&desk.state, job), Some("munich"));
    let refused = desk.try_submit(staying_in(&["IT"]), Vec::new());
    let error = refused.expect_err("nowhere");
    assert_eq!(error.code(), "no-residency");
    insta::assert_snapshot!(error, @"its data may lie in IT only; munich stands in DE; paris stands in FR; where somewhere stands is not told");
    // Whoever names a cluster knows where it stands, unless its profile says otherwise.
    let bound = |cluster: &str| Ask {
        cluster: Some(name(cluster)),
        ..staying_in(&["IT"])
    };
    desk.submit(bound("somewhere"));
    let paris = desk.try_submit(bound("paris"), Vec::new());
    assert!(matches!(paris, Err(Rejection::NoResidency { .. })));
}

#[test]
fn a_job_whose_country_is_gone_says_so() {
    let full = Terms {
        max_waiting: Some(0),
        ..standing("DE")
    };
    let mut desk = desk(&[("munich", full), ("paris", standing("FR"))]);
    let job = desk.submit(staying_in(&["DE"]));
    let left = vec![(name("paris"), standing("FR"))];
    desk.tell(Input::Command(Command::Clusters(left)));
    desk.tick();
    assert_eq!(place(&desk.state, job), None);
    insta::assert_snapshot!(desk.why(job), @"no cluster is known to stand in DE");
}

/// A queue of theirs is asked for what is wanted: there, a job that waits long gets no less by itself.
#[test]
fn a_batch_system_is_handed_the_shape_that_is_wanted() {
    let mut desk = desk(&[("a", queue())]);
    let small = Ask {
        shapes: vec![crate::desk::shape(4, 1), crate::desk::shape(2, 1)],
        ..ask("job")
    };
    let job = desk.submit(small);
    desk.now = desk.now.plus(schliff_scheduler::policy::SHRINK_MS);
    desk.tick();
    let shape = desk.job(job).live().map(|attempt| attempt.shape);
    assert_eq!(shape, Some(crate::desk::shape(4, 1)));
}

/// Queues of theirs may be long: waiting there is no fault, and costs nothing.
#[test]
fn what_waits_in_a_batch_system_is_never_ended_for_waiting() {
    let mut desk = desk(&[("c", queue())]);
    let patient = Ask {
        time_ms: Some(MINUTE_MS),
        ..ask("job")
    };
    let job = desk.submit(patient);
    desk.tick();
    desk.accept(job);
    let waits = AllocationStatus::Pending {
        why: "Priority".into(),
        start_estimate: None,
    };
    for _ in 0..14 {
        desk.after_ms(24 * 60 * MINUTE_MS);
        desk.list_all(&[(job, waits.clone())]);
        assert_eq!(desk.actions(), []);
    }
    assert_eq!(desk.job(job).stop, None);
    assert_eq!(desk.job(job).used_until(desk.now).core_ms, 0);
}
