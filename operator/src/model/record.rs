//! What must outlive the operator's memory. It is kept in the status of the RedisCluster and
//! written, with a precondition on its resourceVersion, before anything is done that relies on it.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Clocks, HostName, MemberAnswer, MemberId, MemberName, PodFingerprint, PodUid, RoleChange,
    RunId, Serial, SettingsRecord, ShardId, SlotSet, VolumeName, ZoneName,
};

/// The durable memory of one RedisCluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The serial of the next member to be made. Raised before the member's pod is made, so that
    /// no name is used twice and a stale cache cannot make a double.
    #[serde(default)]
    pub next_serial: Serial,
    /// Whether the Redis Cluster was ever whole. Slots are dealt out only before that.
    #[serde(default)]
    pub formed: bool,
    /// The members that shall exist, by intent: entered before the pod is made, struck out when
    /// the member is lost or leaves.
    #[serde(default)]
    pub members: Vec<Enrolled>,
    /// Former members that the bus may still know: to be forgotten, and never mistaken for
    /// strangers.
    #[serde(default)]
    pub departed: Vec<Departed>,
    /// Since when, and when last.
    #[serde(default)]
    pub clocks: Clocks,
    /// Shards that lost every copy of their data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<DataLoss>,
    /// Addresses that members left and that a follower which is silent may go on copying from, whoever
    /// lives there by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_addresses: Vec<LeftAddress>,
    /// Members that ended before they ever joined, in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_failures: Option<StartFailures>,
    /// How many shards the slots are dealt out over, until the cluster is whole: a spec that changes
    /// meanwhile is followed by a reshard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealt: Option<u32>,
    /// The history of writes that each shard's leader went on with when it was heard last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histories: Vec<History>,
    /// The slots of each shard, when all views were equal last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// The reshard that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reshard: Option<Reshard>,
    /// Open slots that we did not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stray_slots: Option<StraySlots>,
    /// Where changes of passwords are.
    #[serde(default, skip_serializing_if = "Passwords::is_default")]
    pub passwords: Passwords,
    /// The certificate that members are to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateRecord>,
    /// The owner's directives: which are in force, and which were not taken.
    #[serde(default, skip_serializing_if = "SettingsRecord::is_empty")]
    pub settings: SettingsRecord,
}

/// Where changes of passwords are. Which passwords there are stands in Secrets, and who takes which is
/// asked of the members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passwords {
    /// Which Secret has our own users' passwords: each change makes another.
    #[serde(default)]
    pub generation: u32,
    /// The value of `spec.auth.rotateInternal` that they were made for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// Not everybody follows with the new one yet, so the Secret before counts, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rotating: bool,
    /// Since when every member takes the clients' current password, and some a former one, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub former_since: Option<Timestamp>,
}

impl Passwords {
    /// Whether nothing was ever changed.
    pub fn is_default(&self) -> bool {
        self == &Self::default()
    }
}

/// The certificate that members are to present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRecord {
    /// Of certificate and authorities.
    pub digest: String,
    /// When it took the place of another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub changed: Option<Timestamp>,
}

