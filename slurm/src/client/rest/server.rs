//! Calls to slurmrestd over HTTP.
//!
//! Rules: the answer's `errors` are read, whatever the status says. A call that was not sent whole is
//! [`Kind::Unavailable`], any other without an answer is [`Kind::Lost`]. Answers have a bound.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use serde_json::Value;

use super::RestOptions;
use super::api::{Method, Request};
use super::token;
use crate::client::SlurmError;
use crate::client::fault::{self, Kind};
use crate::json;

/// What 22.05 says when it has lost the reason.
const UNSPECIFIED: &str = "Unspecified error";

/// What it says when the controller hung up, as it does on whoever it does not let in.
const HUNG_UP: &str = "zero bytes were transmitted";

/// Time for a connection; the rest is for the answer.
const CONNECT: Duration = Duration::from_secs(10);

/// A server.
pub(super) struct Server {
    options: RestOptions,
    http: reqwest::Client,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) kind: Kind,
    pub(super) why: String,
}

impl Server {
    /// # Errors
    /// The system's certificates cannot be used.
    pub(super) fn new(options: RestOptions) -> Result<Self, reqwest::Error> {
        // The first one wins, and others find it in place.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(options.limits.timeout)
            // A redirect would carry the token elsewhere; slurmrestd has none.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { options, http })
    }

    pub(super) fn options(&self) -> &RestOptions {
        &self.options
    }

