//! Two specs: one with everything, one with nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::api::{
    Persistence, PodTemplate, QuorumLossPolicy, RetainPolicy, ShardLossPolicy, Storage,
    WhenUnsatisfiable,
};
use crate::model::{Auth, ClusterKey, Desired, Rollout, Tls, Zones};
use crate::resources::labels::labels;

/// What a spec with nothing but an image becomes.
pub(super) fn minimal() -> Desired {
    Desired {
        key: ClusterKey {
            namespace: "shop".to_owned(),
            name: "cart".to_owned(),
        },
        uid: "6f1c1f0e-0000-4000-8000-000000000001".to_owned(),
        generation: 1,
        image: "redis:8".to_owned(),
        leaders: 3,
        followers_per_leader: 1,
        zones: Zones {
            topology_key: "topology.kubernetes.io/zone".to_owned(),
            allowed: Vec::new(),
            when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        },
        storage: None,
        persistence: Persistence::None,
        node_timeout_millis: 5_000,
        config: BTreeMap::new(),
        auth: Auth {
            enabled: true,
            secret_name: None,
            grace_seconds: 3600,
            rotate_internal: None,
        },
        tls: None,
        pod: PodTemplate::default(),
        rollout: Rollout {
            surge: true,
            max_shards_at_once: 15,
        },
        zone_loss_millis: 2000,
        rehome_after_millis: 30_000,
        shard_loss: ShardLossPolicy::AcceptEmpty,
        quorum_loss: QuorumLossPolicy::Fenced,
        debounce_millis: 60_000,
        paused: false,
    }
}

/// A spec that uses every field.
pub(super) fn rich() -> Desired {
    Desired {
        image: "valkey/valkey:8.1".to_owned(),
        leaders: 2,
        followers_per_leader: 2,
        zones: Zones {
            topology_key: "example.com/room".to_owned(),
            allowed: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
        },
        storage: Some(Storage {
            size: "10Gi".to_owned(),
            storage_class_name: Some("fast".to_owned()),
            retain: RetainPolicy::Retain,
        }),
        persistence: Persistence::Aof,
        node_timeout_millis: 15_000,
        config: labels([
            ("client-output-buffer-limit", "replica 256mb 64mb 60"),
            ("maxmemory", "2gb"),
            ("maxmemory-policy", "allkeys-lru"),
            ("notify-keyspace-events", ""),
        ]),
        auth: Auth {
            enabled: true,
            secret_name: Some("cart-clients".to_owned()),
            ..minimal().auth
        },
        tls: Some(Tls {
            secret_name: "cart-tls".to_owned(),
        }),
        pod: pod_template(),
        ..minimal()
    }
}

fn pod_template() -> PodTemplate {
    let quantities = || {
        Some(BTreeMap::from([(
            "memory".to_owned(),
            Quantity("3Gi".to_owned()),
        )]))
    };
    PodTemplate {
        resources: Some(ResourceRequirements {
            requests: quantities(),
            limits: quantities(),
            ..ResourceRequirements::default()
        }),
        tolerations: vec![Toleration {
            key: Some("dedicated".to_owned()),
            operator: Some("Equal".to_owned()),
            value: Some("redis".to_owned()),
            effect: Some("NoSchedule".to_owned()),
            ..Toleration::default()
        }],
        node_selector: labels([("kubernetes.io/arch", "amd64")]),
        priority_class_name: Some("data".to_owned()),
        labels: labels([("team", "shop"), ("zoneward.io/role", "leader")]),
        annotations: labels([("example.com/note", "hello"), ("zoneward.io/x", "y")]),
        service_account_name: Some("cart".to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
    }
}
