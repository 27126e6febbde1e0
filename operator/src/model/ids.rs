//! Identities. A member is known by its [`MemberId`]; addresses, pod names and indices are only
//! ways to reach it (promise I8).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id!(
    /// Redis' own id of a member: 40 hexadecimal digits, kept in its nodes.conf.
    MemberId
);
text_id!(
    /// The name of a member's pod: `<cluster>-<shard>-<serial>`, never used twice.
    MemberName
);
text_id!(
    /// The uid that Kubernetes gave one pod object.
    PodUid
);
text_id!(
    /// The id that a Redis process draws at each start (`run_id` of INFO).
    RunId
);
text_id!(
    /// The name of a Kubernetes machine.
    HostName
);
text_id!(
    /// A digest of all that a spec decides about a pod and that cannot be changed on one that lives.
    PodFingerprint
);
text_id!(
    /// The name of a member's PersistentVolumeClaim: its body, which outlives its pods.
    VolumeName
);

impl MemberName {
    /// The name of the member with this serial in this shard.
    pub fn of(cluster: &str, shard: ShardId, serial: Serial) -> Self {
        Self(format!("{cluster}-{shard}-{}", serial.0))
    }

    /// The serial in the name; none where the name is not of our form.
    pub fn serial(&self) -> Option<Serial> {
        self.0.rsplit('-').next()?.parse().ok().map(Serial)
    }
}

/// Which shard, counted from 0. Stable for the shard's life; it is not a position in any list.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number at the end of a member's name; grows with each member ever made.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Serial(pub u64);

/// A shard's configuration epoch: of two claims to a slot, the higher one wins.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ConfigEpoch(pub u64);

/// The cluster-wide epoch that elections draw new configuration epochs from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CurrentEpoch(pub u64);

/// Namespace and name of one RedisCluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterKey {
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The name of the RedisCluster.
    pub name: String,
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The port that members serve clients on; their bus port is this + 10000.
pub const CLIENT_PORT: u16 = 6379;
