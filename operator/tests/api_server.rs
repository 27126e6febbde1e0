//! Against a real API server: the CRD and its rules, the writes of `act` with their conflicts,
//! the lease, and the whole operator. `make control-plane` makes what it needs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "tests: helpers fail loudly too, and real processes take real time"
)]

#[path = "support/control_plane.rs"]
mod control_plane;

#[path = "api_server/bad_input.rs"]
mod bad_input;
#[path = "api_server/crd.rs"]
mod crd;
#[path = "api_server/drill.rs"]
mod drill;
#[path = "api_server/lease.rs"]
mod lease;
#[path = "api_server/objects.rs"]
mod objects;
#[path = "api_server/operator.rs"]
mod operator;
#[path = "api_server/plugin.rs"]
mod plugin;

use std::time::Duration;

/// Waits until `check` gives something; fails after ten seconds.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl Fn() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
