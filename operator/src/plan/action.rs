//! What a plan can ask for. A plan's actions do not depend on each other's effects: what must
//! come after something waits until a later round has *seen* it. So `act` may run them side by
//! side (commands to one member keep their order), and a crash between any two does no harm.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::WaitingOn;
use crate::model::{
    Address, ConfigEpoch, MemberId, MemberName, PodUid, Record, Role, RunId, Settings, SlotSet,
    VolumeName,
};

/// What one round decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// To be done now.
    pub actions: Vec<Action>,
    /// The record as it shall be kept. It is written before the actions run; where that fails
    /// nothing is done.
    pub record: Record,
    /// What stands in the way of the rest.
    pub waiting_on: Vec<WaitingOn>,
}

/// One thing to do, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// What.
    pub deed: Deed,
    /// Why, for logs, events and `zoneward plan`.
    pub why: String,
}

/// What to do. Each is idempotent and carries what must still be true when it is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Deed {
    /// Server-side apply of an object that we own.
    Apply(Manifest),
    /// Make an object that must not be overwritten: pods and volumes. One that exists is left
    /// alone.
    Create(Manifest),
    /// Make a Secret with a random value for each key. One that exists is left alone.
    CreateSecret {
        /// Its name.
        name: String,
        /// Its keys.
        keys: Vec<String>,
    },
    /// Ask a pod to go, if it still is the one with this uid.
    DeletePod {
        /// Its name.
        pod: MemberName,
        /// Its uid.
        uid: PodUid,
        /// Its container is proven dead: take the object away without waiting for its kubelet.
        is_dead: bool,
    },
    /// Delete a volume, if it still is the one with this uid.
    DeleteVolume {
        /// Its name.
        volume: VolumeName,
        /// Its uid.
        uid: String,
    },
    /// Ask for a larger volume, if it still is the one with this uid.
    GrowVolume {
        /// Its name.
        volume: VolumeName,
        /// Its uid.
        uid: String,
        /// The size, as in the spec.
        size: String,
    },
    /// Make a pod's role label and readiness gate tell the truth.
    MarkPod {
        /// Its name.
        pod: MemberName,
        /// Its uid.
        uid: PodUid,
        /// The role label.
        role: Option<Role>,
        /// The readiness gate: in the cluster, loaded, in sync.
        is_ready: bool,
    },
    /// Send a member a command.
    Command {
        /// To whom.
        member: MemberRef,
        /// What.
        command: MemberCommand,
    },
}

/// A member as it was when the plan was made. A command is sent only to that very process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRef {
    /// Its pod.
    pub name: MemberName,
    /// Its id.
    pub id: MemberId,
    /// Which run of the process.
    pub run_id: RunId,
    /// Where it is.
    pub address: Address,
}

/// A command of the operator to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MemberCommand {
    /// `CLUSTER SET-CONFIG-EPOCH`: only a member that knows nobody takes it.
    SetConfigEpoch(ConfigEpoch),
    /// `CLUSTER ADDSLOTSRANGE`.
    AddSlots(SlotSet),
    /// `CLUSTER MEET` of each. Fire and forget: a later round sees who is still missing.
    Meet(Vec<Address>),
    /// `CLUSTER REPLICATE`.
    Replicate {
        /// Whom to follow.
        leader: MemberId,
    },
    /// `CLUSTER FORGET`. A member that does not know it any more is content.
    Forget(MemberId),
    /// `CLUSTER FAILOVER` on a follower. OK means accepted, not done (REDIS-LAB section 4).
    /// Re-checked when sent: still a follower of `of`; for `Graceful` also link up and not
    /// syncing.
    Failover {
        /// How.
        mode: FailoverMode,
        /// The leader to be relieved.
        of: MemberId,
    },
    /// Own these slots, which nobody alive holds all the data of: given up in its own table first, then
    /// taken, and told with a higher epoch (`DELSLOTSRANGE`, `ADDSLOTSRANGE`, `BUMPEPOCH`).
    /// Re-checked when sent: it is empty or leads slots already, and nobody else than `of` owns any of them.
    SeizeSlots {
        /// Which.
        slots: SlotSet,
        /// Their dead owner; none where nobody owns them any more.
        of: Option<MemberId>,
    },
    /// Move these slots with their keys to that member, from the lowest on, and go on with it beside the
    /// rounds for [`MOVE_MILLIS`] after the last time that this was said. Re-checked when sent: both are
    /// these very processes, and lead.
    MoveSlots {
        /// Which.
        slots: SlotSet,
        /// To whom.
        to: MemberRef,
        /// In which way.
        way: MoveWay,
        /// Whether slots may be begun; else those alone are seen through that are open or in two halves.
        begins: bool,
    },
    /// `CLUSTER DELSLOTSRANGE` of slots that are others': in its own table they are nobody's then. Re-checked when
    /// sent: its table gives them to `of`.
    DisownSlots {
        /// Which.
        slots: SlotSet,
        /// The lost owner that it alone knows.
        of: MemberId,
    },
    /// `CLUSTER SETSLOT … STABLE`: nothing moves between these marks' ends.
    CloseSlots(SlotSet),
    /// `CONFIG SET cluster-node-timeout`.
    SetNodeTimeout {
        /// Milliseconds.
        millis: u64,
    },
    /// `CONFIG SET` of all of them, together: what the server does not take is left out and noted
    /// for the next answer, so that it is no error here.
    Configure(Settings),
    /// One step of a change of passwords.
    Passwords(PasswordStep),
    /// Read certificate, key and authorities again from the pod's files.
    ReloadCertificate,
    /// Let followers in, for as long as the cluster forms: switch their user on.
    OpenToFollowers,
    /// Let clients and followers in: switch the users on.
    Open,
    /// `CLIENT PAUSE … WRITE`: answer no write for so long. Re-checked when sent: it leads.
    HoldWrites {
        /// Milliseconds.
        millis: u64,
    },
    /// Tell the preStop hook of a leaving leader that its departure is being seen to.
    AcknowledgeDeparture,
    /// Tell it that it may go.
    ReleaseDeparture,
}

