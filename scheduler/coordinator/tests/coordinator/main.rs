//! A whole coordinator in this process, on SQLite in a folder of its own, with pretended allocations.

mod bad;
mod pretend;
mod stage;
mod standby;
mod tls;
mod web;
mod work;
