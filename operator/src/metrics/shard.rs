//! Figures of a RedisCluster's shards, from the last round.

use std::collections::BTreeSet;

use super::family::{Family, Sheet, count, float};
use super::figures::{ClusterFigures, leader_of};
use crate::api::ShardStatus;

const OF_SHARD: &[&str] = &["namespace", "cluster", "shard"];

const ZONES: Family = Family::gauge(
    "zoneward_shard_zones",
    OF_SHARD,
    "Zones that hold a member in sync of a shard. With 1, that zone's loss loses the shard.",
);
const IN_SYNC: Family = Family::gauge(
    "zoneward_shard_members_in_sync",
    OF_SHARD,
    "Members of a shard that lead, or whose copy is complete and fed.",
);
const LEADER: Family = Family::gauge(
    "zoneward_shard_leader_info",
    &["namespace", "cluster", "shard", "pod", "zone"],
    "1, with the pod that owns the shard's slots, and its zone.",
);
const LAG: Family = Family::gauge(
    "zoneward_shard_lag_bytes",
    OF_SHARD,
    "How far the shard's last follower is behind its leader; none without a follower that copies it.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[ZONES, IN_SYNC, LEADER, LAG];

pub(super) fn fill(
    sheet: &Sheet,
    of: [&str; 2],
    figures: &ClusterFigures,
) -> prometheus::Result<()> {
    for shard in &figures.status.shards {
        fill_one(sheet, of, shard, figures)?;
    }
    Ok(())
}

fn fill_one(
    sheet: &Sheet,
    [namespace, cluster]: [&str; 2],
    shard: &ShardStatus,
    figures: &ClusterFigures,
) -> prometheus::Result<()> {
    let index = shard.shard.to_string();
    let labels = [namespace, cluster, index.as_str()];
    let in_sync = || shard.members.iter().filter(|member| member.in_sync);
    let zones: BTreeSet<&str> = in_sync().map(|member| member.zone.as_str()).collect();
    sheet.set(&ZONES, &labels, count(zones.len()))?;
    sheet.set(&IN_SYNC, &labels, count(in_sync().count()))?;
    if let Some(leader) = leader_of(shard) {
        let labels = [namespace, cluster, &index, &leader.pod, &leader.zone];
        sheet.set(&LEADER, &labels, 1.0)?;
    }
    let lags = shard.members.iter().filter_map(|member| {
        let answer = figures.answers.get(&member.pod)?.as_ref();
        answer?.lag_bytes
    });
    if let Some(lag) = lags.max() {
        sheet.set(&LAG, &labels, float(lag))?;
    }
    Ok(())
}
