//! How much may be asked of the partitions: wall time, nodes.

use super::Comparison;

impl Comparison<'_> {
    pub(super) fn limits(&mut self) {
        if self.partitions().is_empty() {
            return;
        }
        self.max_time();
        self.max_nodes();
    }

    fn max_time(&mut self) {
        let key = "limits.max_time";
        // With several partitions a job may wait in each, and must end in any.
        let caps = self.partitions();
        let cap_s = caps
            .iter()
            .filter_map(|it| it.max_time_min)
            .map(|minutes| u64::from(minutes) * 60)
            .min();
        match (self.limits.max_time_s, cap_s) {
            (None, None) => {}
            (Some(own_s), None) => self.fits(key, time(own_s), "no limit"),
            (None, Some(cap_s)) => {
                let change = format!("write {:?}: longer jobs are refused there", time(cap_s));
                self.open(key, format!("at most {}", time(cap_s)), change);
            }
            (Some(own_s), Some(cap_s)) if own_s > cap_s => {
                let change = format!("write {:?}", time(cap_s));
                self.differs(key, time(own_s), format!("at most {}", time(cap_s)), change);
            }
            (Some(own_s), Some(cap_s)) => {
                self.fits(key, time(own_s), format!("at most {}", time(cap_s)));
            }
        }
    }

    fn max_nodes(&mut self) {
        let key = "limits.max_nodes";
        let most =
            |it: &&schliff_slurm::node::Partition| it.max_nodes.unwrap_or(u32::MAX).min(it.nodes);
        let Some(most) = self.partitions().iter().map(most).max() else {
            return;
        };
        match self.limits.max_nodes {
            Some(own) if own > most => {
                let change = format!("write {most}");
                self.differs(key, own, format!("at most {most}"), change);
            }
            Some(own) => self.fits(key, own, format!("at most {most}")),
            None => {}
        }
    }
}

/// As a profile would have it.
fn time(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60)];
    let is_whole = |(_, of): &&(&str, u64)| seconds.is_multiple_of(*of);
    match units.iter().find(is_whole) {
        // A day is more often called 24 hours.
        Some(("d", _)) if seconds == 86_400 => "24h".to_owned(),
        Some((unit, of)) => format!("{}{unit}", seconds / of),
        None => format!("{seconds}s"),
    }
}
