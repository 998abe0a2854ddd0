//! Who may do what: tokens of people, tokens of allocations, sessions of the page.
//!
//! Rules: secrets are in files that only their owner may read, made at the first start; they are
//! compared by their keyed digests, in constant time, and never shown. An allocation's token is made
//! from the secret and its submit key, so that none has to be kept and none fits another attempt; a
//! session ends with the token that it began with.
//! Several coordinators on one journal share these files. Absent on purpose: accounts. Whoever has
//! the user token is believed when they say their name.

mod file;

use std::fmt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use schliff_scheduler::time::Timestamp;
use schliff_spec::id::SubmitKey;
use sha2::Sha256;

pub use file::AccessError;

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// For a browser to stay logged in.
pub(crate) const SESSION_MS: u64 = 30 * 24 * 3_600_000;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    User,
    /// Look.
    Viewer,
}

impl Role {
    const ALL: [Self; 2] = [Self::User, Self::Viewer];

    /// One word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Viewer => "viewer",
        }
    }
}

/// The secrets of a coordinator.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    user: String,
    viewer: String,
    secret: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Access(..)")
    }
}

impl Access {
    /// Reads `token`, `viewer-token` and `agent-secret` in the state folder; makes what is missing.
    ///
    /// # Errors
    /// A file cannot be made or read, others may read it, or it holds no secret.
    pub fn open(folder: &Path) -> Result<Self, AccessError> {
        Ok(Self {
            user: file::secret(&folder.join("token"))?,
            viewer: file::secret(&folder.join("viewer-token"))?,
            secret: file::secret(&folder.join("agent-secret"))?,
        })
    }

    /// The token of a role, for who starts the coordinator.
    pub fn token(&self, role: Role) -> &str {
        match role {
            Role::User => &self.user,
            Role::Viewer => &self.viewer,
        }
    }

    /// The role that a token stands for.
    pub(crate) fn role_of(&self, token: &str) -> Option<Role> {
        let shown = self.digest(&["token", token]);
        let is_of = |role: &Role| {
            let own = self.mac(&["token", self.token(*role)]);
            own.verify_slice(&shown).is_ok()
        };
        Role::ALL.into_iter().find(is_of)
    }

    /// The token of an attempt's agents.
    pub fn agent_token(&self, key: SubmitKey) -> String {
        hex(&self.digest(&["agent", &key.to_string()]))
    }

    /// Whether a token is that of an attempt's agents.
    pub(crate) fn is_agent(&self, token: &str, key: SubmitKey) -> bool {
        let told = unhex(token).unwrap_or_default();
        let own = self.mac(&["agent", &key.to_string()]);
        own.verify_slice(&told).is_ok()
    }

    /// What a browser keeps, once it has shown a token.
    pub(crate) fn session(&self, role: Role, now: Timestamp) -> String {
        let until = now.plus(SESSION_MS).0.to_string();
        let seal = hex(&self.digest(&["session", role.word(), &until, self.token(role)]));
        format!("{}.{until}.{seal}", role.word())
    }

    /// The role that a session stands for.
    pub(crate) fn role_of_session(&self, session: &str, now: Timestamp) -> Option<Role> {
        let mut parts = session.splitn(3, '.');
        let (word, until, seal) = (parts.next()?, parts.next()?, parts.next()?);
        let role = Role::ALL.into_iter().find(|role| role.word() == word)?;
        let own = self.mac(&["session", word, until, self.token(role)]);
        own.verify_slice(&unhex(seal)?).ok()?;
        let until: u64 = until.parse().ok()?;
        (now.0 < until).then_some(role)
    }

    fn mac(&self, parts: &[&str]) -> Hmac<Sha256> {
        // A key may be of any length, so this cannot fail; a digest of nothing would match nothing.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.secret.as_bytes())
            .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()));
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    fn digest(&self, parts: &[&str]) -> Vec<u8> {
        self.mac(parts).finalize().into_bytes().to_vec()
    }
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use schliff_spec::id::{Generation, JobId};

    use super::*;

    fn access() -> Access {
        Access {
            user: "u".repeat(64),
            viewer: "v".repeat(64),
            secret: "s".repeat(64),
        }
    }

    fn key(job: u64, generation: u64) -> SubmitKey {
        SubmitKey {
            job: JobId(job),
            generation: Generation(generation),
        }
    }

    #[test]
    fn a_token_stands_for_its_role_and_nothing_else_does() {
        let access = access();
        assert_eq!(access.role_of(&"u".repeat(64)), Some(Role::User));
        assert_eq!(access.role_of(&"v".repeat(64)), Some(Role::Viewer));
        for wrong in ["", "u", &"u".repeat(63), &"u".repeat(65), &"s".repeat(64)] {
            assert_eq!(access.role_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_attempts_token_fits_no_other_attempt() {
        let access = access();
        let token = access.agent_token(key(42, 3));
        assert!(access.is_agent(&token, key(42, 3)));
        assert!(!access.is_agent(&token, key(42, 4)));
        assert!(!access.is_agent(&token, key(4, 23)));
        assert!(!access.is_agent("", key(42, 3)));
        assert!(!access.is_agent("zz", key(42, 3)));
        assert_eq!(access.role_of(&token), None);
    }

    #[test]
    fn a_session_ends_and_cannot_be_made_up() {
        let access = access();
        let session = access.session(Role::Viewer, Timestamp(5));
        let role = |text: &str, now| access.role_of_session(text, Timestamp(now));
        assert_eq!(role(&session, 5), Some(Role::Viewer));
        assert_eq!(role(&session, 5 + SESSION_MS), None);
        assert_eq!(role(&session.replacen("viewer", "user", 1), 5), None);
        assert_eq!(role(&session.replacen('2', "9", 1), 5), None);
        assert_eq!(role("user.9.", 5), None);
        let renewed = |user: &str, viewer: &str| Access {
            user: user.repeat(64),
            viewer: viewer.repeat(64),
            ..self::access()
        };
        let still = renewed("w", "v").role_of_session(&session, Timestamp(5));
        assert_eq!(still, Some(Role::Viewer));
        let ended = renewed("u", "w").role_of_session(&session, Timestamp(5));
        assert_eq!(ended, None, "the token that it began with is good no more");
        assert_eq!(role("é.é.é", 5), None);
    }
}
