//! What an answer that refuses means for the user: a message, an exit code, a page.

use std::error::Error;
use std::time::Duration;

use schliff_spec::exit::ExitCode;
use schliff_wire::metadata;
use tonic::{Code, Status};

use crate::error_page::ErrorPage;
use crate::outcome::CliError;
use crate::plain;

/// The answer of a coordinator that did not do what it was asked for, or of none at all.
#[derive(Debug)]
pub(crate) struct Refused {
    url: String,
    status: Status,
}

impl Refused {
    pub(super) fn new(url: String, status: Status) -> Self {
        Self { url, status }
    }

    /// The coordinator broke a connection off in the middle of a stream.
    pub(crate) fn broken_off(status: Status) -> Self {
        Self::new(String::new(), status)
    }

    /// Nobody answered, or one that does not lead: another may.
    pub(crate) fn is_absent(&self) -> bool {
        // What the other side says has no source; what happened on the way to it has.
        self.status.code() == Code::Unavailable || self.status.source().is_some()
    }

    /// It may be otherwise in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        let is_busy = self.status.code() == Code::ResourceExhausted && self.code() != "queue-full";
        self.is_absent() || is_busy
    }

    /// What the coordinator asks to wait, within reason.
    pub(super) fn pause(&self) -> Option<Duration> {
        let most = Duration::from_secs(10);
        let pause = self.word(metadata::PAUSE_MS)?.parse().ok()?;
        Some(Duration::from_millis(pause).min(most))
    }

    /// Address of the coordinator that leads.
    pub(super) fn leader(&self) -> Option<String> {
        self.word(metadata::LEADER).map(str::to_owned)
    }

    /// The typed code of a refusal, such as `no-such-job`; empty where there is none.
    fn code(&self) -> &str {
        self.word(metadata::CODE).unwrap_or("")
    }

    fn word(&self, name: &str) -> Option<&str> {
        let value = self.status.metadata().get(name)?;
        value.to_str().ok().filter(|word| !word.is_empty())
    }

    /// The report, where `what` could not be done, such as `cannot cancel job 42`.
    pub(crate) fn told(&self, what: &str) -> CliError {
        if self.is_absent() {
            return self.told_absent(what);
        }
        let (exit, page) = meaning(self.code(), self.status.code());
        let said = plain::lines(self.status.message());
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        let cause = match said {
            "" => format!("the coordinator answers {:?}", self.status.code()),
            said => said.to_owned(),
        };
        let mut told = CliError::new(exit, what).caused_by(cause);
        if let Some(hint) = self.word(metadata::HINT) {
            told = told.hint(plain::line(hint));
        } else if let Some(hint) = hint(self.status.code()) {
            told = told.hint(hint);
        }
        match page {
            Some(page) => told.see(page),
            None => told,
        }
    }

    fn told_absent(&self, what: &str) -> CliError {
        let cause = match self.url.as_str() {
            "" => plain::line(&causes(&self.status)),
            url => format!("{url}: {}", plain::line(&causes(&self.status))),
        };
        CliError::new(
            ExitCode::Unreachable,
            format!("{what}: no coordinator answers"),
        )
        .caused_by(cause)
        .hint("'schliff serve' starts one; jobs that were submitted go on while none is there")
        .see(ErrorPage::Unreachable)
    }
}