    /// Sends a request and reads its answer, whatever its status.
    pub(super) async fn call(&self, request: &Request) -> Result<Answer, Failed> {
        let token = token::read(&self.options.token_file, now_unix_s()).await;
        let token = token.map_err(|error| Failed {
            kind: Kind::Unauthorized,
            why: error.to_string(),
        })?;
        let url = format!("{}{}", self.options.url.trim_end_matches('/'), request.path);
        let call = match request.method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url),
            Method::Delete => self.http.delete(url),
        };
        let mut call = call
            .header("X-SLURM-USER-NAME", &self.options.user)
            .header("X-SLURM-USER-TOKEN", token);
        if let Some(body) = &request.body {
            call = call
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        let response = call.send().await.map_err(|error| failed(&error))?;
        self.read(response).await
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, Failed> {
        let limit_bytes = self.options.limits.output_bytes;
        let (status, mut bytes) = (response.status(), Vec::new());
        while let Some(piece) = response.chunk().await.map_err(|error| failed(&error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > limit_bytes {
                return Err(Failed {
                    kind: Kind::Lost,
                    why: format!("its answer has more than {limit_bytes} bytes"),
                });
            }
        }
        Ok(Answer {
            status,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }
}

/// Seconds since 1970.
pub(super) fn now_unix_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.ok()
        .and_then(|now| i64::try_from(now.as_secs()).ok())
        .unwrap_or(0)
}

fn failed(error: &reqwest::Error) -> Failed {
    let kind = if error.is_connect() || error.is_builder() {
        Kind::Unavailable
    } else {
        Kind::Lost
    };
    // The innermost cause says most: `connection refused`.
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    Failed { kind, why }
}

impl Answer {
    /// The error that it is, if it is one.
    pub(super) fn error(&self) -> Option<Failed> {
        if self.status == StatusCode::UNAUTHORIZED || self.status == StatusCode::FORBIDDEN {
            return Some(self.failed(Kind::Unauthorized));
        }
        let Ok(remarks) = json::remarks(&self.text) else {
            // No JSON: it did not come from Slurm, but from slurmrestd or from what stands before it.
            let is_busy = self.status.is_server_error();
            let kind = if is_busy { Kind::Lost } else { Kind::Refused };
            return Some(self.failed(kind));
        };
        if remarks.errors.is_empty() {
            return (!self.status.is_success()).then(|| self.failed(Kind::Refused));
        }
        let why = remarks.errors.join("; ");
        let kind = fault::kind(1, &why);
        // Errors without a reason beside one that has it are nothing new.
        let is_reason = |words: &&String| !words.starts_with(UNSPECIFIED);
        let is_told = remarks.errors.iter().any(|words| is_reason(&words));
        let kind = if is_told { kind } else { Kind::Unavailable };
        Some(Failed { kind, why })
    }

    /// Errors of single jobs, in Slurm's words.
    pub(super) fn job_errors(&self) -> Vec<String> {
        let answer: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let status = answer.get("status").and_then(Value::as_array);
        let words = |job: &Value| {
            let error = job.get("error")?;
            let is_one = error.get("code").and_then(Value::as_i64) != Some(0);
            let words = error.get("message").or_else(|| error.get("string"));
            let words = words.and_then(Value::as_str).unwrap_or_default();
            (is_one && !words.is_empty()).then(|| words.to_owned())
        };
        status.into_iter().flatten().filter_map(words).collect()
    }

    fn failed(&self, kind: Kind) -> Failed {
        let words: String = self.text.trim().chars().take(200).collect();
        Failed {
            kind,
            why: format!("HTTP {}: {words}", self.status),
        }
    }
}

impl Failed {
    /// 22.05 uses the same words for a token that is not accepted and for a controller that is gone.
    pub(super) fn is_vague(&self) -> bool {
        self.why.starts_with(UNSPECIFIED) || self.why.to_ascii_lowercase().contains(HUNG_UP)
    }

    /// The same after a second call, about a job that there never is, whose words are clear.
    pub(super) fn settled(self, second: Option<&Self>) -> Self {
        let words = second.map(|second| second.why.to_ascii_lowercase());
        match words {
            Some(words) if words.contains(HUNG_UP) => Self {
                kind: Kind::Unauthorized,
                why: "the controller does not accept the token".to_owned(),
            },
            Some(words)
                if self.kind == Kind::Unavailable && words.contains("unable to contact") =>
            {
                Self {
                    kind: Kind::Unavailable,
                    why: "slurmrestd cannot reach the controller".to_owned(),
                }
            }
            _ => self,
        }
    }

    /// The error of an operation.
    pub(super) fn of(self, doing: &str, is_question: bool) -> SlurmError {
        let kind = if is_question {
            self.kind.of_question()
        } else {
            self.kind
        };
        kind.error(doing, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(status: u16, text: &str) -> Option<Kind> {
        let status = StatusCode::from_u16(status).expect("a status");
        let text = text.to_owned();
        Answer { status, text }.error().map(|failed| failed.kind)
    }

    #[test]
    fn errors_are_read_and_not_the_status() {
        let error = |words: &str| format!(r#"{{"errors":[{{"error":"{words}"}}]}}"#);
        for (status, text, expected) in [
            (200, r#"{"errors":[]}"#.to_owned(), None),
            (
                200,
                error("Invalid partition name specified"),
                Some(Kind::Refused),
            ),
            (500, error("Invalid job id specified"), Some(Kind::Refused)),
            (500, error("Unspecified error"), Some(Kind::Unavailable)),
            (
                500,
                error("Zero Bytes were transmitted or received"),
                Some(Kind::Lost),
            ),
            (
                500,
                error("Unable to contact slurm controller (connect failure)"),
                Some(Kind::Unavailable),
            ),
            (
                401,
                "Authentication failure".to_owned(),
                Some(Kind::Unauthorized),
            ),
            (
                404,
                "Unable find requested URL.".to_owned(),
                Some(Kind::Refused),
            ),
            (502, "<html>Bad Gateway</html>".to_owned(), Some(Kind::Lost)),
            (500, r#"{"errors":[]}"#.to_owned(), Some(Kind::Refused)),
        ] {
            assert_eq!(kind_of(status, &text), expected, "{status} {text}");
        }
    }

    #[test]
    fn errors_of_single_jobs_are_read() {
        let errors = |text: &str| {
            let answer = Answer {
                status: StatusCode::OK,
                text: text.to_owned(),
            };
            assert!(answer.error().is_none());
            answer.job_errors()
        };
        assert_eq!(
            errors(
                r#"{"status":[{"error":{"string":"Access/permission denied","code":2002,
                "message":"Access/permission denied"},"step_id":"21"}],"errors":[]}"#
            ),
            ["Access/permission denied"]
        );
        assert!(errors(r#"{"status":[{"error":{"code":0,"message":"No error"}}]}"#).is_empty());
        assert!(errors(r#"{"status":[],"errors":[]}"#).is_empty());
    }

    #[test]
    fn vague_words_are_settled_by_a_second_call() {
        let failed = |kind, why: &str| Failed {
            kind,
            why: why.to_owned(),
        };
        let hung_up = "Zero Bytes were transmitted or received";
        for (first, second, expected) in [
            (
                failed(Kind::Unavailable, "Unspecified error"),
                hung_up,
                Kind::Unauthorized,
            ),
            (failed(Kind::Lost, hung_up), hung_up, Kind::Unauthorized),
            (
                failed(Kind::Lost, hung_up),
                "Invalid job id specified",
                Kind::Lost,
            ),
            (
                failed(Kind::Lost, hung_up),
                "Unable to contact slurm controller",
                Kind::Lost,
            ),
            (
                failed(Kind::Unavailable, "Unspecified error"),
                "Unable to contact slurm",
                Kind::Unavailable,
            ),
        ] {
            assert!(first.is_vague(), "{first:?}");
            let second = failed(Kind::Refused, second);
            let settled = first.settled(Some(&second));
            assert_eq!(settled.kind, expected, "{second:?}");
        }
        assert!(!failed(Kind::Refused, "Invalid qos").is_vague());
    }
}
