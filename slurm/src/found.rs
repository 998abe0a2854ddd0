//! One job that was asked for by its number, whoever submitted it.
//!
//! Rules: as for a list of jobs. Absent on purpose: jobs that Slurm's controller has forgotten.

use crate::job::Job;
use crate::parse::ParseError;
use crate::record::records;
use crate::squeue;

/// A job, and what is told of one alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// It.
    pub job: Job,
    /// Where it was submitted, or `--chdir`; empty where that is not told.
    pub folder: String,
    /// It is the caller's own.
    pub is_own: bool,
}

/// The value of `squeue -o`: see [`answer`].
pub const FORMAT: &str = concat!("%Z", "\u{1f}");

/// Reads what `squeue` printed in [`FORMAT`] and [`squeue::FORMAT`], and after that, a line each, the
/// caller's name and number; `None` where it printed no job.
///
/// # Errors
/// Names what is not understood.
pub fn answer(printed: &str) -> Result<Option<Found>, ParseError> {
    let broken = |why: &str| ParseError::new("a job of squeue", printed, why.to_owned());
    let mut lines = printed.trim_end_matches('\n').rsplitn(3, '\n');
    let (Some(number), Some(name)) = (lines.next(), lines.next()) else {
        return Err(broken("it does not say who asks"));
    };
    let rest = lines.next().unwrap_or_default();
    let Some(record) = records(rest, squeue::FIELDS + 1, squeue::FREE)
        .into_iter()
        .next()
    else {
        return Ok(None);
    };
    let (folder, _) = rest
        .split_once(crate::record::SEPARATOR)
        .ok_or_else(|| broken("it has one field"))?;
    let own = record.line.get(folder.len() + 1..).unwrap_or_default();
    let job = squeue::jobs(own)?.into_iter().next();
    let job = job.ok_or_else(|| broken("it has no job"))?;
    Ok(Some(Found {
        is_own: [name, number].contains(&job.user.as_str()),
        folder: folder.to_owned(),
        job,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "/p/a b|4|4|N/A|RUNNING|ada|batch|dev|normal|2026-11-25T22:41:03|\
        2026-11-25T22:41:04|2026-11-25T22:46:04|5:00|2|n[1-2]|(null)|None|desk|\
        schliff by-hand runs/desk\nada\n1000\n";

    fn line(text: &str) -> String {
        text.replace('|', "\u{1f}")
    }

    #[test]
    fn a_job_its_folder_and_whose_it_is() {
        let found = answer(&line(LINE)).expect("understood").expect("a job");
        assert_eq!((found.folder.as_str(), found.is_own), ("/p/a b", true));
        assert_eq!(found.job.comment, "schliff by-hand runs/desk");
        let other = LINE.replace("RUNNING|ada", "RUNNING|bob");
        let found = answer(&line(&other)).expect("understood").expect("a job");
        assert!(!found.is_own);
        assert_eq!(answer("ada\n1000\n"), Ok(None));
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_read_without_harm(
            from in 0_usize..200, text in "[ -~\u{1f}\n|]{0,40}",
        ) {
            let mut line = line(LINE);
            let from = from.min(line.len());
            line.replace_range(from.., &text);
            let _ = answer(&line);
        }
    }
}
