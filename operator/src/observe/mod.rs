//! Effects in. Reads Kubernetes' stores and asks every member, and puts both into one
//! [`crate::model::Observation`].
//!
//! Writes nothing, decides nothing. What was not seen stays unknown: a store that is not filled
//! yet is an error, a member that was not asked is [`crate::model::Asked::NotAsked`].
//! Translation from Kubernetes' types (`pods`, `hosts`, `secrets`) is pure and tested by tables.

mod certificate;
mod hosts;
mod members;
mod objects;
mod pods;
mod secrets;
mod snapshot;
mod stores;

pub use hosts::fingerprint as host_fingerprint;
pub use members::{ASK_LIMIT, ask_members, hear_neighbours, target};
pub use objects::{neighbours, view};
pub use secrets::SecretCache;
pub use snapshot::snapshot;
pub use stores::{Guarded, Scope, ScopeWriters, Stores, StoresWriters};
