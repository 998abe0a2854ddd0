//! Values that reach a batch system: words of `#SBATCH` lines, lines of shell, paths of another
//! machine.
//!
//! Rules: nothing passes that a shell or Slurm's own reader of options would take apart, and
//! nothing that would be taken for an option. Absent on purpose: quoting; whoever writes a script
//! does it, and has only such values to quote.

use super::Check;
use super::scalar::filled;
use crate::node::{Data, Node, quoted};
use crate::problem::Fault;

/// Characters that end a word, begin a comment or are replaced, somewhere on the way.
const TAKEN_APART: &[char] = &['\'', '"', '\\', '`', '$', '#', ';'];

/// An account, a partition, a feature: one word.
pub(super) fn word(node: &Node) -> Result<String, Fault> {
    let word = filled(node)?;
    if word.starts_with('-') {
        let message = format!("{} begins with `-`, as an option does", quoted(&word));
        return Err(Fault::new(message));
    }
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || TAKEN_APART.contains(&c);
    match word.chars().find(|&c| is_bad(c)) {
        Some(bad) => Err(Fault::new(format!("{} contains {bad:?}", quoted(&word)))),
        None => Ok(word),
    }
}

/// A text of one line.
pub(super) fn line(node: &Node) -> Result<String, Fault> {
    let line = filled(node)?;
    match line.chars().find(|c| c.is_control() && *c != '\t') {
        Some(bad) => Err(Fault::new(format!("{} contains {bad:?}", quoted(&line)))),
        None => Ok(line),
    }
}

pub(super) fn host_suffix(node: &Node) -> Result<String, Fault> {
    let suffix = filled(node)?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if suffix.chars().all(is_allowed) {
        return Ok(suffix);
    }
    let message = format!("{} cannot end the name of a host", quoted(&suffix));
    Err(Fault::new(message))
}

/// A folder on the cluster. `<…>` is allowed: it stands for what has to be filled in.
pub(super) fn folder(node: &Node) -> Result<String, Fault> {
    let path = path_there(node)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    Err(Fault::new(format!("{} is not absolute", quoted(&path))))
}

/// A program on the cluster.
pub(super) fn program(node: &Node) -> Result<String, Fault> {
    let path = path_there(node)?;
    if path.starts_with('-') || (path.contains('/') && !path.starts_with('/')) {
        let message = format!("{} is neither absolute nor a name", quoted(&path));
        return Err(Fault::new(message));
    }
    Ok(path)
}

/// Slurm replaces `%` in the paths of its options; a shell replaces `$` and `~`.
fn path_there(node: &Node) -> Result<String, Fault> {
    let path = filled(node)?;
    if path.starts_with('~') || path.contains('$') {
        let fault = Fault::new(format!("nothing in {} is expanded", quoted(&path)));
        return Err(fault.hint("write the path out, as it is on the cluster"));
    }
    let is_bad =
        |c: char| c == '%' || c.is_whitespace() || c.is_control() || TAKEN_APART.contains(&c);
    match path.chars().find(|&c| is_bad(c)) {
        Some(bad) => Err(Fault::new(format!("{} contains {bad:?}", quoted(&path)))),
        None => Ok(path),
    }
}

pub(super) fn url(node: &Node) -> Result<String, Fault> {
    let url = word(node)?;
    let rest = url
        .strip_prefix("http://")
        .or(url.strip_prefix("https://"))
        .filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    match rest {
        Some(rest) if rest.contains('@') => {
            let fault = Fault::new("a user or a password stands in the address");
            Err(fault.hint("slurm.rest_user and slurm.rest_token_file take them"))
        }
        Some(_) => Ok(url),
        None => Err(Fault::new(format!(
            "{} is no address for HTTP",
            quoted(&url)
        ))),
    }
}

pub(super) fn country(node: &Node) -> Result<String, Fault> {
    let code = filled(node)?;
    if code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(code);
    }
    Err(Fault::new(format!(
        "{} is no code of a country",
        quoted(&code)
    )))
}

/// MiB; `all` is 0, as Slurm has it. `G` is Slurm's own word for GiB.
pub(super) fn memory_mib(node: &Node) -> Result<u64, Fault> {
    let written = filled(node)?;
    if written == "all" {
        return Ok(0);
    }
    let number_end = written.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = written.split_at(number_end.unwrap_or(written.len()));
    let factor = match unit.trim_start() {
        "M" | "MiB" => 1_u64,
        "G" | "GiB" => 1 << 10,
        "T" | "TiB" => 1 << 20,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|mib| *mib > 0)
        .ok_or_else(|| {
            let fault = Fault::new(format!("{} is no size", quoted(&written)));
            fault.hint("the units are MiB, GiB and TiB")
        })
}

/// Bytes a second.
pub(super) fn rate_bytes(node: &Node) -> Result<u64, Fault> {
    let written = filled(node)?;
    let number_end = written.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = written.split_at(number_end.unwrap_or(written.len()));
    let factor = match unit.trim_start() {
        "B/s" => 1_u64,
        "kB/s" => 1_000,
        "MB/s" => 1_000_000,
        "GB/s" => 1_000_000_000,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|rate| *rate > 0)
        .ok_or_else(|| {
            let fault = Fault::new(format!("{} is no rate", quoted(&written)));
            fault.hint("the units are kB/s, MB/s and GB/s")
        })
}

/// `--name` or `--name=value`, in one piece; not one of the reserved ones.
pub(super) fn option(node: &Node, reserved: &[(&str, &str)]) -> Result<String, Fault> {
    let option = line(node)?;
    let Some(rest) = option.strip_prefix("--") else {
        let fault = Fault::new(format!("{} does not begin with `--`", quoted(&option)));
        return Err(fault.hint("write the long form of an option"));
    };
    let (name, value) = rest.split_once('=').unwrap_or((rest, "-"));
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_allowed) {
        let fault = Fault::new(format!("{} is no option", quoted(&option)));
        return Err(fault.hint("write it as --name or --name=value"));
    }
    if let Some((_, instead)) = reserved.iter().find(|(own, _)| *own == name) {
        let fault = Fault::new(format!("--{name} is not for this list"));
        return Err(fault.hint(*instead));
    }
    if value.contains(['"', '\'', '\\', '`']) {
        let message = format!("the value of {} has quotes in it", quoted(&option));
        return Err(Fault::new(message).hint("values are quoted where they must be"));
    }
    Ok(option)
}

impl Check<'_> {
    pub(super) fn environment(&mut self, node: &Node) -> Option<Vec<(String, String)>> {
        let Data::Table(entries) = &node.data else {
            return self.wrong_type(node);
        };
        let mut is_right = true;
        let mut pairs = Vec::new();
        for entry in entries {
            let path = format!("{}.{}", self.key, entry.key);
            if !is_variable(&entry.key) {
                let message = format!("{} is no name of a variable", quoted(&entry.key));
                let fault = Fault::new(message).expected("letters, digits and `_`, no digit first");
                self.report.add(&entry.key_place, &path, fault);
                is_right = false;
            }
            // What is empty is set, too.
            let empty = matches!(&entry.node.data, Data::Text(text) if text.is_empty());
            let value = if empty {
                Some(String::new())
            } else {
                self.part(&entry.node, &path, "a string of one line", line)
            };
            match value {
                Some(value) => pairs.push((entry.key.clone(), value)),
                None => is_right = false,
            }
        }
        is_right.then_some(pairs)
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
