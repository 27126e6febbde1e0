//! One redis-server process.

use std::collections::BTreeMap;

use super::Body;
use super::{Addr, Data, Engine, Gossip, Header, Id, Link, Millis, Node, Packet, ProcKey, Table};

/// Where a follower's data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// It copies from nobody.
    None,
    /// It tries to connect.
    Down {
        /// To where.
        addr: Option<Addr>,
        /// Since when there is no link (`repl_down_since`); none where there never was one.
        since: Option<Millis>,
        /// When it tries again.
        again: Millis,
    },
    /// It takes a full copy.
    Syncing {
        /// From where.
        addr: Addr,
        /// From whom.
        from: ProcKey,
        /// Since when it was not fed; none where it never was.
        since: Option<Millis>,
        /// When it drops what it had and loads what it got.
        loads: Millis,
        /// When it is done.
        done: Millis,
    },
    /// It is fed.
    Up {
        /// From where.
        addr: Addr,
        /// By whom.
        from: ProcKey,
        /// When its leader was heard last.
        heard: Millis,
    },
}

/// A follower as its leader sees it.
#[derive(Clone, Copy, Debug)]
pub struct Downstream {
    /// The copy is complete and the stream runs.
    pub is_online: bool,
    /// When it acknowledged last.
    pub acked: Millis,
    /// What it acknowledged.
    pub offset: u64,
}

/// An election in which it stands.
#[derive(Clone, Debug, Default)]
pub struct Election {
    /// When it may ask for votes.
    pub at: Millis,
    /// Whether it has asked.
    pub sent: bool,
    /// The epoch that it stands in.
    pub epoch: u64,
    /// Votes.
    pub votes: usize,
    /// Its place among the followers by offset.
    pub rank: u64,
    /// Whether it ever stood.
    pub has_stood: bool,
}

/// A manual failover: on the follower that is to lead, or on the leader that hands over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual {
    /// When it is given up.
    pub end: Option<Millis>,
    /// It may start the election.
    pub can_start: bool,
    /// What it has to catch up with.
    pub leader_offset: Option<u64>,
    /// On the leader: its clients are stopped until then.
    pub paused_until: Millis,
}

/// One process.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Process {
    /// Which.
    pub key: ProcKey,
    /// Its pod's name.
    pub pod: String,
    /// Where it listens.
    pub addr: Addr,
    /// The server.
    pub engine: Engine,
    /// Whether it runs.
    pub is_alive: bool,
    /// When it ended, if its host did not end with it.
    pub ended: Option<Millis>,
    /// It hangs until then: a slow fork, a slow disk.
    pub hangs_until: Millis,
    /// When it was started.
    pub started: Millis,
    /// It reads its data until then.
    pub loads_until: Millis,
    /// Whether clients and followers are let in.
    pub is_open: bool,
    /// Followers are let in.
    pub is_open_to_followers: bool,
    /// `cluster-node-timeout`.
    pub timeout: Millis,
    /// The table.
    pub table: Table,
    /// What it holds.
    pub data: Data,
    /// Where that comes from.
    pub upstream: Upstream,
    /// Whom it feeds.
    pub downstream: BTreeMap<ProcKey, Downstream>,
    /// The election that it stands in.
    pub election: Election,
    /// The manual failover that it takes part in.
    pub manual: Manual,
    /// Its place in the cycle of timers, 0 to 9.
    pub phase: u64,
    /// The next provisional id.
    pub next_handshake: Id,
    /// Who may log in.
    pub passwords: super::passwords::Passwords,
    /// Its directives.
    pub directives: super::settings::Directives,
    /// It answers no writes until then (`CLIENT PAUSE … WRITE`).
    pub holds_writes_until: Millis,
    /// The operator acknowledged its departure.
    pub departure_acknowledged: bool,
    /// The operator released it.
    pub departure_released: bool,
}

/// Provisional ids begin here.
pub const HANDSHAKES_FROM: Id = 1 << 30;
/// CLUSTER_WRITABLE_DELAY: a leader takes no writes for so long after its start.
pub const WRITABLE_DELAY: Millis = 2000;
/// CLUSTER_MF_TIMEOUT.
pub const MANUAL_TIMEOUT: Millis = 5000;

