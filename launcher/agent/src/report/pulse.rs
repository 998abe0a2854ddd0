//! Signs of life of all ranks, as the coordinator is shown them. Pure.
//!
//! Rules: what a rank computes in a step is told only where beats saw both its beginning and its
//! end, which is so for steps of some seconds; shorter steps have no stragglers worth a name.

use schliff_spec::event::{Beat, Doing};
use schliff_wire::v1::RankView;

/// The newest sign of life of each rank.
#[derive(Debug)]
pub(super) struct Pulses {
    ranks: Vec<Pulse>,
}

#[derive(Clone, Debug, Default)]
struct Pulse {
    beat: Option<(Beat, i64)>,
    /// The step that it computes, and since when.
    computing: Option<(usize, i64)>,
    step_ms: Option<f64>,
}

impl Pulses {
    /// No rank was heard yet.
    pub(super) fn new(ranks: usize) -> Self {
        Self {
            ranks: vec![Pulse::default(); ranks],
        }
    }

    /// So many ranks are started anew.
    pub(super) fn begin(&mut self, ranks: usize) {
        self.ranks = vec![Pulse::default(); ranks];
    }

    /// A rank gave a sign of life at `now_ms`.
    pub(super) fn beat(&mut self, rank: usize, beat: Beat, now_ms: i64) {
        let Some(pulse) = self.ranks.get_mut(rank) else {
            return;
        };
        let since_ms = now_ms.saturating_sub(i64::try_from(beat.for_ms).unwrap_or(i64::MAX));
        match (beat.doing, pulse.computing) {
            (Doing::Computing, Some((step, _))) if step == beat.step => {}
            (Doing::Computing, _) => pulse.computing = Some((beat.step, since_ms)),
            (Doing::Reducing, Some((step, began_ms))) if step == beat.step => {
                pulse.step_ms = Some(since_ms.saturating_sub(began_ms).max(0) as f64);
                pulse.computing = None;
            }
            _ => pulse.computing = None,
        }
        pulse.beat = Some((beat, now_ms));
    }

    /// All ranks have met and work.
    pub(super) fn all_train(&self) -> bool {
        let trains = |pulse: &Pulse| {
            pulse.beat.is_some_and(|(beat, _)| {
                beat.step > 0 || !matches!(beat.doing, Doing::Preparing | Doing::Joining)
            })
        };
        !self.ranks.is_empty() && self.ranks.iter().all(trains)
    }

    /// How all ranks that were heard stand at `now_ms`; the first `own` of them are on `node`.
    pub(super) fn views(&self, now_ms: i64, (own, node): (usize, &str)) -> Vec<RankView> {
        let view = |(rank, pulse): (usize, &Pulse)| {
            let (beat, heard_ms) = pulse.beat?;
            let for_ms = i64::try_from(beat.for_ms).unwrap_or(i64::MAX);
            Some(RankView {
                rank: rank as u32,
                node: if rank < own {
                    node.to_owned()
                } else {
                    String::new()
                },
                step: beat.step as u64,
                doing: word(beat.doing).to_owned(),
                doing_for_ms: for_ms.saturating_add(now_ms.saturating_sub(heard_ms).max(0)),
                heard_ms,
                step_ms: pulse.step_ms,
            })
        };
        self.ranks.iter().enumerate().filter_map(view).collect()
    }
}

/// The word for it, as in the trainer's protocol.
fn word(doing: Doing) -> &'static str {
    match doing {
        Doing::Preparing => "preparing",
        Doing::Joining => "joining",
        Doing::Computing => "computing",
        Doing::Reducing => "reducing",
        Doing::Measuring => "measuring",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(step: usize, doing: Doing, for_ms: u64) -> Beat {
        Beat {
            step,
            doing,
            for_ms,
        }
    }

    #[test]
    fn the_time_of_computing_is_known_where_both_its_ends_were_seen() {
        let mut pulses = Pulses::new(2);
        pulses.beat(0, beat(4, Doing::Computing, 200), 1_000);
        pulses.beat(0, beat(4, Doing::Computing, 1_200), 2_000);
        pulses.beat(0, beat(4, Doing::Reducing, 300), 3_000);
        // The rest of the step is an update, and no step of its own.
        pulses.beat(0, beat(5, Doing::Reducing, 300), 4_000);
        let views = pulses.views(4_500, (1, "n0"));
        assert_eq!(views.len(), 1, "the other one was not heard");
        assert_eq!(views[0].step_ms, Some(1_900.0));
        assert_eq!(
            (views[0].doing.as_str(), views[0].doing_for_ms),
            ("reducing", 800)
        );
        assert_eq!((views[0].node.as_str(), views[0].heard_ms), ("n0", 4_000));
    }

    #[test]
    fn all_train_once_the_last_has_met_the_others() {
        let mut pulses = Pulses::new(2);
        pulses.beat(0, beat(0, Doing::Measuring, 0), 0);
        assert!(!pulses.all_train());
        pulses.beat(1, beat(0, Doing::Joining, 0), 0);
        assert!(!pulses.all_train());
        pulses.beat(1, beat(0, Doing::Reducing, 0), 0);
        assert!(pulses.all_train());
        pulses.begin(1);
        assert!(!pulses.all_train());
        pulses.beat(0, beat(0, Doing::Reducing, 0), 0);
        assert!(pulses.all_train(), "those that are left");
        assert!(!Pulses::new(0).all_train());
    }
}
