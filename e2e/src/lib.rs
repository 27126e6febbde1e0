//! Zoneward end to end, on a real Kubernetes: the demo that is also the smoke test, the workload
//! that finds out what clients see, and measurements.
//!
//! Everything acts through `kubectl`, `docker` and scripts, as a person would; nothing here
//! shares code with the operator. `kubectl`, `program` and `near` run things; `objects`, `map`,
//! `timeline`, `manifest` and most of `workload` are pure and tested beside the code.

pub mod bed;
pub mod bench;
pub mod bring_up;
pub mod cli;
pub mod crash_loop;
pub mod demo;
pub mod diagnosis;
pub mod drill;
pub mod kubectl;
pub mod manifest;
pub mod map;
pub mod near;
pub mod objects;
pub mod program;
pub mod show;
pub mod timeline;
pub mod wait;
pub mod workload;
