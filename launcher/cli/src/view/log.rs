//! A line of a job's log.

use schliff_wire::v1::LogLine;

use crate::{clock, plain};

/// `14:05:09 rank 3  words`.
pub(crate) fn text(line: &LogLine) -> String {
    let time = clock::time_of_day(line.at_ms);
    format!("{time} rank {}  {}", line.rank, plain::line(&line.text))
}

/// What stands between the lines of two attempts.
pub(crate) fn attempt(generation: u64) -> String {
    format!("-- attempt {generation}")
}
