//! Whoever dies, and wherever: each piece of news arrives once and in order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{News, ReportReply};
use tokio::runtime::Runtime;

use super::folder::Folder;
use super::source::Got;
use super::*;
use crate::report::ledger::{Entry, Ledger};
use crate::report::spool::Spool;
use crate::report::spool::mark::{mark_of, read_mark};

const KEY: &str = "schliff-7-2";

/// Counts what is done; at a given count everything dies, before or after it had its effect.
#[derive(Clone, Default)]
struct Fate(Arc<Mutex<Option<usize>>>);

impl Fate {
    fn die_at(&self, point: Option<usize>) {
        *self.0.lock().expect("no panic") = point;
    }

    fn is_dead(&self) -> bool {
        *self.0.lock().expect("no panic") == Some(0)
    }

    /// One more point at which it may die; says whether it lives on.
    fn lives(&self) -> bool {
        let mut left = self.0.lock().expect("no panic");
        match &mut *left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                *left > 0
            }
        }
    }

    async fn over<T>(
        &self,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let dead = || SourceError {
            operation: "reach",
            place: "the dead".into(),
            why: "it died".into(),
        };
        if !self.lives() {
            return Err(dead());
        }
        let done = work.await;
        self.lives().then_some(done).ok_or_else(dead)?
    }
}

struct Mortal {
    folder: Folder,
    fate: Fate,
}

#[async_trait::async_trait]
impl Source for Mortal {
    async fn list(&mut self) -> Result<Vec<Listed>, SourceError> {
        self.fate.over(self.folder.list()).await
    }
    async fn read(&mut self, wants: &[Want]) -> Result<Vec<Got>, SourceError> {
        self.fate.over(self.folder.read(wants)).await
    }
    async fn mark(&mut self, marks: &[(SpoolFile, u64)]) -> Result<(), SourceError> {
        self.fate.over(self.folder.mark(marks)).await
    }
    async fn token(&mut self, key: SubmitKey) -> Result<Option<String>, SourceError> {
        self.fate.over(self.folder.token(key)).await
    }
}

/// A coordinator that takes each sequence once.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    taken: BTreeMap<u32, Vec<News>>,
    refuse: Option<fn(&ReportRequest) -> Option<Status>>,
    requests: usize,
}

impl Book {
    fn texts(&self, node: u32) -> Vec<String> {
        let held = self.0.lock().expect("no panic");
        let news = held.taken.get(&node).into_iter().flatten();
        let text = |news: &News| match &news.body {
            Some(Body::Remark(remark)) => remark.text.clone(),
            _ => "blank".into(),
        };
        news.map(text).collect()
    }

    fn take(&self, report: ReportRequest) -> Result<ReportReply, Status> {
        let mut held = self.0.lock().expect("no panic");
        held.requests += 1;
        if let Some(status) = held.refuse.and_then(|refuse| refuse(&report)) {
            return Err(status);
        }
        let taken = held.taken.entry(report.node).or_default();
        assert!(report.first_sequence <= taken.len() as u64 + 1, "a gap");
        for (sequence, news) in (report.first_sequence..).zip(report.news) {
            match taken.get(sequence as usize - 1) {
                Some(known) => assert_eq!(*known, news, "{sequence} stands for something else"),
                None => taken.push(news),
            }
        }
        let taken = taken.len() as u64;
        Ok(ReportReply {
            taken,
            ..ReportReply::default()
        })
    }
}

struct Far {
    book: Book,
    fate: Fate,
}

#[async_trait::async_trait]
impl Taker for Far {
    async fn report(&mut self, _: &Token, report: ReportRequest) -> Result<ReportReply, Status> {
        let dead = || Status::unavailable("it died");
        if !self.fate.lives() {
            return Err(dead());
        }
        let reply = self.book.take(report);
        self.fate.lives().then_some(reply).ok_or_else(dead)?
    }

