//! The sum in the fixed tree over any wire that can send shares to all and gather them again.
//!
//! Only the wire is NCCL's; what is added to what is decided here, as over TCP.

use crate::tree::{add_up, longest_share, share};
use crate::{Collective, CollectiveError};

/// What carries shares between ranks.
pub(super) trait Wire {
    /// This rank, and ranks in all.
    fn place(&self) -> (usize, usize);

    /// The two buffers of this rank, each of so many numbers: what goes out, and what came back.
    /// They keep what is in them while the length stays the same.
    fn buffers(&mut self, len: usize) -> Result<(&mut [f32], &mut [f32]), CollectiveError>;

    /// Sends the `i`-th run of `stride` numbers to rank `i`; what came from rank `i` is the `i`-th
    /// run of what came back, and the own run of it is anything.
    fn all_to_all(&mut self, stride: usize) -> Result<(), CollectiveError>;

    /// Sends the own run of `stride` numbers to all; all runs come back by rank.
    fn all_gather(&mut self, stride: usize) -> Result<(), CollectiveError>;
}

/// Replaces `data` by the sum over ranks.
pub(super) fn in_tree(wire: &mut impl Wire, data: &mut [f32]) -> Result<(), CollectiveError> {
    let (rank, world_size) = wire.place();
    let stride = longest_share(data.len(), world_size);
    let all = stride * world_size;
    let own = rank * stride..(rank + 1) * stride;
    let (out, _) = wire.buffers(all)?;
    out[..data.len()].copy_from_slice(data);
    out[data.len()..].fill(0.0);
    wire.all_to_all(stride)?;
    let (out, back) = wire.buffers(all)?;
    add_up(&mut out[own], rank, back, stride);
    wire.all_gather(stride)?;
    let (_, back) = wire.buffers(all)?;
    for owner in 0..world_size {
        let part = share(data.len(), world_size, owner);
        let sums = &back[owner * stride..owner * stride + part.len()];
        data[part].copy_from_slice(sums);
    }
    Ok(())
}

/// Whether all ranks think the same of a question, told where they do not.
pub(super) fn agree(
    control: &mut dyn Collective,
    (question, own): (&str, &str),
) -> Result<(), CollectiveError> {
    let answers = control.all_gather(own.as_bytes())?;
    let other = answers.iter().position(|answer| answer != own.as_bytes());
    let Some(rank) = other else { return Ok(()) };
    let told = String::from_utf8_lossy(&answers[rank]);
    Err(super::refused(format!(
        "{question} must be the same on all ranks, but it is {told} on rank {rank} and {own} on \
         rank {}",
        control.rank()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    /// Shares over a group of threads, by gathers of all that goes out.
    struct Gathers<'a> {
        control: &'a mut dyn Collective,
        out: Vec<f32>,
        back: Vec<f32>,
    }

    impl Gathers<'_> {
        fn everything(&mut self) -> Result<Vec<Vec<f32>>, CollectiveError> {
            let all = self.control.all_gather(bytemuck::cast_slice(&self.out))?;
            let numbers = |bytes: &Vec<u8>| {
                let numbers = bytes.as_chunks().0.iter();
                numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
            };
            Ok(all.iter().map(numbers).collect())
        }
    }

    impl Wire for Gathers<'_> {
        fn place(&self) -> (usize, usize) {
            (self.control.rank(), self.control.world_size())
        }

        fn buffers(&mut self, len: usize) -> Result<(&mut [f32], &mut [f32]), CollectiveError> {
            self.out.resize(len, f32::NAN);
            self.back.resize(len, f32::NAN);
            Ok((&mut self.out, &mut self.back))
        }

        fn all_to_all(&mut self, stride: usize) -> Result<(), CollectiveError> {
            let own = self.control.rank();
            for (rank, out) in self.everything()?.iter().enumerate() {
                let run = &out[own * stride..(own + 1) * stride];
                self.back[rank * stride..(rank + 1) * stride].copy_from_slice(run);
            }
            self.back[own * stride..(own + 1) * stride].fill(f32::NAN);
            Ok(())
        }

        fn all_gather(&mut self, stride: usize) -> Result<(), CollectiveError> {
            for (rank, out) in self.everything()?.iter().enumerate() {
                let run = rank * stride..(rank + 1) * stride;
                self.back[run.clone()].copy_from_slice(&out[run]);
            }
            Ok(())
        }
    }

    /// A group whose sums go over such a wire, as NCCL's do.
    struct OverWire(Box<dyn Collective>);

    impl Collective for OverWire {
        fn rank(&self) -> usize {
            self.0.rank()
        }

        fn world_size(&self) -> usize {
            self.0.world_size()
        }

        fn all_reduce(&mut self, data: &mut [f32]) -> Result<(), CollectiveError> {
            let control = self.0.as_mut();
            let (out, back) = (Vec::new(), Vec::new());
            let mut wire = Gathers { control, out, back };
            in_tree(&mut wire, data)
        }

        fn all_gather(&mut self, part: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
            self.0.all_gather(part)
        }

        fn broadcast(&mut self, root: usize, data: &mut Vec<u8>) -> Result<(), CollectiveError> {
            self.0.broadcast(root, data)
        }

        fn abort(self: Box<Self>, reason: &str) {
            self.0.abort(reason);
        }
    }

    #[test]
    fn sums_over_a_wire_have_the_bits_of_the_tree() {
        for world_size in [1, 2, 4] {
            crate::self_test::in_threads(world_size, |control| {
                conformance::healthy(&mut OverWire(control)).expect("conforms");
            })
            .expect("a group of threads");
        }
    }

    #[test]
    fn ranks_of_another_opinion_are_told() {
        crate::self_test::in_threads(2, |mut control| {
            let own = if control.rank() == 0 { "fixed" } else { "fast" };
            let told = agree(control.as_mut(), ("the way of sums", own)).expect_err("they differ");
            let told = told.to_string();
            assert!(told.contains("fixed") && told.contains("fast"), "{told}");
        })
        .expect("a group of threads");
    }
}
