//! The vocabulary of the operator: plain values, shared by every stage.
//!
//! Pure: nothing here reads, writes, waits, or knows the time. Types of Kubernetes' and of Redis'
//! client libraries stay outside; `observe` and `wire` translate.

mod cluster_view;
mod desired;
mod ids;
mod member;
mod observation;
mod record;
mod slot;

pub use cluster_view::{Address, ClusterView, OpenSlot, ViewEntry, ViewFlags};
pub use desired::{Auth, Desired, Rollout, Zones};
pub use ids::{
    CLIENT_PORT, ClusterKey, ConfigEpoch, CurrentEpoch, HostName, MemberId, MemberName,
    PodFingerprint, PodUid, RunId, Serial, ShardId, VolumeName,
};
pub use member::{
    Asked, Engine, FollowerLink, MemberAnswer, Replication, Role, Silence, SilenceReason,
    UpstreamLink, Version,
};
pub use observation::{
    HostView, ObjectView, Observation, PodPhase, PodView, SecretsView, VolumeView,
};
pub use record::{
    Clocks, DataLoss, Departed, Enrolled, FullZone, LeftAddress, Record, RoleChange, StartFailures,
};
pub use slot::{SLOT_COUNT, Slot, SlotParseError, SlotRange, SlotSet};

pub use placement::ZoneName;
