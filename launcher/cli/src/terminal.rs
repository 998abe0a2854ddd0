//! What the terminal can show, and the two ways out: `say` for people, `data` for programs.
//!
//! Writing never panics: a closed pipe on standard output ends the program quietly, as `head`
//! expects, and words lost on standard error are lost.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use owo_colors::OwoColorize;
use schliff_spec::exit::ExitCode;

use crate::args::Color;
use crate::outcome::CliError;

/// Set once in `main`, before anything is printed.
static COLOR: OnceLock<Color> = OnceLock::new();

/// Remembers the `--color` flag.
pub(crate) fn set_color(color: Color) {
    let _ = COLOR.set(color);
}

/// Whether standard output is shown in colour.
pub(crate) fn color_on_stdout() -> bool {
    color(std::io::stdout().is_terminal())
}

/// Whether standard error is shown in colour.
pub(crate) fn color_on_stderr() -> bool {
    color(std::io::stderr().is_terminal())
}

/// Whether progress can be redrawn in place.
pub(crate) fn redraws() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns that a line on standard output may take: those of `COLUMNS`, else of the terminal; no
/// limit where it is none.
pub(crate) fn columns_of_stdout() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok();
    if let Some(columns) = set.and_then(|columns| columns.parse().ok()) {
        return Some(columns).filter(|columns| *columns > 0);
    }
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let size = crossterm::terminal::size().ok();
    size.map(|(columns, _)| usize::from(columns))
        .filter(|columns| *columns > 0)
}

/// The `--color` flag, then NO_COLOR (<https://no-color.org>), then the terminal decide.
fn color(terminal: bool) -> bool {
    match COLOR.get().copied().unwrap_or(Color::Auto) {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            terminal && !forbidden && !dumb
        }
    }
}

/// Red and bold on standard error.
pub(crate) fn red(text: &str) -> String {
    if color_on_stderr() {
        text.red().bold().to_string()
    } else {
        text.to_owned()
    }
}

/// Cyan on standard error.
pub(crate) fn cyan(text: &str) -> String {
    if color_on_stderr() {
        text.cyan().to_string()
    } else {
        text.to_owned()
    }
}

/// Yellow on standard error.
pub(crate) fn yellow(text: &str) -> String {
    if color_on_stderr() {
        text.yellow().to_string()
    } else {
        text.to_owned()
    }
}

/// One message to people, on standard error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Data for the caller, on standard output, as it is.
pub(crate) fn data(text: &str) -> Result<(), CliError> {
    offer(text).map(|_| ())
}

/// As [`data`], and says whether somebody may read on: `false` once the pipe is closed.
pub(crate) fn offer(text: &str) -> Result<bool, CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(
            CliError::new(ExitCode::JobFailed, "cannot write to standard output").caused_by(error),
        ),
    }
}

/// One JSON value on a line of its own, on standard output: for streams.
pub(crate) fn json_line(value: &impl serde::Serialize) -> Result<(), CliError> {
    data(&json_line_of(value)?)
}

/// One JSON value as a line of its own.
pub(crate) fn json_line_of(value: &impl serde::Serialize) -> Result<String, CliError> {
    match serde_json::to_string(value) {
        Ok(text) => Ok(text + "\n"),
        Err(error) => Err(CliError::bug("cannot write a result as JSON").caused_by(error)),
    }
}

/// One JSON value and a line end, on standard output.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), CliError> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => data(&(text + "\n")),
        Err(error) => Err(CliError::bug("cannot write the result as JSON").caused_by(error)),
    }
}
