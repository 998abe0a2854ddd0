//! Reports of an agent that reaches nobody, shipped by a relay.

use std::path::Path;
use std::time::{Duration, Instant};

use schliff_agent::crew::Crew;
use schliff_agent::relay::allowance::Bandwidth;
use schliff_agent::relay::folder::Folder;
use schliff_agent::relay::taker::Far;
use schliff_agent::relay::{Relay, RelayError, Round, Scope};
use schliff_agent::report::{Coordinators, LastWord, Options, Reporter, Reporting, To};
use schliff_agent::shell::Listener;
use schliff_spec::event::{Beat, Doing, Event};
use schliff_spec::exit::ExitCode;
use schliff_wire::v1::news::Body;

use crate::coordinator::Coordinator;
use crate::reports::{Shown, step};

fn reporter(folder: &Path) -> Reporter {
    let options = Options {
        to: To::Spool(folder.join("schliff-7-2/spool")),
        key: "schliff-7-2".parse().expect("a key"),
        node: 0,
        node_name: "n0".into(),
        nodes: 1,
        ranks: 2,
        patience: Duration::from_secs(20),
    };
    let reporter = Reporter::start(options).expect("a reporter");
    std::fs::create_dir_all(folder.join("schliff-7-2")).expect("a disk");
    std::fs::write(folder.join("schliff-7-2/token"), "secret\n").expect("a disk");
    reporter
}

fn steps(reporter: &mut Reporter, of_steps: std::ops::Range<usize>) {
    let mut shown = Shown::default();
    let mut reporting = Reporting::new(Some(reporter), &mut shown);
    of_steps.for_each(|number| reporting.event(0, &step(number)));
}

struct Line {
    relay: Relay<Folder, Far>,
    runtime: tokio::runtime::Runtime,
}

impl Line {
    fn new(folder: &Path, url: &str) -> Self {
        let coordinators = Coordinators::new(&[url.to_owned()], None).expect("an address");
        let source = Folder::new(folder.to_owned());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Self {
            relay: Relay::new(source, Far::new(coordinators), Bandwidth::new(None)),
            runtime: runtime.expect("a runtime"),
        }
    }

    fn round(&mut self) -> Result<Round, RelayError> {
        self.runtime.block_on(self.relay.round(Scope::default()))
    }

    #[track_caller]
    fn until(&mut self, what: &str, mut is_so: impl FnMut(Round) -> bool) {
        let begun = Instant::now();
        while !is_so(self.round().expect("a round")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "never {what}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_attempt_that_reaches_nobody_is_told_from_its_beginning_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let far = Coordinator::start();
    let mut line = Line::new(folder.path(), &far.url());
    let mut reporter = reporter(folder.path());
    {
        let mut shown = Shown::default();
        let mut reporting = Reporting::new(Some(&mut reporter), &mut shown);
        reporting.begins(&Crew::whole(1, 2));
        let (step, doing, for_ms) = (0, Doing::Computing, 5);
        let beat = Beat {
            step,
            doing,
            for_ms,
        };
        (0..2).for_each(|rank| reporting.event(rank, &Event::Beat(beat)));
        reporting.words(1, "hello from rank 1");
    }
    steps(&mut reporter, 1..501);
    line.until("some", |_| far.book.lock().steps().last() == Some(&500));
    steps(&mut reporter, 501..601);
    let begun = Instant::now();
    let told = reporter.end(Some(LastWord::of(ExitCode::Ok)));
    assert!(told.is_empty(), "{told:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it waits for nobody"
    );
    line.until("the end", |round| {
        round.unfinished == 0 && far.book.lock().is_over()
    });
    let book = far.book.lock();
    assert_eq!(book.steps(), (1..601).collect::<Vec<_>>());
    let is_full = |body: &Body| matches!(body, Body::Beats(beats) if beats.ranks.len() == 2);
    assert!(book.bodies().any(is_full), "signs of life have content");
    assert!(book.tokens.iter().all(|token| token == "Bearer secret"));
    assert!(
        book.bodies()
            .next()
            .is_some_and(|it| matches!(it, Body::Joined(_)))
    );
}

#[test]
fn what_was_taken_is_forgotten_and_another_life_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let far = Coordinator::start();
    let mut line = Line::new(folder.path(), &far.url());
    let mut first = reporter(folder.path());
    // Enough that the file is worth being written anew.
    steps(&mut first, 1..40_001);
    line.until("all", |_| far.book.lock().steps().last() == Some(&40_000));
    let file = folder.path().join("schliff-7-2/spool/schliff-7-2-node0");
    let bytes = || std::fs::metadata(&file).expect("the file").len();
    assert!(bytes() > 1 << 20, "{}", bytes());
    let begun = Instant::now();
    while bytes() > 100_000 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays large");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    first.end(None);
    let mut second = reporter(folder.path());
    steps(&mut second, 40_001..40_101);
    second.end(Some(LastWord::of(ExitCode::MoreToDo)));
    line.until("the end", |_| far.book.lock().is_over());
    let book = far.book.lock();
    assert_eq!(book.steps(), (1..40_101).collect::<Vec<_>>());
    assert_eq!(book.repeated, 0);
}

#[test]
fn a_coordinator_that_is_away_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut reporter = reporter(folder.path());
    steps(&mut reporter, 1..101);
    reporter.end(Some(LastWord::of(ExitCode::Ok)));
    let mut line = Line::new(folder.path(), "http://127.0.0.1:9");
    let error = line.round().expect_err("nobody is there").to_string();
    assert!(
        error.contains("cannot report to http://127.0.0.1:9"),
        "{error}"
    );
    let far = Coordinator::start();
    let mut line = Line::new(folder.path(), &far.url());
    let round = line.round().expect("a round");
    assert_eq!((round.unfinished, round.refused), (0, 0));
    assert_eq!(far.book.lock().steps(), (1..101).collect::<Vec<_>>());
    assert!(far.book.lock().is_over());
}
