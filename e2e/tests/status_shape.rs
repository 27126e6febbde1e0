//! Our reading of a `RedisCluster` against the operator's own types.

use e2e::objects::{Lost, RedisCluster};
use serde_json::json;
use zoneward_operator::api;
use zoneward_operator::model::Role;

#[test]
fn the_operators_status_is_read_as_it_is_meant() {
    let member = |pod: &str, zone: &str, role| api::ShardMemberStatus {
        pod: pod.to_owned(),
        zone: zone.to_owned(),
        role: Some(role),
        state: "Alive".to_owned(),
        in_sync: true,
        lag_mebibytes: None,
    };
    let status = api::RedisClusterStatus {
        observed_generation: 4,
        slots_served: 16384,
        shards: vec![api::ShardStatus {
            shard: 0,
            slots: "0-16383".to_owned(),
            members: vec![
                member("one-0-1", "a", Role::Leader),
                member("one-0-2", "b", Role::Follower),
            ],
        }],
        zones: vec![api::ZoneStatus {
            zone: "a".to_owned(),
            state: "Open".to_owned(),
            leaders: 1,
            followers: 0,
            survives_loss: false,
            why_not: Some("no majority".to_owned()),
        }],
        waiting_on: vec![api::WaitingStatus {
            reason: "PodStarting".to_owned(),
            message: "one-0-2".to_owned(),
        }],
        ..Default::default()
    };
    let resource = json!({
        "metadata": { "name": "one", "generation": 4 },
        "spec": { "image": "redis:8", "leaders": 1, "followersPerLeader": 1 },
        "status": status,
    });
    // It is a RedisCluster to the operator, too.
    let theirs: api::RedisCluster = serde_json::from_value(resource.clone()).unwrap();
    assert_eq!(
        (theirs.spec.leaders, theirs.spec.followers_per_leader),
        (1, 1)
    );

    let ours: RedisCluster = serde_json::from_value(resource).unwrap();
    assert_eq!((ours.spec.leaders, ours.spec.followers_per_leader), (1, 1));
    assert_eq!(ours.status.observed_generation, 4);
    let none = Lost::default();
    assert!(ours.is_served(&none) && ours.is_redundant(&none));
    assert_eq!(ours.status.shards[0].leader().unwrap().pod, "one-0-1");
    assert_eq!(ours.status.zones[0].why_not.as_deref(), Some("no majority"));
    assert_eq!(ours.status.waiting_on[0].reason, "PodStarting");
}
