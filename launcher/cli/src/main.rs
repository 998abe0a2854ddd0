//! `schliff`.
fn main() {}
