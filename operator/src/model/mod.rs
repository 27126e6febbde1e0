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
mod setting;
mod slot;

pub use cluster_view::{Address, ClusterView, OpenSlot, ViewEntry, ViewFlags};
pub use desired::{Auth, Desired, Rollout, Tls, Zones};
pub use ids::{
    CLIENT_PORT, ClusterKey, ConfigEpoch, CurrentEpoch, HostName, MemberId, MemberName,
    PodFingerprint, PodUid, RunId, Serial, ShardId, VolumeName,
};
pub use member::{
    Access, Asked, Disk, Engine, FollowerLink, Keys, MemberAnswer, Replication, Role, Silence,
    SilenceReason, UpstreamLink, Version,
};
pub use observation::{
    CertificateView, HostView, ObjectView, Observation, PodPhase, PodView, STORE_AGE_MILLIS_MAX,
    SecretsView, VolumeView,
};
pub use record::{
    CertificateRecord, Clocks, DataLoss, Departed, Enrolled, FullZone, History, Leaderless,
    LeftAddress, Passwords, Record, Reshard, RoleChange, Share, StartFailures, StraySlots,
    Transfer, ZoneAlarm,
};
pub use setting::{
    Deviation, Original, RefusedSetting, Setting, Settings, SettingsRecord, Standing,
};
pub use slot::{SLOT_COUNT, Slot, SlotParseError, SlotRange, SlotSet};

pub use placement::ZoneName;
