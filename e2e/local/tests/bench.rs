//! The measurements do measure: real servers, small numbers. What comes out is for `make bench`.

#![cfg(test)]

use zoneward_local::bench::{form, reshard};
use zoneward_local::server;

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_form_a_cluster_of_processes_that_know_nobody() {
    let formed = form(&server("redis-8").unwrap(), 3).await.unwrap();
    assert!(formed.operator > 0 && formed.command_line > 0, "{formed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_slots_are_moved_by_all() {
    let moved = reshard(&server("valkey-9").unwrap(), 2_000, 10)
        .await
        .unwrap();
    assert_eq!(moved.len(), 3);
    for it in moved {
        assert!(it.rate() > 0.0 && it.trip.wrong.is_empty(), "{it:?}");
    }
}