    fn place(&self) -> String {
        "here".into()
    }
}

/// An agent's side of a spool, as the thread that writes it does it.
struct Agent {
    path: PathBuf,
    spool: Spool,
    ledger: Ledger,
    written: usize,
}

impl Agent {
    fn new(folder: &Path, node: u32) -> Self {
        let path = folder.join(format!("{KEY}/spool/{KEY}-node{node}"));
        let (spool, ledger, opened) = Spool::open(path.clone(), "n0");
        opened.expect("a disk");
        Self {
            path,
            spool,
            ledger,
            written: 0,
        }
    }

    fn write(&mut self, count: usize) {
        for number in self.written..self.written + count {
            let entry = entry(number);
            self.spool.push(&entry);
            self.ledger.push(entry);
        }
        self.written += count;
        self.spool.write(&self.ledger, 0).expect("a disk");
    }

    /// Forgets what was taken; with `anew`, in a file that takes the old one's place.
    fn forget(&mut self, anew: bool) {
        if let Some(taken) = read_mark(&mark_of(&self.path)) {
            self.ledger.all_shown();
            self.ledger.answered(taken);
            self.spool.taken(self.ledger.taken());
        }
        match anew {
            true => self.spool.rewrite(&self.ledger).expect("a disk"),
            false => self.spool.write(&self.ledger, 0).expect("a disk"),
        }
    }

    /// Dies in the middle of a record, and another life goes on.
    fn die(&mut self) {
        let torn = std::fs::OpenOptions::new().append(true).open(&self.path);
        let record = crate::report::spool::record::Record::News(b"torn").encode();
        std::io::Write::write_all(&mut torn.expect("a file"), &record[..9]).expect("a disk");
        let (spool, ledger, opened) = Spool::open(self.path.clone(), "n0");
        opened.expect("a disk");
        (self.spool, self.ledger) = (spool, ledger);
    }
}

fn entry(number: usize) -> Entry {
    let text = number.to_string();
    let body = Some(Body::Remark(schliff_wire::v1::Remark { text, rank: None }));
    Entry::of(&News { at_ms: 1, body })
}

/// A folder with an attempt, a coordinator, and relays that come and go.
struct Scene {
    folder: tempfile::TempDir,
    book: Book,
    fate: Fate,
    relay: Relay<Mortal, Far>,
    runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join(KEY)).expect("a disk");
        std::fs::write(folder.path().join(KEY).join("token"), "secret\n").expect("a disk");
        let (book, fate) = (Book::default(), Fate::default());
        let relay = relay(folder.path(), &book, &fate);
        let runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            runtime: { runtime }.enable_time().build().expect("a runtime"),
            folder,
            book,
            fate,
            relay,
        }
    }

    /// A new relay with no memory of the last one.
    fn another(&mut self) {
        self.fate.die_at(None);
        self.relay = relay(self.folder.path(), &self.book, &self.fate);
    }

    fn round(&mut self) -> Result<Round, RelayError> {
        self.runtime.block_on(self.relay.round(Scope::default()))
    }

    fn until_finished(&mut self) -> Round {
        loop {
            let scope = Scope {
                only: None,
                is_thorough: true,
            };
            let round = self.runtime.block_on(self.relay.round(scope));
            let round = round.expect("a round");
            if round.unfinished == 0 {
                return round;
            }
        }
    }
}

