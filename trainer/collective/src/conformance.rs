//! What every implementation must do, as scripts that all ranks of a group run alike.
//!
//! Every rank knows what every other puts in, so each checks its own results alone: the scripts run
//! in threads, in processes and under `mpirun`. Where two NaNs meet, any NaN is right.

use crate::{Collective, CollectiveError, NOTHING};

/// Lengths around the ends of shares, cache lines and blocks.
const LENGTHS: &[usize] = &[
    0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 65, 127, 1000, 4099, 32_767, 65_536, 65_537,
    131_073, 300_001,
];
/// Lengths that are drawn besides.
const DRAWN: usize = 12;
const LONGEST_DRAWN: u64 = 200_000;
/// Numbers that go wrong first where a sum is taken in another order or in another way.
const SPECIAL: &[f32] = &[
    0.0,
    -0.0,
    1.0e-45,
    -1.0e-45,
    1.175_494_2e-38,
    f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    16_777_216.0,
    1.0,
];

/// A script that found something wrong.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The operation failed.
    #[error("{0}")]
    Failed(#[from] CollectiveError),
    /// The operation gave something else.
    #[error("{0}")]
    Wrong(String),
}

/// Everything that a healthy group does.
///
/// # Errors
/// What went wrong first.
pub fn healthy(group: &mut dyn Collective) -> Result<(), Broken> {
    sums(group)?;
    large_trees(group)?;
    nothing(group)?;
    gathers(group)?;
    broadcasts(group)?;
    for _ in 0..100 {
        group.barrier()?;
    }
    sums(group)
}

/// A group whose sums are in another order than the tree's: what is the same in every order.
///
/// # Errors
/// What went wrong first.
pub fn in_any_order(group: &mut dyn Collective) -> Result<(), Broken> {
    for len in LENGTHS {
        let part = |rank: usize| (0..*len).map(move |at| ((at * 31 + rank * 7) % 1024) as f32);
        let mut sum: Vec<_> = part(group.rank()).collect();
        group.all_reduce(&mut sum)?;
        let parts: Vec<Vec<_>> = (0..group.world_size())
            .map(|it| part(it).collect())
            .collect();
        same(
            &tree(&parts),
            &sum,
            &format!("a sum of {len} whole numbers"),
        )?;
    }
    gathers(group)?;
    broadcasts(group)
}

/// Sums give the bits of the tree, for every length and all kinds of numbers.
fn sums(group: &mut dyn Collective) -> Result<(), Broken> {
    let mut draw = Draw(7);
    let drawn = (0..DRAWN).map(|_| usize::try_from(draw.next() % LONGEST_DRAWN).unwrap_or(0));
    let lengths: Vec<_> = LENGTHS.iter().copied().chain(drawn).collect();
    for (seed, len) in lengths.into_iter().enumerate() {
        let parts: Vec<_> = (0..group.world_size())
            .map(|rank| numbers(len, (seed + 1) * 1000 + rank))
            .collect();
        let mut sum = parts[group.rank()].clone();
        group.all_reduce(&mut sum)?;
        same(&tree(&parts), &sum, &format!("a sum of {len} numbers"))?;
    }
    Ok(())
}

/// Ranks that summed aligned parts of a larger tree give the bits of that tree.
fn large_trees(group: &mut dyn Collective) -> Result<(), Broken> {
    const LEN: usize = 777;
    for own in [1, 2, 4, 8] {
        let leaves: Vec<_> = (0..group.world_size() * own)
            .map(|leaf| numbers(LEN, 50_000 + leaf))
            .collect();
        let first = group.rank() * own;
        let mut sum = tree(&leaves[first..first + own]);
        group.all_reduce(&mut sum)?;
        same(
            &tree(&leaves),
            &sum,
            &format!("a tree of {} leaves", leaves.len()),
        )?;
    }
    Ok(())
}

/// Ranks without a part leave a sum as it is, the sign of its zeros too.
fn nothing(group: &mut dyn Collective) -> Result<(), Broken> {
    for only in 0..group.world_size() {
        let part = numbers(100, 90_000 + only);
        let is_own = group.rank() == only;
        let mut sum = if is_own {
            part.clone()
        } else {
            vec![NOTHING; part.len()]
        };
        group.all_reduce(&mut sum)?;
        same(
            &part,
            &sum,
            &format!("a sum to which rank {only} alone adds"),
        )?;
    }
    Ok(())
}

fn bytes(rank: usize, len: usize) -> Vec<u8> {
    let mut draw = Draw(rank as u64 + 1);
    (0..len).map(|_| draw.next().to_le_bytes()[3]).collect()
}

/// Parts of different lengths arrive by rank.
fn gathers(group: &mut dyn Collective) -> Result<(), Broken> {
    for scale in [0, 1, 5, 1000, 2_000_003] {
        let part = |rank: usize| bytes(rank, rank * scale % 5_000_000);
        let gathered = group.all_gather(&part(group.rank()))?;
        let wanted: Vec<_> = (0..group.world_size()).map(part).collect();
        if gathered != wanted {
            return Err(Broken::Wrong(format!(
                "parts of {scale} bytes a rank differ"
            )));
        }
    }
    Ok(())
}

