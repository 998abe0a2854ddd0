//! Who asks, told from a request's token.
//!
//! Rules: whoever has the token of the role user is believed when they say their name; agents are their
//! attempt and nobody else. Both may ask so often and no more.

use std::sync::Arc;

use schliff_spec::id::SubmitKey;
use schliff_wire::metadata;
use tonic::metadata::MetadataMap;

use crate::access::Role;
use crate::clock::now;
use crate::handle::Shared;
use crate::rate::Limiter;
use crate::refusal::Refusal;

/// The longest name.
const LONGEST_NAME: usize = 64;

/// A person, or their program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Person {
    pub(crate) role: Role,
    pub(crate) name: String,
}

/// Checks who asks.
#[derive(Clone)]
pub(crate) struct Guard {
    shared: Arc<Shared>,
    people: Arc<Limiter<Person>>,
    agents: Arc<Limiter<(SubmitKey, u32)>>,
}

impl Guard {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            people: Arc::new(Limiter::new()),
            agents: Arc::new(Limiter::new()),
        }
    }

    /// The person who asks, if they may do what needs `role`.
    pub(crate) fn person(&self, told: &MetadataMap, role: Role) -> Result<Person, Refusal> {
        let own = bearer(told).and_then(|token| self.shared.access.role_of(token));
        let own = own.ok_or_else(Refusal::token)?;
        let name = told.get(metadata::USER).and_then(|it| it.to_str().ok());
        self.admit(Person {
            role: own,
            name: name_of(name, own),
        })?
        .may(role)
    }

    /// Counts a request of a person.
    pub(crate) fn admit(&self, person: Person) -> Result<Person, Refusal> {
        let rate = self.shared.limits.people;
        let wait = self.people.take(person.clone(), rate, now());
        wait.map_err(|wait_ms| Refusal::overload("too many requests", wait_ms))?;
        Ok(person)
    }

    /// Lets in an agent of this attempt.
    pub(crate) fn agent(
        &self,
        told: &MetadataMap,
        key: SubmitKey,
        node: u32,
    ) -> Result<(), Refusal> {
        let token = bearer(told).unwrap_or_default();
        if !self.shared.access.is_agent(token, key) {
            return Err(Refusal::token());
        }
        let wait = self
            .agents
            .take((key, node), self.shared.limits.agent, now());
        wait.map_err(|wait_ms| Refusal::overload("too many reports", wait_ms))
    }
}

impl Person {
    fn may(self, role: Role) -> Result<Self, Refusal> {
        match (self.role, role) {
            (Role::User, _) | (_, Role::Viewer) => Ok(self),
            (Role::Viewer, Role::User) => Err(Refusal::role()),
        }
    }
}

/// The name that somebody says, as far as it is one.
pub(crate) fn name_of(told: Option<&str>, role: Role) -> String {
    let is_plain = |c: &char| c.is_alphanumeric() || "._-@+".contains(*c);
    let name = told.unwrap_or_default().chars().filter(is_plain);
    let name: String = name.take(LONGEST_NAME).collect();
    match name.is_empty() {
        true => role.word().to_owned(),
        false => name,
    }
}

fn bearer(told: &MetadataMap) -> Option<&str> {
    let value = told.get(metadata::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        assert_eq!(name_of(Some("ada"), Role::User), "ada");
        assert_eq!(name_of(Some("<b>a\nda</b>"), Role::User), "badab");
        assert_eq!(name_of(Some("\u{1b}[2J"), Role::Viewer), "2J");
        assert_eq!(name_of(None, Role::Viewer), "viewer");
        assert_eq!(
            name_of(Some(&"x".repeat(900)), Role::User).len(),
            LONGEST_NAME
        );
    }
}
