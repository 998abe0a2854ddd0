use std::collections::BTreeSet;

use proptest::prelude::*;
use schliff_spec::request::PROTOCOL;
use signal_hook::consts::{SIGINT, SIGUSR1, SIGUSR2};

use super::*;

mod shrinking;

const RANKS: usize = 4;

fn settings(nodes: usize) -> Settings {
    Settings {
        ranks: RANKS,
        nodes,
        min_nodes: nodes,
        limits: Limits::of_hang(20_000),
        budget: Budget::of(2),
        only_term: false,
        stop_after_ms: None,
    }
}

/// Ranks that do what they are told, and the faults that a test puts in.
struct World {
    supervisor: Supervisor,
    now_ms: u64,
    generation: u64,
    crew: Crew,
    /// Ranks of the newest generation that run.
    running: BTreeSet<usize>,
    stopped: BTreeSet<usize>,
    signals: Vec<(usize, i32)>,
    told: Vec<String>,
}

impl World {
    fn new(nodes: usize) -> Self {
        Self::with(settings(nodes))
    }

    fn with(settings: Settings) -> Self {
        let mut world = Self {
            supervisor: Supervisor::new(settings, 0),
            now_ms: 0,
            generation: 0,
            crew: Crew::whole(settings.nodes, RANKS / settings.nodes),
            running: BTreeSet::new(),
            stopped: BTreeSet::new(),
            signals: Vec::new(),
            told: Vec::new(),
        };
        world.step(Input::Tick);
        world
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for action in self.supervisor.step(input, self.now_ms) {
                match action {
                    Action::Start {
                        generation, crew, ..
                    } => {
                        assert!(self.running.is_empty(), "two generations at once");
                        let ranks = 0..crew.ranks();
                        (self.generation, self.crew) = (generation, crew);
                        self.running = ranks.clone().collect();
                        self.stopped.clear();
                        inputs.extend(ranks.map(|rank| self.line(rank, &hello())));
                    }
                    Action::Signal { rank, signal } => {
                        self.signals.push((rank, signal));
                        let ends =
                            signal == SIGKILL || signal == SIGTERM && !self.stopped.contains(&rank);
                        if ends && self.running.remove(&rank) {
                            inputs.push(self.ended(rank, None, Some(signal)));
                        }
                    }
                    Action::Tell(text) => self.told.push(text),
                    Action::Show { .. } | Action::Words { .. } => {}
                }
            }
        }
    }

    fn news(&self, rank: usize, news: News) -> Input {
        let generation = self.generation;
        Input::Rank {
            generation,
            rank,
            news,
        }
    }

    fn line(&self, rank: usize, line: &str) -> Input {
        self.news(rank, News::Line(line.to_owned()))
    }

    fn ended(&self, rank: usize, code: Option<i32>, signal: Option<i32>) -> Input {
        self.news(rank, News::Ended(Ending { code, signal }))
    }

    fn say(&mut self, rank: usize, line: &str) {
        if self.running.contains(&rank) && !self.stopped.contains(&rank) {
            self.step(self.line(rank, line));
        }
    }

    fn end(&mut self, rank: usize, code: Option<i32>, signal: Option<i32>) {
        if self.running.remove(&rank) {
            self.step(self.ended(rank, code, signal));
        }
    }

    /// The ranks of a node die with its agent.
    fn lose(&mut self, node: usize) {
        let crew = self.crew.clone();
        self.running
            .retain(|rank| crew.node_of(*rank) != Some(node));
        self.step(Input::NodeLost(node));
    }

    fn done(&mut self, rank: usize) {
        self.say(rank, r#"{"event":"done","result":{"steps":3}}"#);
        if !self.stopped.contains(&rank) {
            self.end(rank, Some(0), None);
        }
    }

    /// A second passes, in which all that run give a sign of life.
    fn second(&mut self, step: usize) {
        self.now_ms += 1_000;
        let beat = format!(r#"{{"event":"beat","step":{step},"doing":"computing","for_ms":0}}"#);
        for rank in 0..RANKS {
            self.say(rank, &beat);
        }
        self.step(Input::Tick);
    }
}

fn hello() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(r#"{{"event":"hello","protocol":{PROTOCOL},"version":"{version}","backend":"b"}}"#)
}

const LOST: &str =
    r#"{"event":"failed","error":"rank 2 is lost","causes":[],"hint":null,"exit":76,"saved":null}"#;
const NAN: &str =
    r#"{"event":"failed","error":"not a number","causes":[],"hint":null,"exit":1,"saved":null}"#;

#[test]
fn the_first_cause_is_kept_though_its_consequences_come_first() {
    let mut world = World::new(1);
    world.second(1);
    for rank in [0, 3] {
        world.say(rank, LOST);
        world.end(rank, Some(76), None);
    }
    world.end(2, None, Some(11));
    world.second(1);
    assert_eq!(
        world.told,
        ["rank 2 was killed by SIGSEGV at step 1; restarting from the beginning (1 of 2)"]
    );
    assert_eq!((world.generation, world.running.len()), (1, RANKS));
}

#[test]
fn peers_that_are_lost_without_a_cause_are_told_in_their_words() {
    let mut world = World::new(1);
    world.second(1);
    world.say(1, LOST);
    world.end(1, Some(76), None);
    world.second(1);
    assert!(world.told.is_empty(), "{:?}", world.told);
    world.second(1);
    assert!(world.told[0].starts_with("rank 1 lost its peers at step 1 (rank 2 is lost)"));
}

#[test]
fn a_failure_of_the_job_ends_it_though_losses_were_told_before() {
    let mut world = World::new(1);
    world.second(1);
    world.say(1, LOST);
    world.end(1, Some(76), None);
    world.say(0, NAN);
    world.end(0, Some(1), None);
    world.second(1);
    let outcome = world.supervisor.outcome().expect("an end");
    assert_eq!(outcome.exit(), ExitCode::JobFailed, "{outcome:?}");
    assert!(world.running.is_empty());
}

#[test]
fn a_stopped_rank_is_killed_and_the_others_are_asked() {
    let mut world = World::new(1);
    world.second(1);
    world.stopped.insert(2);
    for _ in 0..17 {
        world.second(1);
    }
    assert_eq!(world.generation, 1);
    assert!(
        world.told[0].starts_with("rank 2 gave no sign of life for 16 s"),
        "{:?}",
        world.told
    );
    let killed: Vec<_> = world
        .signals
        .iter()
        .filter(|(_, signal)| *signal == SIGKILL)
        .collect();
    assert_eq!(killed, [&(2, SIGKILL)]);
}

#[test]
fn what_happens_after_the_result_harms_nobody() {
    let mut world = World::new(1);
    world.second(3);
    world.done(0);
    world.end(3, None, Some(9));
    world.done(1);
    world.stopped.insert(2);
    for _ in 0..12 {
        world.second(3);
    }
    let outcome = world.supervisor.outcome().expect("an end");
    assert_eq!(outcome.exit(), ExitCode::Ok, "{outcome:?}");
    assert!(world.running.is_empty());
}

#[test]
fn a_signal_waits_until_a_rank_can_take_it() {
    let mut supervisor = Supervisor::new(settings(1), 0);
    supervisor.step(Input::Tick, 0);
    let (node, signal) = (0, SIGUSR2);
    let early = supervisor.step(Input::Signal { node, signal }, 1);
    assert_eq!(early, []);
    let news = News::Line(hello());
    let (generation, rank) = (0, 3);
    let greeted = supervisor.step(
        Input::Rank {
            generation,
            rank,
            news,
        },
        2,
    );
    let deliver = Action::Signal { rank, signal };
    assert!(greeted.contains(&deliver), "{greeted:?}");
}

#[test]
fn nodes_are_waited_for_but_not_for_ever() {
    let mut world = World::new(2);
    world.second(0);
    assert!(world.running.is_empty());
    world.step(Input::NodeJoined(1));
    assert_eq!(world.running.len(), RANKS);
    world.lose(1);
    assert!(
        world.told[0].starts_with("node 1 was lost"),
        "{:?}",
        world.told
    );
    for _ in 0..125 {
        world.second(0);
    }
    assert_eq!(
        world.supervisor.outcome(),
        Some(&Outcome::Absent { nodes: vec![1] })
    );
}

#[derive(Clone, Debug)]
enum Fault {
    Second(usize),
    Crash(usize),
    Stop(usize),
    LosePeers(usize),
    Signal(i32),
    Node(bool),
    Stale(usize),
    Done(usize),
    Garbage(usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    let rank = 0..RANKS;
    prop_oneof![
        4 => (0..40_usize).prop_map(Fault::Second),
        2 => rank.clone().prop_map(Fault::Crash),
        1 => rank.clone().prop_map(Fault::Stop),
        1 => rank.clone().prop_map(Fault::LosePeers),
        1 => prop_oneof![Just(SIGINT), Just(SIGTERM), Just(SIGUSR1), Just(SIGUSR2)].prop_map(Fault::Signal),
        1 => any::<bool>().prop_map(Fault::Node),
        1 => rank.clone().prop_map(Fault::Stale),
        1 => rank.clone().prop_map(Fault::Done),
        1 => rank.prop_map(Fault::Garbage),
    ]
}

proptest! {
    /// Two generations never run at once ([`World::step`] checks it), an end is final and leaves no
    /// rank, and once faults stop each job ends.
    #[test]
    fn whatever_happens_it_ends_and_leaves_nothing(
        faults in proptest::collection::vec(fault(), 0..60), min_nodes in 1..=2_usize
    ) {
        let mut world = World::with(Settings {
            min_nodes,
            ..settings(2)
        });
        world.step(Input::NodeJoined(1));
        let mut ended = None;
        for fault in faults {
            match fault {
                Fault::Second(step) => world.second(step),
                Fault::Crash(rank) => world.end(rank, None, Some(9)),
                Fault::Stop(rank) => drop(world.stopped.insert(rank)),
                Fault::LosePeers(rank) => {
                    world.say(rank, LOST);
                    world.end(rank, Some(76), None);
                }
                Fault::Signal(signal) => world.step(Input::Signal { node: 0, signal }),
                Fault::Node(true) => world.step(Input::NodeJoined(1)),
                Fault::Node(false) => world.lose(1),
                Fault::Stale(rank) => {
                    let news = News::Ended(Ending::default());
                    let generation = world.generation.wrapping_sub(1);
                    world.step(Input::Rank { generation, rank, news });
                }
                Fault::Done(rank) => world.done(rank),
                Fault::Garbage(rank) => world.say(rank, "no event"),
            }
            let outcome = world.supervisor.outcome().cloned();
            if ended.is_some() {
                prop_assert_eq!(&outcome, &ended, "an end is final");
            }
            ended = outcome;
        }
        world.step(Input::NodeJoined(1));
        for _ in 0..200 {
            world.second(50);
            for rank in (0..RANKS).rev() {
                world.done(rank);
            }
        }
        prop_assert!(world.supervisor.outcome().is_some());
        prop_assert!(world.running.is_empty());
    }
}

#[test]
fn near_the_time_limit_ranks_are_asked_once_to_stop() {
    let mut world = World::with(Settings {
        stop_after_ms: Some(2_500),
        ..settings(1)
    });
    world.second(1);
    world.second(2);
    assert!(world.signals.is_empty(), "{:?}", world.signals);
    world.second(3);
    world.second(3);
    let asked: Vec<_> = (0..RANKS).map(|rank| (rank, SIGTERM)).collect();
    // Those that do not end by themselves are asked again, as any group that is to end.
    assert_eq!(world.signals[..RANKS], asked);
    assert_eq!(world.told, [TIME_IS_UP]);
    let outcome = world.supervisor.outcome().expect("an end");
    assert!(matches!(outcome, Outcome::Stopped(_)), "{outcome:?}");
}

#[test]
fn an_abort_kills_all_and_asks_nobody() {
    let mut world = World::new(1);
    world.second(1);
    world.step(Input::Abort);
    let killed: Vec<_> = (0..RANKS).map(|rank| (rank, SIGKILL)).collect();
    assert_eq!(world.signals, killed);
    let outcome = world.supervisor.outcome().expect("an end");
    assert_eq!(outcome.exit(), ExitCode::Interrupted, "{outcome:?}");

    let mut waiting = Supervisor::new(settings(2), 0);
    waiting.step(Input::Abort, 1);
    assert!(waiting.outcome().is_some(), "nobody is waited for");
}
