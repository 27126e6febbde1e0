//! The vocabulary of the operator: plain values, shared by every stage.
//!
//! Pure: nothing here reads, writes, waits, or knows the time. Types of Kubernetes' and of Redis'
//! client libraries stay outside; `observe` and `wire` translate.

mod clocks;
mod cluster_view;
mod desired;
mod ids;
mod member;
mod observation;
mod record;
mod setting;
mod slot;

pub use clocks::{Clocks, FullZone, Leaderless, RoleChange, ZoneAlarm};
pub use cluster_view::{Address, ClusterView, OpenSlot, ViewEntry, ViewFlags};
pub use desired::{Auth, Desired, Rollout, Tls, Zones};
pub use ids::{
    CLIENT_PORT, ClusterKey, ConfigEpoch, CurrentEpoch, HostName, MemberId, MemberName,
    PodFingerprint, PodUid, RunId, Serial, ShardId, VolumeName,
};
pub use member::{
    Access, Asked, Disk, Engine, FollowerLink, Keys, MemberAnswer, Replication, Role, Silence,
    SilenceReason, Traffic, UpstreamLink, Version,
};
pub use observation::{
    CertificateView, ContainerEnd, HostView, LastWord, ObjectView, Observation, PodPhase, PodView,
    STORE_AGE_MILLIS_MAX, SecretsView, VolumeView,
};
pub use record::{
    CertificateRecord, DataLoss, Departed, Enrolled, History, LeftAddress, Passwords, Record,
    Reshard, Share, StartFailures, StraySlots, Transfer,
};
pub use setting::{
    Deviation, Original, RefusedSetting, Setting, Settings, SettingsRecord, Standing,
};
pub use slot::{SLOT_COUNT, Slot, SlotParseError, SlotRange, SlotSet};

pub use placement::ZoneName;
