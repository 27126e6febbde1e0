//! What one member believes of the whole Redis Cluster (its answer to `CLUSTER NODES`).
//!
//! A view is an opinion: views differ until the bus has spoken, and no single one is the truth.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{ConfigEpoch, CurrentEpoch, MemberId, Role, Slot, SlotSet};

/// Where a member can be reached by clients; the bus port is this port + 10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The pod's address.
    pub ip: IpAddr,
    /// The client port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// One member's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The id of the member whose view this is.
    pub myself: MemberId,
    /// `cluster_state:ok`. Proves neither agreement nor that each owner can be reached
    /// (REDIS-LAB section 3).
    pub says_ok: bool,
    /// `cluster_current_epoch`.
    pub current_epoch: CurrentEpoch,
    /// Every member it lists, itself included, sorted by id.
    pub entries: Vec<ViewEntry>,
}

impl ClusterView {
    /// What it says of this member; none where it does not list it.
    pub fn entry(&self, id: &MemberId) -> Option<&ViewEntry> {
        self.entries.iter().find(|entry| &entry.id == id)
    }

    /// What it says of itself.
    pub fn own_entry(&self) -> Option<&ViewEntry> {
        self.entry(&self.myself)
    }
}

/// One line of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewEntry {
    /// Whom the line is about. While `flags.handshake` is set this id is provisional.
    pub id: MemberId,
    /// Its address; none while unknown (`:0`, `noaddr`).
    pub address: Option<Address>,
    /// Its role.
    pub role: Role,
    /// Whom it follows.
    pub leader: Option<MemberId>,
    /// What else is flagged.
    pub flags: ViewFlags,
    /// Its configuration epoch (a follower shows its leader's).
    pub config_epoch: ConfigEpoch,
    /// Whether the bus link to it is up (always so for the member itself).
    pub link_up: bool,
    /// The slots it owns.
    pub slots: SlotSet,
    /// Slots on the move; only ever listed in a member's line about itself.
    pub open_slots: Vec<OpenSlot>,
}

/// Flags of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one bool per flag that Redis prints"
)]
pub struct ViewFlags {
    /// The line is about the member that was asked.
    pub myself: bool,
    /// `fail`: a majority of leaders agreed that it is down.
    pub failed: bool,
    /// `fail?`: this member alone thinks that it is down.
    pub suspected: bool,
    /// The MEET is not answered yet.
    pub handshake: bool,
    /// The address is not known.
    pub no_address: bool,
}

/// A slot on the move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "direction", rename_all = "camelCase")]
pub enum OpenSlot {
    /// Leaves to that member.
    Migrating {
        /// The slot.
        slot: Slot,
        /// Where it goes.
        to: MemberId,
    },
    /// Comes from that member.
    Importing {
        /// The slot.
        slot: Slot,
        /// Where it comes from.
        from: MemberId,
    },
}

impl OpenSlot {
    /// Which.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Migrating { slot, .. } | Self::Importing { slot, .. } => *slot,
        }
    }
}
