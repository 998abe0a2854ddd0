//! From what ranks report to news for the coordinator. Pure.
//!
//! Rules: rank 0 speaks for the group; each wording of a warning is told once; after every start of
//! the group it is told again that all train, and from which checkpoint, before any step of it.
//! Absent on purpose: signs of life and lines, which are no events of the group.

use std::collections::BTreeSet;

use schliff_spec::event::{CheckpointNews, Event, StepMetrics};
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{CheckpointView, EvalPoint, Regrouped, Remark, Started, StepPoint};

use crate::crew::Crew;

/// Wordings of warnings that are remembered.
const MOST_WARNINGS: usize = 1_000;

/// What was told so far, as far as it matters.
#[derive(Debug)]
pub(super) struct Translator {
    /// The attempt.
    generation: u64,
    /// The nodes that the group is on and those that are gone, where that was told.
    crew: Option<(Vec<usize>, Vec<usize>)>,
    is_started: bool,
    resumed_from: Option<u64>,
    is_delayed: bool,
    warnings: BTreeSet<String>,
}

impl Translator {
    /// Nothing was told yet of this attempt.
    pub(super) fn new(generation: u64) -> Self {
        Self {
            generation,
            crew: None,
            is_started: false,
            resumed_from: None,
            is_delayed: false,
            warnings: BTreeSet::new(),
        }
    }

    /// All ranks are started, for the first time or again. That they are on other nodes than before is
    /// news; at first they are on all.
    pub(super) fn begin(&mut self, crew: &Crew) -> Option<Body> {
        (self.is_started, self.resumed_from) = (false, None);
        let now = (crew.nodes().to_vec(), crew.gone().to_vec());
        let is_news = match &self.crew {
            Some(told) => *told != now,
            None => !crew.is_whole(),
        };
        is_news.then(|| {
            let numbers = |nodes: &[usize]| nodes.iter().map(|node| *node as u32).collect();
            let (nodes, gone) = (numbers(&now.0), numbers(&now.1));
            self.crew = Some(now);
            Body::Regrouped(Regrouped { nodes, gone })
        })
    }

    /// All ranks train, unless that was told.
    pub(super) fn together(&mut self) -> Option<Body> {
        let is_news = !std::mem::replace(&mut self.is_started, true);
        let resumed_from = self.resumed_from;
        is_news.then_some(Body::Started(Started { resumed_from }))
    }

