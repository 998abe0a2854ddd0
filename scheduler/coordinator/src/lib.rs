//! One task owns the state; a journal keeps it; users, agents and the page are served on one port.

pub mod journal;
