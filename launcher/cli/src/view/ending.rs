//! How a job ended: its exit code, and what is printed of its result.

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{JobView, StepPoint};
use serde_json::Value;

use super::{reason_text, title};
use crate::outcome::CliError;
use crate::plain;
use crate::verb::run_summary;

/// The exit code of whoever waited for it.
pub(crate) fn exit(view: &JobView) -> ExitCode {
    let code = ExitCode::of(view.exit_code).unwrap_or(ExitCode::JobFailed);
    let is_well = matches!(view.outcome.as_str(), "succeeded" | "pruned");
    match code {
        ExitCode::Ok if is_well => ExitCode::Ok,
        ExitCode::Ok => ExitCode::JobFailed,
        code => code,
    }
}

/// The report of a job that did not succeed; `None` of one that did.
pub(crate) fn failure(view: &JobView) -> Option<CliError> {
    let exit = exit(view);
    if exit == ExitCode::Ok {
        return None;
    }
    let outcome = plain::line(&view.outcome);
    let why = reason_text(view.reason.as_ref());
    let error = match why.is_empty() || why == outcome {
        true => format!("{}: {outcome}", title(view)),
        false => format!("{}: {why}", title(view)),
    };
    let hint = view.reason.as_ref().map(|reason| plain::line(&reason.hint));
    let hint = hint.filter(|hint| !hint.is_empty());
    let hint = hint.unwrap_or_else(|| format!("'schliff logs {}' has its log", view.id));
    Some(CliError::new(exit, error).hint(hint))
}

/// What came of it: the trainer's own result where it is at hand, else what the coordinator knows.
pub(crate) fn summary(view: &JobView, result: Option<&Value>, steps: &[StepPoint]) -> String {
    let losses: Vec<f64> = steps.iter().map(|step| step.loss).collect();
    match result {
        Some(result) => run_summary(result, &losses),
        None => run_summary(&of_view(view), &losses),
    }
}

/// The coordinator's knowledge in the trainer's words.
fn of_view(view: &JobView) -> Value {
    let progress = view.progress.unwrap_or_default();
    let measured = |loss: Option<f64>| loss.map(|loss| serde_json::json!({ "loss": loss }));
    let took = view.ended_ms.saturating_sub(view.started_ms) as f64 / 1_000.0;
    let adapter = format!("{}/adapter", plain::line(&view.out));
    let has_adapter = exit(view) == ExitCode::Ok && !view.out.is_empty() && !view.sweep;
    serde_json::json!({
        "baseline": measured(progress.baseline_loss),
        "final": measured(progress.eval_loss),
        "steps": progress.step,
        "train_loss_last": progress.loss,
        "seconds": (view.started_ms > 0 && took > 0.0).then_some(took),
        "adapter": has_adapter.then_some(adapter),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_wire::v1::{Phase, Progress, Reason};

    fn ended(outcome: &str, exit_code: i32) -> JobView {
        JobView {
            id: 42,
            name: "desk".into(),
            phase: Phase::Done.into(),
            outcome: outcome.into(),
            exit_code,
            started_ms: 1_000,
            ended_ms: 246_000,
            out: "/data/runs/desk".into(),
            ..JobView::default()
        }
    }

    #[test]
    fn only_a_success_is_zero() {
        assert_eq!(exit(&ended("succeeded", 0)), ExitCode::Ok);
        assert_eq!(exit(&ended("failed", 76)), ExitCode::GroupLost);
        assert_eq!(exit(&ended("failed", 0)), ExitCode::JobFailed);
        assert_eq!(exit(&ended("cancelled", 130)), ExitCode::Interrupted);
        assert_eq!(exit(&ended("failed", 12_345)), ExitCode::JobFailed);
        assert!(failure(&ended("succeeded", 0)).is_none());
    }

    #[test]
    fn a_failure_says_why() {
        let mut view = ended("failed", 1);
        view.reason = Some(Reason {
            code: "job-failed".into(),
            text: "the job failed: train.jsonl:3: no text".into(),
            hint: "mend the data\u{1b}[1m".into(),
        });
        insta::assert_snapshot!(failure(&view).expect("an error").render(), @r"
        error: job 42 desk: the job failed: train.jsonl:3: no text
        hint: mend the data�[1m
        ");
    }

    #[test]
    fn without_the_result_the_coordinator_tells_what_it_knows() {
        let mut view = ended("succeeded", 0);
        view.progress = Some(Progress {
            step: 250,
            steps: 250,
            loss: Some(0.21),
            eval_loss: Some(0.5),
            baseline_loss: Some(3.4),
            ..Progress::default()
        });
        insta::assert_snapshot!(summary(&view, None, &[]));
    }
}
