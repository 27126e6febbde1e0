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
const COMMANDS: Family = Family::told(
    "zoneward_member_commands_processed_total",
    OF_POD,
    "Commands that a member has processed since it started: those of clients, of its leader, and the operator's own.",
);
const HITS: Family = Family::told(
    "zoneward_member_keyspace_hits_total",
    OF_POD,
    "Reads that found their key, since the member started.",
);
const MISSES: Family = Family::told(
    "zoneward_member_keyspace_misses_total",
    OF_POD,
    "Reads that did not find their key, since the member started.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[
    INFO, ANSWERS, MEMORY, CLIENTS, KEYS, LAG, COMMANDS, HITS, MISSES,
];

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
        sheet.tell(&COMMANDS, &labels, answer.traffic.commands)?;
        sheet.tell(&HITS, &labels, answer.traffic.hits)?;
        sheet.tell(&MISSES, &labels, answer.traffic.misses)?;
        if let Some(lag) = answer.lag_bytes {
            sheet.set(&LAG, &labels, float(lag))?;
        }
    }
    Ok(())
}
