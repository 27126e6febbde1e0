//! The reasons that conditions carry: part of the API, each with an entry in
//! `docs/operations.md`. Reasons that are also waited for come from `plan::WaitingReason`.

/// All is as it should be.
pub const AS_WANTED: &str = "AsWanted";
/// The cluster was never whole yet.
pub const FORMING: &str = "Forming";
/// Slots have no leader that answers.
pub const SLOTS_UNSERVED: &str = "SlotsUnserved";
/// Every copy of a shard's data is lost, or was a short time ago.
pub const DATA_LOST: &str = "DataLost";
/// A shard has fewer in-sync members than the spec wants.
pub const MEMBERS_MISSING: &str = "MembersMissing";
/// Something is being brought about.
pub const CONVERGING: &str = "Converging";
/// Two members of one shard share a zone.
pub const ZONE_SHARED: &str = "ZoneShared";
/// A zone has more leaders than its share.
pub const LEADERS_UNEVEN: &str = "LeadersUneven";
/// The loss of some zone would not be survived.
pub const LOSS_NOT_SURVIVED: &str = "LossNotSurvived";
/// All hosts of a zone are silent.
pub const ZONE_SILENT: &str = "ZoneSilent";
/// `spec.paused` is set.
pub const PAUSED_BY_SPEC: &str = "PausedBySpec";
/// An action failed.
pub const ACTION_FAILED: &str = "ActionFailed";
/// The checker refused a plan.
pub const PLAN_REFUSED: &str = "PlanRefused";
/// The stored resource cannot be read: in an event alone, as it has no status that could be written.
pub const UNREADABLE: &str = "Unreadable";
