//! The one binary: the command line.
fn main() {}
