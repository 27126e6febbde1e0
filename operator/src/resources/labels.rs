//! Every name that others can build on: labels, annotations, ports, containers, objects, keys of
//! Secrets, users. They are an interface: a change of one is a breaking change.

use std::collections::BTreeMap;

use crate::model::{Desired, ShardId, ZoneName};

/// Always `redis`, whatever the engine: Services and dashboards select by it.
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// The name of the `RedisCluster`.
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
/// Always `zoneward`.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The name of the `RedisCluster`; what we select by.
pub const LABEL_CLUSTER: &str = "zoneward.io/cluster";
/// The shard's index.
pub const LABEL_SHARD: &str = "zoneward.io/shard";
/// The zone that a member was placed in; empty where hosts carry no zone label.
pub const LABEL_ZONE: &str = "zoneward.io/zone";
/// `leader` or `follower`; kept true by the operator, absent before a member has joined.
pub const LABEL_ROLE: &str = "zoneward.io/role";
/// On pods: the digest of what the spec decided about it.
pub const ANNOTATION_FINGERPRINT: &str = "zoneward.io/made-from";
/// On pods, by their owner: `true` where this one is to lead its shard. It goes with the pod.
pub const ANNOTATION_LEAD: &str = "zoneward.io/lead";
/// The one value of [`ANNOTATION_LEAD`] that asks for anything.
pub const LEAD_WANTED: &str = "true";
/// On the two objects of a drill: the RedisCluster that it is of.
pub const LABEL_DRILL: &str = "zoneward.io/drill";
/// On the same: the zone that is cut off.
pub const ANNOTATION_DRILL_ZONE: &str = "zoneward.io/drill-zone";
/// On the same: when the drill ends.
pub const ANNOTATION_DRILL_ENDS: &str = "zoneward.io/drill-ends";
/// Value of [`LABEL_NAME`].
pub const NAME_REDIS: &str = "redis";
/// Value of [`LABEL_MANAGED_BY`], and our field manager's name.
pub const MANAGED_BY_ZONEWARD: &str = "zoneward";
/// Labels and annotations below these are ours: an owner's are dropped.
pub const OUR_PREFIXES: [&str; 2] = ["app.kubernetes.io/", "zoneward.io/"];

/// The readiness gate: in the cluster, loaded, in sync.
pub const READINESS_GATE: &str = "zoneward.io/in-cluster";
/// What the anti-affinity of a shard's members goes by.
pub const HOST_TOPOLOGY_KEY: &str = "kubernetes.io/hostname";

/// The container that runs the server.
pub const CONTAINER_REDIS: &str = "redis";
/// Name of the port for clients and followers.
pub const PORT_REDIS_NAME: &str = "redis";
/// The port for clients and followers.
pub const PORT_REDIS: i32 = 6379;
/// Name of the cluster bus' port.
pub const PORT_BUS_NAME: &str = "bus";
/// The cluster bus' port: always the client port + 10000.
pub const PORT_BUS: i32 = 16379;

/// Key of the clients' Secret: the password of the user `default`.
pub const KEY_PASSWORD: &str = "password";
/// Key of the clients' Secret: another password that is taken.
pub const KEY_PREVIOUS_PASSWORD: &str = "previousPassword";
/// Key of the internal Secret: the password of [`USER_OPERATOR`].
pub const KEY_OPERATOR: &str = "operator";
/// Key of the internal Secret: the password of [`USER_REPLICATION`].
pub const KEY_REPLICATION: &str = "replication";
/// Key of the internal Secret: the password of [`USER_HOOK`].
pub const KEY_HOOK: &str = "hook";

/// The clients' user.
pub const USER_CLIENT: &str = "default";
/// The operator's own user.
pub const USER_OPERATOR: &str = "zoneward";
/// The user that followers log in to their leader as.
pub const USER_REPLICATION: &str = "replication";
/// The preStop hook's user.
pub const USER_HOOK: &str = "hook";
/// Its existence tells the preStop hook that the operator sees to the departure.
pub const USER_DEPARTURE_ACKNOWLEDGED: &str = "zoneward-departure-acknowledged";
/// Its existence tells the preStop hook that the leader may go.
pub const USER_DEPARTURE_RELEASED: &str = "zoneward-departure-released";

