//! What a journal keeps, on SQLite and, where `SCHLIFF_TEST_POSTGRES` names a server, on Postgres.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod crash;
mod example;
mod facts;
mod golden;
mod leading;
mod place;
mod replay;
mod snapshots;
mod told;
