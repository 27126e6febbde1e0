//! Figures of members, as they answered in the last round: what makes an exporter beside each of
//! them unnecessary.

use super::family::{Family, Sheet, flag, float};
use super::figures::ClusterFigures;
use crate::model::Role;

const OF_POD: &[&str] = &["namespace", "cluster", "pod"];

const INFO: Family = Family::gauge(
    "zoneward_member_info",
    &["namespace", "cluster", "pod", "shard", "zone", "role"],
    "1, with a member's shard, zone and role: leader, follower, none.",
);
const ANSWERS: Family = Family::gauge(
    "zoneward_member_answers",
    OF_POD,
    "Whether a member answered when it was asked last.",
);
const MEMORY: Family = Family::gauge(
    "zoneward_member_used_memory_bytes",
    OF_POD,
    "Memory in use by a member.",
);
const CLIENTS: Family = Family::gauge(
    "zoneward_member_connected_clients",
    OF_POD,
    "Clients connected to a member.",
);
const KEYS: Family = Family::gauge("zoneward_member_keys", OF_POD, "Keys that a member holds.");
const LAG: Family = Family::gauge(
    "zoneward_member_lag_bytes",
    OF_POD,
    "How much of its leader's history a follower has not processed yet; both are asked at almost, not \
     quite, the same time.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[INFO, ANSWERS, MEMORY, CLIENTS, KEYS, LAG];

pub(super) fn fill(
    sheet: &Sheet,
    of: [&str; 2],
    figures: &ClusterFigures,
) -> prometheus::Result<()> {
    let [namespace, cluster] = of;
    for shard in &figures.status.shards {
        let index = shard.shard.to_string();
        for member in &shard.members {
            let role = member.role.map_or("none", Role::as_str);
            let labels = [namespace, cluster, &member.pod, &index, &member.zone, role];
            sheet.set(&INFO, &labels, 1.0)?;
        }
    }
    for (pod, answer) in &figures.answers {
        let labels = [namespace, cluster, pod.as_str()];
        sheet.set(&ANSWERS, &labels, flag(answer.is_some()))?;
        let Some(answer) = answer else { continue };
        sheet.set(&MEMORY, &labels, float(answer.used_memory_bytes))?;
        sheet.set(&CLIENTS, &labels, float(answer.connected_clients))?;
        sheet.set(&KEYS, &labels, float(answer.keys))?;
        if let Some(lag) = answer.lag_bytes {
            sheet.set(&LAG, &labels, float(lag))?;
        }
    }
    Ok(())
}
