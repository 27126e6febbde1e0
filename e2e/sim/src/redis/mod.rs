//! A model of Redis Cluster: tables, gossip, failure detection, elections, manual failovers,
//! replication. Each rule is what `cluster.c` and `replication.c` of Redis 7 to 8 do, or what was
//! measured (REDIS-LAB.md); what differs by engine is in [`Engine`]. `e2e/sim/tests/traps.rs` runs the same
//! scripts against this model and real servers.

pub mod answer;
pub mod bus;
pub mod command;
pub mod cron;
pub mod data;
pub mod election;
pub mod passwords;
pub mod process;
pub mod settings;
pub mod table;

pub use data::{Data, Reign};
pub use process::{Process, Upstream};
pub use table::{Link, Mask, Node, Table};

/// Milliseconds since the history began.
pub type Millis = u64;

/// A member's id.
pub type Id = u32;

/// Where a process listens: host and number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr {
    /// The host, by number.
    pub host: u8,
    /// The address on it.
    pub number: u16,
}

/// A process, by the order in which they were started. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcKey(pub usize);

/// Which server it is, where that matters to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Redis 7.0: FORGET is not gossiped.
    Redis7,
    /// Redis 8 and Valkey 8: it is.
    Redis8,
}

/// A packet on the bus.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Who sent it.
    pub from: ProcKey,
    /// Whom it goes to.
    pub to: ProcKey,
    /// What every packet says of its sender.
    pub header: Header,
    /// What it is.
    pub body: Body,
}

/// What every packet says of its sender.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Its id.
    pub sender: Id,
    /// Its address.
    pub addr: Addr,
    /// Whom it follows.
    pub leader: Option<Id>,
    /// The highest epoch that it knows.
    pub current_epoch: u64,
    /// Its configuration epoch; a follower's is its leader's.
    pub epoch: u64,
    /// The chunks that it owns; a follower's are its leader's.
    pub mask: Mask,
    /// Its replication offset.
    pub offset: u64,
    /// It has stopped its clients for a manual failover.
    pub is_paused: bool,
}

/// What a packet is.
#[derive(Clone, Debug)]
pub enum Body {
    /// `about`: under which id the sender's table has the receiver.
    Ping {
        /// That id.
        about: Id,
        /// News.
        gossip: Vec<Gossip>,
    },
    /// A ping that introduces its sender.
    Meet {
        /// As for a ping.
        about: Id,
        /// News.
        gossip: Vec<Gossip>,
    },
    /// An answer; `about` of the ping that it answers, none where it is unasked.
    Pong {
        /// That id.
        about: Option<Id>,
        /// News.
        gossip: Vec<Gossip>,
    },
    /// A majority thinks that this member is down.
    Fail(Id),
    /// Vote for me; `force`: although my leader is not down.
    AuthRequest {
        /// For a manual failover.
        force: bool,
    },
    /// My vote.
    AuthAck,
    /// Stop your clients: I am to lead.
    FailoverStart,
    /// What you claim has a newer owner.
    Update {
        /// Who.
        owner: Id,
        /// Since which epoch.
        epoch: u64,
        /// What it owns.
        mask: Mask,
    },
    /// Forget this id (Redis 8, Valkey 8).
    Forget(Id),
}

/// News of a third member.
#[derive(Clone, Copy, Debug)]
pub struct Gossip {
    /// Who.
    pub id: Id,
    /// Where.
    pub addr: Option<Addr>,
    /// `fail` or `fail?`.
    pub is_failing: bool,
    /// When it was heard.
    pub pong_received: Millis,
}
