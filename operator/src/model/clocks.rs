//! Clocks of safety, a part of the record: since when, and when last.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MemberId, ShardId, ZoneName};

/// Clocks of safety: written before the action that starts them; a new active operator that
/// finds none assumes *now*.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clocks {
    /// Per shard, the last failover, takeover or switchover that we asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_changes: Vec<RoleChange>,
    /// Shards whose leader does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaderless: Vec<Leaderless>,
    /// Zones in which the scheduler found no room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full_zones: Vec<FullZone>,
    /// Zones whose leaders were succeeded because all of it fell silent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zone_alarms: Vec<ZoneAlarm>,
    /// Since when all zones are open and all shards whole and in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub quiet_since: Option<Timestamp>,
}

/// A shard that nobody leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leaderless {
    /// The shard.
    pub shard: ShardId,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// A zone in which the scheduler found no room. It is remembered for a while after the pod that
/// told it was placed elsewhere; else the next round would try the same zone again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FullZone {
    /// The zone.
    #[schemars(with = "String")]
    pub zone: ZoneName,
    /// When a pod last waited for room there.
    #[schemars(with = "String")]
    pub seen: Timestamp,
}

/// A zone whose leaders were succeeded because all of it fell silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAlarm {
    /// The zone.
    #[schemars(with = "String")]
    pub zone: ZoneName,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Somebody there was heard again before the bus would have acted, and had not been started since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_false: bool,
}

/// One shard's last role change that we asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleChange {
    /// The shard.
    pub shard: ShardId,
    /// Who was to be relieved: as long as it leads, the change is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<MemberId>,
    /// Since when that one led, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub of_since: Option<Timestamp>,
    /// Who was told to lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<MemberId>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
