//! What the user asked for by signals. Pure.
//!
//! Rules: each kind of stop is forwarded once, however many nodes heard it; the second Ctrl-C on one
//! node aborts; a request for a checkpoint is forwarded each time. A launcher that repeats itself, as
//! Slurm does, must not abort what is being saved.

use std::collections::BTreeMap;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

const AGAIN: &str = "stopping after this step; press again to abort";
const BOUNDARY: &str = "stopping at the next step boundary";

/// The user's wishes so far.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// Every stop signal reaches ranks as SIGTERM, and the second of any kind aborts.
    only_term: bool,
    /// The first signal that asked to stop.
    stop: Option<i32>,
    interrupts: BTreeMap<usize, u32>,
    aborted: bool,
    /// Signals to forward, in order, and how many of them each rank got.
    forward: Vec<i32>,
    delivered: Vec<usize>,
}

impl Wish {
    pub(crate) fn new(only_term: bool) -> Self {
        Self {
            only_term,
            ..Self::default()
        }
    }

    /// A signal came to a node. Gives words for the user where something changes.
    pub(crate) fn hear(&mut self, node: usize, signal: i32) -> Option<&'static str> {
        let stops = [SIGINT, SIGTERM, SIGUSR1].contains(&signal);
        let mut aborts = self.only_term && self.stop.is_some();
        if signal == SIGINT {
            let interrupts = self.interrupts.entry(node).or_default();
            *interrupts += 1;
            aborts |= *interrupts > 1;
        }
        if aborts {
            self.aborted = true;
            return None;
        }
        let forwarded = if self.only_term { SIGTERM } else { signal };
        if !stops || !self.forward.contains(&forwarded) {
            self.forward.push(forwarded);
        }
        if !stops || self.stop.is_some() {
            return None;
        }
        self.stop = Some(signal);
        Some(match signal {
            _ if self.only_term => AGAIN,
            SIGINT => AGAIN,
            _ => BOUNDARY,
        })
    }

    /// All is to end at once.
    pub(crate) fn abort(&mut self) {
        self.stop.get_or_insert(SIGINT);
        self.aborted = true;
    }

    /// The first signal that asked to stop.
    pub(crate) fn stop(&self) -> Option<i32> {
        self.stop
    }

    /// Ranks are to be killed.
    pub(crate) fn aborted(&self) -> bool {
        self.aborted
    }

    /// The user stopped in a way from which another run is to go on.
    pub(crate) fn asks_for_more(&self) -> bool {
        let more = [Some(SIGTERM), Some(SIGUSR1)].contains(&self.stop);
        more && !self.aborted && !self.only_term
    }

    /// New ranks know of nothing yet.
    pub(crate) fn begin(&mut self, ranks: usize) {
        self.delivered = vec![0; ranks];
    }

    /// What a rank has not got yet.
    pub(crate) fn undelivered(&mut self, rank: usize) -> Vec<i32> {
        let all = self.forward.len();
        let delivered = self.delivered.get_mut(rank);
        let from = delivered.map_or(all, |delivered| std::mem::replace(delivered, all));
        self.forward[from..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::SIGUSR2;

    #[test]
    fn each_kind_of_stop_is_forwarded_once_to_each_rank() {
        let mut wish = Wish::new(false);
        wish.begin(2);
        assert_eq!(wish.hear(0, SIGUSR1), Some(BOUNDARY));
        for (node, signal) in [
            (1, SIGUSR1),
            (0, SIGTERM),
            (1, SIGTERM),
            (0, SIGUSR2),
            (0, SIGUSR2),
        ] {
            assert_eq!(wish.hear(node, signal), None);
        }
        assert_eq!(wish.undelivered(1), [SIGUSR1, SIGTERM, SIGUSR2, SIGUSR2]);
        assert!(wish.undelivered(1).is_empty());
        assert_eq!(wish.undelivered(0).len(), 4);
        assert!(wish.asks_for_more() && !wish.aborted());
        wish.begin(2);
        assert_eq!(
            wish.undelivered(1).len(),
            4,
            "a new generation knows of nothing"
        );
    }

    #[test]
    fn only_the_second_ctrl_c_on_one_node_aborts() {
        let mut wish = Wish::new(false);
        assert_eq!(wish.hear(0, SIGINT), Some(AGAIN));
        wish.hear(1, SIGINT);
        wish.hear(0, SIGTERM);
        assert!(!wish.aborted());
        wish.hear(1, SIGINT);
        assert!(wish.aborted() && !wish.asks_for_more());
    }

    #[test]
    fn where_only_one_kind_is_known_any_second_signal_aborts() {
        let mut wish = Wish::new(true);
        wish.begin(1);
        assert_eq!(wish.hear(0, SIGINT), Some(AGAIN));
        assert_eq!(wish.undelivered(0), [SIGTERM]);
        wish.hear(0, SIGTERM);
        assert!(wish.aborted());
    }
}
