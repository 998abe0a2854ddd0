//! Lists of nodes, folded as Slurm folds them: `jwb[0007-0009]`.

/// The names, folded where they differ in their last number only.
pub(crate) fn fold(names: &[String]) -> String {
    let mut split: Vec<_> = names.iter().map(|name| split(name)).collect();
    split.sort();
    split.dedup();
    let mut parts: Vec<String> = Vec::new();
    let mut rest = split.as_slice();
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|name| name.is_like(first)).count();
        parts.push(first.with(&rest[..alike]));
        rest = &rest[alike..];
    }
    parts.join(", ")
}

/// A name's parts; ordered so that names that can be folded are neighbours.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a> {
    stem: &'a str,
    digits: usize,
    number: Option<u64>,
}

fn split(name: &str) -> Name<'_> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.len() - stem.len();
    match name[stem.len()..].parse() {
        Ok(number) => Name {
            stem,
            digits,
            number: Some(number),
        },
        Err(_) => Name {
            stem: name,
            digits: 0,
            number: None,
        },
    }
}

impl Name<'_> {
    fn is_like(&self, other: &Self) -> bool {
        self.stem == other.stem && self.digits == other.digits
    }

    /// The names of a run that are alike, this being the first.
    fn with(&self, alike: &[Self]) -> String {
        let numbers: Vec<u64> = alike.iter().filter_map(|name| name.number).collect();
        let width = self.digits;
        let (Some(_), true) = (self.number, numbers.len() > 1) else {
            return match self.number {
                Some(number) => format!("{}{number:0width$}", self.stem),
                None => self.stem.to_owned(),
            };
        };
        let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
            [first, .., last] => format!("{first:0width$}-{last:0width$}"),
            [one] => format!("{one:0width$}"),
            [] => String::new(),
        });
        format!("{}[{}]", self.stem, runs.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_folded_and_all_else_is_kept() {
        let cases: [(&[&str], &str); 6] = [
            (&[], ""),
            (&["login"], "login"),
            (&["jwb0007"], "jwb0007"),
            (
                &["jwb0009", "jwb0007", "jwb0008", "jwb0012"],
                "jwb[0007-0009,0012]",
            ),
            (&["a9", "a10"], "a9, a10"),
            (
                &["n1", "n2", "x", "99999999999999999999999"],
                "99999999999999999999999, n[1-2], x",
            ),
        ];
        for (names, folded) in cases {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(fold(&names), folded);
        }
    }
}
