//! Which cores, threads and devices a local rank gets. Pure.
//!
//! Rules: a rank alone on its machine is left as it is; several share the allowed cores out in even,
//! neighbouring runs; what the user set in the environment wins.

/// The variable by which the trainer learns its number of threads.
pub const THREADS: &str = "SCHLIFF_THREADS";
/// The variables by which CUDA and ROCm learn which devices they see.
pub const DEVICES: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"];

/// What a rank is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Cores it may run on; none for all.
    pub cores: Vec<usize>,
    /// Variables added to its environment.
    pub environment: Vec<(&'static str, String)>,
}

/// What a node has to share out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Cores that this process may use, in rising order.
    pub cores: Vec<usize>,
    /// The user set the number of threads.
    pub threads_set: bool,
    /// GPUs are used; the lists of visible ones as the environment has them, if it does.
    pub devices: Option<[Option<String>; 2]>,
}

impl Stock {
    /// The share of rank `local_rank` of `local_world_size`.
    pub fn share(&self, local_rank: usize, local_world_size: usize) -> Binding {
        let mut binding = Binding::default();
        if local_world_size > 1 && !self.cores.is_empty() {
            binding.cores = run(&self.cores, local_rank, local_world_size);
            if !self.threads_set {
                let threads = binding.cores.len().to_string();
                binding.environment.push((THREADS, threads));
            }
        }
        for (name, listed) in DEVICES.iter().zip(self.devices.iter().flatten()) {
            binding
                .environment
                .push((name, device(listed.as_deref(), local_rank)));
        }
        binding
    }
}

/// The rank's run of cores; with fewer cores than ranks, ranks share one.
fn run(cores: &[usize], local_rank: usize, local_world_size: usize) -> Vec<usize> {
    let at = |rank: usize| rank * cores.len() / local_world_size;
    let (from, to) = (at(local_rank), at(local_rank + 1));
    if from == to {
        return vec![cores[local_rank % cores.len()]];
    }
    cores[from..to].to_vec()
}

/// The rank's device: that of the list at its place, else the one with its number.
fn device(listed: Option<&str>, local_rank: usize) -> String {
    let named = listed.and_then(|list| list.split(',').map(str::trim).nth(local_rank));
    named
        .filter(|name| !name.is_empty())
        .map_or_else(|| local_rank.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stock(cores: impl IntoIterator<Item = usize>) -> Stock {
        Stock {
            cores: cores.into_iter().collect(),
            ..Stock::default()
        }
    }

    #[test]
    fn cores_are_shared_out_in_runs() {
        let stock = stock([0, 1, 4, 5]);
        assert_eq!(stock.share(0, 1), Binding::default(), "alone");
        assert_eq!(stock.share(1, 2).cores, [4, 5]);
        assert_eq!(stock.share(1, 2).environment, [(THREADS, "2".to_owned())]);
        assert_eq!(stock.share(5, 8).cores.len(), 1);
    }

    #[test]
    fn what_the_user_set_wins_and_devices_follow_the_list() {
        let listed = Some("3, GPU-7".to_owned());
        let stock = Stock {
            threads_set: true,
            devices: Some([listed, None]),
            ..stock([0, 1])
        };
        let expected = [
            (DEVICES[0], "GPU-7".to_owned()),
            (DEVICES[1], "1".to_owned()),
        ];
        assert_eq!(stock.share(1, 2).environment, expected);
    }

    proptest! {
        #[test]
        fn every_core_has_one_owner_and_shares_are_even(cores in 1..300_usize, ranks in 2..65_usize) {
            let stock = stock(0..cores);
            let shares: Vec<_> = (0..ranks).map(|rank| stock.share(rank, ranks).cores).collect();
            if cores >= ranks {
                prop_assert_eq!(shares.concat(), stock.cores);
                let sizes = shares.iter().map(Vec::len);
                prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
            } else {
                prop_assert!(shares.iter().all(|share| share.len() == 1));
            }
        }
    }
}
