//! Checkpoints of all jobs that stage them, each on its way to its own store.
//!
//! Rules: one checkpoint of each store in turn, the newest first; what goes wrong with one holds up no
//! other, and is told once.

use std::collections::BTreeMap;
use std::sync::Arc;

use schliff_agent::relay::allowance::Bandwidth;
use schliff_registry::Store;
use schliff_registry::checkpoint::ship::{Shipped, Shipper};
use schliff_registry::checkpoint::staging::Note;

use super::Stages;

/// What a look came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Checkpoints that are in their stores now and were not before.
    pub(crate) committed: usize,
    /// There may be more to ship at once.
    pub(crate) has_more: bool,
    /// Why something could not be shipped for now.
    pub(crate) trouble: Option<String>,
    /// What people should know, each said once.
    pub(crate) told: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Checkpoints<S> {
    stages: S,
    bandwidth: Bandwidth,
    lanes: BTreeMap<String, Lane>,
}

/// One store.
#[derive(Debug)]
struct Lane {
    note: Note,
    shipper: Option<Shipper>,
    told: Option<String>,
}

impl<S: Stages> Checkpoints<S> {
    /// Nothing was looked at yet.
    pub(crate) fn new(stages: S, bandwidth: Bandwidth) -> Self {
        Self {
            stages,
            bandwidth,
            lanes: BTreeMap::new(),
        }
    }

    /// Ships the newest that is not shipped of each store.
    pub(crate) fn round(&mut self) -> Round {
        let mut round = Round::default();
        let notes = match self.stages.notes() {
            Ok(notes) => notes,
            Err(error) => {
                round.trouble = Some(error.to_string());
                return round;
            }
        };
        let notes: BTreeMap<_, _> = notes
            .into_iter()
            .filter_map(|(name, text)| Some((name, Note::parse(&text).ok()?)))
            .collect();
        self.lanes
            .retain(|name, lane| notes.get(name) == Some(&lane.note));
        for (name, note) in notes {
            self.lanes.entry(name.clone()).or_insert_with(|| Lane {
                note,
                shipper: None,
                told: None,
            });
            self.ship(&name, &mut round);
        }
        round
    }

    fn ship(&mut self, name: &str, round: &mut Round) {
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        let uri = lane.note.uri.clone();
        let shipped = lane
            .shipper(&self.bandwidth)
            .and_then(|shipper| next(shipper, &mut self.stages, name));
        match shipped {
            Ok(None) => lane.told = None,
            Ok(Some(Shipped::Committed { .. })) => {
                lane.told = None;
                round.committed += 1;
                round.has_more = true;
            }
            Ok(Some(Shipped::Passed { step, why })) => {
                round.told.push(format!(
                    "the checkpoint of step {step} is not shipped to {uri}: {why}"
                ));
                round.has_more = true;
            }
            Err(why) => {
                if lane.told.as_ref() != Some(&why) {
                    round.told.push(format!("{why}; it is tried again"));
                }
                lane.told = Some(why.clone());
                round.trouble = Some(why);
            }
        }
    }
}

fn next(
    shipper: &mut Shipper,
    stages: &mut impl Stages,
    name: &str,
) -> Result<Option<Shipped>, String> {
    let mut stage = stages.stage(name);
    let shipped = shipper.next(&mut *stage);
    shipped.map_err(|error| error.in_words())
}

impl Lane {
    fn shipper(&mut self, bandwidth: &Bandwidth) -> Result<&mut Shipper, String> {
        let shipper = match self.shipper.take() {
            Some(shipper) => shipper,
            None => {
                let store = Store::open(&self.note.uri).map_err(|error| error.in_words())?;
                let bandwidth = bandwidth.clone();
                let pace = Arc::new(move |bytes| bandwidth.spend(bytes));
                Shipper::new(store, self.note.keep, pace)
            }
        };
        Ok(self.shipper.insert(shipper))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Folders;
    use super::*;
    use schliff_registry::JobDigest;
    use schliff_registry::checkpoint::{Flushed, Part, Snapshot, Writer, WriterSettings, list};

    fn commit(store: &Store, steps: std::ops::RangeInclusive<u64>) {
        let settings = WriterSettings {
            keep: 9,
            generation: 1,
            back_off: Default::default(),
        };
        let writer = Writer::start(store, settings, |_| {}).expect("a thread");
        for step in steps {
            writer.offer(Snapshot {
                step,
                job: JobDigest::of(b"job"),
                state: serde_json::json!({}),
                parts: vec![Part {
                    name: "adapter",
                    bytes: format!("bytes of {step}").into(),
                }],
            });
            let flushed = writer.flush(std::time::Duration::from_secs(60));
            let committed = Some(step);
            assert_eq!(flushed, Flushed::All { committed });
        }
    }

    #[test]
    fn each_store_gets_its_own_and_trouble_with_one_is_no_others() {
        let base = tempfile::tempdir().expect("a folder");
        let target = |name: &str| base.path().join("far").join(name).display().to_string();
        let stages = base.path().join("checkpoints");
        for (name, uri) in [
            ("one", target("one")),
            ("two", target("two")),
            ("bad", "ftp://nowhere".to_owned()),
        ] {
            let place = stages.join(name);
            Note { uri, keep: 2 }.leave(&place).expect("a disk");
            let store = Store::open(&place.display().to_string()).expect("a store");
            commit(&store, 1..=3);
        }
        std::fs::create_dir_all(stages.join("not one of ours")).expect("a disk");
        let bandwidth = Bandwidth::new(None);
        let mut checkpoints = Checkpoints::new(Folders::new(stages), bandwidth);
        let (mut committed, mut told) = (0, Vec::new());
        loop {
            let mut round = checkpoints.round();
            committed += round.committed;
            told.append(&mut round.told);
            assert!(round.trouble.is_some_and(|it| it.contains("ftp://")));
            if !round.has_more {
                break;
            }
        }
        assert_eq!((committed, told.len()), (4, 1), "{told:?}");
        for name in ["one", "two"] {
            let store = Store::open(&target(name)).expect("a store");
            let listed = list(&store, true).expect("a list");
            let steps: Vec<_> = listed.iter().map(|it| it.step).collect();
            assert_eq!(steps, [3, 2], "{name}");
            assert!(listed.iter().all(|it| it.verdict.is_good()));
        }
    }
}
