//! What arrives, whoever dies or is absent in between.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use schliff_agent::crew::Crew;
use schliff_agent::report::{Coordinators, LastWord, Options, Reporter, Reporting, To, Token};
use schliff_agent::shell::{Asked, Listener};
use schliff_spec::event::{Beat, CheckpointNews, Doing, Event, StepMetrics};
use schliff_spec::exit::ExitCode;
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{Directive, ReportRequest};
use tonic::Status;

use crate::coordinator::{Coordinator, Shared};

/// Remembers what the user is told.
#[derive(Default)]
pub(crate) struct Shown(pub(crate) Vec<String>);

impl Listener for Shown {
    fn event(&mut self, _: usize, _: &Event) {}
    fn words(&mut self, _: usize, _: &str) {}
    fn tell(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

fn options(urls: &[String], spool: Option<&Path>) -> Options {
    Options {
        to: To::Coordinator {
            coordinators: Coordinators::new(urls, None).expect("addresses"),
            token: Token::of("secret\n"),
            spool: spool.map(PathBuf::from),
        },
        key: "schliff-7-2".parse().expect("a key"),
        node: 0,
        node_name: "n0".into(),
        nodes: 1,
        ranks: 2,
        patience: Duration::from_secs(20),
    }
}

fn reporter(urls: &[String], spool: Option<&Path>) -> Reporter {
    Reporter::start(options(urls, spool)).expect("a reporter")
}

pub(crate) fn step(step: usize) -> Event {
    Event::Step(StepMetrics {
        step,
        steps: 1_000,
        loss: 2.0,
        grad_norm: Some(1.0),
        lr: 1e-4,
        loss_scale: None,
        skipped: false,
        tokens: 64,
        tokens_per_s: 640.0,
    })
}

fn steps(reporter: &mut Reporter, steps: std::ops::Range<usize>) {
    let mut shown = Shown::default();
    let mut reporting = Reporting::new(Some(reporter), &mut shown);
    steps.for_each(|number| reporting.event(0, &step(number)));
}

fn end(reporter: Reporter) -> Vec<String> {
    reporter.end(Some(LastWord::of(ExitCode::Ok)))
}

/// Tells the user what there is, until the coordinator asks for something.
fn until_asked(reporter: &mut Reporter, shown: &mut Shown) -> Asked {
    let begun = Instant::now();
    let mut reporting = Reporting::new(Some(reporter), shown);
    loop {
        if let Some(asked) = reporting.asked() {
            return asked;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nothing is asked"
        );
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

#[test]
fn an_attempt_is_told_from_its_beginning_to_its_end() {
    let far = Coordinator::start();
    let mut reporter = reporter(&[far.url()], None);
    let mut shown = Shown::default();
    let mut reporting = Reporting::new(Some(&mut reporter), &mut shown);
    reporting.begins(&Crew::whole(1, 2));
    for rank in 0..2 {
        let (step, doing, for_ms) = (0, Doing::Computing, 5);
        let beat = Beat {
            step,
            doing,
            for_ms,
        };
        reporting.event(rank, &Event::Beat(beat));
    }
    reporting.words(1, "hello\u{7} from rank 1");
    reporting.event(0, &step(1));
    let (step, bytes, latency_ms) = (1, 10, 1);
    let committed = CheckpointNews::Committed {
        step,
        bytes,
        latency_ms,
    };
    reporting.event(0, &Event::Checkpoint(committed));
    far.book.wait_until("all ranks beat", |book| {
        book.bodies()
            .any(|body| matches!(body, Body::Beats(beats) if beats.ranks.len() == 2))
    });
    let told = end(reporter);
    assert!(told.is_empty(), "{told:?}");
    let book = far.book.lock();
    let kinds: Vec<_> = book
        .bodies()
        .filter_map(|body| match body {
            Body::Joined(joined) => Some(format!("joined {} {}", joined.nodes, joined.ranks)),
            Body::Started(_) => Some("started".into()),
            Body::Step(point) => Some(format!("step {} of {}", point.step, point.generation)),
            Body::Committed(it) => Some(format!("committed {}", it.step)),
            Body::Lines(lines) => Some(lines.lines[0].text.clone()),
            Body::Ended(ended) => Some(format!("ended {}", ended.exit_code)),
            _ => None,
        })
        .collect();
    let expected = [
        "joined 1 2",
        "started",
        "hello from rank 1",
        "step 1 of 2",
        "committed 1",
        "ended 0",
    ];
    assert_eq!(kinds, expected);
    assert!(book.tokens.iter().all(|token| token == "Bearer secret"));
    assert!(shown.0.is_empty(), "{:?}", shown.0);
}

#[test]
fn a_coordinator_that_comes_late_gets_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = nobody();
    let mut reporter = reporter(&[format!("http://{address}")], Some(folder.path()));
    steps(&mut reporter, 1..601);
    let mut shown = Shown::default();
    let begun = Instant::now();
    while shown.0.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not told");
        Reporting::new(Some(&mut reporter), &mut shown).asked();
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(shown.0[0].contains("does not answer"), "{:?}", shown.0);
    let far = Coordinator::at(address, Shared::default());
    let told = end(reporter);
    assert_eq!(told, ["the coordinator answers again"]);
    let book = far.book.lock();
    assert_eq!(book.steps(), (1..601).collect::<Vec<_>>());
    assert!(
        book.is_over() && book.most_news <= 256,
        "{}",
        book.most_news
    );
}

#[test]
fn lost_answers_double_nothing() {
    let far = Coordinator::start();
    far.book.lock().lose_answers = 3;
    let mut reporter = reporter(&[far.url()], None);
    steps(&mut reporter, 1..301);
    end(reporter);
    let book = far.book.lock();
    assert!(book.repeated > 0, "the test is about what is sent again");
    assert_eq!(book.steps(), (1..301).collect::<Vec<_>>());
}

/// A life that ends without a last word: what it spooled is all that is left.
fn short_life(url: &str, spool: &Path, of_steps: std::ops::Range<usize>) {
    let mut options = options(&[url.to_owned()], Some(spool));
    options.patience = Duration::ZERO;
    let mut reporter = Reporter::start(options).expect("a reporter");
    steps(&mut reporter, of_steps);
    reporter.end(None);
}

#[test]
fn another_life_of_the_agent_tells_what_the_first_one_left() {
    let folder = tempfile::tempdir().expect("a folder");
    short_life(&format!("http://{}", nobody()), folder.path(), 1..301);
    let far = Coordinator::start();
    let mut second = reporter(&[far.url()], Some(folder.path()));
    steps(&mut second, 301..401);
    end(second);
    let book = far.book.lock();
    assert_eq!(book.steps(), (1..401).collect::<Vec<_>>());
    assert!(book.is_over());
}

#[test]
fn what_the_first_life_told_without_an_answer_is_not_told_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let far = Coordinator::start();
    let mut options = options(&[far.url()], Some(folder.path()));
    options.patience = Duration::ZERO;
    let mut first = Reporter::start(options).expect("a reporter");
    far.book.wait_until("there", |book| !book.taken.is_empty());
    far.book.lock().lose_answers = usize::MAX;
    steps(&mut first, 1..101);
    far.book
        .wait_until("told", |book| book.steps().last() == Some(&100));
    first.end(None);
    far.book.lock().lose_answers = 0;
    let mut second = reporter(&[far.url()], Some(folder.path()));
    steps(&mut second, 101..201);
    end(second);
    let book = far.book.lock();
    assert!(book.repeated > 0, "the test is about what is sent again");
    assert_eq!(book.steps(), (1..201).collect::<Vec<_>>());
}

#[test]
fn a_life_on_another_disk_is_counted_on() {
    let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, other) = (one.expect("a folder"), other.expect("a folder"));
    let far = Coordinator::start();
    let mut first = reporter(&[far.url()], Some(one.path()));
    steps(&mut first, 1..101);
    first.end(None);
    let mut second = reporter(&[far.url()], Some(other.path()));
    steps(&mut second, 101..301);
    end(second);
    assert_eq!(far.book.lock().steps(), (1..301).collect::<Vec<_>>());
}

#[test]
fn a_coordinator_on_standby_names_the_leader() {
    let (leader, standby) = (Coordinator::start(), Coordinator::start());
    static LEADER: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    LEADER.set(leader.url()).expect("set once");
    standby.book.lock().refuse = Some(|_| {
        let mut status = Status::unavailable("another one leads");
        let url = LEADER.get().expect("set").parse().expect("ASCII");
        status.metadata_mut().insert("schliff-leader", url);
        Some(status)
    });
    let mut reporter = reporter(&[standby.url()], None);
    steps(&mut reporter, 1..3);
    end(reporter);
    assert_eq!(leader.book.lock().steps(), [1, 2]);
    assert!(leader.book.lock().is_over());
}

#[test]
fn directives_reach_the_listener_once_each() {
    let far = Coordinator::start();
    far.book.lock().directive = Directive::Stop;
    let mut reporter = reporter(&[far.url()], None);
    let mut shown = Shown::default();
    assert_eq!(until_asked(&mut reporter, &mut shown), Asked::Stop);
    assert_eq!(shown.0, ["the coordinator asks to stop"]);
    far.book.lock().directive = Directive::Abort;
    assert_eq!(until_asked(&mut reporter, &mut shown), Asked::Abort);
    end(reporter);
    assert!(
        far.book.lock().is_over(),
        "the last word gets out all the same"
    );
}

#[test]
fn without_the_right_token_it_is_told_once_and_nothing_is_sent_again() {
    let far = Coordinator::start();
    far.book.lock().refuse = Some(|_| Some(Status::unauthenticated("who are you")));
    let mut reporter = reporter(&[far.url()], None);
    far.book.wait_until("asked", |book| book.requests > 0);
    steps(&mut reporter, 1..1_000);
    let begun = Instant::now();
    let told = end(reporter);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "there is nothing to wait for"
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("who are you"), "{told:?}");
    assert_eq!(far.book.lock().requests, 1);
}

