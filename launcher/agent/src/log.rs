//! What a rank writes for people, kept in a file of bounded size.
//!
//! Rules: at most two files of half the size each, the older one with `.1` at its end; the file
//! comes into being with its first line; a disk that is full costs lines, never the rank. Absent on
//! purpose: time stamps, which are the rank's own affair.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Most that one rank's two files hold together.
const MOST_BYTES: u64 = 16 << 20;

/// The log of one rank in one generation.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    /// The first line of this generation.
    title: Option<String>,
    half_bytes: u64,
    open: Option<(File, u64)>,
}

impl Log {
    /// `rank-N.log` in `folder`.
    pub(crate) fn new(folder: &Path, rank: usize, generation: u64) -> Self {
        Self {
            path: folder.join(format!("rank-{rank}.log")),
            title: Some(format!("generation {generation}")),
            half_bytes: MOST_BYTES / 2,
            open: None,
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, text: &str) {
        if let Some(title) = self.title.take() {
            let _ = self.write(&format!("--- {title} ---"));
        }
        let _ = self.write(text);
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let (file, written) = match self.open.take() {
            Some((_, written)) if written >= self.half_bytes => {
                fs::rename(&self.path, self.path.with_extension("log.1"))?;
                self.append()?
            }
            Some(open) => open,
            None => self.append()?,
        };
        let (file, written) = self.open.insert((file, written));
        let line = format!("{text}\n");
        *written += line.len() as u64;
        file.write_all(line.as_bytes())
    }

    fn append(&self) -> io::Result<(File, u64)> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        let written = file.metadata()?.len();
        Ok((file, written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_later_generations_add_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = folder.path().join("logs");
        let log = |generation| Log {
            half_bytes: 100,
            ..Log::new(&logs, 3, generation)
        };
        let mut first = log(0);
        assert!(!logs.exists(), "nothing was said yet");
        first.line("a");
        log(1).line("b");
        let path = logs.join("rank-3.log");
        let text = fs::read_to_string(&path).expect("a log");
        assert_eq!(text, "--- generation 0 ---\na\n--- generation 1 ---\nb\n");

        let mut long = log(2);
        for number in 0..1_000 {
            long.line(&format!("line {number}"));
        }
        let sizes = ["rank-3.log", "rank-3.log.1"].map(|name| {
            let entry = fs::metadata(logs.join(name)).expect("a log");
            entry.len()
        });
        assert!(sizes.iter().all(|&size| size <= 110), "{sizes:?}");
        let newest = fs::read_to_string(&path).expect("a log");
        assert!(newest.ends_with("line 999\n"), "{newest}");
        assert_eq!(fs::read_dir(&logs).expect("a folder").count(), 2);
    }
}
