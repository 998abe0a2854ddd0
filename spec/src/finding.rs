//! What `schliff doctor` finds out about a machine, and what the trainer tells it.
//!
//! Rules: a finding is a value; it becomes words for people in one place. Something absent that
//! nothing needs is no failure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Part of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Schliff's own.
    Programs,
    /// Cores, instructions, memory.
    Processor,
    /// GPUs and what drives them.
    Gpus,
    /// Libraries and programs of others.
    Libraries,
    /// Ways of exchanging sums.
    Collectives,
    /// The batch system around this process.
    Batch,
    /// Folders and object stores.
    Storage,
}

impl Area {
    /// The word that tables and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Programs => "programs",
            Self::Processor => "processor",
            Self::Gpus => "gpus",
            Self::Libraries => "libraries",
            Self::Collectives => "collectives",
            Self::Batch => "batch",
            Self::Storage => "storage",
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is there and works, as far as it was tried.
    Ok,
    /// It is not there.
    Absent,
    /// It is there and does not work.
    Broken,
}

impl Status {
    /// The word that tables and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Part of the machine.
    pub area: Area,
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was found, or why it was not.
    pub told: String,
    /// What the user can do, where something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The figures in it, the unit in each key's name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
}

impl Finding {
    /// Something that works.
    pub fn ok(area: Area, name: impl Into<String>, told: impl Into<String>) -> Self {
        Self {
            area,
            name: name.into(),
            status: Status::Ok,
            told: told.into(),
            hint: None,
            facts: Map::new(),
        }
    }

    /// Something that is not there.
    pub fn absent(area: Area, name: impl Into<String>, told: impl Into<String>) -> Self {
        Self {
            status: Status::Absent,
            ..Self::ok(area, name, told)
        }
    }

    /// Something that is there and does not work.
    pub fn broken(area: Area, name: impl Into<String>, told: impl Into<String>) -> Self {
        Self {
            status: Status::Broken,
            ..Self::ok(area, name, told)
        }
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a figure.
    pub fn fact(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(key.to_owned(), value.into());
        self
    }

    /// Whether it works.
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }
}

/// What a trainer says of itself and of the machine: `schliff-trainer doctor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// [`crate::request::PROTOCOL`] of the trainer.
    pub protocol: u32,
    /// Version of the trainer.
    pub version: String,
    /// Backend that it takes here, such as `flex (avx512, 2 threads)`.
    pub backend: String,
    /// Backends that are compiled in.
    pub backends: Vec<String>,
    /// Kinds of collectives that are compiled in.
    pub collectives: Vec<String>,
    /// What it found.
    pub findings: Vec<Finding>,
}
