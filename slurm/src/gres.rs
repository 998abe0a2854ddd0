//! Generic resources, as nodes have them, jobs ask for them, and accounting counts them.
//!
//! Rules: `gpu:4`, `gpu:h100:4(S:0-1)`, `gpu:h100:4(IDX:0-2,5)`, `gres/gpu:h100=4` and `gres:gpu:4`
//! are one form. Names are in lower case, because sites write `GPU` too; types stay as they are. A
//! count that is absent is 1. Absent on purpose: sockets and cores.

use crate::parse::{ParseError, count, told};

/// Most indices that are kept of one list.
const MOST_INDICES: usize = 4096;

/// Some of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gres {
    /// Its name in lower case, such as `gpu`.
    pub name: String,
    /// Its type, such as `h100`, where it is told.
    pub kind: Option<String>,
    /// How many.
    pub count: u64,
    /// Which of the node's, where that is told (`IDX`).
    pub indices: Vec<u32>,
}

/// What accounting counts, such as `cpu=32,mem=64G,node=4,gres/gpu=16`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tres {
    /// `cpu`
    pub cpus: u64,
    /// `mem` in MiB.
    pub memory_mib: u64,
    /// `node`
    pub nodes: u64,
    /// `gres/…`; a total without a type stands beside those with one.
    pub gres: Vec<Gres>,
}

/// Reads a list, such as `gpu:h100:4(S:0-1),shard:8`.
///
/// # Errors
/// Names the entry that is not understood.
pub fn list(text: &str) -> Result<Vec<Gres>, ParseError> {
    let Some(text) = told(text) else {
        return Ok(Vec::new());
    };
    let entries = entries(text).into_iter().filter(|entry| !entry.is_empty());
    entries.map(entry).collect()
}

/// GPUs of a list of a node or a job, and their type; of several types the first.
pub fn gpus(list: &[Gres]) -> (u32, Option<String>) {
    let mine = || list.iter().filter(|gres| gres.name == "gpu");
    let sum = mine().fold(0_u64, |sum, gres| sum.saturating_add(gres.count));
    let kind = mine().find_map(|gres| gres.kind.clone());
    (u32::try_from(sum).unwrap_or(u32::MAX), kind)
}

impl Tres {
    /// Reads what accounting counts. Kinds that nobody here asks for are left out.
    ///
    /// # Errors
    /// Names the entry that is not understood.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut tres = Self::default();
        let Some(text) = told(text) else {
            return Ok(tres);
        };
        for entry in entries(text) {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            match name.trim() {
                "cpu" => tres.cpus = count("a count of processors", value)?,
                "mem" => tres.memory_mib = memory_mib(value)?,
                "node" => tres.nodes = count("a count of nodes", value)?,
                name if name.starts_with("gres/") => tres.gres.push(self::entry(entry)?),
                _ => {}
            }
        }
        Ok(tres)
    }

    /// GPUs in all.
    pub fn gpus(&self) -> u32 {
        let is_total = |gres: &&Gres| gres.name == "gpu" && gres.kind.is_none();
        let total = self.gres.iter().find(is_total);
        let total = total.map(|gres| u32::try_from(gres.count).unwrap_or(u32::MAX));
        total.unwrap_or_else(|| gpus(&self.gres).0)
    }
}

/// An amount of memory in MiB: `4000`, `4000M`, `4G`, `1.5T`, `4Gn` (of each node), `512K`.
///
/// # Errors
/// It is none.
pub fn memory_mib(text: &str) -> Result<u64, ParseError> {
    const WHAT: &str = "an amount of memory";
    let word = text
        .trim()
        .trim_end_matches(['n', 'c'])
        .trim_end_matches(['B', 'b']);
    let word = word.trim_end_matches('?');
    if word.ends_with(|unit: char| unit.is_ascii_digit()) {
        return count(WHAT, word);
    }
    Ok(count(WHAT, word)? >> 20)
}

