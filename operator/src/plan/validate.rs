//! Reads a spec into [`Desired`], or says why it cannot work.

use std::collections::BTreeMap;

use crate::api::{Persistence, RedisCluster, RedisClusterSpec, ShardLossPolicy, owned_directive};
use crate::model::{Auth, ClusterKey, Desired, Rollout, Tls, Zones};

/// `recovery.rehomeAfterSeconds` where the spec does not say: memory only.
const REHOME_AFTER_SECONDS_MEMORY: u64 = 30;
/// The same with storage.
const REHOME_AFTER_SECONDS_STORAGE: u64 = 300;

/// `rollout.maxShardsAtOnce` where the spec does not say: as many as may make a full copy at once
/// (`join::follow`). More of them would only wait for their turn, each with its pod's memory taken.
const MAX_SHARDS_AT_ONCE: u32 = 15;

/// A spec that cannot work. Nothing that runs is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// One stable word.
    pub reason: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Reads a spec. What the CRD's own rules refuse is refused here too: the CRD that is installed
/// may be older than we are. Not so zones that no host can be in: they can be changed at any time, and
/// who runs must not be left without repair for it. `ZoneLabelMissing` tells of them.
pub fn validate(resource: &RedisCluster) -> Result<Desired, Rejection> {
    let spec = &resource.spec;
    refuse_what_cannot_work(spec)?;
    let default_persistence = if spec.storage.is_some() {
        Persistence::Aof
    } else {
        Persistence::None
    };
    let default_shard_loss = if spec.storage.is_some() {
        ShardLossPolicy::Wait
    } else {
        ShardLossPolicy::AcceptEmpty
    };
    Ok(Desired {
        key: ClusterKey {
            namespace: resource.metadata.namespace.clone().unwrap_or_default(),
            name: resource.metadata.name.clone().unwrap_or_default(),
        },
        uid: resource.metadata.uid.clone().unwrap_or_default(),
        generation: resource.metadata.generation.unwrap_or_default(),
        image: spec.image.clone(),
        leaders: spec.leaders,
        followers_per_leader: spec.followers_per_leader,
        zones: Zones {
            topology_key: spec.zones.topology_key.clone(),
            allowed: spec.zones.allowed.clone(),
            when_unsatisfiable: spec.zones.when_unsatisfiable,
        },
        storage: spec.storage.clone(),
        persistence: spec.persistence.unwrap_or(default_persistence),
        node_timeout_millis: spec.node_timeout_millis,
        config: spec.config.clone(),
        auth: Auth {
            enabled: spec.auth.enabled,
            secret_name: spec.auth.secret_name.clone(),
            grace_seconds: spec.auth.rotation_grace_seconds,
            rotate_internal: spec.auth.rotate_internal.clone(),
        },
        tls: spec.tls.as_ref().map(|tls| Tls {
            secret_name: tls.secret_name.clone(),
        }),
        pod: spec.pod.clone(),
        rollout: Rollout {
            surge: spec.rollout.surge.unwrap_or(spec.storage.is_none()),
            max_shards_at_once: spec
                .rollout
                .max_shards_at_once
                .unwrap_or(MAX_SHARDS_AT_ONCE),
        },
        zone_loss_millis: spec.recovery.zone_loss_millis,
        shard_loss: spec.recovery.shard_loss.unwrap_or(default_shard_loss),
        quorum_loss: spec.recovery.quorum_loss,
        debounce_millis: spec.recovery.debounce_seconds.saturating_mul(1000),
        rehome_after_millis: rehome_after_millis(spec),
        paused: spec.paused,
    })
}

/// A body may well come back with its data, so it is waited for longer.
fn rehome_after_millis(spec: &RedisClusterSpec) -> u64 {
    let default = if spec.storage.is_some() {
        REHOME_AFTER_SECONDS_STORAGE
    } else {
        REHOME_AFTER_SECONDS_MEMORY
    };
    spec.recovery.rehome_after_seconds.unwrap_or(default) * 1000
}

