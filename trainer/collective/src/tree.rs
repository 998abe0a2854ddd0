//! The fixed binary tree over ranks, and how a buffer is shared out among them. Pure.
//!
//! Addition is commutative to the bit but not associative, so only the shape of the tree matters:
//! a rank may add up its own path first. The one exception is which of two NaNs survives.

use std::ops::Range;

/// Numbers that belong to one cache line; shares begin at such a boundary.
const ALIGNED: usize = 16;

/// The part of a buffer of `len` numbers that rank `owner` adds up.
pub(crate) fn share(len: usize, world_size: usize, owner: usize) -> Range<usize> {
    let size = longest_share(len, world_size);
    (owner * size).min(len)..((owner + 1) * size).min(len)
}

/// Length of the longest share.
pub(crate) fn longest_share(len: usize, world_size: usize) -> usize {
    len.div_ceil(world_size).next_multiple_of(ALIGNED)
}

/// Adds the parts of all other ranks to `own`, in the tree. `parts` holds one part for each rank,
/// `stride` numbers apart, the own one unused; it is used up.
pub(crate) fn add_up(own: &mut [f32], rank: usize, parts: &mut [f32], stride: usize) {
    let world_size = parts.len() / stride.max(1);
    let mut width = 1;
    while width < world_size {
        // The other half of the subtree of twice this width that holds the rank.
        let sibling = (rank / width) ^ 1;
        let siblings = &mut parts[sibling * width * stride..(sibling + 1) * width * stride];
        if width == 2 {
            let (left, right) = siblings.split_at(stride);
            add_pair(own, left, right);
        } else {
            fold(siblings, stride, own.len());
            add(own, siblings);
        }
        width *= 2;
    }
}

/// Sums a power of two of parts into the first.
fn fold(parts: &mut [f32], stride: usize, len: usize) {
    if parts.len() > stride {
        let (left, right) = parts.split_at_mut(parts.len() / 2);
        fold(left, stride, len);
        fold(right, stride, len);
        add(&mut left[..len], right);
    }
}

fn add(sum: &mut [f32], part: &[f32]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += part;
    }
}

fn add_pair(sum: &mut [f32], left: &[f32], right: &[f32]) {
    for ((sum, left), right) in sum.iter_mut().zip(left).zip(right) {
        *sum += left + right;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree as its definition says it.
    fn tree(parts: &[Vec<f32>], at: usize) -> f32 {
        match parts {
            [part] => part[at],
            parts => {
                let (left, right) = parts.split_at(parts.len() / 2);
                tree(left, at) + tree(right, at)
            }
        }
    }

    proptest! {
        #[test]
        fn shares_cover_a_buffer_once(len in 0_usize..1000, power in 0_u32..5) {
            let world_size = 1 << power;
            let mut end = 0;
            for owner in 0..world_size {
                let share = share(len, world_size, owner);
                prop_assert_eq!(share.start, end);
                prop_assert!(share.len() <= longest_share(len, world_size));
                end = share.end;
            }
            prop_assert_eq!(end, len);
        }

        #[test]
        fn every_rank_adds_up_the_same_tree(
            power in 0_u32..5,
            len in 0_usize..40,
            spare in 0_usize..4,
            seed in any::<u32>(),
        ) {
            let world_size = 1_usize << power;
            let number = |rank: usize, at: usize| {
                let bits = (rank * 977 + at * 7919) as u32 ^ seed;
                f32::from_bits(bits.wrapping_mul(0x9e37_79b1) & 0xbfff_ffff)
            };
            let parts: Vec<Vec<f32>> = (0..world_size)
                .map(|rank| (0..len).map(|at| number(rank, at)).collect())
                .collect();
            let stride = len + spare + 1;
            for rank in 0..world_size {
                let mut flat = vec![f32::NAN; world_size * stride];
                for (other, part) in parts.iter().enumerate().filter(|(other, _)| *other != rank) {
                    flat[other * stride..other * stride + len].copy_from_slice(part);
                }
                let mut own = parts[rank].clone();
                add_up(&mut own, rank, &mut flat, stride);
                for (at, sum) in own.iter().enumerate() {
                    prop_assert_eq!(sum.to_bits(), tree(&parts, at).to_bits());
                }
            }
        }
    }
}
