use schliff_wire::v1::{Beats, Joined, LineOfRank, Lines, News, Regrouped, Started};

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn known() -> Known {
    Known {
        shape: Some(Shape {
            nodes: 2,
            gpus_per_node: 2,
            cpus_per_node: 2,
            ranks: 4,
        }),
        nodes: ["n1", "n2"].map(|name| name.parse().unwrap()).into(),
        crew: None,
        is_newest: true,
        committed: 10,
        step: 12,
        steps: 100,
        taken: 5,
    }
}

fn request(first_sequence: u64, bodies: Vec<Body>) -> ReportRequest {
    let news = bodies.into_iter().map(|body| News {
        at_ms: 999_000,
        body: Some(body),
    });
    ReportRequest {
        job: 42,
        generation: 3,
        node: 1,
        first_sequence,
        news: news.collect(),
        ..ReportRequest::default()
    }
}

fn step(step: u64) -> Body {
    Body::Step(StepPoint {
        step,
        steps: 100,
        loss: 1.5,
        ..StepPoint::default()
    })
}

fn line(rank: u32, text: &str) -> Body {
    let lines = vec![LineOfRank {
        rank,
        text: text.into(),
    }];
    Body::Lines(Lines { lines, dropped: 2 })
}

fn beat(rank: u32, step: u64) -> Body {
    let ranks = vec![RankView {
        rank,
        step,
        ..RankView::default()
    }];
    Body::Beats(Beats { ranks })
}

fn refused(bodies: Vec<Body>) -> &'static str {
    let refusal = heard(request(6, bodies), &known(), NOW).expect_err("refused");
    refusal.code
}

#[test]
fn what_was_taken_is_passed_over() {
    let bodies = vec![step(12), step(13), line(3, "hello"), beat(3, 13)];
    let heard = heard(request(5, bodies), &known(), NOW).unwrap();
    assert_eq!(heard.taken, 8);
    assert_eq!(heard.points.len(), 1);
    assert_eq!((heard.points[0].step, heard.points[0].generation), (13, 3));
    let lines = heard.lines.iter();
    let lines: Vec<_> = lines
        .map(|line| (line.sequence, line.rank, &*line.text))
        .collect();
    let dropped = (7, 2, "agent: 2 lines were dropped");
    assert_eq!(lines, [dropped, (7, 3, "hello")]);
    assert_eq!(heard.ranks.len(), 1);
    let alive = input::News::Alive {
        step: Some(Step(13)),
        steps: Some(Step(100)),
    };
    assert_eq!(heard.news, [alive]);
}

#[test]
fn what_nobody_here_knows_is_taken_too() {
    let mut newer = request(6, vec![step(13)]);
    newer.news.push(News::default());
    let heard = heard(newer, &known(), NOW).unwrap();
    assert_eq!((heard.points.len(), heard.taken), (1, 7));
}

#[test]
fn beats_are_heard_and_not_kept() {
    let heard = heard(request(6, vec![beat(2, 13)]), &known(), NOW).unwrap();
    assert_eq!((heard.taken, heard.has_records()), (6, false));
    assert_eq!(heard.ranks[0].node, "n2");
}

#[test]
fn only_beats_of_the_first_node_say_how_far_the_job_is() {
    for (node, step) in [(0, Some(Step(13))), (1, None)] {
        let beats = ReportRequest {
            node,
            ..request(6, vec![beat(2, 13)])
        };
        let heard = heard(beats, &known(), NOW).unwrap();
        let steps = Some(Step(100));
        assert_eq!(heard.news, [input::News::Alive { step, steps }], "{node}");
    }
}

#[test]
fn what_a_rank_says_of_itself_is_plain_and_short() {
    let rank = RankView {
        doing: format!("\u{1b}[2J{}", "x".repeat(1_000)),
        node: format!("a\u{1b}]0;\n{}", "b".repeat(1_000)),
        step_ms: Some(f64::NAN),
        ..RankView::default()
    };
    let beats = Body::Beats(Beats { ranks: vec![rank] });
    let heard = heard(request(6, vec![beats]), &known(), NOW).unwrap();
    let RankView {
        doing,
        node,
        step_ms,
        ..
    } = &heard.ranks[0];
    assert_eq!(*doing, format!("[2J{}…", "x".repeat(58)));
    assert_eq!(*node, format!("a]0;{}…", "b".repeat(246)));
    assert_eq!(*step_ms, None);
}

