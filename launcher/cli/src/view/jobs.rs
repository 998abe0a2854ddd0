//! Jobs as a table.

use schliff_wire::v1::{JobView, ListReply, Phase};

use super::{counted, phase_word, reason_text, state_word};
use crate::{clock, figures, plain, table};

/// Names may be this wide in a table.
const NAME_COLUMNS: usize = 24;
/// A column without a value.
const NONE: &str = "-";

/// The heads of [`row`].
pub(crate) const HEADS: [&str; 8] = [
    "id", "name", "state", "step", "loss", "left", "age", "reason",
];

/// A line a job.
pub(crate) fn table(jobs: &[JobView], now_ms: i64, columns: Option<usize>) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let heads = HEADS.map(str::to_owned).to_vec();
    let rows = jobs.iter().map(|job| row(job, now_ms).to_vec());
    let rows: Vec<_> = std::iter::once(heads).chain(rows).collect();
    table::aligned(&rows, &[1, 2, 7], columns)
}

/// The cells of a job.
pub(crate) fn row(job: &JobView, now_ms: i64) -> [String; 8] {
    let name = match job.label.as_str() {
        "" => plain::line(&job.name),
        label => format!("{} {}", plain::line(&job.name), plain::line(label)),
    };
    [
        job.id.to_string(),
        plain::cut(&name, NAME_COLUMNS),
        state_word(job),
        steps(job),
        loss(job),
        left(job),
        clock::between(job.submitted_ms, now_ms),
        reason(job),
    ]
}

fn steps(job: &JobView) -> String {
    match &job.progress {
        Some(progress) if progress.steps > 0 => format!("{}/{}", progress.step, progress.steps),
        Some(progress) if progress.step > 0 => progress.step.to_string(),
        _ => NONE.into(),
    }
}

/// The newest loss; of a job at its end, the held-out one where it was taken.
fn loss(job: &JobView) -> String {
    let progress = job.progress.as_ref();
    let held_out = progress.filter(|_| job.phase() == Phase::Done);
    let loss = held_out
        .and_then(|it| it.eval_loss)
        .or(progress.and_then(|it| it.loss));
    loss.map_or(NONE.into(), |loss| format!("{loss:.4}"))
}

fn left(job: &JobView) -> String {
    let left = job.progress.as_ref().map_or(0, |it| it.remaining_ms);
    match (job.phase(), u64::try_from(left)) {
        (Phase::Running, Ok(left)) if left > 0 => figures::span(left as f64 / 1_000.0),
        _ => NONE.into(),
    }
}

/// Where it is, unless the reason says so, and why it is as it is.
fn reason(job: &JobView) -> String {
    let reason = reason_text(job.reason.as_ref());
    let cluster = plain::line(&job.cluster);
    match (cluster.as_str(), reason.as_str()) {
        ("", _) => reason,
        (_, "") => format!("on {cluster}"),
        _ if job.phase() != Phase::Running || reason.contains(&cluster) => reason,
        _ => format!("{reason} on {cluster}"),
    }
}

/// `3 queued, 2 running, 120 done (4 failed)`; empty where there is no job at all.
pub(crate) fn counts(reply: &ListReply) -> String {
    let counts = reply.counts.iter().filter(|count| count.jobs > 0);
    let words = counts.map(|count| {
        let word = phase_word(count.phase());
        let jobs = format!("{} {word}", figures::count(count.jobs));
        match (count.phase(), reply.failed) {
            (Phase::Done, failed) if failed > 0 => {
                format!("{jobs} ({} failed)", figures::count(failed))
            }
            _ => jobs,
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What is said where no job is listed.
pub(crate) fn nothing(counts: &[schliff_wire::v1::PhaseCount]) -> String {
    match counts.iter().map(|count| count.jobs).sum() {
        0 => "nothing has been submitted yet: 'schliff submit JOB' does".into(),
        jobs => format!("none of {} is like that", counted(jobs, "job")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_wire::v1::{PhaseCount, Progress, Reason};

    const NOW: i64 = 1_772_373_909_000;

    fn job(id: u64, name: &str, phase: Phase, reason: &str) -> JobView {
        JobView {
            id,
            name: name.into(),
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

    fn jobs() -> Vec<JobView> {
        let mut running = job(43, "service-desk", Phase::Running, "trains");
        running.cluster = "local".into();
        running.progress = Some(Progress {
            step: 120,
            steps: 250,
            loss: Some(1.234_56),
            remaining_ms: 245_000,
            ..Progress::default()
        });
        let mut done = job(
            2,
            "a-name-that-is-far-too-long-for-a-table",
            Phase::Done,
            "job failed",
        );
        done.outcome = "failed".into();
        let evil = "\u{1b}]0;owned\u{7}\u{202e}evil";
        let mut trial = job(1, evil, Phase::Queued, "needs\nmore");
        trial.label = "lr=3e-4".into();
        vec![running, done, trial]
    }

    #[test]
    fn a_line_a_job() {
        insta::assert_snapshot!(table(&jobs(), NOW, None));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let text = table(&jobs(), NOW, Some(60));
        assert!(text.lines().all(|line| plain::width(line) <= 60), "{text}");
        assert!(text.contains('…'), "{text}");
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        assert_eq!(table(&[], NOW, None), "");
        assert!(nothing(&[]).contains("schliff submit"));
    }

    #[test]
    fn failed_jobs_are_counted_among_those_that_ended() {
        let count = |phase: Phase, jobs| PhaseCount {
            phase: phase.into(),
            jobs,
        };
        let reply = ListReply {
            counts: vec![
                count(Phase::Queued, 0),
                count(Phase::Running, 2),
                count(Phase::Done, 1_120),
            ],
            failed: 4,
            ..ListReply::default()
        };
        assert_eq!(counts(&reply), "2 running, 1,120 done (4 failed)");
        assert_eq!(counts(&ListReply::default()), "");
    }
}
