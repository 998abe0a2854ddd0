//! The simulator: its batch system keeps the back-end's contract, its scripts tell what they told before,
//! and a coordinator may die at any write.

mod conforms;
mod crashes;
mod scripts;
mod seeds;
