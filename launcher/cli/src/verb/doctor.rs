//! `schliff doctor`: what this machine can do, and what to do about what it cannot.

use schliff_spec::exit::ExitCode;
use schliff_spec::finding::Finding;

use crate::args::DoctorArgs;
use crate::doctor::{Report, examine};
use crate::outcome::Outcome;
use crate::terminal;

pub(crate) fn doctor(args: DoctorArgs) -> Outcome {
    let report = examine(&args.out, args.store.as_deref());
    match args.output.json {
        true => terminal::json(&report)?,
        false => terminal::data(&render(&report))?,
    }
    Ok(match report.can_train {
        true => ExitCode::Ok,
        false => ExitCode::JobFailed,
    })
}

/// A line a finding, by area, each hint below its finding, and what it comes to at the end.
fn render(report: &Report) -> String {
    let findings = &report.findings;
    let width = |text: fn(&Finding) -> &str| {
        let lengths = findings.iter().map(|finding| text(finding).chars().count());
        lengths.max().unwrap_or(0)
    };
    let status = width(|finding| finding.status.word());
    let name = width(|finding| &finding.name);
    let mut text = String::new();
    let mut area = None;
    for finding in findings {
        if area.replace(finding.area) != Some(finding.area) {
            text.push_str(&format!("{}\n", finding.area.word()));
        }
        let Finding {
            name: own, told, ..
        } = finding;
        let word = finding.status.word();
        text.push_str(&format!("  {word:status$}  {own:name$}  {told}\n"));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("  {:status$}  {:name$}  hint: {hint}\n", "", ""));
        }
    }
    text.push_str(&format!("\n{}\n", verdict(report)));
    text
}

/// What the findings come to, in a sentence.
fn verdict(report: &Report) -> String {
    let Report {
        can_train,
        backends,
        collectives,
        ..
    } = report;
    match (can_train, collectives.as_slice()) {
        (false, _) => "this machine cannot train as it is".into(),
        (true, []) => format!(
            "this machine can train with {}, one rank alone",
            backends.join(", ")
        ),
        (true, collectives) => format!(
            "this machine can train with {}, and ranks can sum by {}",
            backends.join(", "),
            collectives.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::finding::Area;

    fn sample() -> Vec<Finding> {
        vec![
            Finding::ok(Area::Programs, "schliff", "0.1.0"),
            Finding::ok(
                Area::Programs,
                "schliff-trainer",
                "0.1.0, takes flex (avx512, 2 threads); built with flex, tcp, nccl",
            )
            .fact("backends", vec!["flex"]),
            Finding::absent(Area::Programs, "schliff-trainer-mpi", "not beside schliff")
                .hint("make build-mpi"),
            Finding::ok(Area::Processor, "memory", "23.5 GiB"),
            Finding::broken(
                Area::Gpus,
                "NVIDIA",
                "the driver does not start (CUDA error 803)",
            )
            .hint("does nvidia-smi work?"),
            Finding::ok(Area::Collectives, "tcp", "two members met over loopback"),
            Finding::ok(
                Area::Storage,
                "folder of runs",
                "runs: writable, 65.4 GiB free",
            ),
        ]
    }

    #[test]
    fn findings_are_a_table_with_hints_and_a_verdict() {
        insta::assert_snapshot!(render(&Report::of(sample())));
    }

    #[test]
    fn a_machine_that_cannot_train_is_told() {
        let report = Report::of(sample().into_iter().take(1).collect());
        assert!(render(&report).ends_with("\nthis machine cannot train as it is\n"));
    }
}
