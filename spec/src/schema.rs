//! Every key of the job file and of the cluster profile: its form, its default and its meaning.
//!
//! The reader, the defaults, the messages on unknown keys, `docs/job-file.md` and
//! `docs/cluster-profile.md` all come from [`JOB`] and [`CLUSTER`], so that they cannot disagree. Combinations of keys are checked in
//! [`crate::read`] and [`crate::cluster`].

use std::fmt;

mod cluster;
mod keys;
mod other_names;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cluster::CLUSTER;
pub(crate) use keys::JOB;
pub use reference::{cluster_reference, reference};

/// A kind of file that people write.
pub(crate) struct Schema {
    /// What messages call such a file.
    pub(crate) noun: &'static str,
    /// What such a file describes, and roughly with what.
    pub(crate) outline: (&'static str, &'static str),
    /// Where to learn more.
    pub(crate) hint: &'static str,
    /// The sections, the top first, in the order of the reference and of the resolved file.
    pub(crate) sections: &'static [Section],
    /// What other tools call our keys.
    pub(crate) other_names: &'static [(&'static str, &'static str)],
}

impl Schema {
    /// The section of that name.
    pub(crate) fn section(&self, name: &str) -> Option<&'static Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The key of that path.
    pub(crate) fn key(&self, path: &str) -> Option<&'static Key> {
        let (home, name) = path.split_once('.').unwrap_or(("", path));
        self.section(home)?.key(name)
    }
}

/// A table of a file; the empty name stands for its top.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) fallback: Fallback,
    pub(crate) meaning: &'static str,
}

/// What holds when a key is left out.
pub(crate) enum Fallback {
    /// Nothing: the key must be there.
    Required,
    /// Nothing: the key is optional.
    None,
    /// This value, as it would be written in TOML.
    Value(&'static str),
    /// A value that follows from other keys, in words.
    Follows(&'static str),
}

/// What a value must look like.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// A name of a thing of this kind, fit for folders and records.
    Name(&'static str),
    /// Any text.
    Text,
    /// A list of texts; one text alone counts as a list of one.
    Texts,
    /// `all-linear`, a list of names, or a regular expression.
    Targets,
    /// One of these words, `-` and `_` being the same.
    Choice(&'static [&'static str]),
    /// A whole number of at least this.
    Whole(u64),
    /// A whole number from the one to the other.
    WholeIn(u64, u64),
    /// A number in an interval.
    Number(Interval),
    /// A number of at least 0, or `false` for none.
    NumberOrOff,
    /// `true` or `false`.
    Flag,
    /// Pattern to whole number.
    WholeByPattern,
    /// Pattern to number.
    NumberByPattern,
    /// A length of time.
    Time,
    /// Optimizer steps, each later than the one before.
    Rungs,
    /// What the keys of a job are varied over.
    Parameters,
    /// A base model.
    Base,
    /// An existing file.
    File,
    /// An existing folder.
    Folder,
    /// Existing files that are not empty; one alone counts as a list of one.
    Files,
    /// One word for a batch system: no blanks, nothing that a shell or a `#SBATCH` line would take
    /// apart.
    Word,
    /// A list of such words; one alone counts as a list of one.
    Words,
    /// A list of texts of one line each; one alone counts as a list of one.
    Lines,
    /// What is added to a host's name.
    HostSuffix,
    /// A folder of another machine.
    FolderThere,
    /// A program of another machine.
    ProgramThere,
    /// An address for HTTP.
    Url,
    /// A country by its ISO 3166 code.
    Country,
    /// An amount of memory, or `all`.
    Memory,
    /// Bytes a second.
    Rate,
    /// Options of a command, except those of the table, each with what to do instead.
    Options(&'static [(&'static str, &'static str)]),
    /// Environment variables.
    Environment,
}

/// Which numbers are allowed; infinities and NaN never are.
#[derive(Clone, Copy)]
pub(crate) enum Interval {
    /// `0 < x`
    Positive,
    /// `0 <= x`
    NotNegative,
    /// `0 <= x <= 1`
    Share,
    /// `0 <= x < 1`
    BelowOne,
}

impl Interval {
    pub(crate) fn contains(self, number: f64) -> bool {
        number.is_finite()
            && match self {
                Self::Positive => number > 0.0,
                Self::NotNegative => number >= 0.0,
                Self::Share => (0.0..=1.0).contains(&number),
                Self::BelowOne => (0.0..1.0).contains(&number),
            }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positive => "a number above 0",
            Self::NotNegative => "a number, 0 or more",
            Self::Share => "a number from 0 to 1",
            Self::BelowOne => "a number from 0 to below 1",
        })
    }
}

/// What would be right, as messages and the reference say it.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str(
                "a string of 1 to 63 letters, digits, `.`, `_` and `-`, a letter or digit first",
            ),
            Self::Text => f.write_str("a string"),
            Self::Texts => f.write_str("a list of strings"),
            Self::Targets => {
                f.write_str("\"all-linear\", a list of module names, or a regular expression")
            }
            Self::Choice(words) => {
                let one_of = if words.len() > 1 { "one of " } else { "" };
                write!(f, "{one_of}{}", words.join(", "))
            }
            Self::Whole(0) => f.write_str("a whole number"),
            Self::Whole(least) => write!(f, "a whole number, {least} or more"),
            Self::WholeIn(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Number(interval) => interval.fmt(f),
            Self::NumberOrOff => f.write_str("a number, 0 or more, or false"),
            Self::Flag => f.write_str("true or false"),
            Self::WholeByPattern => f.write_str("a table of whole numbers, 1 or more"),
            Self::NumberByPattern => f.write_str("a table of numbers above 0"),
            Self::Time => f.write_str("a time such as \"20h\", \"2min\" or \"90s\""),
            Self::Rungs => f.write_str("a list of rising whole numbers, 1 or more"),
            Self::Parameters => f.write_str(
                "a table from keys, such as \"training.lr\", to lists of values or to ranges such as \
                 { min = 1e-5, max = 1e-3, scale = \"log\" }",
            ),
            Self::Base => f.write_str("a model folder or a GGUF file"),
            Self::File => f.write_str("a file"),
            Self::Folder => f.write_str("a folder"),
            Self::Files => f.write_str("a file or a list of files"),
            Self::Word => f.write_str(
                "one word: no blanks, quotes, backslashes, `$`, `#` or `;`, and no `-` first",
            ),
            Self::Words => f.write_str("a list of such words"),
            Self::Lines => f.write_str("a list of strings of one line each"),
            Self::HostSuffix => f.write_str("letters, digits, `.`, `_` and `-`"),
            Self::FolderThere => f.write_str("an absolute path without blanks, quotes, `%` or `$`"),
            Self::ProgramThere => f.write_str("an absolute path, or a name that is looked for in PATH"),
            Self::Url => f.write_str("an address such as \"https://slurm.example.org:6820\""),
            Self::Country => f.write_str("two capital letters, such as \"DE\""),
            Self::Memory => f.write_str("a size such as \"480GiB\", or \"all\""),
            Self::Rate => f.write_str("a rate such as \"50MB/s\" or \"500kB/s\""),
            Self::Options(_) => f.write_str("a list of options such as \"--hint=nomultithread\""),
            Self::Environment => f.write_str("a table from names to strings"),
        }
    }
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The path of a key of this section: `training.lr`, or `name` at the top.
    pub(crate) fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}