#[test]
fn one_refused_piece_of_news_costs_no_other() {
    let far = Coordinator::start();
    fn has_step_500(request: &ReportRequest) -> Option<Status> {
        let refused = request
            .news
            .iter()
            .any(|news| matches!(&news.body, Some(Body::Step(point)) if point.step == 500));
        refused.then(|| Status::invalid_argument("step 500 is a lie"))
    }
    far.book.lock().refuse = Some(has_step_500);
    let mut reporter = reporter(&[far.url()], None);
    steps(&mut reporter, 1..1_000);
    let told = end(reporter);
    assert_eq!(told.len(), 1, "{told:?}");
    let book = far.book.lock();
    let expected: Vec<_> = (1..1_000).filter(|step| *step != 500).collect();
    assert_eq!(book.steps(), expected);
    assert!(book.is_over());
}

#[test]
fn a_million_lines_slow_nobody_and_fill_no_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options(&[format!("http://{}", nobody())], Some(folder.path()));
    options.patience = Duration::ZERO;
    let mut reporter = Reporter::start(options).expect("a reporter");
    let mut shown = Shown::default();
    let begun = Instant::now();
    let mut reporting = Reporting::new(Some(&mut reporter), &mut shown);
    for number in 0..1_000_000 {
        reporting.words(
            number % 2,
            "a line that says nothing, and is written without end",
        );
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    end(reporter);
    let file = std::fs::metadata(folder.path().join("schliff-7-2-node0")).expect("the spool");
    // Two ranks may send two thousand lines a second each.
    let most = 4_000 * 100 * (took.as_secs() + 2);
    assert!(file.len() < most, "{} bytes after {took:?}", file.len());
}

#[test]
fn a_busy_coordinator_is_waited_for_and_the_user_hears_nothing_of_it() {
    let (busy, other) = (Coordinator::start(), Coordinator::start());
    busy.book.lock().refuse = Some(|_| {
        let mut status = Status::resource_exhausted("too many requests");
        let pause = "50".parse().expect("ASCII");
        status.metadata_mut().insert("schliff-pause-ms", pause);
        Some(status)
    });
    let mut reporter = reporter(&[busy.url(), other.url()], None);
    steps(&mut reporter, 1..3);
    busy.book
        .wait_until("asked again", |book| book.requests >= 3);
    busy.book.lock().refuse = None;
    assert_eq!(end(reporter), [""; 0]);
    assert_eq!(busy.book.lock().steps(), [1, 2]);
    assert_eq!(other.book.lock().requests, 0);
}