    /// What there is to tell of a rank's event.
    pub(super) fn event(&mut self, rank: usize, event: &Event, at_ms: i64) -> Vec<Body> {
        match event {
            Event::Step(metrics) if rank == 0 => {
                let step = self.step(metrics, at_ms);
                self.together().into_iter().chain([step]).collect()
            }
            Event::Evaluation { step, measures } if rank == 0 => {
                let point = EvalPoint {
                    step: *step as u64,
                    loss: measures.loss,
                    exact_match: measures.exact_match,
                    at_ms,
                };
                self.together()
                    .into_iter()
                    .chain([Body::Eval(point)])
                    .collect()
            }
            Event::Checkpoint(news) => self.checkpoint(news, at_ms),
            Event::Stage { name } if rank == 0 => vec![remark(name, None)],
            Event::Warning { text } if self.warnings.len() < MOST_WARNINGS => {
                match self.warnings.insert(text.clone()) {
                    true => vec![remark(text, Some(rank))],
                    false => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn step(&self, metrics: &StepMetrics, at_ms: i64) -> Body {
        Body::Step(StepPoint {
            step: metrics.step as u64,
            steps: metrics.steps as u64,
            loss: metrics.loss,
            lr: metrics.lr,
            tokens_per_s: metrics.tokens_per_s,
            grad_norm: metrics.grad_norm,
            at_ms,
            generation: self.generation,
        })
    }

    fn checkpoint(&mut self, news: &CheckpointNews, at_ms: i64) -> Vec<Body> {
        match news {
            CheckpointNews::Committed { step, bytes, .. } => {
                self.is_delayed = false;
                vec![Body::Committed(CheckpointView {
                    step: *step as u64,
                    at_ms,
                    bytes: *bytes,
                    generation: self.generation,
                })]
            }
            CheckpointNews::Delayed { step, reason, .. } => {
                let was_told = std::mem::replace(&mut self.is_delayed, true);
                let text = format!("the checkpoint of step {step} cannot be written: {reason}");
                if was_told {
                    Vec::new()
                } else {
                    vec![remark(&text, None)]
                }
            }
            CheckpointNews::Resumed { step, skipped } => {
                self.resumed_from = Some(*step as u64);
                let passed = |reason: &String| format!("passed over a checkpoint: {reason}");
                skipped
                    .iter()
                    .map(|reason| remark(&passed(reason), None))
                    .collect()
            }
        }
    }
}

/// A remark, of a rank or of the agent itself.
pub(super) fn remark(text: &str, rank: Option<usize>) -> Body {
    Body::Remark(Remark {
        text: super::words::clean(text),
        rank: rank.map(|rank| rank as u32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::event::Measures;

    fn step(step: usize) -> Event {
        Event::Step(StepMetrics {
            step,
            steps: 9,
            loss: 1.5,
            grad_norm: None,
            lr: 1e-4,
            loss_scale: None,
            skipped: false,
            tokens: 7,
            tokens_per_s: 70.0,
        })
    }

    fn resumed(step: usize) -> Event {
        let skipped = vec!["torn".to_owned()];
        Event::Checkpoint(CheckpointNews::Resumed { step, skipped })
    }

    fn kinds(told: &[Body]) -> Vec<&'static str> {
        let kind = |body: &Body| match body {
            Body::Started(Started { resumed_from: None }) => "started",
            Body::Started(_) => "started from a checkpoint",
            Body::Step(_) => "step",
            Body::Eval(_) => "eval",
            Body::Committed(_) => "committed",
            Body::Remark(_) => "remark",
            _ => "other",
        };
        told.iter().map(kind).collect()
    }

    #[test]
    fn all_train_before_the_first_step_and_once() {
        let mut translator = Translator::new(3);
        let told = translator.event(0, &step(1), 11);
        assert_eq!(kinds(&told), ["started", "step"]);
        let Body::Step(point) = &told[1] else {
            panic!("{told:?}")
        };
        assert_eq!(
            (point.step, point.steps, point.at_ms, point.generation),
            (1, 9, 11, 3)
        );
        assert_eq!(kinds(&translator.event(0, &step(2), 12)), ["step"]);
        assert!(
            translator.event(1, &step(2), 12).is_empty(),
            "rank 0 speaks"
        );
        assert_eq!(translator.together(), None);
    }

    #[test]
    fn a_restart_tells_where_it_goes_on_from() {
        let mut translator = Translator::new(1);
        translator.event(0, &step(5), 0);
        assert_eq!(translator.begin(&Crew::whole(2, 1)), None);
        assert_eq!(kinds(&translator.event(0, &resumed(4), 0)), ["remark"]);
        let measured = Event::Evaluation {
            step: 4,
            measures: Measures::default(),
        };
        let told = translator.event(0, &measured, 0);
        assert_eq!(kinds(&told), ["started from a checkpoint", "eval"]);
        assert_eq!(
            told[0],
            Body::Started(Started {
                resumed_from: Some(4)
            })
        );
        let crew = Crew::whole(2, 1).without(&[1], &[0]);
        let (nodes, gone) = (vec![0], vec![1]);
        let regrouped = Body::Regrouped(Regrouped { nodes, gone });
        assert_eq!(translator.begin(&crew), Some(regrouped));
        assert_eq!(translator.begin(&crew), None, "told once");
        assert_eq!(
            kinds(&translator.event(0, &step(1), 0)),
            ["started", "step"]
        );
    }

    #[test]
    fn a_warning_of_many_ranks_and_a_delay_are_told_once() {
        let mut translator = Translator::new(1);
        let warning = Event::Warning {
            text: "2 samples are cut".into(),
        };
        let told = (0..8)
            .flat_map(|rank| translator.event(rank, &warning, 0))
            .count();
        assert_eq!(told, 1);
        let (committed, reason) = (None, "no space".to_owned());
        let delayed = Event::Checkpoint(CheckpointNews::Delayed {
            step: 2,
            committed,
            reason,
        });
        assert_eq!(translator.event(0, &delayed, 0).len(), 1);
        assert_eq!(translator.event(0, &delayed, 0).len(), 0);
        let (step, bytes, latency_ms) = (2, 10, 1);
        let committed = CheckpointNews::Committed {
            step,
            bytes,
            latency_ms,
        };
        let told = translator.event(0, &Event::Checkpoint(committed), 0);
        assert_eq!(kinds(&told), ["committed"]);
        assert_eq!(translator.event(0, &delayed, 0).len(), 1, "again");
    }
}
