//! The `ConfigMap`: redis.conf, the start script and the preStop hook.
//!
//! The words of the wire stand here because they are the directives' text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;

use super::labels::{
    FILE_PRE_STOP, FILE_REDIS_CONF, FILE_START, FILE_TAKEOVER, KEY_CA, KEY_CERTIFICATE,
    KEY_PRIVATE, PATH_DATA, PATH_RUN, PATH_TLS, PORT_REDIS, config_map_name, object_labels,
};
use super::owner::{manifest, owned_metadata};
use crate::api::{Persistence, owned_directive};
use crate::model::{Desired, Settings};
use crate::plan::{Manifest, ManifestKind};

/// `cluster-node-timeout` at a member's start and while a cluster forms: every pair is pinged
/// within half of it, so 30 members agree in 2.7 s instead of 25 (REDIS-LAB section 1). The one in
/// service, [`Desired::node_timeout_millis`], is set at run time when the cluster is whole.
pub const FORMING_NODE_TIMEOUT_MILLIS: u64 = 2_000;

/// The same for clusters of more than [`CLUSTER_BUS_SMALL_MEMBERS_MAX`] members: at 2000 their bus
/// was overloaded, and an overloaded bus does not recover by itself.
pub const FORMING_NODE_TIMEOUT_LARGE_MILLIS: u64 = 15_000;

/// Up to so many members the bus was measured to stay calm at [`FORMING_NODE_TIMEOUT_MILLIS`].
pub const CLUSTER_BUS_SMALL_MEMBERS_MAX: u32 = 90;

const START: &str = include_str!("scripts/start.sh");
const PRE_STOP: &str = include_str!("scripts/prestop.sh");
const TAKEOVER: &str = include_str!("scripts/takeover.sh");

/// `cluster-node-timeout` that members of this `RedisCluster` start with.
pub fn forming_node_timeout_millis(desired: &Desired) -> u64 {
    let members = desired.leaders.saturating_mul(desired.members_per_shard());
    if members <= CLUSTER_BUS_SMALL_MEMBERS_MAX {
        FORMING_NODE_TIMEOUT_MILLIS
    } else {
        FORMING_NODE_TIMEOUT_LARGE_MILLIS
    }
}

/// The `ConfigMap` that every member mounts.
pub fn config_map(desired: &Desired) -> Manifest {
    let name = config_map_name(&desired.key.name);
    let object = ConfigMap {
        metadata: owned_metadata(desired, &name, object_labels(desired)),
        data: Some(BTreeMap::from([
            (FILE_REDIS_CONF.to_owned(), redis_conf(desired)),
            (FILE_START.to_owned(), START.to_owned()),
            (FILE_PRE_STOP.to_owned(), PRE_STOP.to_owned()),
            (FILE_TAKEOVER.to_owned(), TAKEOVER.to_owned()),
        ])),
        ..ConfigMap::default()
    };
    manifest(ManifestKind::ConfigMap, &name, &object)
}

/// redis.conf: ours, then the owner's. The address to announce is given by the start script, and
/// the users come from the file that it writes.
pub fn redis_conf(desired: &Desired) -> String {
    let mut conf = String::from("# Made by Zoneward from spec.config: edits here are undone.\n");
    directive(&mut conf, "include", &format!("{PATH_RUN}/users.conf"));
    let port = if desired.tls.is_some() { 0 } else { PORT_REDIS };
    directive(&mut conf, "port", &port.to_string());
    for (name, value) in server_directives()
        .into_iter()
        .chain(cluster_directives(desired))
    {
        directive(&mut conf, name, &value);
    }
    for (name, value) in tls_directives(desired) {
        directive(&mut conf, name, &value);
    }
    for (name, value) in persistence_directives(desired.persistence) {
        directive(&mut conf, name, value);
    }
    // The last one counts, so the owner's values beat our defaults; what is owned cannot be among
    // them after validation, and is left out here all the same.
    for (name, value) in &desired.config {
        if owned_directive(name).is_none() {
            directive(&mut conf, name, value);
        }
    }
    conf
}

/// Our directives that can be set at run time: what anybody else sets them to is undone. Those of a
/// name that is the owner's to set are our defaults.
const KEPT: [&str; 14] = [
    "appendfsync",
    "appendonly",
    "cluster-allow-replica-migration",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
    "loglevel",
    "protected-mode",
    "repl-diskless-load",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "repl-ping-replica-period",
    "save",
    "shutdown-on-sigterm",
    "tcp-keepalive",
];

