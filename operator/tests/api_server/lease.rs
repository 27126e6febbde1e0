//! Two holders, one lease.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use zoneward_operator::clock::SystemClock;
use zoneward_operator::lease::{
    EARLY, Identity, LeaseConfig, LeaseGuard, LeaseKeeper, RENEW_DEADLINE,
};
use zoneward_operator::model::ClusterKey;
use zoneward_operator::overdue::Overdue;
use zoneward_operator::ports::Clock;

use crate::control_plane::control_plane;
use crate::eventually;

fn keeper(client: &Client, namespace: &str, identity: &str) -> (LeaseKeeper, LeaseGuard) {
    keeper_that_sees(client, namespace, identity, Overdue::default())
}

fn keeper_that_sees(
    client: &Client,
    namespace: &str,
    identity: &str,
    overdue: Overdue,
) -> (LeaseKeeper, LeaseGuard) {
    let config = LeaseConfig {
        namespace: namespace.to_owned(),
        name: "zoneward".to_owned(),
        identity: Identity::new(identity, Some("uid")),
    };
    let clock = Arc::new(SystemClock::start());
    LeaseKeeper::new(client.clone(), config, clock, overdue)
}

async fn holder(leases: &Api<Lease>) -> Option<String> {
    let lease = leases.get_opt("zoneward").await.unwrap()?;
    lease.spec?.holder_identity
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_candidates_one_holds_and_hands_over_when_it_leaves() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "lease-handover").await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let mut candidates = Vec::new();
    for n in 0..5 {
        let (keeper, guard) = keeper(&client, &namespace, &format!("candidate-{n}"));
        let leave = CancellationToken::new();
        let running = tokio::spawn(keeper.run(leave.clone()));
        candidates.push((guard, leave, running));
    }
    while !candidates.is_empty() {
        let held = eventually("a holder", || async { holder(&leases).await }).await;
        let mine = eventually("its guard to know", || async {
            candidates
                .iter()
                .position(|(guard, ..)| guard.valid_until() > Duration::ZERO)
        })
        .await;
        let holding = candidates
            .iter()
            .filter(|(guard, ..)| guard.valid_until() > Duration::ZERO);
        assert_eq!(holding.count(), 1, "{held} is not alone");
        let (guard, leave, running) = candidates.remove(mine);
        leave.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(guard.valid_until(), Duration::ZERO);
    }
    assert_eq!(holder(&leases).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_lease_was_taken_ends() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "lease-lost").await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let (keeper, mut guard) = keeper(&client, &namespace, "first");
    let clock = SystemClock::start();
    let running = tokio::spawn(keeper.run(CancellationToken::new()));
    assert!(guard.acquired().await);
    assert!(guard.valid_until() <= clock.monotonic() + RENEW_DEADLINE);
    let before = leases.get("zoneward").await.unwrap();

    let thief = Patch::Merge(json!({ "spec": { "holderIdentity": "thief" } }));
    leases
        .patch("zoneward", &PatchParams::default(), &thief)
        .await
        .unwrap();
    let lost = running.await.unwrap().unwrap_err();
    assert_eq!(lost.to_string(), "failed to keep lease zoneward");
    let after = leases.get("zoneward").await.unwrap();
    assert_ne!(before.resource_version(), after.resource_version());
    assert_eq!(holder(&leases).await.as_deref(), Some("thief"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_urgent_work_undone_does_not_wait_for_the_end_of_a_lease_that_nobody_renews() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "lease-overdue").await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let (first, mut held) = keeper(&client, &namespace, "first");
    let running = tokio::spawn(first.run(CancellationToken::new()));
    assert!(held.acquired().await);

    let overdue = Overdue::default();
    let (second, mut guard) = keeper_that_sees(&client, &namespace, "second", overdue.clone());
    let leave = CancellationToken::new();
    let standing_by = tokio::spawn(second.run(leave.clone()));
    let key = ClusterKey {
        namespace: namespace.clone(),
        name: "cache".to_owned(),
    };
    overdue.set(&key, true);
    tokio::time::sleep(3 * EARLY).await;
    assert!(!guard.is_held(), "the first one renews");

    // as with its host: without a word
    running.abort();
    let soon = tokio::time::timeout(RENEW_DEADLINE, guard.acquired());
    assert!(soon.await.unwrap());
    let held_by = holder(&leases).await.unwrap();
    assert!(held_by.starts_with("second_"), "{held_by}");
    leave.cancel();
    standing_by.await.unwrap().unwrap();
}

/// As after an out-of-memory kill: the kubelet starts the container again in the same pod.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_started_again_in_the_same_pod_does_not_wait_for_its_forerunner() {
    let plane = control_plane();
    let client = plane.client();
    let namespace = plane.namespace(&client, "lease-restart").await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let (first, mut held) = keeper(&client, &namespace, "pod");
    let running = tokio::spawn(first.run(CancellationToken::new()));
    assert!(held.acquired().await);
    let before = holder(&leases).await.unwrap();
    running.abort();

    let (second, mut guard) = keeper(&client, &namespace, "pod");
    let leave = CancellationToken::new();
    let again = tokio::spawn(second.run(leave.clone()));
    // nobody else could have it before the end of its duration
    let soon = tokio::time::timeout(RENEW_DEADLINE, guard.acquired());
    assert!(soon.await.unwrap());
    let after = holder(&leases).await.unwrap();
    assert!(
        after.starts_with("pod_uid_") && after != before,
        "{before} {after}"
    );
    leave.cancel();
    again.await.unwrap().unwrap();
}
