//! Which world sizes can train a job. Pure.
//!
//! A step's logical micro-batches are summed in one fixed binary tree. Each rank owns one node of a
//! level of it, so the world size is a power of two, and no larger than the number of logical
//! micro-batches of a step: with more ranks some would never have work.

use thiserror::Error;

use crate::job::Resources;

/// A world size that a job cannot be trained on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WorldSizeError {
    /// It does not fit the binary tree.
    #[error(
        "{world_size} ranks cannot share out a binary tree: take {}",
        words(nearest)
    )]
    NotPowerOfTwo {
        /// What was asked for.
        world_size: usize,
        /// What comes closest, in rising order.
        nearest: Vec<usize>,
    },
    /// There is not enough work in a step.
    #[error(
        "{world_size} ranks share {micro_batches} logical micro-batches a step, so some would \
         never have work: take {}, or make the batch larger",
        words(nearest)
    )]
    TooMany {
        /// What was asked for.
        world_size: usize,
        /// Logical micro-batches of a step.
        micro_batches: usize,
        /// What comes closest.
        nearest: Vec<usize>,
    },
}

/// Checks a world size against the tree and the work in a step.
///
/// # Errors
/// The size cannot be, with the nearest that can.
pub fn check(world_size: usize, micro_batches: usize) -> Result<(), WorldSizeError> {
    power_of_two(world_size)?;
    let most = micro_batches.max(1);
    if world_size > most {
        return Err(WorldSizeError::TooMany {
            world_size,
            micro_batches,
            nearest: vec![1 << most.ilog2()],
        });
    }
    Ok(())
}

/// Checks a world size before the work in a step is known.
///
/// # Errors
/// The size is no power of two.
pub fn power_of_two(world_size: usize) -> Result<(), WorldSizeError> {
    if world_size.is_power_of_two() {
        return Ok(());
    }
    let above = world_size.checked_next_power_of_two();
    let below = above.map_or(1 << (usize::BITS - 1), |above| above / 2);
    let mut nearest = vec![below.max(1)];
    nearest.extend(above.filter(|&above| above > 1));
    Err(WorldSizeError::NotPowerOfTwo {
        world_size,
        nearest,
    })
}

impl Resources {
    /// The world size that the job file asks for: a rank a GPU, or one a node.
    pub fn ranks(&self) -> usize {
        let nodes = self.nodes.unwrap_or(1);
        nodes.saturating_mul(self.gpus_per_node.unwrap_or(1).max(1))
    }
}

fn words(sizes: &[usize]) -> String {
    let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
    sizes.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_up_to_the_work_in_a_step_are_allowed() {
        for world_size in [1, 2, 4, 8] {
            check(world_size, 8).expect("allowed");
        }
        check(1, 0).expect("one rank always goes");
    }

    #[test]
    fn others_are_refused_with_the_nearest() {
        let words = |world_size, micro_batches| {
            let error = check(world_size, micro_batches).expect_err("refused");
            error.to_string()
        };
        assert!(words(3, 64).ends_with("take 2 or 4"), "{}", words(3, 64));
        assert!(words(0, 64).ends_with("take 1"), "{}", words(0, 64));
        assert!(words(8, 6).contains("take 4,"), "{}", words(8, 6));
        assert!(words(usize::MAX, 6).contains("take 9223372036854775808"));
    }
}
