//! Why a verb failed, and what its exit code says: the one place where errors become words.

use std::error::Error;
use std::path::PathBuf;

use schliff_spec::event;
use schliff_spec::exit::ExitCode;

/// A failed verb.
#[derive(Debug)]
pub struct Failure {
    exit: ExitCode,
    words: Vec<String>,
    hint: Option<String>,
    saved: Option<PathBuf>,
}

impl Failure {
    /// The user must change a file or a flag.
    pub fn usage(error: impl Error) -> Self {
        Self::new(ExitCode::Usage, &error)
    }

    /// The job could not go on.
    pub fn job(error: impl Error) -> Self {
        Self::new(ExitCode::JobFailed, &error)
    }

    /// A failure told in a sentence.
    pub fn words(exit: ExitCode, error: impl Into<String>) -> Self {
        Self {
            exit,
            words: vec![error.into()],
            hint: None,
            saved: None,
        }
    }

    /// An error with its causes.
    pub fn new(exit: ExitCode, error: &dyn Error) -> Self {
        let mut words = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            words.push(cause.to_string());
            source = cause.source();
        }
        Self {
            exit,
            words,
            hint: None,
            saved: None,
        }
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where the work so far was saved.
    pub fn saved(mut self, path: PathBuf) -> Self {
        self.saved = Some(path);
        self
    }

    /// The failed operation and its object.
    pub fn told(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The exit code.
    pub fn exit(&self) -> ExitCode {
        self.exit
    }

    /// The failure as an event.
    pub fn event(self) -> event::Event {
        let mut words = self.words.into_iter();
        event::Event::Failed(event::Failure {
            error: words.next().unwrap_or_default(),
            causes: words.collect(),
            hint: self.hint,
            exit: self.exit.code(),
            saved: self.saved,
        })
    }
}