/// For how long slots are moved after the last round that said so, in milliseconds. Less than the fence
/// vouches for, and longer than a round with silent members takes.
pub const MOVE_MILLIS: u64 = 1_500;

/// How slots move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveWay {
    /// Key by key, with `MIGRATE`: a slot is in two halves meanwhile.
    Keys,
    /// Ranges at once, with `CLUSTER MIGRATESLOTS` (Valkey 9): they change hands as a whole.
    Ranges,
}

/// A step of a change of passwords, on one member. Each can be said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PasswordStep {
    /// Take the clients' current password, beside those before.
    AdmitClients,
    /// Take no other password of clients than those of the Secret.
    RetireFormerOfClients,
    /// Take the current passwords of our own users, beside those before.
    AdmitOwn,
    /// Log in to the leader with the current password.
    FollowWithNew,
    /// Take no other password of our own users than the current one.
    RetireFormerOwn,
}

impl PasswordStep {
    fn as_str(self) -> &'static str {
        match self {
            Self::AdmitClients => "take the clients' new password, too",
            Self::RetireFormerOfClients => "take no former password of clients",
            Self::AdmitOwn => "take the new passwords of our own users, too",
            Self::FollowWithNew => "follow with the new password",
            Self::RetireFormerOwn => "take no former password of our own users",
        }
    }
}

/// How a follower takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailoverMode {
    /// The leader pauses and hands over: nothing is lost.
    Graceful,
    /// Without the leader, with the votes of a majority of leaders.
    Force,
    /// Without anybody's vote. Splits the brain where the old leader lives.
    Takeover,
}

/// An object as it shall be, in the API server's JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What it is.
    pub kind: ManifestKind,
    /// Its name.
    pub name: String,
    /// The whole object, `apiVersion`, `kind`, labels and owner reference included.
    pub body: serde_json::Value,
}

/// The kinds of objects that a RedisCluster owns (Secrets aside: see [`Deed::CreateSecret`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ManifestKind {
    /// v1 ConfigMap.
    ConfigMap,
    /// v1 Service.
    Service,
    /// policy/v1 PodDisruptionBudget.
    PodDisruptionBudget,
    /// v1 PersistentVolumeClaim.
    PersistentVolumeClaim,
    /// v1 Pod.
    Pod,
}

impl ManifestKind {
    /// As the API server spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Pod => "Pod",
        }
    }
}

impl Deed {
    /// Whether it is said again in every round, and changes nothing by being said again.
    pub fn is_reminder(&self) -> bool {
        let Self::Command { command, .. } = self else {
            return false;
        };
        matches!(
            command,
            MemberCommand::AcknowledgeDeparture
                | MemberCommand::HoldWrites { .. }
                | MemberCommand::MoveSlots { .. }
                | MemberCommand::ReloadCertificate
        )
    }

    /// Whether it gives a shard a leader that has none.
    pub fn elects(&self) -> bool {
        let Self::Command { command, .. } = self else {
            return false;
        };
        match command {
            MemberCommand::Failover { mode, .. } => *mode != FailoverMode::Graceful,
            MemberCommand::SeizeSlots { .. } => true,
            _ => false,
        }
    }

