//! The process around the work: events out, stop requests in, memory and its allocator.

pub mod allocator;
pub mod interrupt;
pub mod memory;
pub mod pulse;
pub mod report;
