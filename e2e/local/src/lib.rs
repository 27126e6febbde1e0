//! The local testbed: the operator's loop, unchanged, with real servers on loopback.
//!
//! [`Testbed`] puts it together: a Kubernetes in memory ([`Kubernetes`]) whose kubelet starts real
//! redis-server or valkey-server processes, one address each; the loop as the operator runs it
//! ([`Operator`]); and writers that check what they were promised ([`Writers`]). Faults are methods
//! of the testbed. No root, no containers, up in seconds; and every process ends with it.

mod address;
mod api;
pub mod bench;
mod browser;
pub mod drill;
mod faults;
mod kubelet;
mod kubernetes;
mod layout;
mod operator;
mod owner;
mod pictures;
mod process;
mod resp;
mod roamer;
mod scheduler;
mod servers;
pub mod soak;
mod survey;
mod testbed;
mod writer;

pub use browser::{Scheme, is_chromium_there};
pub use faults::Disk;
pub use kubernetes::{Kubernetes, Pace};
pub use operator::{Done, Operator};
pub use pictures::{Pictures, pictures};
pub use roamer::{Client, Missing, Roamer, Roaming, Trip};
pub use servers::{Server, program, server, servers};
pub use survey::{Seen, Survey};
pub use testbed::{Settings, Testbed};
pub use writer::{Tally, Writers};
