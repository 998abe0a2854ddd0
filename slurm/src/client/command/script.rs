//! The scripts by which Slurm's commands are run. Pure.
//!
//! Rules: nothing of the user's environment changes what a command does or prints. A batch script is
//! given on standard input: it may hold what nobody should read in a list of processes.

use crate::job::JobId;
use crate::quote::{QuoteError, quote};

/// Times in UTC and in one form, words in English, and no variable that stands for an option.
/// `SLURM_CONF` and `SLURM_JWT` stay: they say which Slurm, and who asks.
pub const PRELUDE: &str = "\
export TZ=UTC LC_ALL=C SLURM_TIME_FORMAT=standard
for name in $(env | sed -n \\
  -e 's/^\\(SBATCH_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SQUEUE_[A-Z0-9_]*\\)=.*/\\1/p' \\
  -e 's/^\\(SINFO_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SACCT_[A-Z0-9_]*\\)=.*/\\1/p' \\
  -e 's/^\\(SCANCEL_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SCONTROL_[A-Z0-9_]*\\)=.*/\\1/p')
do unset \"$name\"; done
unset name SLURM_CLUSTERS SLURM_HINT SLURM_BITSTR_LEN SLURM_EXIT_ERROR SLURM_UMASK
";

/// Whoever runs the script.
const ME: &str = "--user=\"$(id -u)\"";

/// The scripts for one cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Scripts {
    /// `--clusters`, where one database serves several.
    pub(super) cluster: Option<String>,
}

impl Scripts {
    /// Gives a batch script to `sbatch`, which prints the number of the job.
    pub(super) fn submit(&self, batch: &str) -> Result<String, QuoteError> {
        self.sbatch(batch, "--parsable")
    }

    /// Asks what `sbatch` would do with it.
    pub(super) fn test(&self, batch: &str) -> Result<String, QuoteError> {
        self.sbatch(batch, "--test-only")
    }

    fn sbatch(&self, batch: &str, option: &str) -> Result<String, QuoteError> {
        let (batch, command) = (quote(batch)?, self.command(&["sbatch", option])?);
        Ok(format!("{PRELUDE}printf %s {batch} | {command}\n"))
    }

    /// Runs a command that tells of the caller's own jobs.
    pub(super) fn mine(&self, words: &[&str]) -> Result<String, QuoteError> {
        Ok(format!("{PRELUDE}exec {} {ME}\n", self.command(words)?))
    }

    /// Runs a command that tells of a job, and then says who asked.
    pub(super) fn about_one(&self, words: &[&str]) -> Result<String, QuoteError> {
        let command = self.command(words)?;
        Ok(format!("{PRELUDE}{command} || exit\nid -un\nid -u\n"))
    }

    /// Runs `sacctmgr` about the caller; it takes words instead of options, and knows all clusters.
    pub(super) fn accounts(&self, words: &[&str]) -> Result<String, QuoteError> {
        let command = Self::default().command(words)?;
        let cluster = self.cluster.as_ref().map(|name| format!("cluster={name}"));
        let cluster = quote(&cluster.unwrap_or_default())?;
        let cluster = if cluster == "''" { "" } else { &cluster };
        let me = "user=\"$(id -un)\"";
        Ok(format!("{PRELUDE}exec {command} {me} {cluster}\n"))
    }

    /// Runs a command.
    pub(super) fn plain(&self, words: &[&str]) -> Result<String, QuoteError> {
        Ok(format!("{PRELUDE}exec {}\n", self.command(words)?))
    }

    /// Runs a command about jobs.
    pub(super) fn about(&self, words: &[&str], jobs: &[JobId]) -> Result<String, QuoteError> {
        let jobs: String = jobs.iter().map(|job| format!(" {job}")).collect();
        Ok(format!("{PRELUDE}exec {}{jobs}\n", self.command(words)?))
    }

    fn command(&self, words: &[&str]) -> Result<String, QuoteError> {
        let mut words: Vec<_> = words.iter().map(ToString::to_string).collect();
        if let Some(cluster) = &self.cluster {
            words.insert(1, format!("--clusters={cluster}"));
        }
        let quoted: Result<Vec<_>, _> = words.iter().map(|word| quote(word)).collect();
        Ok(quoted?.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sh(script: &str) -> String {
        let output = Command::new("sh")
            .args(["-c", script])
            .env_clear()
            .env("PATH", std::env::var("PATH").expect("a path"))
            .env("SBATCH_PARTITION", "theirs")
            .env("SQUEUE_FORMAT", "one\nSBATCH_LOOKALIKE=two")
            .env("SLURM_CONF", "/conf")
            .env("TZ", "America/Caracas")
            .output()
            .expect("sh runs");
        assert_eq!(output.stderr, b"");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    #[test]
    fn nothing_of_the_environment_changes_a_command() {
        let script = format!("{PRELUDE}env | grep -E '^(S[A-Z]*_|TZ|LC)' | sort");
        let expected = "LC_ALL=C\nSLURM_CONF=/conf\nSLURM_TIME_FORMAT=standard\nTZ=UTC\n";
        assert_eq!(sh(&script), expected);
    }

    #[test]
    fn a_batch_script_arrives_as_it_is() {
        let scripts = Scripts::default();
        let batch = "#!/bin/bash\n#SBATCH --comment=\"it's 100 %\\n\"\necho \"$HOME\" `id` \\\\\n";
        let script = scripts.submit(batch).expect("no NUL");
        let stand_in = format!("sbatch() {{ echo \"$@\"; cat; }}\n{script}");
        assert_eq!(sh(&stand_in), format!("--parsable\n{batch}"));
    }

    #[test]
    fn the_cluster_is_named_to_every_command() {
        let scripts = Scripts {
            cluster: Some("a b".to_owned()),
        };
        let about = scripts.about(&["scancel"], &[JobId(1), JobId(2)]);
        assert!(
            about
                .expect("no NUL")
                .ends_with("exec scancel '--clusters=a b' 1 2\n")
        );
        let mine = scripts.mine(&["squeue", "-h"]).expect("no NUL");
        assert!(
            mine.ends_with("exec squeue '--clusters=a b' -h --user=\"$(id -u)\"\n"),
            "{mine}"
        );
    }
}
