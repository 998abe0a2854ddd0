//! Scenarios drawn from a seed.
//!
//! Rules: each seed has its own mix: most kinds of faults are absent from most seeds, so that those that
//! are there can go far (swarm testing, Groce et al. 2012).

use schliff_scheduler::ask::Halving;
use schliff_scheduler::cluster::Queue;
use schliff_scheduler::shape::{Budget, Shape};
use schliff_spec::cluster::Chain;
use schliff_spec::id::Step;

use super::{Act, JobPlan, Odds, Pace, Scenario, SitePlan, Strike, SweepPlan, Target};
use crate::fault::Fault;
use crate::rng::Rng;
use crate::work::Work;

const MINUTE: u64 = 60_000;

/// Faults of single calls, reports, allocations and writes, with their usual odds.
const ODDS: &[(Fault, u64)] = &[
    (Fault::SubmitReplyLost, 150),
    (Fault::SubmitLost, 150),
    (Fault::SubmitRefused, 40),
    (Fault::CallConflict, 150),
    (Fault::CallThrottled, 100),
    (Fault::CallBroken, 100),
    (Fault::StaleListing, 200),
    (Fault::PartialListing, 150),
    (Fault::DuplicateReport, 100),
    (Fault::ReorderedReport, 60),
    (Fault::CannotStart, 80),
    (Fault::AgentAbsent, 60),
    (Fault::WallTimeUnwarned, 300),
    (Fault::CrashBeforeWrite, 12),
    (Fault::CrashAfterWrite, 12),
    (Fault::TornJournal, 12),
];
/// The same for questions about starts.
const ESTIMATE_ODDS: &[(Fault, u64)] = &[(Fault::EstimateLost, 200), (Fault::EstimateRefused, 150)];
/// Faults that strike now and then.
const STRIKES: &[Fault] = &[
    Fault::RankExit,
    Fault::RankHang,
    Fault::SlowRank,
    Fault::RanksKeepDying,
    Fault::ForeignExit,
    Fault::AgentPartition,
    Fault::NodeDeath,
    Fault::NodeIsolated,
    Fault::NodeDrained,
    Fault::Preemption,
    Fault::CancelOutside,
    Fault::OutOfMemory,
    Fault::KilledOutright,
    Fault::SlowSite,
    Fault::SiteRestart,
    Fault::SiteForgets,
    Fault::ClockForwards,
    Fault::ClockBackwards,
    Fault::TornCheckpoint,
    Fault::ClusterRemoved,
];

impl Scenario {
    /// That of a seed.
    pub fn drawn(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5c41_1ff5);
        let faults_end_ms = rng.between(40, 120) * MINUTE;
        let mut sites = sites(&mut rng);
        let mut acts = acts(&mut rng, &sites, faults_end_ms);
        let mut own = Rng::new(seed ^ 0x0c4a_1257);
        chains(&mut own, &mut sites);
        widen(&mut own, &mut sites, &mut acts);
        let mut scenario = Self {
            name: format!("seed {seed}"),
            seed,
            acts,
            sites,
            strikes: Vec::new(),
            odds: Default::default(),
            faults_end_ms,
            pace: Pace {
                tick_ms: rng.one_of(&[1_000, 2_000, 5_000]),
                observe_ms: rng.one_of(&[2_000, 5_000, 10_000]),
                report_ms: rng.one_of(&[5_000, 10_000, 20_000]),
                warn_ms: 40_000,
            },
        };
        for (fault, permille) in ODDS {
            if rng.chance(350) {
                scenario.odds.insert(*fault, Odds::of(*permille));
            }
        }
        for (fault, permille) in ESTIMATE_ODDS {
            if own.chance(350) {
                scenario.odds.insert(*fault, Odds::of(*permille));
            }
        }
        for fault in STRIKES {
            if rng.chance(350) {
                for _ in 0..rng.between(1, 8) {
                    let strike = strike(&mut rng, *fault, faults_end_ms);
                    scenario.strikes.push(strike);
                }
            }
        }
        scenario
    }
}