/// A member by intent.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enrolled {
    /// Its pod's name.
    pub name: MemberName,
    /// Its shard.
    pub shard: ShardId,
    /// The zone that it was placed in; empty where hosts carry no zone label.
    #[schemars(with = "String")]
    pub zone: ZoneName,
    /// Its volume; none for a member that lives in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeName>,
    /// Its pod, once seen: a pod that was seen and is gone is a member lost, one that was never seen is
    /// still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<PodUid>,
    /// What its pod was made from. A pod that does not tell is taken for one that was made from the
    /// spec as it was when this was first asked: an upgrade of the operator replaces nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<PodFingerprint>,
    /// Its id, once it has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// The host that its pod was scheduled to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Its pod's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub address: Option<IpAddr>,
    /// Whether it was ever seen in the cluster and in sync (or leading).
    #[serde(default)]
    pub joined: bool,
    /// The run of its process that held a whole copy, and was fed, when its leader was heard last.
    /// Another run, or none: what it has may be old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_run: Option<RunId>,
    /// Whose copy that was: that leader's id, or its own where it led. Somebody may have been elected since
    /// whom it follows only by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_with: Option<MemberId>,
    /// Since when it is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub silent_since: Option<Timestamp>,
    /// Since when its pod, which was seen, is not there. Its process may be: who deletes by force does not
    /// wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub gone_since: Option<Timestamp>,
    /// Its last process is proven to have ended, and the next one has not answered yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_ended: bool,
    /// That one was silent for longer than an election takes before its end was proven: cut off and not dead
    /// yet, it may have elected somebody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_unseen: bool,
    /// It is to leave as soon as it is not needed: its place is elsewhere now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub surplus: bool,
    /// Its process started before redis.conf had a directive that is taken at a start only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub started_before_config: bool,
    /// We ask its pod to go so that it starts again on its volume: its place stays its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarts: bool,
}

impl Enrolled {
    /// Whether it may hold a copy, given whether it answers: it was seen with one, or it was heard once and may
    /// have copied all since, with nobody to see it.
    pub fn may_have_copied(&self, answers: bool) -> bool {
        self.joined || self.member_id.is_some() && !answers
    }

    /// Whether its copy of whom it follows (or its own, where it leads) was whole and fed to the last, as far
    /// as that was seen, by the very process that answers now. One that was started since has what its disk
    /// had.
    pub fn was_in_sync(&self, answer: &MemberAnswer) -> bool {
        let own = answer.view.own_entry();
        let followed = own.and_then(|own| own.leader.as_ref());
        self.synced_run.as_ref() == Some(&answer.run_id)
            && self.synced_with.as_ref() == Some(followed.unwrap_or(&answer.id))
    }
}

/// A member that was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Departed {
    /// Its id.
    pub member_id: MemberId,
    /// Its pod's name.
    pub name: MemberName,
    /// Its shard.
    pub shard: ShardId,
    /// The host that it was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Whether its process was proven dead, and not merely its pod gone or its host silent.
    #[serde(default)]
    pub is_proven_dead: bool,
    /// See [`Enrolled::ended_unseen`]; also where its end is not proven yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_unseen: bool,
    /// When it was struck out, or some time after that a member still knew it.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// Where a member was that ended or was started anew elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftAddress {
    /// Its shard.
    pub shard: ShardId,
    /// The address.
    #[schemars(with = "String")]
    pub address: IpAddr,
    /// Who left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
}

/// The slots of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// The shard.
    pub shard: ShardId,
    /// Its slots.
    #[schemars(with = "String")]
    pub slots: SlotSet,
}

/// Whose writes a whole copy of a shard has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The shard.
    pub shard: ShardId,
    /// Who led it.
    pub leader: MemberId,
    /// As INFO tells it: followers take it over with their first full copy.
    pub replication_id: String,
    /// The configuration epoch that it led with when it was heard last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// How far it had come, in bytes, where its process was proven to have ended right after it told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_with: Option<u64>,
    /// When it was first heard to lead in place of another, whoever made it so: the bus elects, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// Slots on the move between shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reshard {
    /// How many slots were to move when it began, or when the spec changed last.
    pub total: u16,
    /// Over how many shards the slots are to be spread.
    pub leaders: u32,
    /// When slots were begun or arrived last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub moved: Option<Timestamp>,
    /// What may have been begun. Entered before a slot is opened: after a failover, which takes a slot's
    /// marks away, this alone tells which slots may be in two halves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
}

/// Slots that go from one shard to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Whose they were.
    pub from: ShardId,
    /// Whose they will be.
    pub to: ShardId,
    /// Those that have not arrived.
    #[schemars(with = "String")]
    pub slots: SlotSet,
}

