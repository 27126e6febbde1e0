//! Zoneward end to end, on a real Kubernetes.

pub mod workload;
