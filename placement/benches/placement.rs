//! Benchmarks of the solver.
fn main() {}
