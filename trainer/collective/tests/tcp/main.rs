//! Groups over TCP: in threads, and in processes that are killed.

mod conforms;
mod group;
mod joining;
mod processes;
