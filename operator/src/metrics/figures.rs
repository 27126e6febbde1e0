//! What is kept of a RedisCluster's last round, for the next scrape: its status as it was told, and
//! of each answer the few figures that status does not have.

use std::collections::BTreeMap;

use super::cluster::Extras;
use super::{Round, cluster};
use crate::api::{RedisClusterStatus, ShardMemberStatus, ShardStatus};
use crate::model::{Asked, MemberAnswer, Observation, Role, Traffic};

/// One RedisCluster.
#[derive(Default)]
pub(super) struct ClusterFigures {
    /// What status says.
    pub(super) status: RedisClusterStatus,
    /// Of the spec and the Secrets.
    pub(super) extras: Extras,
    /// By pod: what it answered; none where it did not.
    pub(super) answers: BTreeMap<String, Option<AnswerFigures>>,
}

/// One answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AnswerFigures {
    pub(super) used_memory_bytes: u64,
    pub(super) connected_clients: u64,
    pub(super) traffic: Traffic,
    pub(super) keys: u64,
    /// Of one that copies its shard's leader.
    pub(super) lag_bytes: Option<u64>,
}

impl ClusterFigures {
    pub(super) fn new(round: Round<'_>) -> Self {
        let mut answers: BTreeMap<String, Option<AnswerFigures>> = round
            .seen
            .members
            .iter()
            .map(|(name, asked)| (name.to_string(), asked.answer().map(figures_of)))
            .collect();
        for shard in &round.status.shards {
            let leader = leader_of(shard).and_then(|it| answer_of(round.seen, &it.pod));
            let Some(leader) = leader else { continue };
            for member in &shard.members {
                let lag = answer_of(round.seen, &member.pod).and_then(|it| lag_of(it, leader));
                if let Some(Some(figures)) = answers.get_mut(&member.pod) {
                    figures.lag_bytes = lag;
                }
            }
        }
        Self {
            extras: cluster::extras(&round),
            status: round.status,
            answers,
        }
    }
}

/// Who owns the shard's slots.
pub(super) fn leader_of(shard: &ShardStatus) -> Option<&ShardMemberStatus> {
    let mut members = shard.members.iter();
    members.find(|member| member.role == Some(Role::Leader))
}

/// What a pod of this name answered.
fn answer_of<'a>(seen: &'a Observation, pod: &str) -> Option<&'a MemberAnswer> {
    seen.members.get(&pod.into()).and_then(Asked::answer)
}

fn figures_of(answer: &MemberAnswer) -> AnswerFigures {
    AnswerFigures {
        used_memory_bytes: answer.used_memory_bytes,
        connected_clients: answer.connected_clients,
        traffic: answer.traffic,
        keys: answer.keys,
        lag_bytes: None,
    }
}

/// Offsets of two histories are not to be compared.
fn lag_of(follower: &MemberAnswer, leader: &MemberAnswer) -> Option<u64> {
    let (own, its) = (&follower.replication, &leader.replication);
    let copies = own.upstream.is_some() && own.replication_id == its.replication_id;
    copies.then(|| its.offset.saturating_sub(own.offset))
}
