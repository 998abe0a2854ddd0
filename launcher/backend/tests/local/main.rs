//! Allocations that are processes on this host: the conformance suite, what each gets, and kills.

mod bounds;
mod conforms;
mod kills;
mod world;
