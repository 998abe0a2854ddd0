//! One rank.
