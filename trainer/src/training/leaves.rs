//! A step's samples cut into leaves, worked off by threads, and summed in a fixed binary tree.
//!
//! How a step is cut depends on its samples alone. One thread works one leaf, so that products
//! never wait for each other; only where there are fewer leaves than threads do several threads
//! share a leaf. Either way every bit is the same.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use schliff_data::sample::Sample;

use super::tree::Tree;

/// Rows of a leaf, at most, unless one sample is longer: enough for products to run at full
/// rate, few enough that a small step still feeds several threads.
const LEAF_TOKENS: usize = 512;
/// Fewer rows than this are not cut in two.
const SPLIT_TOKENS: usize = 256;

/// Cuts a micro-batch into leaves of consecutive samples and about equal length.
pub(crate) fn cut<'a>(samples: &[&'a Sample]) -> Vec<Vec<&'a Sample>> {
    let total: usize = samples.iter().map(|sample| sample.input_ids.len()).sum();
    let wanted = match total {
        0..SPLIT_TOKENS => 1,
        // An even number keeps two, and mostly four, threads busy to the end.
        _ => total.div_ceil(LEAF_TOKENS).next_multiple_of(2),
    };
    let mut leaves: BTreeMap<usize, Vec<&Sample>> = BTreeMap::new();
    let mut before = 0;
    for &sample in samples {
        let middle = 2 * before + sample.input_ids.len();
        leaves
            .entry(middle * wanted / (2 * total.max(1)))
            .or_default()
            .push(sample);
        before += sample.input_ids.len();
    }
    leaves.into_values().collect()
}

/// Tokens of each leaf: its weight in the tree.
pub(crate) fn weights(leaves: &[Vec<&Sample>]) -> Vec<usize> {
    let tokens = |leaf: &Vec<&Sample>| leaf.iter().map(|sample| sample.input_ids.len()).sum();
    leaves.iter().map(tokens).collect()
}

/// Thread pools for every division of the threads among leaves, made once.
pub(crate) struct Workers {
    threads: usize,
    /// `pools[i]` divides all threads among `i + 1` leaves.
    pools: Vec<Vec<ThreadPool>>,
}

impl Workers {
    /// Workers over `threads` threads.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let pools = (1..=threads)
            .filter(|leaves| is_division(*leaves, threads))
            .map(|leaves| {
                (0..leaves)
                    .map(|_| {
                        ThreadPoolBuilder::new()
                            .num_threads(threads / leaves)
                            .build()
                    })
                    .collect()
            });
        Ok(Self {
            threads,
            pools: pools.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` on every thread at once, for work that is not cut into leaves.
    pub(crate) fn together<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pools[0][0].install(work)
    }

    /// Computes `work(leaf)` for leaves of these weights and combines the results in the fixed
    /// binary tree over them.
    ///
    /// `None` where there are no leaves.
    pub(crate) fn tree<T: Send>(
        &self,
        weights: &[usize],
        work: impl Fn(usize) -> T + Sync,
        combine: impl Fn(T, T) -> T + Sync,
    ) -> Option<T> {
        let leaves = weights.len();
        let next = AtomicUsize::new(0);
        let tree = Mutex::new(Tree::new(weights));
        let pools = self
            .pools
            .iter()
            .rev()
            .find(|pools| pools.len() <= leaves)?;
        std::thread::scope(|scope| {
            for pool in pools {
                scope.spawn(|| {
                    loop {
                        let leaf = next.fetch_add(1, Ordering::Relaxed);
                        if leaf >= leaves {
                            break;
                        }
                        let value = pool.install(|| work(leaf));
                        let mut met = meet(&tree, |tree| {
                            let node = tree.leaf(leaf);
                            tree.insert(node, value)
                        });
                        while let Some((left, right, parent)) = met {
                            let value = combine(left, right);
                            met = meet(&tree, |tree| tree.insert(parent, value));
                        }
                    }
                });
            }
        });
        tree.into_inner().ok().and_then(Tree::root)
    }
}

/// Pools exist for one leaf, for a leaf a thread, and for powers of two between.
fn is_division(leaves: usize, threads: usize) -> bool {
    leaves == threads || (leaves.is_power_of_two() && leaves <= threads)
}

/// Both children of a node that is ready to be combined, and the node.
type Met<T> = Option<(T, T, usize)>;

fn meet<T>(tree: &Mutex<Tree<T>>, insert: impl FnOnce(&mut Tree<T>) -> Met<T>) -> Met<T> {
    // A poisoned lock means that a leaf panicked; the scope passes that panic on.
    insert(&mut *tree.lock().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schliff_data::sample::Origin;

    fn sample(id: u64, tokens: usize) -> Sample {
        Sample {
            id,
            input_ids: vec![0; tokens],
            labels: vec![0; tokens],
            trained_bytes: None,
            origin: Origin { file: 0, line: 1 },
        }
    }

    #[test]
    fn the_tree_has_one_shape_for_any_number_of_threads() {
        for leaves in 0..23 {
            let weights: Vec<usize> = (0..leaves).map(|i| 300 + 37 * i % 200).collect();
            let shape = |threads: usize| {
                let workers = Workers::new(threads).expect("threads");
                workers.tree(&weights, |i| i.to_string(), |a, b| format!("({a} {b})"))
            };
            let one = shape(1);
            assert_eq!(one.is_some(), leaves > 0);
            for threads in 2..6 {
                assert_eq!(one, shape(threads));
            }
        }
    }

    proptest! {
        #[test]
        fn leaves_keep_every_sample_in_order(lengths in prop::collection::vec(1_usize..900, 1..40)) {
            let samples: Vec<Sample> =
                lengths.iter().enumerate().map(|(i, &n)| sample(i as u64, n)).collect();
            let leaves = cut(&samples.iter().collect::<Vec<_>>());
            let ids: Vec<u64> = leaves.iter().flatten().map(|sample| sample.id).collect();
            prop_assert_eq!(ids, (0..samples.len() as u64).collect::<Vec<_>>());
            let longest = lengths.iter().copied().max().unwrap_or(0);
            for leaf in &leaves {
                let tokens: usize = leaf.iter().map(|sample| sample.input_ids.len()).sum();
                prop_assert!(tokens <= LEAF_TOKENS + longest);
            }
        }
    }
}