fn relay(folder: &Path, book: &Book, fate: &Fate) -> Relay<Mortal, Far> {
    let (fate, book) = (fate.clone(), book.clone());
    let source = Mortal {
        folder: Folder::new(folder.to_owned()),
        fate: fate.clone(),
    };
    Relay::new(source, Far { book, fate }, Bandwidth::new(None))
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn all_arrives_though_the_relay_dies_at_every_point() {
    let mut points = 0;
    for point in 1.. {
        let mut scene = Scene::new();
        let mut agents = [0, 1].map(|node| Agent::new(scene.folder.path(), node));
        scene.fate.die_at(Some(point));
        for _ in 0..3 {
            agents.iter_mut().for_each(|agent| agent.write(300));
            let _ = scene.round();
            agents.iter_mut().for_each(|agent| agent.forget(false));
            if scene.fate.is_dead() {
                points += 1;
                scene.another();
            }
        }
        let was_reached = points == point;
        scene.another();
        scene.until_finished();
        for node in [0, 1] {
            assert_eq!(scene.book.texts(node), numbers(900), "point {point}");
            agents[node as usize].forget(true);
            assert_eq!(agents[node as usize].ledger.waiting().0, 0);
        }
        if !was_reached {
            break;
        }
    }
    assert!(points > 30, "{points} points");
}

#[test]
fn what_is_refused_holds_up_nothing_else() {
    let mut scene = Scene::new();
    let mut agents = [0, 1].map(|node| Agent::new(scene.folder.path(), node));
    scene.book.0.lock().expect("no panic").refuse = Some(|report| {
        let is_bad = |news: &News| matches!(&news.body, Some(Body::Remark(it)) if it.text == "5");
        match report.node {
            0 => Some(Status::not_found("no such job")),
            _ => report
                .news
                .iter()
                .any(is_bad)
                .then(|| Status::invalid_argument("cannot be")),
        }
    });
    agents.iter_mut().for_each(|agent| agent.write(10));
    let mut told = Vec::new();
    let mut last = Round::default();
    for _ in 0..3 {
        last = scene.round().expect("a round");
        told.append(&mut last.told);
    }
    assert_eq!((last.refused, last.unfinished), (1, 0));
    let expected = [
        "schliff-7-2: the coordinator takes no reports: no such job",
        "schliff-7-2: the coordinator refuses a report of node 1: cannot be",
    ];
    assert_eq!(told, expected);
    let texts = scene.book.texts(1);
    assert_eq!((texts.len(), texts[5].as_str()), (10, "blank"));
    assert!(scene.book.texts(0).is_empty());
}

#[test]
fn nothing_is_asked_where_nothing_is_new() {
    let mut scene = Scene::new();
    let mut agent = Agent::new(scene.folder.path(), 0);
    agent.write(3);
    assert_eq!(scene.round().expect("a round").news, 3);
    let requests = || scene.book.0.lock().expect("no panic").requests;
    let before = requests();
    for _ in 0..3 {
        let scope = Scope::default();
        let round = scene.runtime.block_on(scene.relay.round(scope));
        assert_eq!(round.expect("a round"), Round::default());
    }
    assert_eq!(requests(), before);
}

/// What may happen, in any order.
#[derive(Clone, Debug)]
enum Event {
    Write(usize),
    Forget(bool),
    AgentDies,
    Round,
    RelayDiesAt(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1..400_usize).prop_map(Event::Write),
        2 => any::<bool>().prop_map(Event::Forget),
        1 => Just(Event::AgentDies),
        2 => Just(Event::Round),
        2 => (1..20_usize).prop_map(Event::RelayDiesAt),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_piece_of_news_arrives_once(events in proptest::collection::vec(event(), 1..25)) {
        let mut scene = Scene::new();
        let mut agent = Agent::new(scene.folder.path(), 0);
        for event in events {
            match event {
                Event::Write(count) => agent.write(count),
                Event::Forget(anew) => agent.forget(anew),
                Event::AgentDies => agent.die(),
                Event::Round => {
                    let _ = scene.round();
                }
                Event::RelayDiesAt(point) => {
                    scene.fate.die_at(Some(point));
                    let _ = scene.round();
                    scene.another();
                }
            }
        }
        scene.until_finished();
        prop_assert_eq!(scene.book.texts(0), numbers(agent.written));
        agent.forget(false);
        prop_assert_eq!(agent.ledger.waiting().0, 0);
    }
}
