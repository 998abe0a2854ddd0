//! What an agent tells, checked against what can be. Pure.
//!
//! Rules: news that were taken before are passed over, but for beats, which tell of now. A report that
//! tells what cannot be is refused as a whole, with the reason: nothing of it is kept. News of
//! older attempts are taken, for their lines; the brain knows what else they are worth.

use std::collections::BTreeSet;

use schliff_scheduler::input;
use schliff_scheduler::job::{Crew, LastWords};
use schliff_scheduler::shape::Shape;
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{NodeName, Step};
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{
    CheckpointView, Ended, EvalPoint, RankView, Regrouped, ReportRequest, StepPoint,
};

use crate::journal::LINE_BYTES;
use crate::refusal::Refusal;

mod words;

pub(crate) use words::{Line, plain};

/// The longest word for what a rank does.
const LONGEST_DOING_BYTES: usize = 64;
/// The longest name of a node.
pub(crate) const LONGEST_NODE_BYTES: usize = 253;
/// News of one report.
const MOST_NEWS: usize = 10_000;
/// A clock that is ahead by more is not believed.
const MOST_AHEAD_MS: u64 = 24 * 3_600_000;

/// What is known of the attempt before the report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// How much it takes; `None` where there is no such attempt any more.
    pub(crate) shape: Option<Shape>,
    /// Its nodes, in order.
    pub(crate) nodes: Vec<NodeName>,
    /// The numbers of those that its ranks are on, where it is not on all.
    pub(crate) crew: Option<Vec<u32>>,
    /// It is the job's newest attempt.
    pub(crate) is_newest: bool,
    /// The newest checkpoint of the job.
    pub(crate) committed: u64,
    /// Steps done, as last told to this process; 0 where nothing was.
    pub(crate) step: u64,
    /// Steps in all, as told before; 0 where that is open.
    pub(crate) steps: u64,
    /// The last news of this node that was taken.
    pub(crate) taken: u64,
}

/// What a report comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// For the brain.
    pub(crate) news: Vec<input::News>,
    /// Steps, oldest first.
    pub(crate) points: Vec<StepPoint>,
    /// Held-out measures.
    pub(crate) evals: Vec<EvalPoint>,
    /// Checkpoints.
    pub(crate) checkpoints: Vec<CheckpointView>,
    /// Lines of ranks and remarks of the agent.
    pub(crate) lines: Vec<Line>,
    /// Signs of life.
    pub(crate) ranks: Vec<RankView>,
    /// Ranks are on other nodes than before: what was known of ranks is of none of these.
    pub(crate) is_regrouped: bool,
    /// Where training stands by steps and starts; `None` where there were none.
    pub(crate) step: Option<u64>,
    /// The last news that is in it, or was taken before.
    pub(crate) taken: u64,
}

impl Heard {
    /// Something of it is to be kept.
    pub(crate) fn has_records(&self) -> bool {
        !(self.points.is_empty()
            && self.evals.is_empty()
            && self.checkpoints.is_empty()
            && self.lines.is_empty())
    }
}

/// Reads a report.
pub(crate) fn heard(
    request: ReportRequest,
    known: &Known,
    now: Timestamp,
) -> Result<Heard, Refusal> {
    if request.news.len() > MOST_NEWS {
        let text = format!("a report has {MOST_NEWS} news at most");
        return Err(Refusal::invalid("too-long", text));
    }
    if let Some(shape) = known.shape
        && request.node >= shape.nodes
    {
        let (node, nodes) = (request.node, shape.nodes);
        let text = format!("node {node} cannot be: the attempt has {nodes}");
        return Err(Refusal::invalid("impossible-node", text));
    }
    let mut reader = Reader {
        known,
        now,
        generation: request.generation,
        node: request.node,
        step: known.step,
        steps: known.steps,
        floor: known.committed,
        crew: known.crew.clone(),
        sequence: 0,
        heard: Heard {
            taken: known.taken,
            ..Heard::default()
        },
    };
    for (sequence, news) in (request.first_sequence..).zip(request.news) {
        reader.sequence = sequence;
        let is_new = reader.note();
        // What a newer agent tells and nobody here knows is taken all the same.
        let Some(body) = news.body else { continue };
        reader.read(body, is_new, news.at_ms)?;
    }
    Ok(reader.finish())
}

struct Reader<'a> {
    known: &'a Known,
    now: Timestamp,
    generation: u64,
    node: u32,
    step: u64,
    steps: u64,
    /// Training never begins again below it.
    floor: u64,
    /// The nodes that ranks are on, where that is not all of them.
    crew: Option<Vec<u32>>,
    sequence: u64,
    heard: Heard,
}

