//! A process's table of the cluster: nodes.conf, and what it thinks of each other member.

use std::collections::BTreeMap;

use super::{Addr, Id, Millis, ProcKey};

/// Chunks of slots as bits: chunk i is what shard i was dealt at the beginning. Slots are not moved
/// yet, so nothing finer is needed.
pub type Mask = u64;

/// A bus connection that this process opened.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Who is at its other end.
    pub peer: ProcKey,
    /// Since when.
    pub since: Millis,
}

/// What a process knows of another member.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "one for each flag of Redis")]
pub struct Node {
    /// Where it is; none for `:0`.
    pub addr: Option<Addr>,
    /// `noaddr`: another id answered at its address. Such nodes are never suspected.
    pub no_addr: bool,
    /// The MEET is not answered yet; its id is provisional.
    pub handshake: bool,
    /// `fail?`
    pub suspected: bool,
    /// `fail`
    pub failed: bool,
    /// Since when it is `fail`.
    pub failed_at: Millis,
    /// Whom it follows; none for a leader.
    pub leader: Option<Id>,
    /// Its configuration epoch.
    pub epoch: u64,
    /// When the ping that is not answered yet was sent.
    pub ping_sent: Option<Millis>,
    /// When it answered last.
    pub pong_received: Millis,
    /// The connection to it.
    pub link: Option<Link>,
    /// Which leaders say that it is down, and when they said so last.
    pub reports: BTreeMap<Id, Millis>,
    /// When we last voted for a follower of it.
    pub voted_at: Option<Millis>,
    /// When it was entered.
    pub entered: Millis,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The process's own id.
    pub me: Id,
    /// Whom it follows.
    pub leader: Option<Id>,
    /// Its own configuration epoch.
    pub epoch: u64,
    /// The highest epoch that it heard of.
    pub current_epoch: u64,
    /// The epoch that it voted in last.
    pub last_vote_epoch: u64,
    /// The others.
    pub nodes: BTreeMap<Id, Node>,
    /// Who owns each chunk.
    pub owners: Vec<Option<Id>>,
    /// When it last voted for a follower of its own.
    pub voted_for_mine_at: Option<Millis>,
    /// Ids that are not to be learnt again before this time.
    pub banned: BTreeMap<Id, Millis>,
    /// Since when a majority of the leaders can be reached, where that was not so before.
    pub ok: bool,
    /// When the state may turn to ok.
    pub ok_at: Millis,
}

impl Table {
    /// The chunks of this member.
    pub fn mask(&self, id: Id) -> Mask {
        let mut mask = 0;
        for (chunk, owner) in self.owners.iter().enumerate() {
            if *owner == Some(id) {
                mask |= 1 << chunk;
            }
        }
        mask
    }

    /// Whether this member owns any.
    pub fn owns_any(&self, id: Id) -> bool {
        self.owners.contains(&Some(id))
    }

    /// The configuration epoch of this member, itself included.
    pub fn epoch_of(&self, id: Id) -> u64 {
        if id == self.me {
            self.epoch
        } else {
            self.nodes.get(&id).map_or(0, |node| node.epoch)
        }
    }

    /// How many leaders own slots (`cluster_size`).
    pub fn size(&self) -> usize {
        let mut owners: Vec<Id> = self.owners.iter().flatten().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        owners.len()
    }

    /// How many leaders it takes.
    pub fn quorum(&self) -> usize {
        self.size() / 2 + 1
    }

    /// Whether it leads and owns slots: only such vote.
    pub fn votes(&self) -> bool {
        self.leader.is_none() && self.owns_any(self.me)
    }

    /// How many leaders with slots are not thought to be down, itself included.
    pub fn reachable(&self) -> usize {
        let mut owners: Vec<Id> = self.owners.iter().flatten().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        let up = |id: &Id| {
            *id == self.me
                || self
                    .nodes
                    .get(id)
                    .is_some_and(|node| !node.suspected && !node.failed)
        };
        owners.iter().filter(|id| up(id)).count()
    }

    /// Takes a member out.
    pub fn remove(&mut self, id: Id) {
        self.nodes.remove(&id);
        for owner in &mut self.owners {
            if *owner == Some(id) {
                *owner = None;
            }
        }
        for node in self.nodes.values_mut() {
            node.reports.remove(&id);
        }
    }
}
