//! Figures of a RedisCluster as a whole, from the last round.

use super::Round;
use super::family::{Family, OF_CLUSTER, Sheet, count, flag};
use super::figures::ClusterFigures;

const INFO: Family = Family::gauge(
    "zoneward_cluster_info",
    &["namespace", "cluster", "engine", "version"],
    "1, with the server that the members run; the lowest version where they differ.",
);
const SLOTS: Family = Family::gauge(
    "zoneward_slots_served",
    OF_CLUSTER,
    "Slots, of 16384, that have a leader that can be reached.",
);
const CONDITIONS: Family = Family::gauge(
    "zoneward_condition",
    &["namespace", "cluster", "condition"],
    "Conditions of status: 1 for True, 0 for False; none for Unknown.",
);
const WAITING: Family = Family::gauge(
    "zoneward_waiting",
    &["namespace", "cluster", "reason"],
    "How many things the operator waits for, by reason; none where it is 0.",
);
const WANTED: Family = Family::gauge(
    "zoneward_members_wanted",
    OF_CLUSTER,
    "Members that the spec wants: leaders and followers.",
);
const IN_SYNC: Family = Family::gauge(
    "zoneward_members_in_sync",
    OF_CLUSTER,
    "Members that lead, or whose copy is complete and fed.",
);
const CERTIFICATE: Family = Family::gauge(
    "zoneward_certificate_expiry_timestamp_seconds",
    OF_CLUSTER,
    "When the certificate in the Secret of spec.tls ends; none without TLS.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[
    INFO,
    SLOTS,
    CONDITIONS,
    WAITING,
    WANTED,
    IN_SYNC,
    CERTIFICATE,
];

/// What the status does not have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    wanted: Option<u32>,
    certificate_ends: Option<i64>,
}

pub(super) fn extras(round: &Round<'_>) -> Extras {
    let wants = |it: &crate::model::Desired| it.leaders.saturating_mul(it.members_per_shard());
    let uses_tls = round.desired.is_some_and(|it| it.tls.is_some());
    let certificate = round.seen.secrets.certificate.as_ref();
    Extras {
        wanted: round.desired.map(wants),
        certificate_ends: certificate
            .filter(|_| uses_tls)
            .map(|it| it.not_after.as_second()),
    }
}

pub(super) fn fill(
    sheet: &Sheet,
    of: [&str; 2],
    figures: &ClusterFigures,
) -> prometheus::Result<()> {
    let [namespace, cluster] = of;
    let status = &figures.status;
    if let (Some(engine), Some(version)) = (status.engine, &status.engine_version) {
        let engine = format!("{engine:?}");
        sheet.set(&INFO, &[namespace, cluster, &engine, version], 1.0)?;
    }
    sheet.set(&SLOTS, &of, f64::from(status.slots_served))?;
    for condition in &status.conditions {
        let value = match condition.status.as_str() {
            "True" => flag(true),
            "False" => flag(false),
            _ => continue,
        };
        let labels = [namespace, cluster, condition.type_.as_str()];
        sheet.set(&CONDITIONS, &labels, value)?;
    }
    let mut reasons: Vec<&str> = status
        .waiting_on
        .iter()
        .map(|it| it.reason.as_str())
        .collect();
    reasons.sort_unstable();
    for same in reasons.chunk_by(|a, b| a == b) {
        let reason = same.first().copied().unwrap_or_default();
        sheet.set(&WAITING, &[namespace, cluster, reason], count(same.len()))?;
    }
    let members = status.shards.iter().flat_map(|shard| &shard.members);
    let in_sync = members.filter(|member| member.in_sync).count();
    sheet.set(&IN_SYNC, &of, count(in_sync))?;
    if let Some(wanted) = figures.extras.wanted {
        sheet.set(&WANTED, &of, f64::from(wanted))?;
    }
    if let Some(end) = figures.extras.certificate_ends {
        let end = super::family::float(u64::try_from(end).unwrap_or(0));
        sheet.set(&CERTIFICATE, &of, end)?;
    }
    Ok(())
}
