//! What the members themselves say, asked past the operator: its status is not believed here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use zoneward_operator::model::{
    Address, CLIENT_PORT, ClusterView, MemberAnswer, MemberId, PodPhase, PodView, ShardId, SlotSet,
    ViewEntry,
};
use zoneward_operator::ports::{AskTarget, RedisAdmin};
use zoneward_operator::wire::{RedisWire, wakes};

use crate::kubernetes::Kubernetes;

const LIMIT: Duration = Duration::from_millis(500);

/// A pod, and what its process said; none where it did not.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The pod.
    pub pod: PodView,
    /// The answer.
    pub answer: Option<MemberAnswer>,
}

impl Seen {
    /// The slots that it says it owns.
    pub(crate) fn slots(&self) -> SlotSet {
        let own = self
            .answer
            .as_ref()
            .and_then(|answer| answer.view.own_entry());
        own.map_or(SlotSet::empty(), |entry| entry.slots.clone())
    }
}

/// All pods at one moment.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Each pod.
    pub members: Vec<Seen>,
    leaders: u32,
    followers: u32,
}

/// Asks over connections of its own.
pub(crate) struct Surveyor {
    wire: Arc<RedisWire>,
}

impl Surveyor {
    pub(crate) fn new() -> Self {
        let (alarm, _) = wakes();
        Self {
            wire: Arc::new(RedisWire::new(alarm)),
        }
    }

    /// Asks everybody at once.
    pub(crate) async fn survey(&self, kubernetes: &Kubernetes, shape: (u32, u32)) -> Survey {
        let credentials = Arc::new(kubernetes.credentials());
        let mut asking = JoinSet::new();
        let pods = kubernetes.pods();
        let uids: Vec<_> = pods.iter().map(|pod| pod.uid.clone()).collect();
        self.wire.retain(&kubernetes.key, &uids);
        for pod in pods {
            let address = pod.address.filter(|_| pod.phase == PodPhase::Running);
            let target = address.map(|ip| AskTarget {
                cluster: kubernetes.key.clone(),
                name: pod.name.clone(),
                pod_uid: pod.uid.clone(),
                address: Address {
                    ip,
                    port: CLIENT_PORT,
                },
                credentials: Arc::clone(&credentials),
                settings: Arc::default(),
            });
            let wire = Arc::clone(&self.wire);
            asking.spawn(async move {
                let answer = match target {
                    Some(target) => wire.ask(&target, LIMIT).await.ok(),
                    None => None,
                };
                Seen { pod, answer }
            });
        }
        let mut members = asking.join_all().await;
        members.sort_by(|a, b| a.pod.name.cmp(&b.pod.name));
        Survey {
            members,
            leaders: shape.0,
            followers: shape.1,
        }
    }
}

impl Survey {
    /// Who owns this shard's slots and answers.
    pub fn leader(&self, shard: ShardId) -> Option<&Seen> {
        self.of(shard).find(|seen| !seen.slots().is_empty())
    }

    /// Who follows that one, whole and fed.
    pub fn followers(&self, shard: ShardId) -> impl Iterator<Item = &Seen> {
        let leader = self.leader_id(shard);
        self.of(shard).filter(move |seen| {
            let own = seen
                .answer
                .as_ref()
                .and_then(|answer| answer.view.own_entry());
            let follows = own.is_some_and(|own| own.leader.is_some() && own.leader == leader);
            follows && seen.answer.as_ref().is_some_and(MemberAnswer::is_in_sync)
        })
    }