fn refuse_what_cannot_work(spec: &RedisClusterSpec) -> Result<(), Rejection> {
    refuse_owned_directives(&spec.config)?;
    refuse_malformed_directives(&spec.config)?;
    let persists = spec
        .persistence
        .is_some_and(|persistence| persistence != Persistence::None);
    if persists && spec.storage.is_none() {
        return Err(Rejection {
            reason: "PersistenceWithoutStorage",
            message: "spec.persistence Rdb and Aof need a volume: add spec.storage.size, or write \
                      persistence: None"
                .to_owned(),
        });
    }
    if (1..2000).contains(&spec.recovery.zone_loss_millis) {
        return Err(Rejection {
            reason: "SizeOutOfRange",
            message:
                "spec.recovery.zoneLossMillis must be 0 or at least 2000: the witnesses count \
                      whole seconds"
                    .to_owned(),
        });
    }
    if !(1..=500).contains(&spec.leaders) || spec.followers_per_leader > 5 {
        return Err(Rejection {
            reason: "SizeOutOfRange",
            message: "spec.leaders must be 1 to 500 and spec.followersPerLeader 0 to 5".to_owned(),
        });
    }
    Ok(())
}

/// All of them are named at once: `config` cannot be corrected one by one.
fn refuse_owned_directives(config: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let owned: Vec<String> = config
        .keys()
        .filter_map(|name| {
            let reason = owned_directive(name)?;
            Some(format!("{name} ({reason})"))
        })
        .collect();
    if owned.is_empty() {
        return Ok(());
    }
    Err(Rejection {
        reason: "DirectiveOwned",
        message: format!(
            "spec.config: remove what Zoneward owns: {}",
            owned.join(", ")
        ),
    })
}

fn refuse_malformed_directives(config: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let refuse = |message| {
        Err(Rejection {
            reason: "DirectiveMalformed",
            message,
        })
    };
    if let Some(name) = config.keys().find(|name| !is_directive_name(name)) {
        return refuse(format!(
            "spec.config {name:?} is no directive's name: write it in lower case, as redis.conf has \
             it"
        ));
    }
    match config
        .iter()
        .find(|(_, value)| value.contains(['\n', '\r']))
    {
        Some((name, _)) => refuse(format!(
            "spec.config.{name} has more than one line: write one"
        )),
        None => Ok(()),
    }
}

/// A name with a blank or a line break in it would bring directives of its own.
fn is_directive_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refused(config: &Value) -> Option<Rejection> {
        let resource: RedisCluster = serde_json::from_value(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "c" },
            "spec": { "image": "redis", "config": config },
        }))
        .unwrap();
        validate(&resource).err()
    }

    fn rejection(name: &str, value: &str) -> Option<&'static str> {
        refused(&json!({ name: value })).map(|rejection| rejection.reason)
    }

    #[test]
    fn every_directive_that_is_ours_is_named() {
        let config = json!({ "port": "1", "hz": "10", "Cluster-Enabled": "no", "save": "" });
        let rejection = refused(&config).unwrap();
        assert_eq!(rejection.reason, "DirectiveOwned");
        for name in [
            "port (Services",
            "Cluster-Enabled (Zoneward",
            "save (use spec.persistence)",
        ] {
            assert!(rejection.message.contains(name), "{}", rejection.message);
        }
        assert!(!rejection.message.contains("hz"), "{}", rejection.message);
    }

    #[test]
    fn a_directive_that_would_bring_others_is_refused() {
        assert_eq!(rejection("maxmemory", "1gb"), None);
        assert_eq!(rejection("port", "1"), Some("DirectiveOwned"));
        for name in ["hz 10\nport", "hz\nrequirepass x", "HZ", "user\u{9}x", ""] {
            assert_eq!(rejection(name, "1"), Some("DirectiveMalformed"), "{name:?}");
        }
        assert_eq!(rejection("hz", "10\nport 1"), Some("DirectiveMalformed"));
    }
}
