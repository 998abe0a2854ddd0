//! Ctrl-C while `schliff` waits for somebody else's work: it ends the waiting, not the work.

use std::future::Future;

use schliff_spec::exit::ExitCode;

use crate::outcome::CliError;

/// What comes of `work`; `None` where Ctrl-C came first.
pub(crate) async fn unless<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        // Without a handler the signal ends the process itself.
        Ok(()) = tokio::signal::ctrl_c() => None,
    }
}

/// Says that jobs go on without this terminal.
pub(crate) fn leaves_running(jobs: &[u64]) -> CliError {
    let numbers: Vec<_> = jobs.iter().map(u64::to_string).collect();
    let (word, go) = match jobs.len() {
        1 => ("job", "goes"),
        _ => ("jobs", "go"),
    };
    let commas = numbers.join(", ");
    let spaces = numbers.join(" ");
    CliError::new(
        ExitCode::Interrupted,
        format!("interrupted while waiting; {word} {commas} {go} on"),
    )
    .hint(format!(
        "'schliff wait {spaces}' waits again, 'schliff cancel {spaces}' ends it"
    ))
}
