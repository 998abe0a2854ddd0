//! Which ports a job's leader tries, in which order. Pure.
//!
//! Every agent of a job derives the same list, the leader takes the first that is free, the others
//! ask one after another: who is not of the job does not know its secret. The range lies below the
//! ports that systems give away by themselves and beside those that services are known by.

/// First port of the range.
const FIRST: u16 = 20_000;
/// Ports in the range.
const COUNT: u64 = 12_000;
/// Ports that are tried.
const CANDIDATES: u64 = 8;

/// The ports to try for the job called `job` in its `restart`th life.
pub fn candidates(job: &str, restart: u64) -> Vec<u16> {
    // FNV-1a: the same on every machine and in every build, which std's hasher does not promise.
    let bytes = job.bytes().chain(restart.to_le_bytes());
    let seed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The range and the stride have no common factor, so no port comes twice.
    let port = |nth: u64| (seed % COUNT + nth * 1_009) % COUNT;
    (0..CANDIDATES)
        .filter_map(|nth| u16::try_from(port(nth)).ok())
        .map(|offset| FIRST + offset)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_list_is_the_same_for_ever() {
        assert_eq!(candidates("4711", 0), candidates("4711", 0));
        assert_ne!(candidates("4711", 0), candidates("4711", 1));
        assert_ne!(candidates("4711", 0), candidates("4712", 0));
    }

    proptest! {
        #[test]
        fn candidates_are_distinct_and_in_the_range(job in "[0-9a-z_]{0,12}", restart in 0..99_u64) {
            let mut ports = candidates(&job, restart);
            prop_assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
            ports.sort_unstable();
            ports.dedup();
            prop_assert_eq!(ports.len(), 8);
        }
    }
}