/// The exit code and the page of a refusal: by its typed code, else by gRPC's.
fn meaning(code: &str, of_grpc: Code) -> (ExitCode, Option<ErrorPage>) {
    use ExitCode::{Bug, Refused, Usage};
    match (code, of_grpc) {
        ("no-such-job", _) => (Usage, Some(ErrorPage::NoSuchJob)),
        ("has-ended" | "has-not-ended" | "has-succeeded" | "is-a-sweep", _) => {
            (Usage, Some(ErrorPage::JobState))
        }
        ("no-such-cluster", _) => (Usage, Some(ErrorPage::NoCluster)),
        ("too-large", _) => (Refused, Some(ErrorPage::TooLarge)),
        ("queue-full", _) => (Refused, Some(ErrorPage::QueueFull)),
        ("job-file" | "empty-sweep", _) => (Usage, Some(ErrorPage::JobFile)),
        ("cluster", _) => (Refused, None),
        ("adopt-unknown", _) => (Usage, None),
        ("protocol", _) | (_, Code::Unimplemented) => (Usage, Some(ErrorPage::Version)),
        (_, Code::Unauthenticated) => (Usage, Some(ErrorPage::Token)),
        (_, Code::PermissionDenied) => (Usage, Some(ErrorPage::Role)),
        (_, Code::NotFound) => (Usage, Some(ErrorPage::NoSuchJob)),
        (_, Code::ResourceExhausted) => (Refused, Some(ErrorPage::Busy)),
        (_, Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists) => {
            (Usage, None)
        }
        (_, Code::OutOfRange) => (Usage, None),
        _ => (Bug, None),
    }
}

fn hint(of_grpc: Code) -> Option<&'static str> {
    match of_grpc {
        Code::Unauthenticated => Some("--token-file names the file with the coordinator's token"),
        Code::NotFound => Some("'schliff list' lists the jobs that there are"),
        _ => None,
    }
}

/// An error and its causes, each said once.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        // A status prints its code and its metadata, too: nothing for people.
        let said = match error.downcast_ref::<Status>() {
            Some(status) => status.message().to_owned(),
            None => error.to_string(),
        };
        // tonic's wrapper has nothing to say of its own.
        let is_new = !said.is_empty()
            && said != "transport error"
            && !words.iter().any(|before| before.contains(&said));
        words.extend(is_new.then_some(said));
        next = error.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: Code, message: &str, metadata: &[(&'static str, &str)]) -> Refused {
        let mut status = Status::new(code, message);
        for (name, value) in metadata {
            let value = value.parse().expect("ASCII");
            status.metadata_mut().insert(*name, value);
        }
        Refused::new("http://127.0.0.1:1".into(), status)
    }

    #[test]
    fn a_refusal_says_what_why_and_where_to_read_on() {
        let code = [("schliff-code", "no-such-job")];
        let told = refused(Code::NotFound, "there is no job 7", &code).told("cannot show job 7");
        assert_eq!(told.exit, ExitCode::Usage);
        insta::assert_snapshot!(told.render(), @r"
        error: cannot show job 7
        caused by: there is no job 7
        hint: 'schliff list' lists the jobs that there are
        see: schliff help E-NO-SUCH-JOB
        ");
    }

    #[test]
    fn hostile_words_are_harmless() {
        let told =
            refused(Code::InvalidArgument, "a\u{1b}[2J\nb\u{7}", &[]).told("cannot submit x");
        assert!(
            !told.render().contains(['\u{1b}', '\u{7}']),
            "{:?}",
            told.render()
        );
    }

    #[test]
    fn codes_lead_to_exits() {
        let exit = |code, word| {
            let metadata: &[_] = &[("schliff-code", word)];
            refused(code, "m", metadata).told("x").exit
        };
        assert_eq!(
            exit(Code::ResourceExhausted, "queue-full"),
            ExitCode::Refused
        );
        assert_eq!(
            exit(Code::FailedPrecondition, "too-large"),
            ExitCode::Refused
        );
        assert_eq!(exit(Code::FailedPrecondition, "has-ended"), ExitCode::Usage);
        assert_eq!(exit(Code::Internal, "x"), ExitCode::Bug);
        assert_eq!(exit(Code::Unavailable, "x"), ExitCode::Unreachable);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(refused(Code::Unavailable, "", &[]).may_pass());
        assert!(refused(Code::ResourceExhausted, "", &[]).may_pass());
        let full = [("schliff-code", "queue-full")];
        assert!(!refused(Code::ResourceExhausted, "", &full).may_pass());
        assert!(!refused(Code::InvalidArgument, "", &[]).may_pass());
        let pause = [("schliff-pause-ms", "250")];
        let pause = refused(Code::ResourceExhausted, "", &pause).pause();
        assert_eq!(pause, Some(Duration::from_millis(250)));
    }
}
