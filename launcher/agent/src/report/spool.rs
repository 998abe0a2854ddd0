//! The ledger on disk, so that what the coordinator has not taken survives the agent's death.
//!
//! Rules: the form of the file is that of [`record`]; what follows the first record that is not whole
//! is cut off. The file is written anew when most of it is of no more use. A disk that refuses costs
//! the spool and never the report: it is tried again later. Absent on purpose: waiting for the disk,
//! for a machine's death ends the attempt anyhow; only where nothing but the file tells of the end,
//! [`Spool::sync`] waits.

pub(crate) mod mark;
pub(crate) mod record;

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::ledger::{Entry, Ledger};
use record::{MAGIC, Record, record_at};

/// A file of less is not worth being written anew.
const SMALL_BYTES: u64 = 1 << 20;
/// After the disk refused, it is tried again so much later.
const AGAIN_MS: u64 = 30_000;
/// What a file that cannot be read is called from then on, behind its own name.
const ASIDE: &str = ".unreadable";

/// The file of one node's agent in one attempt.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    /// The node, for those who read the file.
    node_name: String,
    file: Option<File>,
    /// Bytes of the file, and those not written yet.
    bytes: u64,
    unwritten: Vec<u8>,
    again_ms: u64,
}

impl Spool {
    /// Opens the file, and gives what an earlier life left in it. One that is there and cannot be
    /// read is put aside: what it holds was reported to nobody.
    pub(crate) fn open(path: PathBuf, node_name: &str) -> (Self, Ledger, io::Result<()>) {
        let held = fs::read(&path);
        let (ledger, whole) = read(held.as_deref().unwrap_or_default());
        let mut spool = Self {
            path,
            node_name: node_name.to_owned(),
            file: None,
            bytes: whole as u64,
            unwritten: Vec::new(),
            again_ms: 0,
        };
        let opened = match (held, whole) {
            (Err(error), _) if error.kind() != ErrorKind::NotFound => Err(spool.put_aside(error)),
            (_, 0) => spool.rewrite(&ledger),
            (_, whole) => spool.reopen(whole as u64),
        };
        (spool, ledger, opened)
    }

    /// Gives the old file another name, so that a new one takes its place with the next write. Where
    /// that fails, a new one most likely cannot be put there either.
    fn put_aside(&self, why: io::Error) -> io::Error {
        let mut aside = self.path.clone().into_os_string();
        aside.push(ASIDE);
        let kept = match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is kept as {}", Path::new(&aside).display()),
            Err(error) => format!("it cannot be put aside: {error}"),
        };
        io::Error::new(why.kind(), format!("{why}; {kept}"))
    }

    fn reopen(&mut self, whole: u64) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(whole)?;
        self.file = Some(file);
        Ok(())
    }

    /// Notes an entry that was added.
    pub(crate) fn push(&mut self, entry: &Entry) {
        if self.file.is_some() {
            self.unwritten.extend(bytes_of(entry));
        }
    }

    /// Notes that all up to `taken` were taken.
    pub(crate) fn taken(&mut self, taken: u64) {
        if self.file.is_some() {
            self.unwritten.extend(taken_record(taken));
        }
    }

    /// Writes what was noted; everything anew where the file is mostly of no more use, or was lost.
    ///
    /// # Errors
    /// The disk refuses; the ledger is not on it until this works again.
    pub(crate) fn write(&mut self, ledger: &Ledger, now_ms: u64) -> io::Result<()> {
        let live = ledger.waiting().1 as u64;
        let is_lost = self.file.is_none();
        let done = if is_lost && now_ms < self.again_ms {
            Ok(())
        } else if is_lost || self.bytes > SMALL_BYTES.max(live.saturating_mul(2)) {
            self.rewrite(ledger)
        } else {
            self.append()
        };
        if done.is_err() {
            self.file = None;
            self.unwritten = Vec::new();
            self.again_ms = now_ms.saturating_add(AGAIN_MS);
        }
        done
    }

    fn append(&mut self) -> io::Result<()> {
        let unwritten = std::mem::take(&mut self.unwritten);
        if let Some(file) = &mut self.file
            && !unwritten.is_empty()
        {
            file.write_all(&unwritten)?;
            self.bytes += unwritten.len() as u64;
        }
        Ok(())
    }

    /// Writes the whole ledger into a new file that takes the old one's place.
    pub(crate) fn rewrite(&mut self, ledger: &Ledger) -> io::Result<()> {
        // Until the new one is there, the ledger is in no file: the next write begins here again.
        self.file = None;
        self.unwritten.clear();
        let mut bytes = MAGIC.to_vec();
        let file = Record::File {
            id: nonce(),
            node_name: &self.node_name,
        };
        bytes.extend(file.encode());
        bytes.extend(taken_record(ledger.taken()));
        ledger
            .entries()
            .for_each(|entry| bytes.extend(bytes_of(entry)));
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(&bytes)?;
        fresh.persist(&self.path).map_err(|error| error.error)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        self.bytes = bytes.len() as u64;
        Ok(())
    }

    /// Waits until all that was written is on the disk, and seen by other machines.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// What was noted is written.
    pub(crate) fn is_written(&self) -> bool {
        self.file.is_some() && self.unwritten.is_empty()
    }
}

