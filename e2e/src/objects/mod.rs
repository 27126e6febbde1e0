//! What we read of Kubernetes' objects: only the fields that are looked at here, so that an
//! older or newer operator's status can still be read. `tests/status_shape.rs` holds it against
//! the operator's own types.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

mod hosts;

pub use hosts::{Host, Pod};

/// All slots.
pub const SLOT_COUNT: u32 = 16384;

/// Name and namespace of a `RedisCluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Generation of the spec.
    pub generation: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Set while it is being deleted.
    pub deletion_timestamp: Option<String>,
    /// Whose it is.
    pub owner_references: Vec<OwnerReference>,
}

/// Whose an object is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OwnerReference {
    /// Uid of the owner.
    pub uid: String,
}

/// A list of objects.
#[derive(Clone, Debug, Deserialize)]
pub struct List<T> {
    /// The objects.
    pub items: Vec<T>,
}

/// A `RedisCluster`.
#[derive(Clone, Debug, Deserialize)]
pub struct RedisCluster {
    /// Metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// What is, as the operator says.
    #[serde(default)]
    pub status: Status,
}

/// `spec`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Shards.
    pub leaders: usize,
    /// Followers of each leader.
    pub followers_per_leader: usize,
}

/// `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation that it is about.
    pub observed_generation: i64,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Slots whose leader can be reached.
    pub slots_served: u32,
    /// Shards.
    pub shards: Vec<Shard>,
    /// Zones.
    pub zones: Vec<Zone>,
    /// What is waited for.
    pub waiting_on: Vec<Waiting>,
    /// What the operator keeps for itself.
    pub record: Record,
}

/// `status.record`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Slots that are on the move, where some are.
    pub reshard: Option<Reshard>,
}

/// Slots that are on the move.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reshard {
    /// From whom to whom: each a piece of work that is begun.
    pub transfers: Vec<Value>,
}

/// A condition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// A shard.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Shard {
    /// Its number.
    pub shard: u32,
    /// Its slots.
    pub slots: String,
    /// Its members.
    pub members: Vec<Member>,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Member {
    /// Its pod.
    pub pod: String,
    /// Its zone.
    pub zone: String,
    /// leader or follower; none before it has joined.
    pub role: Option<String>,
    /// Alive, Joining, Starting, Silent, Ended or Leaving.
    pub state: String,
    /// Whether its copy is complete and fed.
    pub in_sync: bool,
}

/// A zone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Zone {
    /// Its name.
    pub zone: String,
    /// Open, Cordoned or Gone.
    pub state: String,
    /// Whether its loss would be survived.
    pub survives_loss: bool,
    /// Why not.
    pub why_not: Option<String>,
}

/// Something that is waited for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// In one word.
    pub reason: String,
    /// On what.
    pub message: String,
}

/// What a drill took away: whatever the status says of it stems from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Zones.
    pub zones: BTreeSet<String>,
    /// Pods.
    pub pods: BTreeSet<String>,
}

impl Lost {
    /// A zone.
    pub fn zone(name: impl Into<String>) -> Self {
        Self {
            zones: BTreeSet::from([name.into()]),
            ..Self::default()
        }
    }
}

impl Member {
    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.role.as_deref() == Some("leader")
    }

    /// Whether it serves, and is not among what is lost.
    pub fn lives(&self, lost: &Lost) -> bool {
        self.state == "Alive" && !lost.zones.contains(&self.zone) && !lost.pods.contains(&self.pod)
    }
}

impl Shard {
    /// Its leader.
    pub fn leader(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.leads())
    }
}

impl RedisCluster {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }

    /// Whether the condition holds.
    pub fn is(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|c| c.status == "True")
    }

    /// How many members it is to have.
    pub fn members_wanted(&self) -> usize {
        self.spec.leaders * (1 + self.spec.followers_per_leader)
    }

    /// Whether slots are on the move: begun, and not all of them there.
    pub fn is_resharding(&self) -> bool {
        let reshard = self.status.record.reshard.as_ref();
        reshard.is_some_and(|it| !it.transfers.is_empty())
    }

    /// Its members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.status.shards.iter().flat_map(|shard| &shard.members)
    }

    /// The zones in which leaders are, with how many.
    pub fn leaders_by_zone(&self) -> BTreeMap<&str, usize> {
        let mut zones = BTreeMap::new();
        for leader in self.status.shards.iter().filter_map(Shard::leader) {
            *zones.entry(leader.zone.as_str()).or_default() += 1;
        }
        zones
    }

    /// All slots are served, by leaders that are not among what is lost. That guards against a
    /// status from before the loss.
    pub fn is_served(&self, lost: &Lost) -> bool {
        self.status.slots_served == SLOT_COUNT
            && self.status.shards.len() == self.spec.leaders
            && self
                .status
                .shards
                .iter()
                .all(|shard| shard.leader().is_some_and(|leader| leader.lives(lost)))
    }

    /// Served, and each leader has a follower in sync in another zone, and not among what is lost.
    pub fn is_redundant(&self, lost: &Lost) -> bool {
        self.is_served(lost)
            && (self.spec.followers_per_leader == 0
                || self
                    .status
                    .shards
                    .iter()
                    .all(|shard| shard.is_redundant(lost)))
    }

    /// Ready and zone-safe with nothing missing, nothing left over and the leaders spread evenly
    /// (promises I1 and I2).
    pub fn is_home(&self, zones: usize) -> bool {
        let leaders_max = self.spec.leaders.div_ceil(zones.max(1));
        self.status.observed_generation == self.metadata.generation
            && self.is("Ready")
            && self.is_redundant(&Lost::default())
            && self.members().count() == self.members_wanted()
            && self
                .members()
                .all(|member| member.lives(&Lost::default()) && member.in_sync)
            && self.status.shards.iter().all(Shard::is_spread)
            && self
                .leaders_by_zone()
                .values()
                .all(|count| *count <= leaders_max)
    }
}