/// Splits at commas that are not in parentheses.
fn entries(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let is_between = |sign: char| {
        match sign {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        sign == ',' && depth == 0
    };
    text.split(is_between).map(str::trim).collect()
}

fn entry(text: &str) -> Result<Gres, ParseError> {
    let typed = text.replace(":(null)", "");
    let (plain, inside) = typed.split_once('(').unwrap_or((&typed, ""));
    let plain = plain
        .strip_prefix("gres/")
        .or(plain.strip_prefix("gres:"))
        .unwrap_or(plain);
    let mut words = plain.split([':', '=']).filter(|word| *word != "no_consume");
    let name = words.next().unwrap_or_default().to_ascii_lowercase();
    let (first, second) = (words.next(), words.next());
    let broken = |why: &str| ParseError::new("a generic resource", text, why);
    if name.is_empty() || words.next().is_some() {
        return Err(broken("expected name[:type][:count]"));
    }
    let number = |word: &str| count("a count", word).map_err(|error| broken(&error.why));
    let (kind, count) = match (first, second) {
        (None, _) => (None, 1),
        (Some(kind), Some(word)) => (Some(kind).filter(|kind| !kind.is_empty()), number(word)?),
        (Some(word), None)
            if word.starts_with(|sign: char| sign.is_ascii_digit()) && number(word).is_ok() =>
        {
            (None, number(word)?)
        }
        (Some(kind), None) => (Some(kind).filter(|kind| !kind.is_empty()), 1),
    };
    Ok(Gres {
        name,
        kind: kind.map(str::to_owned),
        count,
        indices: indices(inside),
    })
}

/// The indices of `IDX:0-2,5)`; none where they are not told, or broken.
fn indices(inside: &str) -> Vec<u32> {
    let inside = inside.trim_end_matches(')');
    let Some(ranges) = inside.strip_prefix("IDX:") else {
        return Vec::new();
    };
    let bounds = ranges.split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?)
    });
    bounds.flatten().take(MOST_INDICES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Gres {
        let found = list(text).expect("a list");
        assert_eq!(found.len(), 1, "{text}");
        found[0].clone()
    }

    #[test]
    fn all_forms_of_one_resource() {
        for (text, kind, count) in [
            ("gpu", None, 1),
            ("gpu:4", None, 4),
            ("GPU:4", None, 4),
            ("gpu:h100", Some("h100"), 1),
            ("gpu:h100:4", Some("h100"), 4),
            ("gpu:h100:4(S:0-1)", Some("h100"), 4),
            ("gres/gpu:h100=4", Some("h100"), 4),
            ("gres:gpu:4", None, 4),
            ("gres/gpu:2", None, 2),
            ("gpu:(null):4(IDX:N/A)", None, 4),
            ("gpu:1g.10gb:7", Some("1g.10gb"), 7),
            ("gpu:no_consume:2", None, 2),
        ] {
            let found = one(text);
            assert_eq!(found.name, "gpu", "{text}");
            assert_eq!(
                (found.kind.as_deref(), found.count),
                (kind, count),
                "{text}"
            );
            assert!(found.indices.is_empty(), "{text}");
        }
        assert_eq!(one("gpu:4(IDX:0-2,5)").indices, [0, 1, 2, 5]);
    }

    #[test]
    fn lists() {
        let found = list("gpu:a100:2(S:0,1),gpu:h100:4(IDX:0,3),shard:8").expect("a list");
        assert_eq!(found.len(), 3);
        assert_eq!(gpus(&found), (6, Some("a100".to_owned())));
        assert_eq!(list("(null)"), Ok(Vec::new()));
        assert_eq!(list("N/A"), Ok(Vec::new()));
        for broken in [":4", "gpu:a:b:4", "gpu:a:x"] {
            assert!(list(broken).is_err(), "{broken}");
        }
        assert_eq!(one("gpu:1(IDX:0-4294967295)").indices.len(), MOST_INDICES);
    }

    #[test]
    fn what_accounting_counts() {
        let tres = Tres::parse("cpu=32,mem=62.5G,node=4,billing=32,gres/gpu=16,gres/gpu:h100=16");
        let tres = tres.expect("a list");
        assert_eq!((tres.cpus, tres.memory_mib, tres.nodes), (32, 64_000, 4));
        assert_eq!(tres.gpus(), 16);
        assert_eq!(
            Tres::parse("gres/gpu:a=1,gres/gpu:b=2")
                .expect("a list")
                .gpus(),
            3
        );
        assert_eq!(Tres::parse(""), Ok(Tres::default()));
        assert!(Tres::parse("cpu=x").is_err());
    }

    #[test]
    fn amounts_of_memory() {
        for (text, mib) in [
            ("4000", 4000),
            ("4000M", 4000),
            ("4G", 4096),
            ("1T", 1 << 20),
            ("4Gn", 4096),
            ("512K", 0),
        ] {
            assert_eq!(memory_mib(text), Ok(mib), "{text}");
        }
        assert!(memory_mib("all").is_err());
    }
}
