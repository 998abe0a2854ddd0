//! A profile beside its site, as a table.

use schliff_backend::slurm::check::{Finding, Verdict};
use serde::Serialize;

use crate::{plain, table};

/// What a check came to.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    /// Name of the profile.
    pub(crate) cluster: String,
    /// Where it was asked.
    pub(crate) place: String,
    /// Release of Slurm.
    pub(crate) version: String,
    /// A finding for each key.
    pub(crate) findings: Vec<Finding>,
}

/// A line a key, what to change below it, and what it comes to at the end.
pub(crate) fn text(checked: &Checked, columns: Option<usize>) -> String {
    let place = plain::line(&checked.place);
    let version = plain::line(&checked.version);
    let heads = ["", "key", "profile", "site"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(heads)
        .chain(checked.findings.iter().map(row))
        .collect();
    let rows = table::aligned(&rows, &[0, 1, 2, 3], columns);
    let mut text = format!("{}: Slurm {version}, by {place}\n\n", checked.cluster);
    let mut lines = rows.lines();
    text.extend(lines.next().map(|head| format!("{head}\n")));
    for (line, finding) in lines.zip(&checked.findings) {
        text.push_str(&format!("{line}\n"));
        if let Some(change) = &finding.change {
            text.push_str(&format!("         change: {}\n", plain::line(change)));
        }
    }
    text.push_str(&format!("\n{}\n", sum(&checked.findings)));
    text
}

fn row(finding: &Finding) -> Vec<String> {
    vec![
        finding.verdict.word().to_owned(),
        finding.key.to_owned(),
        plain::line(&finding.profile),
        plain::line(&finding.site),
    ]
}

fn sum(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let open = match count(Verdict::Open) {
        0 => String::new(),
        1 => ", 1 is open".to_owned(),
        many => format!(", {many} are open"),
    };
    match count(Verdict::Differs) {
        0 => format!("the profile fits{open}"),
        1 => format!("1 key differs{open}"),
        many => format!("{many} keys differ{open}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(key: &'static str, verdict: Verdict, words: [&str; 3]) -> Finding {
        let [profile, site, change] = words.map(str::to_owned);
        let change = Some(change).filter(|change| !change.is_empty());
        Finding {
            key,
            verdict,
            profile,
            site,
            change,
        }
    }

    #[test]
    fn each_key_has_a_line_and_what_to_change() {
        let checked = Checked {
            cluster: "booster".into(),
            place: "ssh booster".into(),
            version: "23.02.7".into(),
            findings: vec![
                finding("ask.partition", Verdict::Fits, ["gpu", "up, 936 nodes", ""]),
                finding(
                    "ask.account",
                    Verdict::Open,
                    ["", "an account is obligatory", "write one of a, b"],
                ),
                finding(
                    "limits.max_time",
                    Verdict::Differs,
                    ["48h", "at most\n24h", "write \"24h\""],
                ),
            ],
        };
        insta::assert_snapshot!(text(&checked, None));
    }

    #[test]
    fn a_profile_that_fits_says_so() {
        let fits = finding("ask.partition", Verdict::Fits, ["gpu", "up", ""]);
        assert_eq!(sum(&[fits]), "the profile fits");
    }
}
