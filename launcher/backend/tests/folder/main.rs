//! The back-end of pretended allocations, and what the conformance suite finds out with its help.

mod conforms;
mod faulty;
mod many;
