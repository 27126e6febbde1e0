//! What one history begins with: the spec, the zones and hosts, and how slow things are. Drawn from
//! the seed.

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use zoneward_operator::api::QuorumLossPolicy;

use crate::redis::{Engine, Millis};

/// `spec.recovery.debounceSeconds`.
pub const DEBOUNCE_SECONDS: u64 = 10;

/// Where members' data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// In memory only.
    Memory,
    /// On volumes, every write.
    Aof,
    /// On volumes, a snapshot now and then.
    Rdb,
}

/// The beginning of a history.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Shards.
    pub leaders: u32,
    /// Followers of each.
    pub followers: u32,
    /// Zones.
    pub zones: usize,
    /// Hosts in each.
    pub hosts_per_zone: usize,
    /// Members that a host has room for.
    pub room: usize,
    /// Volumes.
    pub keep: Keep,
    /// Whether volumes can be reached from one host only.
    pub volumes_are_local: bool,
    /// `spec.nodeTimeoutMillis`.
    pub node_timeout: Millis,
    /// `spec.recovery.zoneLossMillis`.
    pub zone_loss: Millis,
    /// `spec.recovery.rehomeAfterSeconds`.
    pub rehome_seconds: u64,
    /// `spec.recovery.shardLoss: AcceptEmpty`.
    pub accept_empty: bool,
    /// `spec.recovery.quorumLoss`.
    pub quorum_loss: QuorumLossPolicy,
    /// The server.
    pub engine: Engine,
    /// How many operators are active at once.
    pub operators: usize,
    /// How long a full copy takes.
    pub copy: Millis,
    /// How far a store may lag.
    pub store_lag: Millis,
    /// Addresses of pods that are gone are given out again at once.
    pub reuses_addresses: bool,
    /// Calls in a hundred that fail, or whose reply is lost.
    pub flaky_percent: u32,
    /// Which image is wanted by now; counted up by each update.
    pub image_version: u32,
}

impl Setup {
    /// How long a pod may take to end (`resources::grace_period_seconds`).
    pub fn grace(&self) -> Millis {
        4 * self.node_timeout + 30_000
    }

    /// One that the promises hold for.
    pub fn draw(rng: &mut StdRng) -> Self {
        use QuorumLossPolicy::{Fenced, Unreachable};
        let keep = *pick(
            rng,
            &[Keep::Memory, Keep::Memory, Keep::Aof, Keep::Aof, Keep::Rdb],
        );
        // dice of its own: the others fall as they did before
        let mut aside = rng.clone();
        let leaders = *pick(rng, &[1, 2, 3, 3, 3, 3, 4, 5, 6]);
        let followers = *pick(rng, &[0, 1, 1, 1, 1, 2, 2]);
        let zones = *pick(rng, &[2, 3, 3, 3, 3, 4]).max(&(followers as usize + 1));
        Self {
            leaders,
            followers,
            zones,
            hosts_per_zone: *pick(rng, &[1, 2, 2, 3]),
            room: 12,
            keep,
            volumes_are_local: rng.random_bool(0.5),
            node_timeout: *pick(rng, &[2000, 5000, 5000, 5000, 15000]),
            zone_loss: *pick(rng, &[0, 2000, 2000, 2000]),
            rehome_seconds: *pick(rng, &[5, 10, 20]),
            accept_empty: keep == Keep::Memory || rng.random_bool(0.5),
            quorum_loss: *pick(&mut aside, &[Fenced, Fenced, Fenced, Unreachable]),
            engine: *pick(rng, &[Engine::Redis7, Engine::Redis8]),
            operators: *pick(rng, &[1, 1, 2]),
            copy: *pick(rng, &[50, 500, 3000]),
            store_lag: *pick(rng, &[5, 50, 1000]),
            reuses_addresses: rng.random_bool(0.5),
            flaky_percent: *pick(rng, &[0, 0, 2, 10]),
            image_version: 0,
        }
    }

    /// The RedisCluster that its owner applied.
    pub fn resource(&self) -> Value {
        let mut spec = json!({
            "image": "redis:8",
            "leaders": self.leaders,
            "followersPerLeader": self.followers,
            "nodeTimeoutMillis": self.node_timeout,
            "recovery": {
                "zoneLossMillis": self.zone_loss,
                "rehomeAfterSeconds": self.rehome_seconds,
                "quorumLoss": self.quorum_loss,
                "debounceSeconds": DEBOUNCE_SECONDS,
                "shardLoss": if self.accept_empty { "AcceptEmpty" } else { "Wait" },
            },
        });
        if self.keep != Keep::Memory {
            spec["storage"] = json!({ "size": "1Gi", "retain": "Delete" });
            spec["persistence"] = json!(if self.keep == Keep::Aof { "Aof" } else { "Rdb" });
        }
        json!({
            "apiVersion": "zoneward.io/v1alpha1",
            "kind": "RedisCluster",
            "metadata": { "name": "c", "namespace": "ns", "uid": "u-1", "generation": 1,
                "resourceVersion": "1" },
            "spec": spec,
        })
    }

    /// Members of a whole shard.
    pub fn members_per_shard(&self) -> usize {
        self.followers as usize + 1
    }

    /// The name of a zone.
    pub fn zone_name(zone: usize) -> &'static str {
        ["a", "b", "c", "d"].get(zone).copied().unwrap_or("?")
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}x{} over {} zones of {} hosts, {:?}{}, T={} ms, zone loss {} ms, rehome {} s, {:?}, {:?}, \
             {} active, copies {} ms, stores lag {} ms, {}{}% flaky",
            self.leaders,
            self.followers,
            self.zones,
            self.hosts_per_zone,
            self.keep,
            if self.keep != Keep::Memory && self.volumes_are_local {
                " on local volumes"
            } else {
                ""
            },
            self.node_timeout,
            self.zone_loss,
            self.rehome_seconds,
            self.quorum_loss,
            self.engine,
            self.operators,
            self.copy,
            self.store_lag,
            if self.reuses_addresses {
                "addresses reused, "
            } else {
                ""
            },
            self.flaky_percent,
        )
    }
}

/// One of these.
pub fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}