/// Open slots that we did not open: somebody moves them by hand, or has given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StraySlots {
    /// Which.
    #[schemars(with = "String")]
    pub slots: SlotSet,
    /// Since when they have been open.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// Every copy of a shard's data was lost, or every whole one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataLoss {
    /// The shard.
    pub shard: ShardId,
    /// The slots whose data it was.
    #[schemars(with = "String")]
    pub slots: SlotSet,
    /// Who has an older copy, which is to lead on; none where nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_copy: Option<MemberName>,
    /// When it was noticed.
    #[schemars(with = "String")]
    pub noticed: Timestamp,
    /// When an older copy was told to lead, or an empty member to begin the slots anew, as the policy
    /// lets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub accepted: Option<Timestamp>,
}

/// Members that end right after their start, without ever having joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartFailures {
    /// How many in a row.
    pub count: u32,
    /// The last one's pod, kept for inspection.
    pub pod: MemberName,
    /// What Kubernetes said of it.
    pub reason: String,
    /// When the last one was seen.
    #[schemars(with = "String")]
    pub last: Timestamp,
}

impl Record {
    /// The entry of this member.
    pub fn member(&self, name: &MemberName) -> Option<&Enrolled> {
        self.members.iter().find(|member| &member.name == name)
    }

    /// The entry that holds this Redis id.
    pub fn member_by_id(&self, id: &MemberId) -> Option<&Enrolled> {
        self.members
            .iter()
            .find(|member| member.member_id.as_ref() == Some(id))
    }

    /// The shard that a member of this id is of, or was.
    pub fn shard_of(&self, id: &MemberId) -> Option<ShardId> {
        let entry = self.member_by_id(id).map(|entry| entry.shard);
        let departed = || self.departed.iter().find(|gone| &gone.member_id == id);
        entry.or_else(|| departed().map(|gone| gone.shard))
    }

    /// Whether this id was ever a member of ours.
    pub fn knows(&self, id: &MemberId) -> bool {
        self.shard_of(id).is_some()
    }

    /// Slots that may be in two halves, and between which shards.
    pub fn transfers(&self) -> &[Transfer] {
        self.reshard
            .as_ref()
            .map_or(&[], |reshard| reshard.transfers.as_slice())
    }

    /// The slots that this shard had when all views were equal last.
    pub fn share_of(&self, shard: ShardId) -> Option<&SlotSet> {
        let found = self.shares.iter().find(|it| it.shard == shard);
        found.map(|it| &it.slots)
    }

    /// How many leaders may vote, by what was true when all views were equal last. Shards that are only
    /// wanted have no vote: they must not make the lost look few.
    pub fn voters(&self, wanted: u32) -> usize {
        let owning = self.shares.iter().filter(|it| !it.slots.is_empty()).count();
        match owning {
            0 => usize::try_from(wanted).unwrap_or(usize::MAX),
            known => known,
        }
    }

    /// Whether it is told that every copy of this shard is lost, and nobody has led on since.
    pub fn is_all_told_lost(&self, shard: ShardId) -> bool {
        let mut losses = self.losses.iter().filter(|loss| loss.shard == shard);
        losses.any(|loss| loss.accepted.is_none() && loss.older_copy.is_none())
    }

    /// The last role change that we asked for in this shard.
    pub fn last_role_change(&self, shard: ShardId) -> Option<Timestamp> {
        self.clocks
            .role_changes
            .iter()
            .find(|change| change.shard == shard)
            .map(|c| c.at)
    }

    /// Notes that we ask now for this leader of this shard to be relieved by that member.
    pub fn note_role_change(&mut self, shard: ShardId, of: MemberId, to: MemberId, at: Timestamp) {
        let mut histories = self.histories.iter();
        let reign = histories.find(|it| it.shard == shard && it.leader == of);
        let of_since = reign.and_then(|it| it.since);
        let changes = &mut self.clocks.role_changes;
        changes.retain(|change| change.shard != shard);
        changes.push(RoleChange {
            shard,
            of: Some(of),
            of_since,
            to: Some(to),
            at,
        });
        changes.sort_by_key(|change| change.shard);
    }
}
