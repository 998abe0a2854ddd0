//! A job as a shell script that runs it without a coordinator. Pure.
//!
//! Rules: POSIX `sh` and nothing that a user's names could escape from; the job file is in the
//! script word for word. `exec` makes `schliff` the script's own process, so that the signals of a
//! batch system reach it.

use crate::plain;

/// What the script runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a> {
    /// Name of the job.
    pub(crate) name: &'a str,
    /// The resolved job.
    pub(crate) job_toml: &'a str,
    /// Folder of the result.
    pub(crate) out: &'a str,
    /// Where its checkpoints are; below the result's folder where absent.
    pub(crate) checkpoints: Option<&'a str>,
}

/// Why there can be no script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {0} into a shell script: it has a NUL character")]
pub(crate) struct ScriptError(&'static str);

impl Script<'_> {
    /// Its text.
    pub(crate) fn render(&self) -> Result<String, ScriptError> {
        let texts = [
            ("the job", self.job_toml),
            ("the folder of the result", self.out),
            (
                "the address of its checkpoints",
                self.checkpoints.unwrap_or(""),
            ),
        ];
        if let Some((what, _)) = texts.iter().find(|(_, text)| text.contains('\0')) {
            return Err(ScriptError(what));
        }
        let (name, version) = (plain::line(self.name), env!("CARGO_PKG_VERSION"));
        let out = quoted(self.out);
        let checkpoints = match self.checkpoints {
            Some(uri) => quoted(uri),
            None => "$out/checkpoints".into(),
        };
        let end = delimiter(self.job_toml);
        let line_end = if self.job_toml.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let job = self.job_toml;
        Ok(format!(
            "#!/bin/sh
# The job {name}, by schliff {version}. Runs with nothing but schliff and schliff-trainer.
#
# Usage: sh THIS [FLAGS OF 'schliff run'], such as --ranks 2
# Run again, it goes on from its newest checkpoint.
# SCHLIFF names the program where it is not on PATH, OUT another folder of the result.
set -eu

schliff=${{SCHLIFF:-schliff}}
command -v \"$schliff\" >/dev/null || {{
    echo \"error: there is no $schliff; put it on PATH, or set SCHLIFF\" >&2
    exit 127
}}
out={out}
out=${{OUT:-$out}}
mkdir -p \"$out\"
job=$out/job.toml
cat >\"$job\" <<'{end}'
{job}{line_end}{end}

checkpoints={checkpoints}
if \"$schliff\" checkpoints \"$checkpoints\" >/dev/null 2>&1; then
    set -- --resume \"$checkpoints\" \"$@\"
fi
exec \"$schliff\" run \"$job\" --out \"$out\" \"$@\"
"
        ))
    }
}

/// A word of the shell that means exactly this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A line that ends the here-document and that the job has none of.
///
/// No line of the job even begins as it does: dash 0.5.12 drops a byte of a character that is not
/// ASCII where it follows the beginning of the delimiter.
fn delimiter(job: &str) -> String {
    let begins_no_line = |letter: &char| !job.lines().any(|line| line.starts_with(*letter));
    let letters = std::iter::once('_')
        .chain('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9');
    let first = letters.into_iter().find(begins_no_line).unwrap_or('_');
    let mut delimiter = format!("{first}END_OF_JOB");
    while job.lines().any(|line| line == delimiter) {
        delimiter.push('_');
    }
    delimiter
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn script<'a>(name: &'a str, job_toml: &'a str, out: &'a str) -> Script<'a> {
        Script {
            name,
            job_toml,
            out,
            checkpoints: None,
        }
    }

    #[test]
    fn a_script_can_be_read() {
        let job = "name = \"desk\"\n\n[model]\nbase = \"gguf:/models/base.gguf\"\n";
        let text = script("desk", job, "runs/desk").render().expect("a script");
        insta::assert_snapshot!(text);
        let stored = Script {
            checkpoints: Some("s3://bucket/desk"),
            ..script("desk", job, "runs/desk")
        };
        let text = stored.render().expect("a script");
        assert!(
            text.contains("\ncheckpoints='s3://bucket/desk'\n"),
            "{text}"
        );
    }

    /// Runs a script with a `schliff` that says what it was given, and shows the job file.
    fn played(script: &Script<'_>) -> (String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let text = script.render().expect("a script");
        std::fs::write(folder.path().join("job.sh"), text).expect("written");
        let stand_in =
            "#!/bin/sh\ntest \"$1\" = run || exit 1\nprintf '%s\\n' \"$@\"\ncat \"$2\" >&2\n";
        let program = folder.path().join("schliff");
        std::fs::write(&program, stand_in).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("a mode");
        let ended = Command::new("sh")
            .args(["job.sh", "--ranks", "2"])
            .env("SCHLIFF", "./schliff")
            .env_remove("OUT")
            .current_dir(folder.path())
            .output()
            .expect("sh runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (text(ended.stdout), text(ended.stderr))
    }

    #[test]
    fn names_of_others_cannot_break_out() {
        let job = "a = '$(touch owned)'\n_END_OF_JOB\n`id`\nAEND_OF_JOB\nB\u{e4}\nCä\n\\";
        let name = "evil\nrm -rf /\u{1b}[2J";
        let out = "it's $HOME/`id`/\"x\"";
        let (given, kept) = played(&script(name, job, out));
        assert_eq!(kept, format!("{job}\n"));
        assert_eq!(
            given,
            format!("run\n{out}/job.toml\n--out\n{out}\n--ranks\n2\n")
        );
        let text = script(name, job, out).render().expect("a script");
        assert!(!text.contains("\nrm -rf"), "{text}");
        script("x", "a\0b", "out").render().expect_err("NUL");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_job_arrives_word_for_word(job in "[ -~äß\n]{0,80}", out in "[!-.:-~ä ]{1,20}") {
            let out = format!("r/{out}");
            let (given, kept) = played(&script("n", &job, &out));
            let line_end = if job.ends_with('\n') { "" } else { "\n" };
            prop_assert_eq!(kept, format!("{job}{line_end}"));
            prop_assert_eq!(given, format!("run\n{out}/job.toml\n--out\n{out}\n--ranks\n2\n"));
        }
    }
}
