use std::collections::BTreeMap;
use std::time::Duration;

use schliff_coordinator::Access;
use schliff_spec::id::SubmitKey;
use schliff_wire::PROTOCOL;
use schliff_wire::v1::agents_client::AgentsClient;
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{
    CheckpointView, Ended, Joined, LineOfRank, Lines, News, ReportRequest, Started, StepPoint,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::reach::Reach;
use crate::stage::until;

/// Connections that agents share: each real one has its own.
const CONNECTIONS: usize = 8;
/// Between two reports of an agent.
const ROUND: Duration = Duration::from_millis(400);
/// Steps from one checkpoint to the next.
pub(crate) const CHECKPOINT_STEPS: u64 = 3;

/// The agents of all that runs.
pub(crate) struct Crew {
    lanes: Vec<Reach>,
    access: Access,
    members: BTreeMap<SubmitKey, Member>,
}

struct Member {
    orders: watch::Sender<Order>,
    progress: watch::Receiver<Progress>,
    /// Gives the steps that it did.
    task: JoinHandle<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Train,
    Rest,
    End,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Steps of which a coordinator has said that it keeps them.
    promised: u64,
    is_resting: bool,
}

struct Agent {
    reach: Reach,
    key: SubmitKey,
    step: u64,
    /// What no coordinator has taken yet, and the sequence of the first of it.
    pending: Vec<News>,
    first_sequence: u64,
    orders: watch::Receiver<Order>,
    progress: watch::Sender<Progress>,
}

impl Crew {
    pub(crate) fn new(urls: &[String], access: Access) -> Self {
        let lanes = (0..CONNECTIONS).map(|_| Reach::new(urls, ""));
        Self {
            lanes: lanes.collect(),
            access,
            members: BTreeMap::new(),
        }
    }

    /// Each of these that has none gets an agent.
    pub(crate) fn enlist(&mut self, keys: Vec<SubmitKey>) {
        for key in keys {
            let lane = &self.lanes[self.members.len() % CONNECTIONS];
            let reach = lane.with_token(&self.access.agent_token(key));
            self.members.entry(key).or_insert_with(|| start(reach, key));
        }
    }

    pub(crate) fn has(&self, key: SubmitKey) -> bool {
        self.members.contains_key(&key)
    }

    /// Steps that coordinators have promised to keep.
    pub(crate) fn promised(&self) -> BTreeMap<SubmitKey, u64> {
        let members = self.members.iter();
        let promised = |member: &Member| member.progress.borrow().promised;
        members
            .map(|(key, member)| (*key, promised(member)))
            .collect()
    }

    /// Each one gets as many further steps through.
    pub(crate) async fn advance(&self, steps: u64) {
        let before = self.promised();
        until("agents go on", async || {
            let now = self.promised();
            let mut pairs = now.iter().zip(&before);
            pairs
                .all(|((_, now), (_, before))| *now >= before + steps)
                .then_some(())
        })
        .await;
    }

    /// Nobody says anything any more, and nothing is under way.
    pub(crate) async fn rest(&self) {
        self.order(Order::Rest);
        until("agents rest", async || {
            let mut members = self.members.values();
            members
                .all(|it| it.progress.borrow().is_resting)
                .then_some(())
        })
        .await;
    }

    pub(crate) fn wake(&self) {
        self.order(Order::Train);
    }

    /// Takes one out, after its last words; gives the steps that it did.
    pub(crate) async fn finish(&mut self, key: SubmitKey) -> Option<u64> {
        let member = self.members.remove(&key)?;
        member.orders.send_replace(Order::End);
        Some(member.task.await.expect("an agent ends in good order"))
    }

    fn order(&self, order: Order) {
        for member in self.members.values() {
            member.orders.send_replace(order);
        }
    }
}

fn start(reach: Reach, key: SubmitKey) -> Member {
    let (orders, ordered) = watch::channel(Order::Train);
    let (progress, shown) = watch::channel(Progress::default());
    let agent = Agent {
        reach,
        key,
        step: 0,
        pending: Vec::new(),
        first_sequence: 1,
        orders: ordered,
        progress,
    };
    Member {
        orders,
        progress: shown,
        task: tokio::spawn(agent.work()),
    }
}

impl Agent {
    async fn work(mut self) -> u64 {
        self.say(Body::Joined(Joined {
            nodes: 1,
            ranks: 1,
            version: "test".into(),
        }));
        self.say(Body::Started(Started { resumed_from: None }));
        loop {
            let order = *self.orders.borrow_and_update();
            self.progress
                .send_modify(|it| it.is_resting = order == Order::Rest);
            match order {
                Order::Train => {
                    self.train();
                    self.report().await;
                    let _ = tokio::time::timeout(ROUND, self.orders.changed()).await;
                }
                Order::Rest => self.orders.changed().await.expect("its crew lives"),
                Order::End => {
                    self.say(Body::Ended(Ended::default()));
                    self.report().await;
                    return self.step;
                }
            }
        }
    }

    fn train(&mut self) {
        self.step += 1;
        let step = self.step;
        self.say(Body::Step(StepPoint {
            step,
            steps: 1_000_000,
            loss: 2.0 / step as f64,
            ..StepPoint::default()
        }));
        self.say(lines(&line(step)));
        if step.is_multiple_of(CHECKPOINT_STEPS) {
            let checkpoint = CheckpointView {
                step,
                bytes: 512,
                ..CheckpointView::default()
            };
            self.say(Body::Committed(checkpoint));
        }
    }

    fn say(&mut self, body: Body) {
        self.pending.push(News {
            at_ms: 0,
            body: Some(body),
        });
    }

    /// Until a coordinator has taken all that is pending.
    async fn report(&mut self) {
        let news = std::mem::take(&mut self.pending);
        let next_sequence = self.first_sequence + news.len() as u64;
        let report = report(self.key, self.first_sequence, news);
        let reply = self.reach.ask(&report, async |channel, request| {
            AgentsClient::new(channel).report(request).await
        });
        let reply = reply
            .await
            .unwrap_or_else(|refused| panic!("{}: {refused}", self.key));
        assert_eq!(reply.taken + 1, next_sequence, "{}: all is taken", self.key);
        self.first_sequence = next_sequence;
        self.progress.send_modify(|it| it.promised = self.step);
    }
}

/// What an agent logs at a step.
pub(crate) fn line(step: u64) -> String {
    format!("did step {step}")
}

pub(crate) fn lines(text: &str) -> Body {
    let line = LineOfRank {
        rank: 0,
        text: text.to_owned(),
    };
    Body::Lines(Lines {
        lines: vec![line],
        dropped: 0,
    })
}

pub(crate) fn report(key: SubmitKey, first_sequence: u64, news: Vec<News>) -> ReportRequest {
    ReportRequest {
        protocol: PROTOCOL,
        job: key.job.0,
        generation: key.generation.0,
        node: 0,
        node_name: "n".into(),
        first_sequence,
        news,
    }
}
