//! Zoneward end to end, on a real Kubernetes.

pub mod kubectl;
pub mod manifest;
pub mod map;
pub mod objects;
pub mod paint;
pub mod program;
pub mod timeline;
pub mod wait;
pub mod workload;
