use schliff_coordinator::journal::{
    Batch, Checkpoint, Eval, Journal, JournalUrl, Line, LineQuery, Options, Point, Taken,
};
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::{Generation, JobId, Step};

use crate::example::key;
use crate::place::{led, on_both, open};

on_both! {
    what_is_told_twice_counts_once,
    a_newer_attempt_replaces_steps_of_an_older_one,
    numbers_that_are_none_come_back,
    curves_are_thinned_evenly,
    lines_are_found,
    the_oldest_lines_of_a_long_log_are_dropped,
}

fn point(generation: u64, step: u64, loss: f64) -> Point {
    Point {
        key: key(1, generation),
        step: Step(step),
        steps: Step(9_000),
        at: Timestamp(step * 10),
        loss,
        lr: 1e-4 / 3.0,
        tokens_per_s: 1234.5,
        grad_norm: None,
    }
}

fn line(sequence: u64, rank: u32, text: &str) -> Line {
    Line {
        key: key(1, 1),
        node: 0,
        sequence,
        rank,
        at: Timestamp(sequence),
        text: text.into(),
    }
}

fn points(points: Vec<Point>) -> Batch {
    Batch {
        points,
        ..Batch::default()
    }
}

fn lines(lines: Vec<Line>) -> Batch {
    Batch {
        lines,
        ..Batch::default()
    }
}

async fn what_is_told_twice_counts_once(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let batch = Batch {
        points: vec![point(1, 1, 2.0), point(1, 2, 1.5)],
        evals: vec![Eval {
            key: key(1, 1),
            step: Step(2),
            at: Timestamp(5),
            loss: 1.25,
            exact_match: Some(0.5),
        }],
        checkpoints: vec![Checkpoint {
            key: key(1, 1),
            step: Step(2),
            at: Timestamp(6),
            bytes: 1 << 40,
        }],
        lines: vec![line(3, 0, "a"), line(3, 1, "b")],
        taken: vec![Taken {
            key: key(1, 1),
            node: 0,
            sequence: 4,
        }],
    };
    for _ in 0..2 {
        journal.record(&lease, &batch).await.unwrap();
    }
    let journal = open(&url).await;
    assert_eq!(
        journal.points(JobId(1), Step(0), 100).await.unwrap(),
        batch.points
    );
    assert_eq!(journal.evals(JobId(1)).await.unwrap(), batch.evals);
    assert_eq!(
        journal.checkpoints(JobId(1)).await.unwrap(),
        batch.checkpoints
    );
    assert_eq!(
        journal
            .lines(&LineQuery::of(JobId(1)))
            .await
            .unwrap()
            .lines
            .len(),
        2
    );
    assert_eq!(journal.taken(key(1, 1)).await.unwrap(), [(0, 4)].into());
    assert!(journal.taken(key(1, 2)).await.unwrap().is_empty());
}

async fn a_newer_attempt_replaces_steps_of_an_older_one(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    // Twice in one batch, and in the wrong order.
    let both = vec![point(2, 1, 1.0), point(1, 1, 9.0), point(1, 2, 8.0)];
    journal.record(&lease, &points(both)).await.unwrap();
    journal
        .record(&lease, &points(vec![point(1, 1, 7.0), point(3, 2, 0.5)]))
        .await
        .unwrap();
    let kept = journal.points(JobId(1), Step(0), 100).await.unwrap();
    assert_eq!(kept, [point(2, 1, 1.0), point(3, 2, 0.5)]);
    assert_eq!(
        journal.points(JobId(1), Step(1), 100).await.unwrap(),
        [point(3, 2, 0.5)]
    );
}

async fn numbers_that_are_none_come_back(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let with_norm = Point {
        grad_norm: Some(0.75),
        ..point(1, 2, f64::INFINITY)
    };
    // Absent first: a prepared statement must not take its type from that.
    for one in [point(1, 1, f64::NAN), with_norm] {
        journal.record(&lease, &points(vec![one])).await.unwrap();
    }
    let kept = journal.points(JobId(1), Step(0), 100).await.unwrap();
    assert!(
        kept[0].loss.is_nan() && kept[0].grad_norm.is_none(),
        "{kept:?}"
    );
    assert_eq!(kept[1], with_norm);
}

