//! Figures of a RedisCluster's zones, from the last round.

use super::family::{Family, Sheet, flag};
use crate::api::ZoneStatus;

const OF_ZONE: &[&str] = &["namespace", "cluster", "zone"];

const LEADERS: Family = Family::gauge("zoneward_zone_leaders", OF_ZONE, "Leaders in a zone.");
const MEMBERS: Family = Family::gauge(
    "zoneward_zone_members",
    OF_ZONE,
    "Members in a zone that lead, or whose copy is complete and fed.",
);
const SURVIVES: Family = Family::gauge(
    "zoneward_zone_survives_loss",
    OF_ZONE,
    "Whether losing this zone now would be survived.",
);
const GONE: Family = Family::gauge(
    "zoneward_zone_gone",
    OF_ZONE,
    "Whether nothing is heard of this zone: all of its hosts, or all members in it, are silent.",
);

/// What is declared here.
pub(super) const FAMILIES: &[Family] = &[LEADERS, MEMBERS, SURVIVES, GONE];

pub(super) fn fill(sheet: &Sheet, of: [&str; 2], zones: &[ZoneStatus]) -> prometheus::Result<()> {
    let [namespace, cluster] = of;
    for zone in zones {
        let labels = [namespace, cluster, zone.zone.as_str()];
        let members = zone.leaders.saturating_add(zone.followers);
        sheet.set(&LEADERS, &labels, f64::from(zone.leaders))?;
        sheet.set(&MEMBERS, &labels, f64::from(members))?;
        sheet.set(&SURVIVES, &labels, flag(zone.survives_loss))?;
        sheet.set(&GONE, &labels, flag(zone.state == "Gone"))?;
    }
    Ok(())
}