/// Key of the `ConfigMap`: the server's configuration.
pub const FILE_REDIS_CONF: &str = "redis.conf";
/// Key of the `ConfigMap`: the container's command.
pub const FILE_START: &str = "start.sh";
/// Key of the `ConfigMap`: the preStop hook.
pub const FILE_PRE_STOP: &str = "prestop.sh";
/// Annotation of a RedisCluster: hosts, separated by commas, that are off for good and whose Node objects
/// are gone. A human's word that nothing runs there any more.
pub const ANNOTATION_LOST_HOSTS: &str = "zoneward.io/lost-hosts";
/// Its command for a human, where `recovery.quorumLoss` is Manual.
pub const FILE_TAKEOVER: &str = "takeover.sh";

/// Where the data is mounted.
pub const PATH_DATA: &str = "/data";
/// Where the `ConfigMap` is mounted.
pub const PATH_CONFIG: &str = "/etc/zoneward";
/// Where the internal Secret is mounted.
pub const PATH_SECRET: &str = "/etc/zoneward-secret";
/// Where the certificate's Secret is mounted.
pub const PATH_TLS: &str = "/etc/zoneward-tls";
/// Key of that Secret: the certificate, and those that it was issued by.
pub const KEY_CERTIFICATE: &str = "tls.crt";
/// Key of that Secret: the private key.
pub const KEY_PRIVATE: &str = "tls.key";
/// Key of that Secret: whom to trust.
pub const KEY_CA: &str = "ca.crt";
/// Where the start script writes the users to; in memory.
pub const PATH_RUN: &str = "/run/zoneward";

/// The Service for clients: all ready members.
pub fn service_name(cluster: &str) -> String {
    cluster.to_owned()
}

/// The Service of the leaders.
pub fn leader_service_name(cluster: &str) -> String {
    format!("{cluster}-leader")
}

/// The Service of the followers.
pub fn follower_service_name(cluster: &str) -> String {
    format!("{cluster}-follower")
}

/// The headless Service of all members, ready or not.
pub fn members_service_name(cluster: &str) -> String {
    format!("{cluster}-members")
}

/// The `ConfigMap`.
pub fn config_map_name(cluster: &str) -> String {
    format!("{cluster}-config")
}

/// The Secret that is made for clients where the spec names none.
pub fn auth_secret_name(cluster: &str) -> String {
    format!("{cluster}-auth")
}

/// The Secret with our own users' passwords, of this generation. Secrets are made and never changed.
pub fn internal_secret_name(cluster: &str, generation: u32) -> String {
    match generation {
        0 => format!("{cluster}-internal"),
        generation => format!("{cluster}-internal-{generation}"),
    }
}

/// The `PodDisruptionBudget` of a shard.
pub fn budget_name(cluster: &str, shard: ShardId) -> String {
    format!("{cluster}-{shard}")
}

/// The labels that all our objects carry.
pub fn object_labels(desired: &Desired) -> BTreeMap<String, String> {
    let cluster = &desired.key.name;
    labels([
        (LABEL_NAME, NAME_REDIS),
        (LABEL_INSTANCE, cluster),
        (LABEL_MANAGED_BY, MANAGED_BY_ZONEWARD),
        (LABEL_CLUSTER, cluster),
    ])
}

/// The labels of a shard's object.
pub fn shard_labels(desired: &Desired, shard: ShardId) -> BTreeMap<String, String> {
    let mut labels = object_labels(desired);
    labels.insert(LABEL_SHARD.to_owned(), shard.to_string());
    labels
}

/// The labels of a member's pod and volume. The role is no part of them: it is learnt later.
pub fn member_labels(
    desired: &Desired,
    shard: ShardId,
    zone: &ZoneName,
) -> BTreeMap<String, String> {
    let mut labels = shard_labels(desired, shard);
    labels.insert(LABEL_ZONE.to_owned(), zone.as_str().to_owned());
    labels
}

/// What selects all members of a `RedisCluster`.
pub fn cluster_selector(cluster: &str) -> BTreeMap<String, String> {
    labels([(LABEL_CLUSTER, cluster)])
}

/// What selects the leaders' pods, as `kubectl get -l` takes it.
pub fn leader_selector(cluster: &str) -> String {
    format!("{LABEL_CLUSTER}={cluster},{LABEL_ROLE}=leader")
}

/// What selects the members of a shard.
pub fn shard_selector(cluster: &str, shard: ShardId) -> BTreeMap<String, String> {
    labels([(LABEL_CLUSTER, cluster), (LABEL_SHARD, &shard.to_string())])
}

/// Whether a label or annotation is ours, so that an owner's must not stand.
pub fn is_ours(key: &str) -> bool {
    OUR_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

pub(super) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
