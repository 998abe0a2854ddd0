//! `scontrol show config`: how the site is set up, where that changes how a job goes on.

use crate::parse::told;

/// A site's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(Vec<(String, String)>);

/// Reads `Name = value` lines; others are left out.
pub fn config(printed: &str) -> Config {
    let pair = |line: &str| {
        let (name, value) = line
            .split_once(" = ")
            .or(line.trim_end().strip_suffix(" =").map(|name| (name, "")))?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    Config(printed.lines().filter_map(pair).collect())
}

impl Config {
    /// The value of a setting, such as `JobRequeue`, unless it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self
            .0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        told(&pair.1)
    }

    /// A setting in seconds (`30 sec`) or a plain number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.split_whitespace().next()?.parse().ok()
    }

    /// Whether a word is one of a setting's list, such as `send_user_signal` of `PreemptParameters`.
    pub fn has(&self, name: &str, word: &str) -> bool {
        let value = self.get(name).unwrap_or_default();
        value
            .split(',')
            .any(|own| own.trim().eq_ignore_ascii_case(word))
    }

    /// Whether there is an accounting database.
    pub fn has_accounting(&self) -> bool {
        self.get("AccountingStorageType")
            .is_some_and(|kind| kind.ends_with("slurmdbd"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let config = config(
            "Configuration data as of 2026-11-25T22:45:00\nAccountingStorageType   = accounting_storage/slurmdbd\n\
             JobRequeue              = 1\nKillWait                = 5 sec\nMpiParams               = (null)\n\
             PreemptParameters       = send_user_signal,youngest_first\nBOARD =\n\nSlurmctld(primary) at x is UP\n",
        );
        assert!(config.has_accounting());
        assert_eq!(
            (config.number("JobRequeue"), config.number("killwait")),
            (Some(1), Some(5))
        );
        assert_eq!(
            (
                config.get("MpiParams"),
                config.get("BOARD"),
                config.get("X")
            ),
            (None, None, None)
        );
        assert!(config.has("PreemptParameters", "send_user_signal"));
        assert!(!config.has("PreemptParameters", "send"));
    }
}
