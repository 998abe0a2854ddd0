//! The `[sweep]` section and what cannot be combined in it.

use crate::form::Placed;
use crate::job::{Candidates, Sweep, SweepMethod};
use crate::origin::Place;
use crate::problem::Fault;
use crate::reader::Reader;
use crate::schema::JOB;
use crate::sweep::{MOST_TRIALS, combinations};

const METHOD: &str = "sweep.method";
const PARAMETERS: &str = "sweep.parameters";
const TRIALS: &str = "sweep.trials";
const ETA: &str = "sweep.eta";
const RUNGS: &str = "sweep.rungs";

/// Keys that halving needs as they are, and why.
const FIXED_BY_HALVING: &[(&str, &str)] = &[
    (
        "training.steps",
        "rungs compare trials of one and the same length",
    ),
    (
        "training.epochs",
        "rungs compare trials of one and the same length",
    ),
    ("evaluation.every_steps", "it follows from the rungs"),
];

impl Reader<'_> {
    pub(super) fn sweep(&mut self) -> Option<Sweep> {
        self.settings.section_place("sweep")?;
        for path in [METHOD, PARAMETERS] {
            if !self.settings.was_written(path) {
                let expected = JOB.key(path).map(|key| key.form.to_string());
                let fault = Fault::new("missing").expected(expected.unwrap_or_default());
                self.refuse(path, fault);
            }
        }
        let word = self.text(METHOD);
        let parameters = self.parameters(PARAMETERS);
        let method = match word.as_deref()? {
            "random" => self.random(),
            "halving" => self.halving(parameters.as_deref().unwrap_or_default()),
            _ => self.grid(parameters.as_deref().unwrap_or_default()),
        };
        let (parameters, method) = (parameters?, method?);
        let parameters: Vec<_> = parameters.into_iter().map(|it| it.parameter).collect();
        self.check_count(&method, combinations(&parameters));
        Some(Sweep {
            method,
            parameters,
            seed: self.whole_u64("sweep.seed")?,
            max_parallel: self.whole("sweep.max_parallel"),
        })
    }

    fn grid(&mut self, parameters: &[Placed]) -> Option<SweepMethod> {
        self.refuse_needless(TRIALS, "the method grid tries every combination");
        self.refuse_needless(ETA, "only the method halving has rungs");
        self.refuse_needless(RUNGS, "only the method halving has rungs");
        for Placed { parameter, place } in parameters {
            if let Candidates::Range { .. } = parameter.candidates {
                let fault = Fault::new("a grid has no ranges").expected("a list of values");
                let hint = "or set sweep.method to random or halving";
                self.refuse_at(place, &parameter.key, fault.hint(hint));
            }
        }
        Some(SweepMethod::Grid)
    }

    fn random(&mut self) -> Option<SweepMethod> {
        self.refuse_needless(ETA, "only the method halving has rungs");
        self.refuse_needless(RUNGS, "only the method halving has rungs");
        let trials = self.trials()?;
        Some(SweepMethod::Random { trials })
    }

    fn halving(&mut self, parameters: &[Placed]) -> Option<SweepMethod> {
        for Placed { parameter, place } in parameters {
            let fixed = FIXED_BY_HALVING
                .iter()
                .find(|(key, _)| *key == parameter.key);
            if let Some((_, reason)) = fixed {
                let fault = Fault::new("cannot be varied by the method halving");
                self.refuse_at(place, &parameter.key, fault.hint(*reason));
            }
        }
        let has_eval = !self.paths("data.eval").unwrap_or_default().is_empty();
        let is_broken = self.settings.was_written("data.eval") && !self.is_given("data.eval");
        if !has_eval && !is_broken {
            let fault = Fault::new("halving compares trials, and there is no held-out data");
            self.refuse(METHOD, fault.hint("set data.eval"));
        }
        let (trials, eta) = (self.trials(), self.whole(ETA));
        let (trials, eta) = (trials?, eta?);
        let rungs = self.rungs(trials, eta)?;
        Some(SweepMethod::Halving { trials, eta, rungs })
    }

    fn trials(&mut self) -> Option<usize> {
        if !self.settings.was_written(TRIALS) {
            let fault = Fault::new("missing").expected("how many combinations to draw");
            self.refuse(TRIALS, fault);
        }
        self.whole(TRIALS)
    }

    /// The rungs that are written, or as many as leave one trial, each `eta` times the one before.
    fn rungs(&mut self, trials: usize, eta: usize) -> Option<Vec<usize>> {
        let steps = self.whole("training.steps");
        if let Some(rungs) = self.steps(RUNGS) {
            let last = *rungs.last()?;
            if let Some(steps) = steps.filter(|steps| last >= *steps) {
                let message = format!("{last} is not before the end, training.steps = {steps}");
                self.refuse(RUNGS, Fault::new(message));
            }
            return Some(rungs);
        }
        if self.settings.was_written(RUNGS) {
            return None;
        }
        let Some(steps) = steps else {
            if !self.settings.was_written("training.steps") {
                let fault = Fault::new("missing").expected("steps at which trials are compared");
                self.refuse(RUNGS, fault.hint("or set training.steps"));
            }
            return None;
        };
        let halvings = trials.checked_ilog(eta).unwrap_or(0);
        let first = (steps / eta.saturating_pow(halvings)).max(1);
        let rungs = std::iter::successors(Some(first), |rung| rung.checked_mul(eta));
        let rungs: Vec<_> = rungs.take_while(|rung| *rung < steps).collect();
        if rungs.is_empty() {
            let message = format!(
                "{trials} trials with eta = {eta} and training.steps = {steps} leave no rung"
            );
            let fault = Fault::new(message).hint("draw more trials, or lower sweep.eta");
            self.refuse(TRIALS, fault);
        }
        Some(rungs)
    }

    fn check_count(&mut self, method: &SweepMethod, combinations: Option<u64>) {
        // Where there is no end to them, a range is there: enough to draw, and told in a grid.
        let Some(count) = combinations else {
            return;
        };
        let (path, message) = match method {
            SweepMethod::Grid if count > MOST_TRIALS as u64 => {
                let message = format!("{count} combinations are too many");
                (PARAMETERS, message)
            }
            SweepMethod::Random { trials } | SweepMethod::Halving { trials, .. }
                if *trials as u64 > count =>
            {
                let message = format!("there are only {count} combinations");
                (TRIALS, message)
            }
            _ => return,
        };
        let expected = match path {
            PARAMETERS => format!("at most {MOST_TRIALS}"),
            _ => format!("at most {count}"),
        };
        self.refuse(path, Fault::new(message).expected(expected));
    }

    fn refuse_needless(&mut self, path: &str, reason: &str) {
        if self.is_given(path) {
            self.refuse(path, Fault::new(reason).hint("leave it out"));
        }
    }

    fn refuse_at(&mut self, place: &Place, key: &str, fault: Fault) {
        self.report
            .add(place, &format!("{PARAMETERS}.{key}"), fault);
    }
}
