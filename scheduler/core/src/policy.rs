//! The figures by which the brain decides, each with its reason.

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// For all agents to come, from the grant on. Loading a container or modules takes minutes at worst.
pub const JOIN_MS: u64 = 10 * MINUTE;
/// The pause after the first failure in a row; it doubles with each further one.
pub const FIRST_PAUSE_MS: u64 = 5 * SECOND;
/// The longest of these pauses.
pub const LONGEST_PAUSE_MS: u64 = 10 * MINUTE;
/// An allocation that complete listings lack for so long, and whose agents are silent, has vanished.
/// Longer than a batch system takes to show what it accepted, and shorter than people's patience.
pub const VANISH_MS: u64 = 5 * MINUTE;
/// Agents that are not heard for so long, though the batch system says that they run, are lost. Longer
/// than a coordinator is down for an upgrade.
pub const SILENT_MS: u64 = 30 * MINUTE;
/// Agents that are not heard for so long are spoken of.
pub const QUIET_MS: u64 = 30 * SECOND;
/// No call to a batch system takes longer: back-ends give up before.
pub const CALL_MS: u64 = MINUTE;
/// Between two tries of a submit that certainly had no effect; doubles up to the longest pause.
pub const RESUBMIT_MS: u64 = 5 * SECOND;
/// For ranks to commit and end, before they are ended.
pub const GRACE_MS: u64 = 2 * MINUTE;
/// Between two requests of the same kind to end an allocation.
pub const STOP_AGAIN_MS: u64 = 30 * SECOND;
/// For an allocation to end by itself, after its agent's last words.
pub const WORDS_MS: u64 = 20 * SECOND;
/// For so long after its agents' last words a job is looked for in the queue that it goes back to: a
/// batch system needs some seconds for that.
pub const LOOK_MS: u64 = 15 * SECOND;
/// An estimate of a start is worth something for so long, and is asked for no more often. Each asks a
/// batch system to plan a job.
pub const ESTIMATE_MS: u64 = 5 * MINUTE;
/// Clusters have so long to answer when they would start a job; then it is chosen by what is known.
pub const COMPARE_MS: u64 = 90 * SECOND;
/// Jobs for which clusters are compared at a time.
pub const COMPARE_AT_ONCE: usize = 16;
/// Starts that lie no further apart are the same: then the price decides.
pub const SAME_START_MS: u64 = 5 * MINUTE;
/// A job that is next in the queue for so long is overtaken by no smaller one any more.
pub const STARVE_MS: u64 = 10 * MINUTE;
/// A job whose wanted shape is not to be had for so long takes a smaller one.
pub const SHRINK_MS: u64 = 2 * MINUTE;
/// Strikes of a node that count.
pub const STRIKE_MEMORY_MS: u64 = 6 * HOUR;
/// A node with so many of them is avoided.
pub const STRIKES_OUT: u32 = 2;
/// For so long after the last one.
pub const AVOID_MS: u64 = HOUR;
/// At most one node in so many is avoided: a cluster that fails as a whole is not the nodes' fault.
pub const AVOID_ONE_IN: usize = 4;
/// The shortest wall time that is asked for.
pub const SHORTEST_LINK_MS: u64 = MINUTE;
/// Jobs that have not ended, at most: memory and the queue's figures are measured up to here.
pub const MOST_OPEN_JOBS: usize = 50_000;

/// The pause after so many failures in a row.
pub fn pause_ms(failures: u32) -> u64 {
    doubling_ms(FIRST_PAUSE_MS, failures)
}

/// The pause after so many tries of a submit.
pub fn resubmit_ms(tries: u32) -> u64 {
    doubling_ms(RESUBMIT_MS, tries)
}

fn doubling_ms(first_ms: u64, count: u32) -> u64 {
    let doublings = count.saturating_sub(1).min(20);
    (first_ms << doublings).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_growing() {
        let pauses = [1, 2, 3, 50].map(pause_ms);
        assert_eq!(pauses, [5_000, 10_000, 20_000, LONGEST_PAUSE_MS]);
    }
}
