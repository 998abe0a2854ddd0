//! Cores and GPUs, and who gets which. Pure.
//!
//! Rules: the lowest free ones are given out; slots stand for cores where there are enough of them,
//! else they only count.

use std::collections::BTreeSet;

use schliff_scheduler::shape::Shape;
use serde::{Deserialize, Serialize};

/// All that can be given out.
#[derive(Clone, Debug)]
pub(super) struct Stock {
    /// Slots for cores.
    pub(super) cpus: u32,
    /// The cores that slots stand for, by the slot's number.
    pub(super) cores: Vec<usize>,
    /// GPUs, as CUDA calls them.
    pub(super) gpus: Vec<String>,
}

/// What an allocation holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    /// Slots for cores.
    pub(super) cpus: Vec<u32>,
    /// GPUs, as CUDA calls them.
    pub(super) gpus: Vec<String>,
}

/// Why there is no share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// There are not so many.
    Never(String),
    /// Too many are held.
    Now(String),
}

impl Stock {
    /// A share for this shape beside those that are held.
    pub(super) fn share(&self, shape: Shape, held: &[Share]) -> Result<Share, Short> {
        let (cpus, gpus) = (shape.cpus_per_node as usize, shape.gpus_per_node as usize);
        let all = (self.cpus as usize, self.gpus.len());
        if cpus > all.0 || gpus > all.1 {
            let (cpus, gpus) = all;
            let why =
                format!("this host gives out {cpus} cores and {gpus} GPUs, too few for {shape}");
            return Err(Short::Never(why));
        }
        let cpus_held: BTreeSet<_> = held.iter().flat_map(|share| &share.cpus).collect();
        let gpus_held: BTreeSet<_> = held.iter().flat_map(|share| &share.gpus).collect();
        let free = (0..self.cpus).filter(|slot| !cpus_held.contains(slot));
        let free_gpus = self.gpus.iter().filter(|gpu| !gpus_held.contains(gpu));
        let share = Share {
            cpus: free.take(cpus).collect(),
            gpus: free_gpus.take(gpus).cloned().collect(),
        };
        match share.cpus.len() == cpus && share.gpus.len() == gpus {
            true => Ok(share),
            false => Err(Short::Now(format!(
                "too little of this host is free for {shape}"
            ))),
        }
    }

    /// The cores that a share is bound to; none where it may run on all.
    pub(super) fn bound(&self, share: &Share) -> Vec<usize> {
        if self.cores.len() < self.cpus as usize {
            return Vec::new();
        }
        let slots = share.cpus.iter();
        slots
            .filter_map(|slot| self.cores.get(*slot as usize).copied())
            .collect()
    }
}

/// GPUs by what the environment shows, or else by the names of device files.
pub(super) fn gpus(
    wanted: Option<u32>,
    visible: Option<&str>,
    files: impl Iterator<Item = String>,
) -> Vec<String> {
    let mut found: Vec<String> = match visible {
        Some(list) => {
            let names = list.split(',').map(str::trim);
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        }
        None => {
            let numbers = files.filter_map(|name| name.strip_prefix("nvidia")?.parse::<u32>().ok());
            let numbers: BTreeSet<_> = numbers.collect();
            numbers.iter().map(u32::to_string).collect()
        }
    };
    match wanted {
        None => found,
        Some(count) if count as usize <= found.len() => {
            found.truncate(count as usize);
            found
        }
        Some(count) => (0..count).map(|number| number.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(cpus_per_node: u32, gpus_per_node: u32) -> Shape {
        Shape {
            nodes: 1,
            gpus_per_node,
            cpus_per_node,
            ranks: 1,
        }
    }

    fn stock() -> Stock {
        Stock {
            cpus: 4,
            cores: vec![2, 3, 6, 7],
            gpus: vec!["0".to_owned(), "1".to_owned()],
        }
    }

    #[test]
    fn gpus_are_those_that_are_visible_or_have_a_device_file() {
        let files = || ["null", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"].map(String::from);
        assert_eq!(gpus(None, None, files().into_iter()), ["2", "10"]);
        assert_eq!(gpus(Some(1), None, files().into_iter()), ["2"]);
        assert_eq!(gpus(Some(3), None, files().into_iter()), ["0", "1", "2"]);
        assert_eq!(
            gpus(None, Some("GPU-a, 3"), files().into_iter()),
            ["GPU-a", "3"]
        );
        assert!(gpus(None, Some(""), files().into_iter()).is_empty());
    }

    #[test]
    fn what_never_fits_is_told_from_what_does_not_fit_now() {
        let held = stock().share(shape(3, 1), &[]).unwrap();
        assert_eq!(held.cpus, [0, 1, 2]);
        assert_eq!(stock().bound(&held), [2, 3, 6]);
        let next = stock()
            .share(shape(1, 1), std::slice::from_ref(&held))
            .unwrap();
        assert_eq!((next.cpus, next.gpus), (vec![3], vec!["1".to_owned()]));
        let short = stock().share(shape(2, 0), &[held]).unwrap_err();
        assert!(matches!(short, Short::Now(_)));
        let short = stock().share(shape(1, 3), &[]).unwrap_err();
        let why = "this host gives out 4 cores and 2 GPUs, too few for 3 GPUs on 1 node";
        assert_eq!(short, Short::Never(why.to_owned()));
    }

    #[test]
    fn more_slots_than_cores_are_not_bound() {
        let stock = Stock { cpus: 8, ..stock() };
        let share = stock.share(shape(2, 0), &[]).unwrap();
        assert!(stock.bound(&share).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_given_out_twice(wishes in prop::collection::vec((0_u32..4, 0_u32..3), 1..8)) {
            let mut held = Vec::new();
            for (cpus, gpus) in wishes {
                if let Ok(share) = stock().share(shape(cpus, gpus), &held) {
                    held.push(share);
                }
            }
            let cpus: Vec<_> = held.iter().flat_map(|share| &share.cpus).collect();
            let gpus: Vec<_> = held.iter().flat_map(|share| &share.gpus).collect();
            prop_assert_eq!(cpus.iter().collect::<BTreeSet<_>>().len(), cpus.len());
            prop_assert_eq!(gpus.iter().collect::<BTreeSet<_>>().len(), gpus.len());
        }
    }
}