    /// One stable word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Create(_) => "create",
            Self::CreateSecret { .. } => "create-secret",
            Self::DeletePod { .. } => "delete-pod",
            Self::DeleteVolume { .. } => "delete-volume",
            Self::GrowVolume { .. } => "grow-volume",
            Self::MarkPod { .. } => "mark-pod",
            Self::Command { command, .. } => command.kind(),
        }
    }
}

impl MemberCommand {
    /// One stable word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetConfigEpoch(_) => "set-config-epoch",
            Self::AddSlots(_) => "add-slots",
            Self::Meet(_) => "meet",
            Self::Replicate { .. } => "replicate",
            Self::Forget(_) => "forget",
            Self::Failover {
                mode: FailoverMode::Graceful,
                ..
            } => "switchover",
            Self::Failover {
                mode: FailoverMode::Force,
                ..
            } => "failover-force",
            Self::Failover {
                mode: FailoverMode::Takeover,
                ..
            } => "takeover",
            Self::SeizeSlots { .. } => "seize-slots",
            Self::MoveSlots { .. } => "move-slots",
            Self::DisownSlots { .. } => "disown-slots",
            Self::CloseSlots(_) => "close-slots",
            Self::SetNodeTimeout { .. } => "set-node-timeout",
            Self::Configure(_) => "configure",
            Self::Passwords(_) => "passwords",
            Self::ReloadCertificate => "reload-certificate",
            Self::OpenToFollowers => "open-to-followers",
            Self::Open => "open",
            Self::HoldWrites { .. } => "hold-writes",
            Self::AcknowledgeDeparture => "acknowledge-departure",
            Self::ReleaseDeparture => "release-departure",
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(manifest) => {
                write!(f, "apply {} {}", manifest.kind.as_str(), manifest.name)
            }
            Self::Create(manifest) => {
                write!(f, "create {} {}", manifest.kind.as_str(), manifest.name)
            }
            Self::CreateSecret { name, .. } => write!(f, "create Secret {name}"),
            Self::DeletePod {
                pod,
                is_dead: false,
                ..
            } => write!(f, "delete Pod {pod}"),
            Self::DeletePod {
                pod, is_dead: true, ..
            } => write!(f, "delete ended Pod {pod}"),
            Self::DeleteVolume { volume, .. } => {
                write!(f, "delete PersistentVolumeClaim {volume}")
            }
            Self::GrowVolume { volume, size, .. } => {
                write!(f, "grow PersistentVolumeClaim {volume} to {size}")
            }
            Self::MarkPod {
                pod,
                role,
                is_ready,
                ..
            } => {
                let role = role.map_or("none", Role::as_str);
                write!(f, "mark Pod {pod}: role {role}, ready {is_ready}")
            }
            Self::Command { member, command } => write!(f, "tell {}: {command}", member.name),
        }
    }
}

impl fmt::Display for MemberCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetConfigEpoch(epoch) => write!(f, "take configuration epoch {}", epoch.0),
            Self::AddSlots(slots) => write!(f, "own slots {slots}"),
            Self::Meet(addresses) => {
                f.write_str("meet")?;
                addresses
                    .iter()
                    .try_for_each(|address| write!(f, " {address}"))
            }
            Self::Replicate { leader } => write!(f, "follow {leader}"),
            Self::Forget(id) => write!(f, "forget {id}"),
            Self::Failover { mode, of } => write!(f, "take over from {of} ({mode:?})"),
            Self::SeizeSlots { slots, .. } => write!(f, "begin slots {slots} anew"),
            Self::MoveSlots { slots, to, .. } => write!(f, "move slots {slots} to {}", to.name),
            Self::DisownSlots { slots, of } => {
                write!(f, "take slots {slots} for nobody's, not for {of}'s")
            }
            Self::CloseSlots(slots) => write!(f, "close slots {slots}"),
            Self::SetNodeTimeout { millis } => write!(f, "set cluster-node-timeout to {millis} ms"),
            Self::Configure(settings) => {
                f.write_str("set")?;
                settings
                    .iter()
                    .try_for_each(|(name, value)| write!(f, " {name}={value:?}"))
            }
            Self::Passwords(step) => f.write_str(step.as_str()),
            Self::ReloadCertificate => f.write_str("read its certificate again"),
            Self::OpenToFollowers => f.write_str("open to followers"),
            Self::Open => f.write_str("open to clients and followers"),
            Self::HoldWrites { millis } => write!(f, "hold writes for {millis} ms"),
            Self::AcknowledgeDeparture => f.write_str("departure acknowledged"),
            Self::ReleaseDeparture => f.write_str("may depart"),
        }
    }
}
