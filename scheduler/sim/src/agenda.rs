//! What is going to happen, in order.
//!
//! Rules: by time, then in the order in which it was put in, so that a run is the same every time.

use std::collections::BTreeMap;

/// Things that are going to happen.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    entries: BTreeMap<(u64, u64), E>,
    next: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<E> Agenda<E> {
    /// Puts one in.
    pub(crate) fn put(&mut self, at_ms: u64, event: E) {
        self.entries.insert((at_ms, self.next), event);
        self.next += 1;
    }

    /// Takes the next one out, with its time.
    pub(crate) fn take(&mut self) -> Option<(u64, E)> {
        let ((at_ms, _), event) = self.entries.pop_first()?;
        Some((at_ms, event))
    }

    /// How many have been put in so far.
    pub(crate) fn count(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_by_order() {
        let mut agenda = Agenda::default();
        for (at_ms, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b')] {
            agenda.put(at_ms, event);
        }
        let order: String = std::iter::from_fn(|| agenda.take())
            .map(|(_, e)| e)
            .collect();
        assert_eq!(order, "abcd");
    }
}
