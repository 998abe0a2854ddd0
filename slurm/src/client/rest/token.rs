//! The user's token, from its file.
//!
//! Rules: it is read anew for each call, so that whoever renews it has nothing to tell us. One that
//! has expired is not sent: slurmrestd answers such a one with an error that says nothing. Its
//! signature is the cluster's to check. It never stands in an error.

use std::path::Path;

use serde_json::Value;

/// Why there is no token to send.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// No file, or no right to read it.
    #[error("cannot read the token from {file}: {source}")]
    Unreadable {
        file: String,
        source: std::io::Error,
    },
    /// Nothing that could be a token.
    #[error("{file} holds no token")]
    None { file: String },
    /// It is over.
    #[error(
        "the token in {file} expired {ago_s} s ago: write a new one there, by `scontrol token`"
    )]
    Expired { file: String, ago_s: i64 },
}

/// Reads the token that is good now.
pub(super) async fn read(file: &Path, now_unix_s: i64) -> Result<String, TokenError> {
    let name = file.display().to_string();
    let text = tokio::fs::read_to_string(file).await;
    let text = text.map_err(|source| TokenError::Unreadable {
        file: name.clone(),
        source,
    })?;
    // As `scontrol token` prints it, or bare.
    let token = text.trim();
    let token = token.strip_prefix("SLURM_JWT=").unwrap_or(token);
    let is_sendable = |byte: u8| byte.is_ascii_graphic();
    if token.is_empty() || !token.bytes().all(is_sendable) {
        return Err(TokenError::None { file: name });
    }
    match expiry(token) {
        Some(end) if end <= now_unix_s => Err(TokenError::Expired {
            file: name,
            ago_s: now_unix_s - end,
        }),
        _ => Ok(token.to_owned()),
    }
}

/// The `exp` of a JWT, in seconds since 1970.
fn expiry(token: &str) -> Option<i64> {
    let claims = decode(token.split('.').nth(1)?)?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let end = claims.get("exp")?;
    // Some write it with a fraction.
    end.as_i64().or_else(|| end.as_f64().map(|end| end as i64))
}

/// Base64 for URLs, without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        held = (held << 6 | u32::try_from(value).ok()?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"exp":1795646749,"iat":1795646689,"sun":"root"}`
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJleHAiOjE3OTU2NDY3NDksImlhdCI6MTc5NTY0NjY4OSwic3VuIjoicm9vdCJ9.c2ln";

    async fn read_text(text: &str, now: i64) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("jwt");
        std::fs::write(&file, text).expect("written");
        read(&file, now).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn both_forms_are_read() {
        let token = read_text(&format!("SLURM_JWT={TOKEN}\n"), 0).await;
        assert_eq!(token.as_deref(), Ok(TOKEN));
        assert_eq!(read_text(TOKEN, 0).await.as_deref(), Ok(TOKEN));
        // A site's own kind of token.
        assert_eq!(read_text("opaque\n", 9).await.as_deref(), Ok("opaque"));
    }

    #[tokio::test]
    async fn an_expired_one_is_told_and_not_shown() {
        assert!(read_text(TOKEN, 1_795_646_748).await.is_ok());
        let error = read_text(TOKEN, 1_795_646_759).await.expect_err("expired");
        assert!(error.contains("expired 10 s ago"), "{error}");
        assert!(!error.contains("eyJ"), "{error}");
    }

    #[tokio::test]
    async fn no_token_is_no_token() {
        for text in ["", "\n", "two words", "SLURM_JWT="] {
            let error = read_text(text, 0).await.expect_err("none");
            assert!(error.ends_with("holds no token"), "{error}");
        }
        let error = read(Path::new("/no/such/file"), 0).await.expect_err("none");
        assert!(error.to_string().starts_with("cannot read the token"));
    }
}
