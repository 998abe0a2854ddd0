//! What comes in, checked once: behind it there are only values that can be.

pub(crate) mod adopt;
pub(crate) mod news;
pub(crate) mod shape;
pub(crate) mod submit;
