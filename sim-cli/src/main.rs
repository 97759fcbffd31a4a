//! The command `timewait`.

fn main() {}
