//! Whether a later start of the same attempt has taken over.
//!
//! A batch system that loses sight of a node starts the job again elsewhere, while the node may only be
//! cut off and work on. Rules: SU-1 every start adds a line to one file on shared storage before it does
//! anything; a line behind one's own is that of a later start, and the earlier one ends at once. SU-2 a
//! file that cannot be read, or that does not show one's own line, is no reason to end: the storage may
//! be what is cut off. SU-3 nobody who trains waits for the disk. Absent on purpose: words to the later
//! start, which needs none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use schliff_spec::event::Event;

use crate::crew::Crew;
use crate::outcome::Outcome;
use crate::shell::{Asked, Listener};

/// The file is looked at so often.
const EVERY: Duration = Duration::from_secs(2);
/// A look that is asked for may take so long; then it says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A watch over the starts of an attempt.
#[derive(Debug)]
pub struct Succession {
    has_taken_over: Arc<AtomicBool>,
    looks: Sender<Sender<()>>,
}

impl Succession {
    /// Watches the file `starts`, in which `own` is this start's line.
    ///
    /// # Errors
    /// There is no thread to watch with.
    pub fn watch(starts: PathBuf, own: String) -> io::Result<Self> {
        let (looks, inbox) = channel();
        let has_taken_over = Arc::new(AtomicBool::new(false));
        let found = Arc::clone(&has_taken_over);
        let thread = thread::Builder::new().name("succession".to_owned());
        thread.spawn(move || watch(&inbox, || look(&starts, &own), &found))?;
        Ok(Self {
            has_taken_over,
            looks,
        })
    }

    /// A later start was seen.
    pub fn has_taken_over(&self) -> bool {
        self.has_taken_over.load(Ordering::Relaxed)
    }

    /// The same after another look, which is waited for a while.
    pub fn look(&self) -> bool {
        let (answer, answered) = channel();
        if self.looks.send(answer).is_ok() {
            let _ = answered.recv_timeout(PATIENCE);
        }
        self.has_taken_over()
    }
}

/// Looks now and then, and when asked to, until a later start is seen or nobody wants to know.
fn watch(inbox: &Receiver<Sender<()>>, look: impl Fn() -> bool, found: &AtomicBool) {
    while !found.load(Ordering::Relaxed) {
        let asked = match inbox.recv_timeout(EVERY) {
            Ok(asked) => Some(asked),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if look() {
            found.store(true, Ordering::Relaxed);
        }
        // Whoever asked may have stopped waiting.
        let _ = asked.map(|asked| asked.send(()));
    }
}

fn look(starts: &Path, own: &str) -> bool {
    fs::read_to_string(starts).is_ok_and(|text| is_followed(&text, own))
}

/// Whether a whole line stands behind `own`.
fn is_followed(text: &str, own: &str) -> bool {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut lines = whole.lines().skip_while(|line| line.trim() != own.trim());
    lines.next().is_some() && lines.any(|line| !line.trim().is_empty())
}

/// A listener that ends the run where a later start has taken over.
pub struct Succeeded<'a> {
    succession: Option<&'a Succession>,
    shown: &'a mut dyn Listener,
}

impl<'a> Succeeded<'a> {
    /// Hands all on to `shown`; without a watch it is nothing more.
    pub fn new(succession: Option<&'a Succession>, shown: &'a mut dyn Listener) -> Self {
        Self { succession, shown }
    }
}

impl Listener for Succeeded<'_> {
    fn event(&mut self, rank: usize, event: &Event) {
        self.shown.event(rank, event);
    }

    fn words(&mut self, rank: usize, line: &str) {
        self.shown.words(rank, line);
    }

    fn tell(&mut self, text: &str) {
        self.shown.tell(text);
    }

    fn begins(&mut self, crew: &Crew) {
        self.shown.begins(crew);
    }

    fn over(&mut self, outcome: &Outcome) {
        self.shown.over(outcome);
    }

    fn asked(&mut self) -> Option<Asked> {
        self.shown.asked()
    }

    fn is_superseded(&mut self) -> bool {
        self.succession.is_some_and(Succession::has_taken_over)
    }

    fn may_begin(&mut self) -> bool {
        !self.succession.is_some_and(Succession::look)
    }
}

impl std::fmt::Debug for Succeeded<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Succeeded").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "7 0 1700000000";

    #[test]
    fn only_a_whole_line_behind_the_own_one_is_a_later_start() {
        let cases = [
            ("", false),
            ("7 0 1700000000", false),
            ("7 0 1700000000\n", false),
            ("6 0 1600000000\n7 0 1700000000\n", false),
            ("7 0 1700000000\n7 1 17", false),
            ("7 0 1700000000\n7 1 1700000060\n", true),
            ("7 0 1700000000\n7 1 1700000060\n7 2", true),
            ("7 0 1700000000\n\n", false),
            // The own line is not to be seen yet.
            ("6 0 1600000000\n", false),
            ("7 0 1700000000 and more\n8 0 1\n", false),
        ];
        for (text, is_so) in cases {
            assert_eq!(is_followed(text, OWN), is_so, "{text:?}");
        }
    }

    #[test]
    fn a_later_start_is_seen_and_a_file_that_cannot_be_read_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let starts = folder.path().join("starts");
        let succession = Succession::watch(starts.clone(), OWN.to_owned()).expect("a thread");
        assert!(!succession.look(), "there is no file");
        fs::write(&starts, format!("{OWN}\n")).expect("a disk");
        assert!(!succession.look());
        fs::write(&starts, format!("{OWN}\n7 1 1700000060\n")).expect("a disk");
        assert!(succession.look());
        fs::remove_file(&starts).expect("a disk");
        assert!(succession.look() && succession.has_taken_over(), "for good");
    }
}