/// Directives of ours, with their values, that running members are held to.
pub fn kept_settings(desired: &Desired) -> Settings {
    let persistence = persistence_directives(desired.persistence).iter();
    let all = server_directives()
        .into_iter()
        .chain(cluster_directives(desired))
        .chain(persistence.map(|(name, value)| (*name, (*value).to_owned())));
    all.filter(|(name, _)| KEPT.contains(name))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

fn server_directives() -> Vec<(&'static str, String)> {
    let text = |name, value: &str| (name, value.to_owned());
    vec![
        // IPv4, and IPv6 where the pod has it.
        text("bind", "* -::*"),
        // It lets in only loopback while `default` has no password; the users keep the door.
        text("protected-mode", "no"),
        text("dir", PATH_DATA),
        text("loglevel", "notice"),
        text("logfile", "\"\""),
        // A client in a lost zone says no goodbye: its connection goes after about a minute
        // (the server's default is five) and does not count against maxclients.
        text("tcp-keepalive", "60"),
        // The preStop hook has handed over by then; where it could not, the server's own default
        // waits up to shutdown-timeout for the followers to catch up.
        text("shutdown-on-sigterm", "default"),
    ]
}

fn cluster_directives(desired: &Desired) -> Vec<(&'static str, String)> {
    let text = |name, value: &str| (name, value.to_owned());
    vec![
        text("cluster-enabled", "yes"),
        ("cluster-config-file", format!("{PATH_DATA}/nodes.conf")),
        (
            "cluster-node-timeout",
            forming_node_timeout_millis(desired).to_string(),
        ),
        // Followers that wander to leaders without one would undo the placement.
        text("cluster-allow-replica-migration", "no"),
        // One shard's trouble must not stop the others.
        text("cluster-require-full-coverage", "no"),
        // The bus may elect a follower that has heard its leader within about 10 node timeouts, no
        // other. With 0, as peers have it, it elects any, also one that never finished its first
        // sync: measured, an empty follower of a leader with keys was elected 3.6 s after its
        // death (Redis 7.0.15; 3.9 s on Valkey 9.1.2), and never with 10. Where an older copy is
        // the best that is left, the operator elects it with FORCE, which asks for no age, after
        // it has looked at all copies and at the policy.
        text("cluster-replica-validity-factor", "10"),
        text("repl-diskless-sync", "yes"),
        text("repl-diskless-sync-delay", "0"),
        // The old copy stays until the new one is there as a whole: a leader that dies in the
        // middle of a sync must not leave its follower with nothing.
        text("repl-diskless-load", "disabled"),
        // How old a replication link is tells of a lost zone faster than the bus.
        text("repl-ping-replica-period", "1"),
    ]
}

/// On the same ports, and nothing is left open to who speaks plain. Clients are known by their
/// passwords, so that they need no certificate of their own; one that they show must be good.
fn tls_directives(desired: &Desired) -> Vec<(&'static str, String)> {
    if desired.tls.is_none() {
        return Vec::new();
    }
    let file = |key: &str| format!("{PATH_TLS}/{key}");
    vec![
        ("tls-port", PORT_REDIS.to_string()),
        ("tls-cert-file", file(KEY_CERTIFICATE)),
        ("tls-key-file", file(KEY_PRIVATE)),
        ("tls-ca-cert-file", file(KEY_CA)),
        ("tls-auth-clients", "optional".to_owned()),
        ("tls-replication", "yes".to_owned()),
        ("tls-cluster", "yes".to_owned()),
    ]
}

fn persistence_directives(persistence: Persistence) -> &'static [(&'static str, &'static str)] {
    match persistence {
        Persistence::None => &[("save", "\"\""), ("appendonly", "no")],
        // No `save` line: the server's own schedule.
        Persistence::Rdb => &[("appendonly", "no")],
        Persistence::Aof => &[
            ("save", "\"\""),
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
        ],
    }
}

/// One line. A value may be several words (`client-output-buffer-limit`), so it is not quoted;
/// an empty one must be. Nothing after a line's end is taken: a value must not bring directives
/// of its own.
fn directive(conf: &mut String, name: &str, value: &str) {
    let value = value.lines().next().unwrap_or_default().trim();
    let value = if value.is_empty() { "\"\"" } else { value };
    // Writing to a String cannot fail.
    let _ = writeln!(conf, "{name} {value}");
}