fn strike(rng: &mut Rng, fault: Fault, end_ms: u64) -> Strike {
    let for_ms = match fault {
        Fault::ClockForwards | Fault::ClockBackwards => rng.between(1_000, 20 * MINUTE),
        Fault::AgentPartition | Fault::NodeIsolated => {
            let most = rng.one_of(&[2, 10, 45]);
            rng.between(10_000, most * MINUTE)
        }
        _ => rng.between(10_000, 12 * MINUTE),
    };
    Strike {
        at_ms: rng.between(20_000, end_ms),
        fault,
        on: Target::Any,
        for_ms,
    }
}

fn sites(rng: &mut Rng) -> Vec<SitePlan> {
    let ours = SitePlan {
        name: "desk".into(),
        queue: Queue::Ours,
        nodes: u32::try_from(rng.between(1, 5)).unwrap_or(1),
        gpus: 4,
        cpus: 16,
        max_time_ms: None,
        max_waiting: None,
        chain: Chain::None,
        country: None,
    };
    let caps = [0, 4, 8, 15];
    let cap = rng.one_of(&caps);
    let theirs = SitePlan {
        name: "hall".into(),
        queue: Queue::Theirs,
        nodes: u32::try_from(rng.between(2, 8)).unwrap_or(2),
        gpus: 4,
        cpus: 32,
        max_time_ms: (cap > 0).then_some(cap * MINUTE),
        max_waiting: rng
            .chance(700)
            .then(|| u32::try_from(rng.between(1, 4)).unwrap_or(1)),
        chain: Chain::None,
        country: None,
    };
    match rng.below(4) {
        0 => vec![ours],
        1 => vec![theirs],
        _ => vec![ours, theirs],
    }
}

/// How queues other than ours go on by themselves.
fn chains(rng: &mut Rng, sites: &mut [SitePlan]) {
    let theirs = sites.iter_mut().filter(|site| site.queue == Queue::Theirs);
    for site in theirs {
        site.chain = match rng.below(3) {
            0 => Chain::None,
            1 => Chain::Requeue,
            _ => Chain::Successors,
        };
    }
}

/// A further queue in some worlds, countries in some, and jobs that care for them.
fn widen(rng: &mut Rng, sites: &mut Vec<SitePlan>, acts: &mut [(u64, Act)]) {
    let theirs = sites.iter().find(|site| site.queue == Queue::Theirs);
    if let Some(hall) = theirs.filter(|_| rng.chance(350)) {
        let mut yard = SitePlan {
            name: "yard".into(),
            nodes: u32::try_from(rng.between(2, 6)).unwrap_or(2),
            ..hall.clone()
        };
        chains(rng, std::slice::from_mut(&mut yard));
        sites.push(yard);
    }
    if !rng.chance(350) {
        return;
    }
    for site in sites {
        let countries = [None, Some("DE"), Some("DE"), Some("FR")];
        site.country = rng.pick(&countries).copied().flatten();
    }
    for (_, act) in acts {
        if let Act::Submit(job) = act
            && rng.chance(400)
        {
            job.residency = vec!["DE".into()];
        }
    }
}

fn acts(rng: &mut Rng, sites: &[SitePlan], end_ms: u64) -> Vec<(u64, Act)> {
    let mut acts = Vec::new();
    let submits = usize::try_from(rng.between(6, 40)).unwrap_or(5);
    let is_rush = rng.chance(400);
    for number in 0..submits {
        let latest = if is_rush { 3 * MINUTE } else { end_ms };
        let at_ms = rng.between(500, latest);
        let plan = job(rng, sites, number);
        acts.push((at_ms, Act::Submit(Box::new(plan))));
    }
    acts.sort_by_key(|(at_ms, _)| *at_ms);
    let on = Target::Any;
    for _ in 0..rng.below(4) {
        let (at_ms, is_now) = (rng.between(MINUTE, end_ms), rng.chance(400));
        acts.push((at_ms, Act::Cancel { on, is_now }));
    }
    for _ in 0..rng.below(3) {
        acts.push((rng.between(5 * MINUTE, end_ms), Act::Retry { on }));
    }
    for _ in 0..rng.below(4) {
        let nodes = usize::try_from(rng.between(1, 8)).unwrap_or(1);
        let for_ms = rng.between(MINUTE, 20 * MINUTE);
        acts.push((rng.between(0, end_ms), Act::Crowd { nodes, for_ms }));
    }
    acts
}

