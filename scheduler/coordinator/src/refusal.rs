//! Why a request is not served: one form for gRPC and the page.
//!
//! Rules: a code is stable and machines branch on it; the text is for people. Overload says how long
//! to wait. Absent on purpose: failures of the coordinator itself, which end it ([`crate::error`]).

use schliff_scheduler::rejection::Rejection;
use schliff_spec::id::JobId;
use schliff_wire::metadata;
use thiserror::Error;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Status};

/// What the asker can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Change the request.
    Invalid,
    /// Ask for something that is there.
    Missing,
    /// Ask when the job is in another phase.
    Phase,
    /// Ask later, and less often.
    Overload,
    /// Ask another coordinator, or this one in a while.
    Unavailable,
    /// Show a token that is known.
    Token,
    /// Show a token that may do this.
    Role,
    /// Report a defect.
    Defect,
}

/// A request that is not served.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub struct Refusal {
    /// What the asker can do.
    pub kind: RefusalKind,
    /// Stable, such as `no-such-job`.
    pub code: &'static str,
    /// In words.
    pub text: String,
    /// What the user can do, in words; empty where nothing.
    pub hint: String,
    /// Wait so long before the next try; 0 where that is open.
    pub pause_ms: u32,
    /// Who leads, where this coordinator does not.
    pub leader: String,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            text: text.into(),
            hint: String::new(),
            pause_ms: 0,
            leader: String::new(),
        }
    }

    pub(crate) fn invalid(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, code, text)
    }

    pub(crate) fn no_job(job: u64) -> Self {
        Self::of(&Rejection::NoJob(JobId(job)))
    }

    pub(crate) fn overload(what: &str, pause_ms: u32) -> Self {
        let text = format!("too much is asked for: {what}");
        Self {
            pause_ms,
            ..Self::new(RefusalKind::Overload, "overload", text)
        }
    }

    /// This coordinator does not lead.
    pub(crate) fn standby(leader: String) -> Self {
        let text = match leader.is_empty() {
            true => "no coordinator leads at the moment".to_owned(),
            false => format!("this coordinator is on standby; {leader} leads"),
        };
        Self {
            leader,
            pause_ms: 500,
            ..Self::new(RefusalKind::Unavailable, "standby", text)
        }
    }

    pub(crate) fn closing() -> Self {
        let text = "the coordinator is about to end";
        Self::new(RefusalKind::Unavailable, "closing", text)
    }

    pub(crate) fn token() -> Self {
        let text = "no token that is known here came with the request";
        Self::new(RefusalKind::Token, "token", text)
            .hint("the coordinator's state folder has the file `token`")
    }

    pub(crate) fn role() -> Self {
        let text = "this token may look, and change nothing";
        Self::new(RefusalKind::Role, "role", text)
    }

    pub(crate) fn defect(text: impl Into<String>) -> Self {
        Self::new(RefusalKind::Defect, "defect", text)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// What the brain refuses.
    pub(crate) fn of(rejection: &Rejection) -> Self {
        let kind = match rejection {
            Rejection::NoJob(_) => RefusalKind::Missing,
            Rejection::Ended(_)
            | Rejection::NotEnded(_)
            | Rejection::Succeeded(_)
            | Rejection::IsSweep(_) => RefusalKind::Phase,
            Rejection::QueueFull { .. } => RefusalKind::Overload,
            _ => RefusalKind::Invalid,
        };
        Self::new(kind, rejection.code(), rejection.to_string())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.kind {
            RefusalKind::Invalid => Code::InvalidArgument,
            RefusalKind::Missing => Code::NotFound,
            RefusalKind::Phase => Code::FailedPrecondition,
            RefusalKind::Overload => Code::ResourceExhausted,
            RefusalKind::Unavailable => Code::Unavailable,
            RefusalKind::Token => Code::Unauthenticated,
            RefusalKind::Role => Code::PermissionDenied,
            RefusalKind::Defect => Code::Internal,
        };
        let mut told = MetadataMap::new();
        let pause = match refusal.pause_ms {
            0 => String::new(),
            pause_ms => pause_ms.to_string(),
        };
        for (key, value) in [
            (metadata::CODE, refusal.code),
            (metadata::HINT, &refusal.hint),
            (metadata::PAUSE_MS, &pause),
            (metadata::LEADER, &refusal.leader),
        ] {
            // What is not ASCII is left out: a hint is worth less than the refusal.
            if let Ok(value) = AsciiMetadataValue::try_from(value)
                && !value.is_empty()
            {
                told.insert(key, value);
            }
        }
        Self::with_metadata(code, refusal.text, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_machines_its_code_and_where_to_go() {
        let status = Status::from(Refusal::standby("http://b:7461".into()));
        let told = |key: &str| status.metadata().get(key).and_then(|it| it.to_str().ok());
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(told("schliff-code"), Some("standby"));
        assert_eq!(told("schliff-leader"), Some("http://b:7461"));
        assert_eq!(told("schliff-pause-ms"), Some("500"));
        assert_eq!(told("schliff-hint"), None);
    }

    #[test]
    fn what_the_brain_refuses_keeps_its_code() {
        let refusal = Refusal::of(&Rejection::Ended(JobId(7)));
        assert_eq!(refusal.code, "has-ended");
        assert_eq!(Status::from(refusal).code(), Code::FailedPrecondition);
        assert_eq!(Refusal::no_job(7).kind, RefusalKind::Missing);
    }
}
