//! The reporter against a coordinator in this process.

mod coordinator;
mod reports;
mod spooled;