/// The ledger in the bytes of a file, and how many of them are whole records.
fn read(bytes: &[u8]) -> (Ledger, usize) {
    if !bytes.starts_with(MAGIC) {
        return (Ledger::new(0, []), 0);
    }
    let mut whole = MAGIC.len();
    let (mut taken, mut entries) = (0_u64, std::collections::VecDeque::new());
    while let Some((record, length)) = record_at(&bytes[whole..]) {
        match record {
            Record::News(news) => match Entry::of_bytes(news) {
                Some(entry) => entries.push_back(entry),
                None => break,
            },
            Record::Beats => entries.push_back(Entry::Beats),
            Record::Taken(number) => {
                let gone = number.saturating_sub(taken).min(entries.len() as u64);
                entries.drain(..gone as usize);
                taken = number;
            }
            Record::File { .. } => {}
        }
        whole += length;
    }
    (Ledger::new(taken, entries), whole)
}

fn bytes_of(entry: &Entry) -> Vec<u8> {
    match entry {
        Entry::News { bytes, .. } => Record::News(bytes).encode(),
        Entry::Beats => Record::Beats.encode(),
    }
}

fn taken_record(taken: u64) -> Vec<u8> {
    Record::Taken(taken).encode()
}

/// A number that no other file has.
fn nonce() -> u64 {
    // The standard library seeds every one of these anew from the system's random numbers.
    RandomState::new().hash_one((super::wall_ms(), std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::super::translation::remark;
    use super::*;
    use proptest::prelude::*;
    use schliff_wire::v1::News;

    fn entry(text: &str) -> Entry {
        let body = Some(remark(text, None));
        Entry::of(&News { at_ms: 7, body })
    }

    fn held(ledger: &Ledger) -> (u64, Vec<Entry>) {
        (ledger.taken(), ledger.entries().cloned().collect())
    }

    #[test]
    fn another_life_finds_what_was_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool/schliff-1-1-node0");
        let (mut spool, mut ledger, opened) = Spool::open(path.clone(), "n0");
        opened.expect("a disk");
        for text in ["a", "b", "c"] {
            ledger.push(entry(text));
            spool.push(&entry(text));
        }
        ledger.push(Entry::Beats);
        spool.push(&Entry::Beats);
        ledger.batch(2, News::default);
        ledger.answered(1);
        spool.taken(1);
        spool.write(&ledger, 0).expect("a disk");
        drop(spool);
        let mut bytes = fs::read(&path).expect("the file");
        bytes.extend_from_slice(&bytes_of(&entry("torn"))[..12]);
        fs::write(&path, &bytes).expect("a disk");

        let (mut spool, mut again, opened) = Spool::open(path.clone(), "n0");
        opened.expect("a disk");
        assert_eq!(
            held(&again),
            (1, vec![entry("b"), entry("c"), Entry::Beats])
        );
        again.push(entry("d"));
        spool.push(&entry("d"));
        spool.write(&again, 0).expect("a disk");
        let (_, last, _) = Spool::open(path, "n0");
        assert_eq!(held(&last).1.len(), 4, "the torn record is gone");
    }

    #[test]
    fn a_file_of_no_more_use_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool");
        let (mut spool, mut ledger, _) = Spool::open(path.clone(), "n0");
        let mut most = 0;
        for _ in 0..200 {
            for _ in 0..100 {
                let entry = entry(&"x".repeat(1_000));
                spool.push(&entry);
                ledger.push(entry);
            }
            let batch = ledger.batch(usize::MAX, News::default).expect("a batch");
            ledger.answered(batch.first + batch.news.len() as u64 - 1);
            spool.taken(ledger.taken());
            spool.write(&ledger, 0).expect("a disk");
            most = most.max(fs::metadata(&path).expect("the file").len());
        }
        assert!(most < 2 * SMALL_BYTES, "{most}");
        let (_, again, _) = Spool::open(path, "n0");
        assert_eq!(held(&again), held(&ledger));
    }

    #[test]
    fn a_disk_that_refuses_is_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let blocked = folder.path().join("spool");
        fs::write(&blocked, "a file, no folder").expect("a disk");
        let (mut spool, mut ledger, opened) = Spool::open(blocked.join("key"), "n0");
        opened.expect_err("no folder");
        assert!(spool.write(&ledger, 0).is_err());
        ledger.push(entry("a"));
        spool.push(&entry("a"));
        assert!(
            spool.write(&ledger, 1).is_ok(),
            "it is left alone for a while"
        );
        fs::remove_file(&blocked).expect("a disk");
        spool.write(&ledger, AGAIN_MS + 1).expect("a disk");
        let (_, again, _) = Spool::open(blocked.join("key"), "n0");
        assert_eq!(held(&again).1, [entry("a")]);
    }

    #[test]
    fn what_could_not_be_written_anew_is_written_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("spool");
        let (mut spool, mut ledger, opened) = Spool::open(place.join("key"), "n0");
        opened.expect("a disk");
        ledger.push(entry("a"));
        fs::remove_dir_all(&place).expect("a disk");
        fs::write(&place, "a file, no folder").expect("a disk");
        spool.rewrite(&ledger).expect_err("no folder");
        fs::remove_file(&place).expect("a disk");
        ledger.push(entry("b"));
        spool.push(&entry("b"));
        spool.write(&ledger, 0).expect("a disk");
        let (_, again, _) = Spool::open(place.join("key"), "n0");
        assert_eq!(held(&again).1, [entry("a"), entry("b")]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        // As a folder it can be read by nobody, whoever runs the test.
        fs::create_dir(&path).expect("a disk");
        fs::write(path.join("inside"), "precious").expect("a disk");
        let (mut spool, mut ledger, opened) = Spool::open(path.clone(), "n0");
        let error = opened.expect_err("no file").to_string();
        assert!(error.contains("key.unreadable"), "{error}");
        ledger.push(entry("a"));
        spool.push(&entry("a"));
        spool.write(&ledger, 0).expect("a disk");
        let kept = folder.path().join("key.unreadable/inside");
        assert_eq!(fs::read_to_string(kept).expect("it is kept"), "precious");
        let (_, again, opened) = Spool::open(path, "n0");
        opened.expect("a disk");
        assert_eq!(held(&again).1, [entry("a")]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = MAGIC.to_vec();
            file.extend(&bytes);
            prop_assert!(read(&file).1 <= file.len());
            prop_assert!(read(&bytes).1 <= bytes.len());
        }

        #[test]
        fn a_file_cut_anywhere_keeps_its_beginning(cut in 0..400_usize) {
            let mut file = MAGIC.to_vec();
            file.extend(taken_record(5));
            for number in 0..10 {
                file.extend(bytes_of(&entry(&number.to_string())));
            }
            let (ledger, whole) = read(&file[..cut.min(file.len())]);
            prop_assert!(whole <= cut);
            let kept: Vec<_> = ledger.entries().cloned().collect();
            let all: Vec<_> = (0..10).map(|number| entry(&number.to_string())).collect();
            prop_assert!(all.starts_with(&kept));
        }
    }
}
