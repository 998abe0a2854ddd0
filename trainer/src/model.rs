//! A decoder-only transformer with adapters, forward and backward by hand.
//!
//! Rules: the base is frozen and shared by all threads; the only gradients that exist are those
//! of trained parameters. A [`batch::Leaf`] is the unit of work of one thread, and its result is
//! a function of its content alone.

pub(crate) mod batch;
pub(crate) mod block;
pub(crate) mod decode;
pub(crate) mod head;
pub(crate) mod holding;
pub mod load;
pub(crate) mod network;
pub(crate) mod projection;
