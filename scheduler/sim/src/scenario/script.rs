//! Scenarios with a name: one story each, small enough to be read as a trace.

use schliff_scheduler::ask::Halving;
use schliff_scheduler::cluster::Queue;
use schliff_scheduler::shape::{Budget, Shape};
use schliff_spec::cluster::Chain;
use schliff_spec::id::Step;

use super::{Act, JobPlan, Odds, Pace, Scenario, SitePlan, Strike, SweepPlan, Target};
use crate::fault::Fault;
use crate::work::Work;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// Names of all scripts.
pub const SCRIPTS: &[&str] = &[
    "plain",
    "lost-reply",
    "lost-submit",
    "partition-late-return",
    "partition-silent",
    "isolated-node",
    "preempt-chain",
    "walltime-chain",
    "node-death-shrink",
    "halving",
    "cancel",
    "budget",
    "site-forgets",
    "torn-checkpoint",
    "requeue-chain",
    "successor-chain",
    "requeue-preempted",
    "two-halls",
];

impl Scenario {
    /// The script of that name.
    pub fn script(name: &str) -> Option<Self> {
        let theirs = || Self::on(name, hall(4));
        Some(match name {
            "plain" => Self::on(name, desk(1)).with(job(1)),
            "lost-reply" => theirs().with(job(1)).odd(Fault::SubmitReplyLost),
            "lost-submit" => theirs().with(job(1)).odd(Fault::SubmitLost),
            "partition-late-return" => {
                theirs()
                    .with(long_job(2))
                    .strike(60, Fault::AgentPartition, 10 * MINUTE)
            }
            "partition-silent" => {
                theirs()
                    .with(long_job(2))
                    .strike(60, Fault::AgentPartition, 40 * MINUTE)
            }
            "isolated-node" => theirs()
                .with(job(1))
                .strike(60, Fault::NodeIsolated, 45 * SECOND),
            "preempt-chain" => theirs()
                .with(job(1))
                .strike(60, Fault::Preemption, 0)
                .strike(150, Fault::Preemption, 0),
            "walltime-chain" => {
                let mut script = theirs().with(job(1));
                script.sites[0].max_time_ms = Some(2 * MINUTE);
                script
            }
            "node-death-shrink" => {
                let mut wide = job(2);
                wide.shapes.push(shape(1));
                Self::on(name, desk(2))
                    .with(wide)
                    .strike(40, Fault::NodeDeath, 20 * MINUTE)
            }
            "halving" => {
                let mut sweep = job(1);
                sweep.sweep = Some(SweepPlan {
                    trials: 4,
                    max_parallel: Some(2),
                    halving: Some(Halving {
                        eta: 2,
                        rungs: vec![Step(4), Step(8)],
                    }),
                });
                Self::on(name, desk(1)).with(sweep)
            }
            "cancel" => {
                let mut script = Self::on(name, desk(1)).with(job(1));
                let (on, is_now) = (Target::Job(0), false);
                script.acts.push((60 * SECOND, Act::Cancel { on, is_now }));
                script
            }
            "budget" => {
                let mut short = job(1);
                short.budget.gpu_ms = Some(MINUTE);
                Self::on(name, desk(1)).with(short)
            }
            "site-forgets" => theirs()
                .with(job(1))
                .strike(60, Fault::SiteForgets, 30 * SECOND),
            "torn-checkpoint" => {
                Self::on(name, desk(1))
                    .with(job(1))
                    .strike(40, Fault::TornCheckpoint, 0)
            }
            _ => return Self::chain_script(name),
        })
    }

    /// Those on sites where allocations go on by themselves.
    fn chain_script(name: &str) -> Option<Self> {
        let on = |chain: Chain| {
            let mut script = Self::on(name, hall(4)).with(job(1));
            script.sites[0].chain = chain;
            script
        };
        let capped = |chain: Chain| {
            let mut script = on(chain);
            script.sites[0].max_time_ms = Some(2 * MINUTE);
            if let Some((_, Act::Submit(job))) = script.acts.first_mut() {
                job.time_ms = Some(10 * MINUTE);
            }
            script
        };
        Some(match name {
            "requeue-chain" => capped(Chain::Requeue),
            "successor-chain" => capped(Chain::Successors),
            "two-halls" => {
                let mut script = on(Chain::None).with(job(1)).with(job(1));
                let yard = SitePlan {
                    name: "yard".into(),
                    ..hall(2)
                };
                script.sites.push(yard);
                script
            }
            "requeue-preempted" => on(Chain::Requeue).strike(60, Fault::Preemption, 0).strike(
                300,
                Fault::NodeDeath,
                5 * MINUTE,
            ),
            _ => return None,
        })
    }

    /// A quiet world with one site.
    fn on(name: &str, site: SitePlan) -> Self {
        Self {
            name: name.to_owned(),
            seed: 1,
            sites: vec![site],
            acts: Vec::new(),
            strikes: Vec::new(),
            odds: Default::default(),
            faults_end_ms: 45 * MINUTE,
            pace: Pace {
                tick_ms: 2 * SECOND,
                observe_ms: 5 * SECOND,
                report_ms: 10 * SECOND,
                warn_ms: 30 * SECOND,
            },
        }
    }

    fn with(mut self, job: JobPlan) -> Self {
        self.acts.push((SECOND, Act::Submit(Box::new(job))));
        self
    }

    /// The first case goes wrong.
    fn odd(mut self, fault: Fault) -> Self {
        let odds = Odds {
            permille: 0,
            case: 1,
        };
        self.odds.insert(fault, odds);
        self
    }

    fn strike(mut self, at_s: u64, fault: Fault, for_ms: u64) -> Self {
        self.strikes.push(Strike {
            at_ms: at_s * SECOND,
            fault,
            on: Target::Job(0),
            for_ms,
        });
        self
    }

    /// The same, with the coordinator dying at its `case`th write.
    #[must_use]
    pub fn dying(mut self, fault: Fault, case: u64) -> Self {
        self.odds.insert(fault, Odds { permille: 0, case });
        self
    }
}

fn desk(nodes: u32) -> SitePlan {
    SitePlan {
        name: "desk".into(),
        queue: Queue::Ours,
        nodes,
        gpus: 4,
        cpus: 16,
        max_time_ms: None,
        max_waiting: None,
        chain: Chain::None,
        country: None,
    }
}

fn hall(nodes: u32) -> SitePlan {
    SitePlan {
        name: "hall".into(),
        queue: Queue::Theirs,
        max_waiting: Some(4),
        ..desk(nodes)
    }
}

fn shape(nodes: u32) -> Shape {
    Shape {
        nodes,
        gpus_per_node: 2,
        cpus_per_node: 2,
        ranks: 2 * nodes,
    }
}

fn job(nodes: u32) -> JobPlan {
    JobPlan {
        site: None,
        shapes: vec![shape(nodes)],
        residency: Vec::new(),
        time_ms: None,
        priority: 50,
        retries: 3,
        budget: Budget::default(),
        after: Vec::new(),
        work: Work {
            steps: 16,
            step_ms: 20 * SECOND,
            prepare_ms: 5 * SECOND,
            commit_every: 2,
            eval_every: 4,
            fails_at: None,
            out: "runs/1".into(),
            quality: 0,
        },
        sweep: None,
    }
}

/// One that takes an hour.
fn long_job(nodes: u32) -> JobPlan {
    let mut long = job(nodes);
    long.work.steps = 700;
    long.work.commit_every = 60;
    long.work.eval_every = 300;
    long
}