fn shapes(rng: &mut Rng) -> Vec<Shape> {
    let nodes = rng.one_of(&[1, 1, 1, 2, 2, 4]);
    let gpus = rng.one_of(&[0, 1, 2, 4]);
    let cpus = rng.between(1, 4) * gpus.max(1);
    let narrow = |n: u64| u32::try_from(n).unwrap_or(1);
    let shape = |nodes: u64| Shape {
        nodes: narrow(nodes),
        gpus_per_node: narrow(gpus),
        cpus_per_node: narrow(cpus),
        ranks: narrow(nodes * gpus.max(1)),
    };
    let mut shapes = vec![shape(nodes)];
    let mut fewer = nodes / 2;
    while fewer > 0 && rng.chance(700) {
        shapes.push(shape(fewer));
        fewer /= 2;
    }
    shapes
}

fn job(rng: &mut Rng, sites: &[SitePlan], number: usize) -> JobPlan {
    let work = work(rng, number);
    let shapes = shapes(rng);
    let ranks = shapes.last().map_or(1, |shape| shape.ranks);
    let about_ms = work.steps * work.step_ms(ranks) + work.prepare_ms;
    let names = sites.iter().map(|site| site.name.clone());
    let names: Vec<_> = names.collect();
    let site = rng.pick(&names).cloned().filter(|_| rng.chance(400));
    let sweep = rng.chance(120).then(|| sweep(rng, &work));
    let mut after = Vec::new();
    if number > 0 && rng.chance(200) {
        let earlier = rng.below(number as u64);
        after.push((usize::try_from(earlier).unwrap_or(0), rng.chance(400)));
    }
    let is_tight = rng.chance(100);
    JobPlan {
        site,
        residency: Vec::new(),
        time_ms: rng
            .chance(600)
            .then(|| about_ms * rng.between(1, 4) + MINUTE),
        priority: u8::try_from(rng.one_of(&[50, 50, 50, 20, 90])).unwrap_or(50),
        retries: u32::try_from(rng.below(6)).unwrap_or(0),
        budget: Budget {
            gpu_ms: is_tight.then(|| about_ms * rng.between(1, 3) / 2),
            core_ms: is_tight.then(|| about_ms * rng.between(1, 3) / 2),
        },
        shapes,
        after,
        work,
        sweep,
    }
}

fn work(rng: &mut Rng, number: usize) -> Work {
    let steps = rng.between(4, 80);
    let fault = rng.chance(80);
    let code = i32::try_from(rng.one_of(&[1, 2, 70])).unwrap_or(1);
    Work {
        steps,
        step_ms: rng.one_of(&[2_000, 8_000, 20_000]),
        prepare_ms: rng.between(2_000, 40_000),
        commit_every: rng.between(1, 12),
        eval_every: 4,
        fails_at: fault.then(|| (rng.between(1, steps), code)),
        out: format!("runs/{number}"),
        quality: rng.draw(),
    }
}

fn sweep(rng: &mut Rng, work: &Work) -> SweepPlan {
    let first = 4 * rng.between(1, 2);
    let rungs = [first, first * 2, first * 4];
    let rungs: Vec<_> = rungs
        .into_iter()
        .filter(|rung| *rung < work.steps)
        .map(Step)
        .collect();
    let halves = rng.chance(700) && !rungs.is_empty();
    SweepPlan {
        trials: rng.between(2, 6),
        max_parallel: rng
            .chance(500)
            .then(|| u32::try_from(rng.between(1, 3)).unwrap_or(1)),
        halving: halves.then(|| Halving {
            eta: u32::try_from(rng.between(2, 3)).unwrap_or(2),
            rungs,
        }),
    }
}