impl Shard {
    fn is_redundant(&self, lost: &Lost) -> bool {
        self.leader().is_some_and(|leader| {
            self.members.iter().any(|member| {
                !member.leads()
                    && member.in_sync
                    && member.lives(lost)
                    && member.zone != leader.zone
            })
        })
    }

    /// No two members in one zone.
    fn is_spread(&self) -> bool {
        let zones: BTreeSet<&str> = self.members.iter().map(|m| m.zone.as_str()).collect();
        zones.len() == self.members.len()
    }
}

#[cfg(test)]
pub mod samples {
    //! `RedisClusters` to test with.

    use super::*;

    /// 3×1 over three zones, whole: shard i leads in zone i and follows in the next.
    pub fn whole() -> RedisCluster {
        let zones = ["zone-a", "zone-b", "zone-c"];
        let slots = ["0-5460", "5461-10922", "10923-16383"];
        let member = |shard: usize, place: usize, role: &str| Member {
            pod: format!("demo-{shard}-{}", 2 * shard + place + 1),
            zone: zones[(shard + place) % 3].to_owned(),
            role: Some(role.to_owned()),
            state: "Alive".to_owned(),
            in_sync: true,
        };
        let shards = (0..)
            .zip(slots)
            .enumerate()
            .map(|(shard, (number, slots))| Shard {
                shard: number,
                slots: slots.to_owned(),
                members: vec![member(shard, 0, "leader"), member(shard, 1, "follower")],
            });
        let condition = |kind: &str| Condition {
            kind: kind.to_owned(),
            status: "True".to_owned(),
            ..Condition::default()
        };
        RedisCluster {
            metadata: Metadata {
                name: "demo".to_owned(),
                generation: 1,
                ..Metadata::default()
            },
            spec: Spec {
                leaders: 3,
                followers_per_leader: 1,
            },
            status: Status {
                observed_generation: 1,
                conditions: vec![condition("Ready"), condition("ZoneSafe")],
                slots_served: SLOT_COUNT,
                shards: shards.collect(),
                zones: zones
                    .iter()
                    .map(|zone| Zone {
                        zone: (*zone).to_owned(),
                        state: "Open".to_owned(),
                        survives_loss: true,
                        why_not: None,
                    })
                    .collect(),
                waiting_on: Vec::new(),
                record: Record::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_cluster_is_home() {
        let (whole, none) = (samples::whole(), Lost::default());
        assert!(whole.is_served(&none) && whole.is_redundant(&none) && whole.is_home(3));
    }

    #[test]
    fn a_status_from_before_the_loss_does_not_count() {
        let stale = samples::whole();
        assert!(!stale.is_served(&Lost::zone("zone-a")), "a leader is in it");
        let mut moved = samples::whole();
        moved.status.shards[0].members.swap(0, 1);
        moved.status.shards[0].members[0].role = Some("leader".to_owned());
        moved.status.shards[0].members[1].role = Some("follower".to_owned());
        assert!(moved.is_served(&Lost::zone("zone-a")));
        assert!(!moved.is_redundant(&Lost::zone("zone-a")));
    }

    #[test]
    fn what_is_not_home() {
        let changed = |change: fn(&mut RedisCluster)| {
            let mut cluster = samples::whole();
            change(&mut cluster);
            cluster.is_home(3)
        };
        assert!(!changed(|c| c.status.conditions.clear()));
        assert!(!changed(|c| c.metadata.generation = 2));
        assert!(!changed(|c| c.status.shards[1].members[1].in_sync = false));
        assert!(!changed(
            |c| c.status.shards[1].members[1].zone = "zone-b".to_owned()
        ));
        assert!(!changed(|c| {
            let extra = c.status.shards[0].members[1].clone();
            c.status.shards[0].members.push(Member {
                zone: "zone-c".to_owned(),
                ..extra
            });
        }));
        let mut uneven = samples::whole();
        uneven.status.shards[0].members[0].zone = "zone-c".to_owned();
        assert!(!uneven.is_home(3), "two leaders in zone-c");
        assert!(uneven.is_home(2), "which is what two zones allow");
    }
}