    /// The shards.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.leaders).map(ShardId)
    }

    /// Why the Redis Cluster is not as it shall be; none where it is: every slot served, every shard
    /// with all its copies in zones of their own, nobody else, and everybody of the same opinion.
    pub fn lacks(&self) -> Option<String> {
        let mut served = SlotSet::empty();
        for shard in self.shards() {
            let Some(leader) = self.leader(shard) else {
                return Some(format!("shard {shard} has no leader"));
            };
            let even = zoneward_operator::model::SLOT_COUNT
                / u16::try_from(self.leaders).unwrap_or(u16::MAX);
            let own = leader.slots();
            if !(even..=even + 1).contains(&own.count()) {
                return Some(format!("shard {shard} serves {own}"));
            }
            if own.intersection(&served) != SlotSet::empty() {
                return Some(format!(
                    "shard {shard} is not the only one that serves {own}"
                ));
            }
            served = served.union(&own);
            let open = leader.answer.iter().filter_map(|it| it.view.own_entry());
            if open.flat_map(|own| &own.open_slots).next().is_some() {
                return Some(format!("shard {shard} has open slots"));
            }
            let followers: Vec<&Seen> = self.followers(shard).collect();
            if followers.len() != self.followers as usize {
                return Some(format!(
                    "shard {shard} has {} followers in sync",
                    followers.len()
                ));
            }
            let copies = followers.into_iter().chain([leader]);
            let zones: BTreeSet<_> = copies.map(|seen| &seen.pod.zone).collect();
            if zones.len() != self.followers as usize + 1 {
                return Some(format!("shard {shard} lives in zones {zones:?}"));
            }
        }
        self.differs().or_else(|| self.is_crowded())
    }

    /// Whether every shard has a leader and a whole copy elsewhere, whatever else there is.
    pub fn is_redundant(&self) -> bool {
        self.shards()
            .all(|shard| self.leader(shard).is_some() && self.followers(shard).next().is_some())
    }

    /// How many leaders the fullest zone holds.
    pub fn most_leaders_in_a_zone(&self) -> usize {
        let zones: Vec<_> = self
            .shards()
            .filter_map(|shard| self.leader(shard))
            .map(|seen| &seen.pod.zone)
            .collect();
        let count = |zone| zones.iter().filter(|other| **other == zone).count();
        zones.iter().map(|zone| count(*zone)).max().unwrap_or(0)
    }

    fn of(&self, shard: ShardId) -> impl Iterator<Item = &Seen> {
        self.members
            .iter()
            .filter(move |seen| seen.pod.shard == shard)
    }

    fn leader_id(&self, shard: ShardId) -> Option<MemberId> {
        let answer = self.leader(shard)?.answer.as_ref()?;
        Some(answer.id.clone())
    }

    /// Members that see another cluster than the first one does, or see trouble in it.
    fn differs(&self) -> Option<String> {
        let mut answers = self
            .members
            .iter()
            .filter_map(|seen| Some((&seen.pod.name, &seen.answer.as_ref()?.view)));
        let tables: Vec<_> = answers.clone().map(|(_, view)| table(view)).collect();
        let first = tables.first()?;
        let (name, _) = answers.find(|(_, view)| {
            let mut flags = view.entries.iter().map(|it| it.flags);
            let has_trouble = flags.any(|it| it.failed || it.suspected);
            has_trouble || !view.says_ok || &table(view) != first
        })?;
        Some(format!("{name} sees another cluster, or trouble in it"))
    }

    fn is_crowded(&self) -> Option<String> {
        let wanted = self.leaders as usize * (self.followers as usize + 1);
        let living = self.members.iter().filter(|it| it.answer.is_some()).count();
        (living != wanted || self.members.len() != wanted).then(|| {
            format!(
                "{} pods, {living} answer, {wanted} are wanted",
                self.members.len()
            )
        })
    }
}

/// A member's view, less what each says of itself only.
pub(crate) fn table(view: &ClusterView) -> Vec<String> {
    let line = |it: &ViewEntry| {
        let flags = [
            (it.flags.failed, " failed"),
            (it.flags.suspected, " suspected"),
        ];
        let flags = flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, name)| *name);
        let flags: String = flags.collect();
        format!(
            "{} {:?} {:?} {}{flags}",
            it.id, it.role, it.leader, it.slots
        )
    };
    let mut lines: Vec<String> = view.entries.iter().map(line).collect();
    lines.sort();
    lines
}
