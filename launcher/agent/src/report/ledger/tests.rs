use proptest::prelude::*;
use schliff_wire::v1::{Beats, LineOfRank, StepPoint};

use super::*;

fn beats() -> News {
    let body = Some(Body::Beats(Beats::default()));
    News { at_ms: 0, body }
}

fn step(step: u64) -> News {
    let point = StepPoint {
        step,
        ..StepPoint::default()
    };
    let (at_ms, body) = (step as i64, Some(Body::Step(point)));
    News { at_ms, body }
}

fn lines(count: usize, bytes: usize) -> News {
    let line = LineOfRank {
        rank: 0,
        text: "x".repeat(bytes),
    };
    let (lines, dropped) = (vec![line; count], 0);
    let body = Some(Body::Lines(Lines { lines, dropped }));
    News { at_ms: 1, body }
}

fn ledger(steps: std::ops::Range<u64>) -> Ledger {
    let mut ledger = Ledger::default();
    for number in steps {
        ledger.push(Entry::of(&step(number)));
    }
    ledger
}

/// A coordinator that counts each sequence once.
#[derive(Default)]
struct Counting {
    taken: u64,
    steps: Vec<u64>,
}

impl Counting {
    fn take(&mut self, batch: &Batch) -> u64 {
        for (sequence, news) in (batch.first..).zip(&batch.news) {
            assert!(sequence <= self.taken + 1, "a gap");
            if sequence > self.taken {
                self.taken = sequence;
                if let Some(Body::Step(point)) = &news.body {
                    self.steps.push(point.step);
                }
            }
        }
        self.taken
    }
}

#[test]
fn batches_are_bounded_and_what_is_taken_goes() {
    let mut ledger = ledger(1..301);
    let batch = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!((batch.first, batch.news.len()), (1, BATCH_NEWS));
    assert_eq!(ledger.answered(10), Answer::Taken);
    assert_eq!(ledger.answered(10), Answer::Nothing, "said twice");
    assert_eq!(ledger.answered(3), Answer::Nothing, "said late");
    let batch = ledger.batch(7, beats).expect("a batch");
    assert_eq!((batch.first, batch.news.len()), (11, 7));
    assert_eq!(batch.news[0], step(11));
    ledger.push(Entry::of(&lines(1, BATCH_BYTES)));
    ledger.answered(256);
    ledger.batch(usize::MAX, beats);
    ledger.answered(300);
    let big = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!((big.first, big.news.len()), (301, 1), "big news go alone");
}

#[test]
fn a_fresh_agent_asks_first_what_is_taken() {
    let mut ledger = Ledger::new(0, []);
    (1..80).for_each(|number| ledger.push(Entry::of(&step(number))));
    let batch = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!((batch.first, batch.news.len()), (1, 1));
    // An earlier life on another disk had told 57 news.
    assert_eq!(ledger.answered(57), Answer::CountOn);
    let batch = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!((batch.first, batch.news.len()), (58, 79));
    assert_eq!(batch.news[0], step(1));
    assert_eq!(ledger.answered(58 + 78), Answer::Taken);
    assert_eq!(ledger.waiting().0, 0);
}

#[test]
fn what_an_earlier_life_had_sent_is_not_told_twice() {
    let earlier = (1..=20).map(|number| Entry::of(&step(number)));
    let mut ledger = Ledger::new(100, earlier);
    ledger.push(Entry::of(&step(21)));
    let batch = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!((batch.first, batch.news.len()), (101, 20));
    assert_eq!(ledger.answered(120), Answer::Taken);
    let batch = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!((batch.first, batch.news.as_slice()), (121, &[step(21)][..]));
}

#[test]
fn the_oldest_lines_go_first_then_steps_and_facts_never() {
    let mut ledger = ledger(0..300);
    let joined = News {
        at_ms: 0,
        body: Some(Body::Joined(schliff_wire::v1::Joined::default())),
    };
    ledger.push(Entry::of(&joined));
    for _ in 0..100 {
        ledger.push(Entry::of(&lines(10, 1_000)));
    }
    let (_, full) = ledger.waiting();
    assert!(!ledger.shed(full, 5));
    assert!(ledger.shed(full - 1, 5));
    let (_, bytes) = ledger.waiting();
    assert!(bytes <= full / 4 * 3 + 100, "{bytes} of {full}");
    let told = ledger.entries().nth(301).expect("the gap is told");
    let Entry::News { bytes, .. } = told else {
        panic!("{told:?}")
    };
    let gone = lines_in(bytes);
    let left = ledger
        .entries()
        .filter(|entry| entry.bytes() > 5_000)
        .count() as u64;
    assert_eq!(gone + left * 10, 1_000, "each line is there or counted");
    assert!(ledger.shed(0, 6));
    let kinds: Vec<_> = ledger.entries().skip(BATCH_NEWS).collect();
    assert_eq!(kinds[0], &Entry::of(&joined));
    assert_eq!(
        ledger.waiting().0,
        BATCH_NEWS + 2,
        "the head, the fact, the count"
    );
    assert!(!ledger.shed(0, 7), "no more can go");
}

#[test]
fn refused_news_are_blanked_once() {
    let mut ledger = ledger(1..3);
    assert!(ledger.blank_oldest());
    assert!(!ledger.blank_oldest());
    let batch = ledger.batch(usize::MAX, beats).expect("a batch");
    assert_eq!(batch.news[1], step(2));
}

proptest! {
    /// Whatever is lost on the way, in whichever order lives of the agent begin, and however much is
    /// shed: a counting coordinator gets each step at most once, in order, and all facts.
    #[test]
    fn each_step_arrives_once(turns in proptest::collection::vec((0..6_u8, 1..400_u64), 1..60)) {
        let (mut ledger, mut far, mut next) = (Ledger::default(), Counting::default(), 1);
        for (what, amount) in turns {
            match what {
                0 | 1 => {
                    for _ in 0..amount {
                        ledger.push(Entry::of(&step(next)));
                        next += 1;
                    }
                }
                2 if !ledger.has_beats() => ledger.push(Entry::Beats),
                3 => {
                    if let Some(batch) = ledger.batch(amount as usize, beats) {
                        let taken = far.take(&batch);
                        ledger.answered(taken);
                    }
                }
                // The answer is lost on the way.
                4 => {
                    if let Some(batch) = ledger.batch(usize::MAX, beats) {
                        far.take(&batch);
                    }
                }
                5 => {
                    ledger.shed(amount as usize * 100, 0);
                    ledger = Ledger::new(ledger.taken(), ledger.entries().cloned());
                }
                _ => {}
            }
        }
        while let Some(batch) = ledger.batch(usize::MAX, beats) {
            let taken = far.take(&batch);
            prop_assert_eq!(ledger.answered(taken), Answer::Taken);
        }
        prop_assert!(far.steps.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", far.steps);
        prop_assert_eq!(ledger.waiting(), (0, 0));
    }
}
