//! Users: they submit, cancel and retry, and ask again until they are answered.

use schliff_scheduler::ask::{After, Ask, Sweep, Trial};
use schliff_scheduler::input::{Command, Submission};
use schliff_spec::id::{ClusterName, JobId};

use super::mail::{Mail, Reply};
use super::{Event, World};
use crate::guard::{Breach, Verdict};
use crate::scenario::{Act, JobPlan, Target};
use crate::work::Work;

/// A client that has no answer asks again.
const PATIENCE_MS: u64 = 10_000;

/// One request of a user.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) command: Command,
    is_open: bool,
    /// What a submit became.
    pub(super) job: Option<JobId>,
    is_submit: bool,
}

impl World {
    pub(super) fn act(&mut self, at: usize) -> Verdict {
        let Some((_, act)) = self.scenario.acts.get(at).cloned() else {
            return Ok(());
        };
        let command = match act {
            Act::Submit(plan) => {
                let command = self.submission(&plan);
                self.clients.push(Client {
                    command: command?,
                    is_open: true,
                    job: None,
                    is_submit: true,
                });
                return self.ask(self.clients.len() - 1);
            }
            Act::Crowd { nodes, for_ms } => {
                self.crowd(nodes, for_ms);
                return Ok(());
            }
            Act::Cancel { on, is_now } => self.whom(on, false).map(|job| Command::Cancel {
                job,
                by: "ada".into(),
                why: String::new(),
                is_now,
            }),
            Act::Retry { on } => self.whom(on, true).map(|job| Command::Retry {
                job,
                by: "ada".into(),
            }),
        };
        let Some(command) = command else {
            return Ok(());
        };
        self.clients.push(Client {
            command,
            is_open: true,
            job: None,
            is_submit: false,
        });
        self.ask(self.clients.len() - 1)
    }

    /// The job that a user means.
    pub(super) fn whom(&mut self, on: Target, is_done: bool) -> Option<JobId> {
        match on {
            Target::Job(number) => {
                let submits = self.clients.iter().filter(|client| client.is_submit);
                submits.map(|client| client.job).nth(number).flatten()
            }
            Target::Any => {
                let jobs = self.durable.jobs.values();
                let fitting: Vec<_> = jobs
                    .filter(|job| job.is_done() == is_done)
                    .map(|job| job.id)
                    .collect();
                self.rng.pick(&fitting).copied()
            }
        }
    }

    /// Sends a request on its way, again and again until it is answered.
    pub(super) fn ask(&mut self, client: usize) -> Verdict {
        let Some(asking) = self.clients.get(client).filter(|client| client.is_open) else {
            return Ok(());
        };
        let command = Box::new(asking.command.clone());
        let way_ms = self.rng.between(2, 80);
        self.after(way_ms, Event::Arrives(Mail::Command { client, command }));
        self.after(PATIENCE_MS, Event::AskAgain(client));
        Ok(())
    }

    /// An answer of the coordinator leaves it.
    pub(super) fn deliver(&mut self, reply: Reply) {
        match reply {
            Reply::Client { client, result } => {
                let line = match &result {
                    Ok(Some(job)) => format!("request {client} is job {job}"),
                    Ok(None) => format!("request {client} is done"),
                    Err(code) => format!("request {client} is refused: {code}"),
                };
                if let Some(client) = self.clients.get_mut(client).filter(|c| c.is_open) {
                    client.is_open = false;
                    client.job = result.ok().flatten();
                    self.trace.line(self.now_ms, "user", line);
                }
            }
            Reply::Agent {
                key,
                node,
                before,
                directive,
            } => {
                let way_ms = self.rng.between(5, 150);
                self.after(
                    way_ms,
                    Event::Told {
                        key,
                        node,
                        before,
                        directive,
                    },
                );
            }
        }
    }

    fn submission(&self, plan: &JobPlan) -> Result<Command, Breach> {
        let number = self.clients.len();
        let known = |at: usize| {
            let submits = self.clients.iter().filter(|client| client.is_submit);
            submits.map(|client| client.job).nth(at).flatten()
        };
        let after = plan.after.iter().filter_map(|(at, any_end)| {
            let job = known(*at)?;
            Some(After {
                job,
                any_end: *any_end,
            })
        });
        let trials = |sweep: &crate::scenario::SweepPlan| {
            let trial = |at: u64| {
                let work = Work {
                    out: format!("{}-{at}", plan.work.out),
                    quality: plan.work.quality.wrapping_add(at * 31),
                    ..plan.work.clone()
                };
                Ok(Trial {
                    label: format!("lr={at}"),
                    ask: ask(plan, &work)?,
                })
            };
            (0..sweep.trials)
                .map(trial)
                .collect::<Result<Vec<_>, Breach>>()
        };
        let sweep = match &plan.sweep {
            None => None,
            Some(sweep) => Some((
                Sweep {
                    max_parallel: sweep.max_parallel,
                    halving: sweep.halving.clone(),
                },
                trials(sweep)?,
            )),
        };
        Ok(Command::Submit(Box::new(Submission {
            request_id: format!("request-{number}"),
            owner: "ada".into(),
            ask: ask(plan, &plan.work)?,
            after: after.collect(),
            sweep,
        })))
    }

    /// Somebody else's jobs take free nodes of sites with their own queue.
    fn crowd(&mut self, nodes: usize, for_ms: u64) {
        let until_ms = self.now_ms + for_ms;
        for site in self.sites.iter_mut().filter(|site| !site.is_ours()) {
            for node in site.nodes.values_mut().take(nodes) {
                node.foreign_until_ms = until_ms;
            }
        }
    }
}

fn defect(error: &dyn std::error::Error) -> Breach {
    Breach {
        id: "SIM",
        text: format!("a plan cannot be used: {error}"),
    }
}

fn ask(plan: &JobPlan, work: &Work) -> Result<Ask, Breach> {
    let name = plan.site.as_ref().map(|name| name.parse::<ClusterName>());
    let document = serde_json::to_string(work).map_err(|error| defect(&error))?;
    Ok(Ask {
        name: work.out.clone(),
        cluster: name.transpose().map_err(|error| defect(&error))?,
        shapes: plan.shapes.clone(),
        time_ms: plan.time_ms,
        priority: plan.priority,
        retries: plan.retries,
        budget: plan.budget,
        residency: plan.residency.clone(),
        wish: schliff_spec::cluster::BatchWish::default(),
        out: work.out.clone(),
        document,
    })
}
