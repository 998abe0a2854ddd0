//! How a verb ends: an exit code, or an error ready to print.

use schliff_agent::report::LastWord;
use schliff_spec::event::Failure;
use schliff_spec::exit::ExitCode;
use schliff_spec::problem::Problems;

use crate::error_page::ErrorPage;
use crate::terminal;

/// What every verb returns.
pub(crate) type Outcome = Result<ExitCode, CliError>;

/// A verb's failure: the exit code, and the report for people.
#[derive(Debug)]
pub(crate) struct CliError {
    /// The process's exit code.
    pub(crate) exit: ExitCode,
    report: Box<Report>,
}

/// What went wrong, in the order in which it is printed.
#[derive(Debug, Default)]
struct Report {
    /// The failed operation and its object; several lines are allowed.
    error: String,
    /// Causes, outermost first.
    causes: Vec<String>,
    /// Last lines that the trainer wrote for people.
    last_lines: Vec<String>,
    /// Folder of what could be saved, if anything was.
    saved: Option<String>,
    /// What the user can do.
    hint: Option<String>,
    /// The page that says more.
    see: Option<ErrorPage>,
}

impl CliError {
    /// An error with nothing but its first line.
    pub(crate) fn new(exit: ExitCode, error: impl Into<String>) -> Self {
        let report = Report {
            error: error.into(),
            ..Report::default()
        };
        Self {
            exit,
            report: Box::new(report),
        }
    }

    /// The user must change a file or a flag.
    pub(crate) fn usage(error: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, error)
    }

    /// A defect in Schliff.
    pub(crate) fn bug(error: impl Into<String>) -> Self {
        Self::new(ExitCode::Bug, error)
    }

    /// Adds the cause below the first line.
    pub(crate) fn caused_by(mut self, cause: impl ToString) -> Self {
        self.report.causes.push(cause.to_string());
        self
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.report.hint = Some(hint.into());
        self
    }

    /// Adds the page that says more.
    pub(crate) fn see(mut self, page: ErrorPage) -> Self {
        self.report.see = Some(page);
        self
    }

    /// Adds the last lines of the trainer's standard error.
    pub(crate) fn last_lines(mut self, lines: Vec<String>) -> Self {
        self.report.last_lines = lines;
        self
    }

    /// What went wrong, as the coordinator is told.
    pub(crate) fn last_word(&self) -> LastWord {
        let Report {
            error,
            causes,
            hint,
            ..
        } = &*self.report;
        LastWord {
            exit: self.exit,
            error: error.clone(),
            causes: causes.clone(),
            hint: hint.clone(),
        }
    }

    /// What went wrong and what the user can do, for a report of another form.
    pub(crate) fn told(self) -> (String, Option<String>) {
        (self.report.error, self.report.hint)
    }

    /// The whole in one line, without hints.
    pub(crate) fn brief(&self) -> String {
        let words = std::iter::once(&self.report.error).chain(&self.report.causes);
        words.cloned().collect::<Vec<_>>().join(": ")
    }

    /// The text for standard error, coloured where that is a terminal.
    pub(crate) fn render(&self) -> String {
        let Report {
            error,
            causes,
            last_lines,
            saved,
            hint,
            see,
        } = &*self.report;
        let mut lines = vec![format!("{} {error}", terminal::red("error:"))];
        lines.extend(causes.iter().map(|cause| format!("caused by: {cause}")));
        if !last_lines.is_empty() {
            lines.push("last lines of the trainer:".into());
            lines.extend(last_lines.iter().map(|line| format!("  {line}")));
        }
        lines.extend(saved.iter().map(|saved| format!("saved: {saved}")));
        lines.extend(
            hint.iter()
                .map(|hint| format!("{} {hint}", terminal::cyan("hint:"))),
        );
        lines.extend(see.iter().map(|page| {
            let see = terminal::cyan("see:");
            format!("{see} schliff help {}", page.code())
        }));
        lines.join("\n")
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        let Failure {
            error,
            causes,
            hint,
            exit,
            saved,
        } = failure;
        let saved = saved.map(|path| path.display().to_string());
        let report = Report {
            error,
            causes,
            last_lines: Vec::new(),
            saved,
            hint,
            see: None,
        };
        Self {
            exit: exit_code(exit),
            report: Box::new(report),
        }
    }
}

impl From<Problems> for CliError {
    /// All problems of a job file; each says its own place and hint.
    fn from(problems: Problems) -> Self {
        let text = problems
            .to_string()
            .replace("\nerror:", &format!("\n{}", terminal::red("error:")));
        Self::usage(text.strip_prefix("error: ").unwrap_or(&text)).see(ErrorPage::JobFile)
    }
}

/// The exit code behind a number; a number that is none of ours is a defect of the sender.
fn exit_code(number: i32) -> ExitCode {
    ExitCode::of(number)
        .filter(|exit| *exit != ExitCode::Ok)
        .unwrap_or(ExitCode::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_operation_the_causes_and_the_way_out() {
        let error = CliError::usage("cannot read job file job.toml")
            .caused_by("No such file or directory")
            .last_lines(vec!["first".into(), "second".into()])
            .hint("give the path of a job file")
            .see(ErrorPage::JobFile);
        insta::assert_snapshot!(error.render(), @r"
        error: cannot read job file job.toml
        caused by: No such file or directory
        last lines of the trainer:
          first
          second
        hint: give the path of a job file
        see: schliff help E-JOB-FILE
        ");
    }

    #[test]
    fn unknown_exit_numbers_are_defects() {
        assert_eq!(exit_code(2), ExitCode::Usage);
        assert_eq!(exit_code(0), ExitCode::Bug);
        assert_eq!(exit_code(99), ExitCode::Bug);
    }
}
