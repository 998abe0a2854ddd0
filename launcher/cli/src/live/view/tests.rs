use ratatui::Terminal;
use ratatui::backend::TestBackend;
use schliff_wire::v1::{Explanation, LogLine, Progress, Reason};

use super::super::Key;
use super::*;

const NOW: i64 = 1_772_373_909_000;

fn job(id: u64, name: &str, phase: Phase, reason: &str) -> JobView {
    JobView {
        id,
        name: name.into(),
        cluster: "local".into(),
        phase: phase.into(),
        submitted_ms: NOW - 245_000,
        reason: Some(Reason {
            code: "x".into(),
            text: reason.into(),
            hint: String::new(),
        }),
        ..JobView::default()
    }
}

fn running() -> JobView {
    JobView {
        progress: Some(Progress {
            step: 120,
            steps: 250,
            loss: Some(1.234_56),
            tokens_per_s: Some(812.4),
            remaining_ms: 245_000,
            ..Progress::default()
        }),
        ranks: 2,
        out: "/data/runs/service-desk".into(),
        ..job(43, "service-desk", Phase::Running, "trains")
    }
}

fn detail() -> Detail {
    let line = |position: u64| LogLine {
        position,
        generation: 1,
        rank: 0,
        at_ms: NOW - 60_000 + position as i64 * 1_000,
        text: format!("line {position}"),
    };
    let mut lines: Vec<_> = (1..=40).map(line).collect();
    lines.push(LogLine {
        text: "\u{1b}[2Jowned".into(),
        ..line(41)
    });
    let losses = (1..=120_u32).map(|step| (f64::from(step), 3.4 / (1.0 + f64::from(step) / 20.0)));
    Detail {
        why: Explanation {
            job: 43,
            phase: Phase::Running.into(),
            reason: running().reason,
            ..Explanation::default()
        },
        job: running(),
        losses: losses.collect(),
        lines,
    }
}

fn model() -> Model {
    let mut failed = job(
        41,
        "evil\u{1b}[2J\u{202e}",
        Phase::Done,
        "the job failed: no text",
    );
    failed.outcome = "failed".into();
    let queued = job(
        42,
        "intents",
        Phase::Queued,
        "needs 2 nodes; local has 1 such free",
    );
    let mut model = Model {
        counts: "1 queued, 1 running, 1 done".into(),
        now_ms: NOW,
        ..Model::default()
    };
    model.take_jobs(vec![running(), queued, failed]);
    model.take_detail(detail());
    model
}

fn screen(model: &Model, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a screen");
    terminal.draw(|frame| draw(frame, model)).expect("drawn");
    terminal.backend().to_string()
}

#[test]
fn jobs_and_the_chosen_one_fit_into_80_by_24() {
    insta::assert_snapshot!(screen(&model(), 80, 24));
}

#[test]
fn a_job_takes_the_whole_screen() {
    let mut model = model();
    model.press(Key::Open);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn a_question_stands_in_front() {
    let mut model = model();
    model.press(Key::Cancel);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn the_keys_are_shown() {
    let mut model = model();
    model.press(Key::Keys);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn nothing_submitted_says_what_to_do() {
    insta::assert_snapshot!(screen(&Model::default(), 80, 24));
}

#[test]
fn no_screen_is_too_small_and_no_word_is_obeyed() {
    let mut model = model();
    model.dialog = Some(Dialog::Keys);
    for (columns, rows) in [(1, 1), (2, 3), (10, 5), (40, 10), (79, 17), (300, 100)] {
        for is_open in [false, true] {
            model.is_open = is_open;
            let text = screen(&model, columns, rows);
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        }
    }
}

#[test]
fn a_curve_that_is_flat_or_broken_is_drawn() {
    let mut model = model();
    for losses in [
        vec![(1.0, 2.0)],
        vec![(1.0, f64::NAN)],
        vec![(1.0, 0.0), (2.0, f64::INFINITY)],
    ] {
        let mut detail = detail();
        detail.losses = losses;
        model.take_detail(detail);
        assert!(screen(&model, 80, 24).contains("service-desk"));
    }
}