#[test]
fn steps_go_back_only_to_where_training_may_go_on_from() {
    let again = heard(request(6, vec![step(13), step(11)]), &known(), NOW).unwrap();
    assert_eq!(again.points.len(), 2);
    assert_eq!(refused(vec![step(13), step(10)]), "impossible-step");
    // Unless training says that it had to go on from an older checkpoint.
    let started = Body::Started(Started {
        resumed_from: Some(5),
    });
    let older = heard(request(6, vec![started, step(6)]), &known(), NOW).unwrap();
    assert_eq!(older.points.len(), 1);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    assert_eq!(refused(vec![step(101)]), "impossible-step");
    assert_eq!(refused(vec![step(0)]), "impossible-step");
    assert_eq!(refused(vec![beat(0, 101)]), "impossible-step");
    assert_eq!(refused(vec![beat(4, 13)]), "impossible-rank");
    assert_eq!(refused(vec![line(4, "x")]), "impossible-rank");
    let grown = Body::Step(StepPoint {
        step: 13,
        steps: 200,
        ..StepPoint::default()
    });
    assert_eq!(refused(vec![grown]), "impossible-step");
    let nan = Body::Step(StepPoint {
        step: 13,
        steps: 100,
        loss: f64::NAN,
        ..StepPoint::default()
    });
    assert_eq!(refused(vec![nan]), "not-a-number");
    let eval = Body::Eval(EvalPoint {
        step: 13,
        loss: f64::INFINITY,
        ..EvalPoint::default()
    });
    assert_eq!(refused(vec![eval]), "not-a-number");
    let world = Body::Joined(Joined {
        nodes: 2,
        ranks: 8,
        version: String::new(),
    });
    assert_eq!(refused(vec![world]), "impossible-world");
    let mut elsewhere = request(6, Vec::new());
    elsewhere.node = 2;
    let refusal = heard(elsewhere, &known(), NOW).unwrap_err();
    assert_eq!(refusal.code, "impossible-node");
}

#[test]
fn a_line_that_is_cut_says_so_and_is_kept_as_it_is() {
    let line = line(3, &"x".repeat(LINE_BYTES + 1));
    let heard = heard(request(6, vec![line]), &known(), NOW).unwrap();
    let text = &heard.lines[1].text;
    assert_eq!((text.len(), text.ends_with("x…")), (LINE_BYTES, true));
}

#[test]
fn an_older_attempt_is_heard_for_its_lines() {
    let old = Known {
        is_newest: false,
        ..known()
    };
    let bodies = vec![step(13), line(0, "late"), beat(0, 13)];
    let heard = heard(request(6, bodies), &old, NOW).unwrap();
    assert_eq!((heard.points.len(), heard.ranks.len()), (0, 0));
    assert_eq!((heard.lines.len(), heard.taken), (2, 8));
}

#[test]
fn last_words_name_the_node_of_the_culprit() {
    let ended = Body::Ended(Ended {
        exit_code: 76,
        error: "rank 3 was killed".into(),
        rank: Some(3),
        ..Ended::default()
    });
    let heard = heard(request(6, vec![ended]), &known(), NOW).unwrap();
    let input::News::Ended(words) = &heard.news[0] else {
        panic!("{heard:?}")
    };
    assert_eq!(words.culprit.as_ref().map(NodeName::as_str), Some("n2"));
    assert_eq!(heard.lines[0].text, "agent: rank 3 was killed");
}

#[test]
fn a_clock_far_ahead_is_not_believed() {
    let mut ahead = request(6, vec![step(13)]);
    ahead.news[0].at_ms = i64::MAX;
    let heard = heard(ahead, &known(), NOW).unwrap();
    assert_eq!(heard.points[0].at_ms, 1_000_000);
}

#[test]
fn after_a_regrouping_ranks_are_on_other_nodes() {
    let regrouped = |nodes: &[u32], gone: &[u32]| {
        Body::Regrouped(Regrouped {
            nodes: nodes.into(),
            gone: gone.into(),
        })
    };
    let told = vec![beat(3, 12), regrouped(&[1], &[0]), beat(1, 12)];
    let heard = super::heard(request(6, told), &known(), NOW).unwrap();
    let ranks: Vec<_> = heard
        .ranks
        .iter()
        .map(|it| (it.rank, it.node.as_str()))
        .collect();
    assert_eq!((ranks, heard.is_regrouped), (vec![(1, "n2")], true));
    let crew = Crew {
        nodes: vec![1],
        gone: vec![0],
    };
    assert!(heard.news.contains(&input::News::Regrouped(crew)));
    for (nodes, gone) in [
        (&[][..], &[0][..]),
        (&[0, 0], &[]),
        (&[0], &[2]),
        (&[1], &[1]),
    ] {
        let refused = super::heard(request(6, vec![regrouped(nodes, gone)]), &known(), NOW);
        assert!(refused.is_err(), "{nodes:?} {gone:?}");
    }
}
