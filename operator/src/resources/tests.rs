//! Golden manifests of a rich and a minimal spec, and the promises that they must keep.

mod fixture;
mod golden;
mod pod_security;
mod rules;
