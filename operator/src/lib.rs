//! Zoneward: a Kubernetes operator for Redis Cluster that keeps every shard's members in
//! different zones.
//!
//! Data flows one way, and each stage is a folder:
//!
//! ```text
//! watches -> stores ┐
//!                   ├ observe -> Observation ┐
//! ask each member ──┘                        ├ plan -> Plan -> check -> act -> status
//! spec -> validate -> Desired ───────────────┘
//! ```
//!
//! `model`, `plan`, `status` and `resources` are pure. Only `observe` reads and only `act`
//! writes, both through the traits in [`ports`]. ARCHITECTURE.md has the map.

pub mod act;
pub mod api;
mod api_call;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod events;
#[cfg(test)]
mod fakes;
pub mod lease;
pub mod metrics;
pub mod model;
pub mod observe;
pub mod overdue;
pub mod page;
pub mod plan;
pub mod plugin;
pub mod ports;
pub mod resources;
pub mod rounds;
pub mod run;
pub mod server;
pub mod status;
pub mod telemetry;
pub mod wire;
