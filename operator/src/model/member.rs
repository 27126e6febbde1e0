//! What a member said when it was asked, or that it was silent.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClusterView, Deviation, MemberId, RunId};

/// Leads its shard, or follows the one that does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns the shard's slots and takes its writes.
    Leader,
    /// Copies the leader.
    Follower,
}

impl Role {
    /// As it stands in labels and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
        }
    }
}

/// Which server a member runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Engine {
    /// redis-server.
    Redis,
    /// valkey-server.
    Valkey,
}

/// Version of a server: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The outcome of asking a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asked {
    /// It answered all questions.
    Answered(Box<MemberAnswer>),
    /// It did not.
    Silent(Silence),
    /// It was not asked: it has no address, or we no credentials for it. Not a sign of anything.
    NotAsked,
}

impl Asked {
    /// What it answered, if it did.
    pub fn answer(&self) -> Option<&MemberAnswer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Silent(_) | Self::NotAsked => None,
        }
    }
}

/// How a member did not answer. Silence is never proof of death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// What the last try met.
    pub reason: SilenceReason,
    /// For how long nothing has come from its address, at least: answers, or acknowledgements of the
    /// kernel there.
    pub millis: u64,
    /// The last that came from there was the end of a connection: the kernel there closed one that stood,
    /// or refused a new one.
    #[serde(default)]
    pub said_goodbye: bool,
}

/// What a question met instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SilenceReason {
    /// Nothing came back in time.
    Timeout,
    /// The host answered that nothing listens there.
    Refused,
    /// The connection broke or could not be made.
    Unreachable,
    /// It answered, but not with what we asked for: wrong password, loading, unreadable reply.
    Unusable,
}

/// Followers hear their leader every second, as our redis.conf has it; a leader that forks may leave
/// out one or two.
const QUIET_SECONDS_MAX: u64 = 4;

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberAnswer {
    /// Its id.
    pub id: MemberId,
    /// Which run of the process this is.
    pub run_id: RunId,
    /// The server.
    pub engine: Engine,
    /// Its version.
    pub version: Version,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Whether it is still reading its data from disk.
    pub loading: bool,
    /// Keys that it holds, all databases.
    pub keys: u64,
    /// Bytes of memory in use.
    pub used_memory_bytes: u64,
    /// Clients connected.
    pub connected_clients: u64,
    /// What it has done since it started.
    #[serde(default)]
    pub traffic: Traffic,
    /// Whether clients and followers may log in (DESIGN section 4: every process starts closed).
    pub is_open: bool,
    /// Followers are let in.
    pub is_open_to_followers: bool,
    /// `cluster-node-timeout` in force.
    pub node_timeout_millis: u64,
    /// What it cannot write to its disk.
    pub disk: Disk,
    /// Whether it takes the passwords that it shall take.
    pub access: Access,
    /// Directives that it was asked about and that are not in force as wanted, by name.
    pub deviations: Vec<Deviation>,
    /// Its place in replication.
    pub replication: Replication,
    /// Its view of the Redis Cluster.
    pub view: ClusterView,
}

/// What a member counts of its work. It counts from nothing whenever its process starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Commands processed: those of clients, of its leader, and ours.
    pub commands: u64,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
}

/// What a member cannot write to its disk. It takes no writes from clients then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// The last write to the append-only file failed.
    pub append_fails: bool,
    /// The last snapshot failed.
    pub snapshot_fails: bool,
}

/// How a member's users compare with the Secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Of the clients' user. A closed member lets no client in: as wanted.
    pub clients: Keys,
    /// Of the user that followers log in as; the same of a closed one.
    pub followers: Keys,
    /// Of our own user.
    pub operator: Keys,
    /// It logs in to a leader with another password than the current one.
    pub follows_with_former: bool,
    /// It presents another certificate than the one in the Secret.
    pub presents_former: bool,
}

/// The passwords of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keys {
    /// It takes those of the Secret and no others.
    #[default]
    AsWanted,
    /// It does not take one that it shall take.
    LackNew,
    /// It takes all that it shall take, and others.
    TakeFormer,
}

impl MemberAnswer {
    /// The role it says it has.
    pub fn role(&self) -> Role {
        match self.replication.upstream {
            None => Role::Leader,
            Some(_) => Role::Follower,
        }
    }

    /// Whether it is a follower whose copy is complete and fed: initial sync done, link up, and its
    /// leader heard of late. A link whose packets are dropped stays up for `repl-timeout`, a minute,
    /// while the leader takes writes.
    pub fn is_in_sync(&self) -> bool {
        self.replication.upstream.as_ref().is_some_and(|link| {
            let is_quiet = link
                .last_io_seconds
                .is_some_and(|seconds| seconds > QUIET_SECONDS_MAX);
            link.is_up && !link.is_syncing && !is_quiet && !self.loading
        })
    }
}

/// `INFO replication`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replication {
    /// Names one history of writes; followers share their leader's.
    pub replication_id: String,
    /// The one that this history goes on from; none where nobody was promoted.
    #[serde(default)]
    pub former_id: Option<String>,
    /// Up to which offset, in bytes, it is that one; none where there is none.
    #[serde(default)]
    pub former_until: Option<u64>,
    /// How far along that history: a leader's own offset, a follower's processed one, in bytes.
    pub offset: u64,
    /// Set on a follower.
    pub upstream: Option<UpstreamLink>,
    /// The followers connected to it.
    pub followers: Vec<FollowerLink>,
}

/// A follower's link to its leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamLink {
    /// The address that it copies from, as text: it may be a name or stale.
    pub host: String,
    /// The port that it copies from.
    pub port: u16,
    /// The link to the leader is up, as the member itself says.
    pub is_up: bool,
    /// A full copy is being made.
    pub is_syncing: bool,
    /// Seconds since the leader was last heard, while the link is up.
    pub last_io_seconds: Option<u64>,
    /// Seconds since the link broke, or another leader was named; none while it is up, and where there never
    /// was one.
    pub down_seconds: Option<u64>,
}

/// A leader's link to one follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerLink {
    /// The follower's address.
    pub ip: Option<IpAddr>,
    /// Whether the initial copy is complete and the stream runs.
    pub is_online: bool,
    /// The last offset that it acknowledged, in bytes.
    pub offset: u64,
    /// Seconds since that acknowledgement.
    pub lag_seconds: u64,
}
