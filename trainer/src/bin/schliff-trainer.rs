//! `schliff-trainer`: one request on standard input, events on standard output.
fn main() {}
