//! The trained part: which parameters there are, and their values in the form a step needs.

pub(crate) mod factors;
pub(crate) mod initial;
pub mod layout;
pub(crate) mod notes;
pub mod peft;