impl Reader<'_> {
    /// Notes the news as taken; whether it was not before.
    fn note(&mut self) -> bool {
        let is_new = self.sequence > self.known.taken;
        if is_new {
            self.heard.taken = self.sequence;
        }
        is_new
    }

    fn read(&mut self, body: Body, is_new: bool, at_ms: i64) -> Result<(), Refusal> {
        if let Body::Beats(beats) = body {
            return self.beats(beats.ranks);
        }
        if !is_new {
            return Ok(());
        }
        let at_ms = self.at(at_ms);
        match body {
            Body::Joined(joined) => self.joined(joined.nodes, joined.ranks),
            Body::Started(started) => {
                self.started(started.resumed_from);
                Ok(())
            }
            Body::Step(point) => self.step(point, at_ms),
            Body::Eval(eval) => self.eval(eval, at_ms),
            Body::Committed(checkpoint) => self.committed(checkpoint, at_ms),
            Body::Lines(lines) => {
                let dropped = (lines.dropped > 0).then(|| self.dropped(lines.dropped));
                let lines = lines.lines.into_iter().map(|line| (line.rank, line.text));
                self.lines(dropped.into_iter().chain(lines).collect(), at_ms)
            }
            Body::Remark(remark) => {
                let rank = remark.rank.unwrap_or(0);
                self.lines(vec![(rank, format!("agent: {}", remark.text))], at_ms)
            }
            Body::Regrouped(Regrouped { nodes, gone }) => self.regrouped(nodes, gone),
            Body::Ended(ended) => {
                self.ended(ended, at_ms);
                Ok(())
            }
            Body::Beats(_) => Ok(()),
        }
    }

    fn joined(&mut self, nodes: u32, ranks: u32) -> Result<(), Refusal> {
        if let Some(shape) = self.known.shape
            && (nodes, ranks) != (shape.nodes, shape.ranks)
        {
            let (n, r) = (shape.nodes, shape.ranks);
            let text =
                format!("{ranks} ranks on {nodes} nodes cannot be: it is {r} ranks on {n} nodes");
            return Err(Refusal::invalid("impossible-world", text));
        }
        self.heard.news.push(input::News::Joined);
        Ok(())
    }

    fn regrouped(&mut self, nodes: Vec<u32>, gone: Vec<u32>) -> Result<(), Refusal> {
        let all: Vec<_> = nodes.iter().chain(&gone).collect();
        let are_distinct = all.iter().collect::<BTreeSet<_>>().len() == all.len();
        let is_own = |node: &&&u32| self.known.shape.is_none_or(|shape| **node < &shape.nodes);
        if nodes.is_empty() || !are_distinct || !all.iter().all(|node| is_own(&node)) {
            let text = format!("ranks on nodes {nodes:?} without {gone:?} cannot be");
            return Err(Refusal::invalid("impossible-node", text));
        }
        self.crew = Some(nodes.clone());
        self.heard.ranks.clear();
        self.heard.is_regrouped = true;
        let news = input::News::Regrouped(Crew { nodes, gone });
        self.heard.news.push(news);
        Ok(())
    }

    fn started(&mut self, resumed_from: Option<u64>) {
        // The newest checkpoint may be damaged, and training go on from an older one.
        self.floor = self.floor.min(resumed_from.unwrap_or(0));
        self.step = resumed_from.unwrap_or(0);
        self.heard.step = Some(self.step);
        let resumed_from = resumed_from.map(Step);
        self.heard.news.push(input::News::Started { resumed_from });
    }

    fn step(&mut self, mut point: StepPoint, at_ms: i64) -> Result<(), Refusal> {
        let StepPoint { step, steps, .. } = point;
        let limit = if steps == 0 { self.steps } else { steps };
        if step == 0 || (limit > 0 && step > limit) || (self.steps > 0 && limit != self.steps) {
            let text = format!(
                "step {step} of {limit} cannot be: the job has {} steps",
                limit.min(if self.steps == 0 { limit } else { self.steps })
            );
            return Err(Refusal::invalid("impossible-step", text));
        }
        if step < self.step && step <= self.floor {
            let text = format!(
                "step {step} cannot come after step {}: training goes on from step {}",
                self.step, self.floor
            );
            return Err(Refusal::invalid("impossible-step", text));
        }
        let figures = [point.loss, point.lr, point.tokens_per_s];
        finite(figures.into_iter().chain(point.grad_norm), "step", step)?;
        (self.step, self.steps) = (step, limit);
        self.heard.step = Some(step);
        if self.known.is_newest {
            (point.at_ms, point.generation) = (at_ms, self.generation);
            self.heard.points.push(point);
        }
        Ok(())
    }

    fn eval(&mut self, mut eval: EvalPoint, at_ms: i64) -> Result<(), Refusal> {
        self.within(eval.step)?;
        finite(
            [eval.loss].into_iter().chain(eval.exact_match),
            "evaluation at step",
            eval.step,
        )?;
        self.heard.news.push(input::News::Measured {
            step: Step(eval.step),
            loss: eval.loss,
        });
        eval.at_ms = at_ms;
        self.heard.evals.push(eval);
        Ok(())
    }

    fn committed(&mut self, mut checkpoint: CheckpointView, at_ms: i64) -> Result<(), Refusal> {
        self.within(checkpoint.step)?;
        let step = Step(checkpoint.step);
        self.heard.news.push(input::News::Committed { step });
        checkpoint.at_ms = at_ms;
        checkpoint.generation = self.generation;
        self.heard.checkpoints.push(checkpoint);
        Ok(())
    }

    fn ended(&mut self, ended: Ended, at_ms: i64) {
        let culprit = ended.rank.and_then(|rank| self.node_of(rank));
        let words = LastWords {
            exit_code: ended.exit_code,
            error: words::error(&ended),
            culprit: culprit.cloned(),
        };
        self.heard.news.push(input::News::Ended(words));
        let lines = words::last(&ended);
        // What is told of the end is never worth refusing the end for.
        let _ = self.lines(lines, at_ms);
    }

    fn beats(&mut self, ranks: Vec<RankView>) -> Result<(), Refusal> {
        for mut rank in ranks {
            self.rank(rank.rank)?;
            self.within(rank.step)?;
            if rank.node.is_empty() {
                // Node 0 tells of all ranks, and knows the names of its own only.
                let node = self.node_of(rank.rank);
                rank.node = node.map_or(String::new(), ToString::to_string);
            }
            rank.node = plain(rank.node, LONGEST_NODE_BYTES);
            rank.doing = plain(rank.doing, LONGEST_DOING_BYTES);
            rank.step_ms = rank.step_ms.filter(|ms| ms.is_finite());
            if self.known.is_newest {
                self.heard.ranks.push(rank);
            }
        }
        Ok(())
    }

    fn node_of(&self, rank: u32) -> Option<&NodeName> {
        let place = rank.checked_div(self.ranks_per_node()?)?;
        let node = match &self.crew {
            Some(crew) => *crew.get(place as usize)?,
            None => place,
        };
        self.known.nodes.get(node as usize)
    }

    fn ranks_per_node(&self) -> Option<u32> {
        let shape = self.known.shape?;
        Some((shape.ranks / shape.nodes.max(1)).max(1))
    }

    /// A line of the node's first rank, since nobody knows whose lines they were.
    fn dropped(&self, lines: u64) -> (u32, String) {
        let rank = self.ranks_per_node().map_or(0, |ranks| ranks * self.node);
        (rank, format!("agent: {lines} lines were dropped"))
    }

    fn lines(&mut self, lines: Vec<(u32, String)>, at_ms: i64) -> Result<(), Refusal> {
        for (rank, text) in lines {
            self.rank(rank)?;
            self.heard.lines.push(Line {
                sequence: self.sequence,
                rank,
                at_ms,
                text: plain(text, LINE_BYTES),
            });
        }
        Ok(())
    }

    fn rank(&self, rank: u32) -> Result<(), Refusal> {
        match self.known.shape {
            Some(shape) if rank >= shape.ranks => {
                let text = format!("rank {rank} cannot be: the attempt has {}", shape.ranks);
                Err(Refusal::invalid("impossible-rank", text))
            }
            _ => Ok(()),
        }
    }

    fn within(&self, step: u64) -> Result<(), Refusal> {
        if self.steps > 0 && step > self.steps {
            let text = format!("step {step} cannot be: the job has {} steps", self.steps);
            return Err(Refusal::invalid("impossible-step", text));
        }
        Ok(())
    }

    /// The agent's time where it can be, else now.
    fn at(&self, at_ms: i64) -> i64 {
        let latest = crate::clock::wire_ms(self.now.plus(MOST_AHEAD_MS));
        match at_ms > 0 && at_ms <= latest {
            true => at_ms,
            false => crate::clock::wire_ms(self.now),
        }
    }

    fn finish(mut self) -> Heard {
        let told = self.heard.points.last().map(|point| point.step);
        // The first node tells of steps; what another one last saw of its ranks may be older.
        let leads = self.node == 0;
        let beaten = self.heard.ranks.iter().map(|rank| rank.step).max();
        let step = told.or(beaten.filter(|_| leads)).map(Step);
        let steps = (self.steps > 0).then_some(Step(self.steps));
        self.heard.news.push(input::News::Alive { step, steps });
        self.heard
    }
}

fn finite(figures: impl Iterator<Item = f64>, what: &str, step: u64) -> Result<(), Refusal> {
    let mut figures = figures;
    match figures.find(|figure| !figure.is_finite()) {
        None => Ok(()),
        Some(figure) => {
            let text = format!("the {what} {step} has the figure {figure}, which is no number");
            Err(Refusal::invalid("not-a-number", text))
        }
    }
}

#[cfg(test)]
mod tests;