async fn curves_are_thinned_evenly(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let all = (1..=1_000).map(|step| point(1, step, 1.0)).collect();
    journal.record(&lease, &points(all)).await.unwrap();
    let kept = journal.points(JobId(1), Step(0), 10).await.unwrap();
    let steps: Vec<_> = kept.iter().map(|point| point.step.0).collect();
    assert_eq!(steps, [100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
    assert_eq!(
        journal
            .points(JobId(1), Step(990), 100)
            .await
            .unwrap()
            .len(),
        10
    );
}

async fn lines_are_found(url: JournalUrl) {
    let (journal, lease) = led(&url).await;
    let texts = ["Loss 100%", "loss_1", "a\0b", "äöü", "", "loss 100"];
    let all = (1..)
        .zip(texts)
        .map(|(at, text)| line(at, (at % 2) as u32, text))
        .collect();
    journal.record(&lease, &lines(all)).await.unwrap();
    let mut later = line(1, 0, "of the second attempt");
    later.key = key(1, 2);
    journal.record(&lease, &lines(vec![later])).await.unwrap();
    type Change = fn(&mut LineQuery);
    let cases: [(Change, &[u64]); 11] = [
        (|_| (), &[1, 2, 3, 4, 5, 6, 7]),
        (|query| query.after = 5, &[6, 7]),
        (|query| query.limit = 2, &[1, 2]),
        (|query| (query.limit, query.from_end) = (2, true), &[6, 7]),
        (|query| query.rank = Some(1), &[1, 3, 5]),
        (|query| query.generation = Some(Generation(2)), &[7]),
        (|query| query.contains = "100%".into(), &[1]),
        (|query| query.contains = "loss".into(), &[2, 6]),
        (|query| query.contains = "s_".into(), &[2]),
        (|query| query.contains = "ö".into(), &[4]),
        (|query| query.contains = "a\0".into(), &[3]),
    ];
    for (change, wanted) in cases {
        let mut query = LineQuery::of(JobId(1));
        change(&mut query);
        let log = journal.lines(&query).await.unwrap();
        let positions: Vec<_> = log.lines.iter().map(|line| line.position).collect();
        assert_eq!(positions, wanted, "{query:?}");
        assert_eq!((log.newest, log.dropped), (7, 0));
    }
    let of_rank = LineQuery {
        rank: Some(0),
        ..LineQuery::of(JobId(1))
    };
    let after = LineQuery {
        after: 5,
        ..LineQuery::of(JobId(1))
    };
    for (query, count, wanted) in [
        (&LineQuery::of(JobId(1)), 3, 4),
        (&LineQuery::of(JobId(1)), 7, 0),
        (&of_rank, 2, 4),
        (&after, 1, 6),
        (&after, 9, 5),
    ] {
        let before = journal.before_last(query, count).await.unwrap();
        assert_eq!(before, wanted, "{count} of {query:?}");
    }
}

async fn the_oldest_lines_of_a_long_log_are_dropped(url: JournalUrl) {
    let options = Options {
        lines_per_job: 100,
        ..Options::default()
    };
    let journal = Journal::open(&url, options).await.unwrap();
    let lease = journal
        .try_lead("test", "")
        .await
        .unwrap()
        .expect("nobody else leads");
    for sequence in 1..=30 {
        let batch = (0..10).map(|rank| line(sequence, rank, "text")).collect();
        journal.record(&lease, &lines(batch)).await.unwrap();
        let log = journal.lines(&LineQuery::of(JobId(1))).await.unwrap();
        assert_eq!(log.newest, sequence * 10);
        assert!(log.lines.len() <= 112, "{}", log.lines.len());
        let positions = log.lines.iter().map(|line| line.position);
        assert!(positions.eq(log.dropped + 1..=log.newest));
    }
    // More at once than are kept.
    let batch = (0..500).map(|rank| line(31, rank, "text")).collect();
    journal.record(&lease, &lines(batch)).await.unwrap();
    let log = journal.lines(&LineQuery::of(JobId(1))).await.unwrap();
    assert_eq!((log.newest, log.dropped, log.lines.len()), (800, 700, 100));
    assert_eq!(log.lines[0].rank, 400);
}