impl Process {
    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.table.leader.is_none()
    }

    /// Whether it takes writes to this chunk.
    pub fn takes_writes(&self, chunk: usize, now: Millis) -> bool {
        self.is_alive
            && self.is_open
            && self.leads()
            && self.table.ok
            && now >= self.loads_until
            && now >= self.manual.paused_until
            && now >= self.holds_writes_until
            && self.table.owners.get(chunk) == Some(&Some(self.table.me))
    }

    /// Whether it still reads its data.
    pub fn is_loading(&self, now: Millis) -> bool {
        now < self.loads_until
    }

    /// Whether its copy is whole and fed.
    pub fn is_in_sync(&self) -> bool {
        matches!(self.upstream, Upstream::Up { .. })
    }

    /// Whether its link broke so few milliseconds ago: nobody has seen it without yet.
    pub fn lost_its_link_within(&self, millis: Millis, now: Millis) -> bool {
        matches!(self.upstream, Upstream::Down { since: Some(since), .. } if now - since < millis)
    }

    /// What it says of itself in each packet.
    pub fn header(&self, now: Millis) -> Header {
        let table = &self.table;
        let speaks_for = table.leader.unwrap_or(table.me);
        Header {
            sender: table.me,
            addr: self.addr,
            leader: table.leader,
            current_epoch: table.current_epoch,
            epoch: table.epoch_of(speaks_for),
            mask: table.mask(speaks_for),
            offset: self.data.offset(),
            is_paused: now < self.manual.paused_until,
        }
    }

    /// A packet to somebody.
    pub fn packet(&self, to: ProcKey, now: Millis, body: Body) -> Packet {
        Packet {
            from: self.key,
            to,
            header: self.header(now),
            body,
        }
    }

    /// A packet to everybody that it has a link to.
    pub fn broadcast(&self, now: Millis, body: &Body, out: &mut Vec<Packet>) {
        for node in self.table.nodes.values().filter(|node| !node.handshake) {
            if let Some(link) = node.link {
                out.push(self.packet(link.peer, now, body.clone()));
            }
        }
    }

    /// News of the others: all in so small a cluster; with the failing ones among them.
    pub fn gossip(&self) -> Vec<Gossip> {
        let nodes = self.table.nodes.iter();
        nodes
            .filter(|(_, node)| !node.handshake && !node.no_addr)
            .map(|(id, node)| Gossip {
                id: *id,
                addr: node.addr,
                is_failing: node.suspected || node.failed,
                pong_received: node.pong_received,
            })
            .collect()
    }

    /// Begins to get to know who is at this address.
    pub fn start_handshake(&mut self, addr: Addr, now: Millis) {
        let is_under_way = |node: &Node| node.handshake && node.addr == Some(addr);
        if addr == self.addr || self.table.nodes.values().any(is_under_way) {
            return;
        }
        let id = self.next_handshake;
        self.next_handshake += 1;
        let node = Node {
            addr: Some(addr),
            handshake: true,
            entered: now,
            pong_received: now,
            ..Node::default()
        };
        self.table.nodes.insert(id, node);
    }

    /// A connection to this member came about.
    pub fn linked(&mut self, id: Id, peer: ProcKey, now: Millis, out: &mut Vec<Packet>) {
        let gossip = self.gossip();
        let header_meets = self.table.nodes.get(&id).is_some_and(|node| node.handshake);
        let body = if header_meets {
            Body::Meet { about: id, gossip }
        } else {
            Body::Ping { about: id, gossip }
        };
        if let Some(node) = self.table.nodes.get_mut(&id) {
            node.link = Some(Link { peer, since: now });
            node.ping_sent.get_or_insert(now);
        }
        out.push(self.packet(peer, now, body));
    }

    /// Follows this leader from now on.
    pub fn follow(&mut self, leader: Id, now: Millis) {
        let addr = self.table.nodes.get(&leader).and_then(|node| node.addr);
        self.table.leader = Some(leader);
        let me = self.table.me;
        for owner in &mut self.table.owners {
            if *owner == Some(me) {
                *owner = None;
            }
        }
        self.manual = Manual::default();
        self.copy_from(addr, now);
    }

    /// Copies from this address from now on.
    pub fn copy_from(&mut self, addr: Option<Addr>, now: Millis) {
        let since = match self.upstream {
            Upstream::Up { .. } => Some(now),
            Upstream::Down { since, .. } | Upstream::Syncing { since, .. } => since,
            Upstream::None => None,
        };
        self.upstream = Upstream::Down {
            addr,
            since,
            again: now,
        };
    }
}