/// What a root has is then had by all, whatever they had before.
fn broadcasts(group: &mut dyn Collective) -> Result<(), Broken> {
    for root in 0..group.world_size() {
        for len in [0, 1, 3_000_001] {
            let wanted = bytes(root + 100, len);
            let is_root = group.rank() == root;
            let mut data = if is_root {
                wanted.clone()
            } else {
                vec![7; group.rank()]
            };
            group.broadcast(root, &mut data)?;
            if data != wanted {
                return Err(Broken::Wrong(format!(
                    "{len} bytes from rank {root} differ"
                )));
            }
        }
    }
    Ok(())
}

/// Rank 0 is at another operation than the others: every rank learns of it, and the group is
/// broken. For implementations that promise to tell.
///
/// # Errors
/// A rank that did not learn of it.
pub fn out_of_step(mut group: Box<dyn Collective>) -> Result<(), Broken> {
    let first = group.rank() == 0;
    let told = if first {
        group.all_reduce(&mut [1.0; 5])
    } else {
        group.all_reduce(&mut [1.0; 6])
    };
    match told {
        Err(CollectiveError::OutOfStep { .. } | CollectiveError::Aborted { .. }) => {}
        other => return Err(Broken::Wrong(format!("out of step, but {other:?}"))),
    }
    match group.barrier() {
        Err(CollectiveError::Aborted { .. }) => Ok(()),
        other => Err(Broken::Wrong(format!("broken, but {other:?}"))),
    }
}

/// The last rank leaves while the others work: each of them hears its words.
///
/// # Errors
/// A rank that did not hear them.
pub fn abort(mut group: Box<dyn Collective>) -> Result<(), Broken> {
    const REASON: &str = "the disk is full";
    let last = group.world_size() - 1;
    if group.rank() == last {
        group.barrier()?;
        group.abort(REASON);
        return Ok(());
    }
    // The words may overtake the end of the barrier.
    let reached = group.barrier();
    match reached.and_then(|()| group.all_reduce(&mut vec![1.0; 1_000_000])) {
        Err(CollectiveError::Aborted { rank, reason }) if rank == last && reason == REASON => {
            Ok(())
        }
        other => Err(Broken::Wrong(format!("rank {last} left, but {other:?}"))),
    }
}

/// The tree as its definition says it.
fn tree(parts: &[Vec<f32>]) -> Vec<f32> {
    match parts {
        [] => Vec::new(),
        [part] => part.clone(),
        parts => {
            let (left, right) = parts.split_at(parts.len() / 2);
            let (left, right) = (tree(left), tree(right));
            left.iter()
                .zip(&right)
                .map(|(left, right)| left + right)
                .collect()
        }
    }
}

fn same(wanted: &[f32], found: &[f32], what: &str) -> Result<(), Broken> {
    let differ = |(wanted, found): (&f32, &f32)| {
        wanted.to_bits() != found.to_bits() && !(wanted.is_nan() && found.is_nan())
    };
    if wanted.len() != found.len() {
        return Err(Broken::Wrong(format!("{what} has {} numbers", found.len())));
    }
    match wanted.iter().zip(found).position(differ) {
        None => Ok(()),
        Some(at) => Err(Broken::Wrong(format!(
            "{what}: number {at} is {:e}, not {:e}",
            found[at], wanted[at]
        ))),
    }
}

/// Numbers of all sizes and signs, and every eighth a special one.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let mut draw = Draw(seed as u64);
    let number = |_| {
        let bits = draw.next();
        let special = (bits >> 40) as usize % (8 * SPECIAL.len());
        match SPECIAL.get(special) {
            Some(special) => *special,
            // Of a middle size, so that most sums are finite and most are rounded.
            None => {
                let exponent = 117 + (bits >> 32) as u32 % 20;
                f32::from_bits(bits as u32 & 0x807f_ffff | exponent << 23)
            }
        }
    };
    (0..len).map(number).collect()
}

/// A small generator (SplitMix64), the same on every rank.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Solo;

    #[test]
    fn one_rank_alone_conforms() {
        healthy(&mut Solo).expect("healthy");
        in_any_order(&mut Solo).expect("healthy");
    }

    /// A group of two that forgets the other rank.
    struct Forgetful;

    impl Collective for Forgetful {
        fn rank(&self) -> usize {
            0
        }

        fn world_size(&self) -> usize {
            2
        }

        fn all_reduce(&mut self, _data: &mut [f32]) -> Result<(), CollectiveError> {
            Ok(())
        }

        fn all_gather(&mut self, part: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
            Ok(vec![part.to_vec(), part.to_vec()])
        }

        fn broadcast(&mut self, _: usize, _: &mut Vec<u8>) -> Result<(), CollectiveError> {
            Ok(())
        }

        fn abort(self: Box<Self>, _reason: &str) {}
    }

    #[test]
    fn a_group_that_does_nothing_is_found_out() {
        let group = &mut Forgetful;
        for script in [
            sums,
            large_trees,
            nothing,
            gathers,
            broadcasts,
            in_any_order,
        ] {
            assert!(matches!(script(group), Err(Broken::Wrong(_))));
        }
    }
}
