//! Waiting is a value: it stands in status, and is never an error and never silence.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that stands in the way, and what could be done about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingOn {
    /// What, as one stable word.
    pub reason: WaitingReason,
    /// On what exactly; for people, ends with the next step where there is one.
    pub message: String,
}

/// What can be waited for. The words are part of the API: `docs/operations.md` has an entry each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WaitingReason {
    /// A pod is not scheduled: no host in its zone has room.
    NoRoom,
    /// The image cannot be pulled or started.
    ImageProblem,
    /// A pod was made and its container does not run yet.
    PodStarting,
    /// Members end right after their start.
    MemberFailsToStart,
    /// A Secret that the spec names is missing or has no usable key.
    SecretMissing,
    /// Members or volumes are there, and the record of them is not.
    RecordMissing,
    /// No host carries the zone label, or none in the allowed zones.
    ZoneLabelMissing,
    /// No placement satisfies the zone rule.
    PlacementInfeasible,
    /// Members are being replaced by others that are made from the present spec.
    RollingUpdate,
    /// That waits until something else is over.
    RollPaused,
    /// That has stopped: the first members of the present spec do not get along.
    RollStuck,
    /// Members do not know each other yet, or disagree.
    ViewsDiffer,
    /// A follower is not in sync: it copies its leader's data, or is cut off from it.
    FollowerSync,
    /// A leader does not answer; the bus is to elect a follower.
    Election,
    /// A majority of leaders is lost: nobody can vote.
    QuorumLost,
    /// A member is silent, and not for long enough to be replaced.
    MemberSilent,
    /// Slots have no leader that lives.
    SlotsUnserved,
    /// Every copy of a shard's data is lost.
    DataLost,
    /// Slots are on the move.
    Resharding,
    /// A switchover must keep its distance to the last role change.
    RoleChangeTooSoon,
    /// A pod that its owner wants to lead does not.
    LeadWish,
    /// A member asked to go is still there.
    Departure,
    /// A member of the bus is not ours.
    Stranger,
    /// A former password is still taken, or a new one not everywhere yet.
    PasswordRotation,
    /// Not every member presents the certificate that is in the Secret yet.
    CertificateRotation,
    /// The certificate's time is almost over, or over.
    CertificateExpires,
    /// A volume is not as large as the spec wants it.
    VolumeResize,
    /// A member cannot write to its disk.
    DiskTrouble,
    /// A server does not take a value of `spec.config`.
    DirectiveRefused,
    /// A directive is in force only after a restart.
    RestartNeeded,
    /// A process waits closed until its data's place is clear.
    ClosedStart,
    /// `spec.paused` is set.
    Paused,
    /// The checker refused a plan: a bug of ours; nothing was done.
    PlanRefused,
}

impl fmt::Display for WaitingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl WaitingOn {
    /// Waits for `reason`, in these words.
    pub fn new(reason: WaitingReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}
