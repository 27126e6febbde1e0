//! What a process does with a packet (`clusterProcessPacket`).

use super::process::Process;
use super::{Addr, Body, Engine, Gossip, Header, Id, Mask, Millis, Node, Packet};

/// How long an id that was forgotten is not learnt again.
const BAN_MILLIS: Millis = 60_000;
/// CLUSTER_FAIL_REPORT_VALIDITY_MULT.
const REPORT_TIMEOUTS: Millis = 2;
/// CLUSTER_FAIL_UNDO_TIME_MULT.
const UNDO_TIMEOUTS: Millis = 2;

/// Takes a packet; what it sends goes to `out`.
pub fn receive(process: &mut Process, packet: &Packet, now: Millis, out: &mut Vec<Packet>) {
    let header = packet.header;
    let is_known = process
        .table
        .nodes
        .get(&header.sender)
        .is_some_and(|node| !node.handshake);
    if is_known {
        note_epochs(process, &header);
        note_pause(process, &header);
    }
    match &packet.body {
        Body::Ping { gossip, about } | Body::Meet { gossip, about } => {
            let is_meet = matches!(packet.body, Body::Meet { .. });
            if is_meet && !is_known && header.sender != process.table.me {
                process.start_handshake(header.addr, now);
            }
            let answer = Body::Pong {
                about: Some(*about),
                gossip: process.gossip(),
            };
            out.push(process.packet(packet.from, now, answer));
            if is_known {
                mend_address(process, &header, now);
                note_header(process, packet, gossip, now, out);
            } else if is_meet {
                note_gossip(process, None, gossip, now, out);
            }
        }
        Body::Pong { about, gossip } => {
            if let Some(about) = about
                && !identify(process, *about, &header, is_known, now)
            {
                return;
            }
            let knows = process.table.nodes.get(&header.sender);
            if knows.is_some_and(|node| !node.handshake) {
                note_pong(process, header.sender, now);
            }
            // the packet that ends a handshake tells who it is; epochs, slots and gossip come with the next
            // (`clusterProcessPacket` looks for the sender before it renames)
            if is_known {
                note_header(process, packet, gossip, now, out);
            }
        }
        _ if !is_known => {}
        Body::Fail(id) => {
            if *id != process.table.me
                && let Some(node) = process.table.nodes.get_mut(id)
                && !node.failed
            {
                (node.failed, node.suspected, node.failed_at) = (true, false, now);
            }
        }
        Body::AuthRequest { force } => vote(process, packet, *force, now, out),
        Body::AuthAck => {
            let counts = header.leader.is_none() && header.mask != 0;
            if counts && header.current_epoch >= process.election.epoch {
                process.election.votes += 1;
            }
        }
        Body::FailoverStart => stop_clients(process, packet, now, out),
        Body::Update { owner, epoch, mask } => {
            update(process, *owner, *epoch, *mask, now);
        }
        Body::Forget(id) => forget(process, *id, now),
    }
}

/// A leader that is to hand over stops its clients, so that its follower can catch up.
fn stop_clients(process: &mut Process, packet: &Packet, now: Millis, out: &mut Vec<Packet>) {
    // by its own table: it may not have heard yet that the other follows
    let asks = process.table.nodes.get(&packet.header.sender);
    let follows_me = asks.is_some_and(|node| node.leader == Some(process.table.me));
    if follows_me && process.leads() {
        let manual = &mut process.manual;
        manual.end = Some(now + super::process::MANUAL_TIMEOUT);
        manual.paused_until = now + super::process::MANUAL_TIMEOUT * 2;
        // told at once, so that the follower need not wait for the next ping
        let body = Body::Pong {
            about: None,
            gossip: Vec::new(),
        };
        out.push(process.packet(packet.from, now, body));
    }
}

fn note_epochs(process: &mut Process, header: &Header) {
    let table = &mut process.table;
    table.current_epoch = table.current_epoch.max(header.current_epoch);
    let epoch = header.epoch;
    if let Some(node) = table.nodes.get_mut(&header.sender)
        && epoch > node.epoch
    {
        node.epoch = epoch;
        table.current_epoch = table.current_epoch.max(epoch);
    }
}

/// A follower that is to lead by hand learns what it has to catch up with.
fn note_pause(process: &mut Process, header: &Header) {
    let manual = &mut process.manual;
    if manual.end.is_some()
        && !manual.can_start
        && process.table.leader == Some(header.sender)
        && header.is_paused
        && manual.leader_offset.is_none()
    {
        manual.leader_offset = Some(header.offset);
    }
}

/// A known id at a new address: taken from its own pings only.
fn mend_address(process: &mut Process, header: &Header, now: Millis) {
    let follows = process.table.leader == Some(header.sender);
    let Some(node) = process.table.nodes.get_mut(&header.sender) else {
        return;
    };
    if node.addr == Some(header.addr) {
        return;
    }
    node.addr = Some(header.addr);
    node.no_addr = false;
    node.link = None;
    if follows {
        process.copy_from(Some(header.addr), now);
    }
}

/// Whether the answer came from whom the link was meant for; learns who a stranger is.
fn identify(
    process: &mut Process,
    about: Id,
    header: &Header,
    is_known: bool,
    now: Millis,
) -> bool {
    let Some(node) = process.table.nodes.get(&about) else {
        return false;
    };
    if node.handshake {
        let Some(mut node) = process.table.nodes.remove(&about) else {
            return false;
        };
        let is_banned = process
            .table
            .banned
            .get(&header.sender)
            .is_some_and(|until| *until > now);
        if is_known {
            mend_address(process, header, now);
            return false;
        }
        if header.sender == process.table.me || is_banned && node.link.is_none() {
            return false;
        }
        node.handshake = false;
        node.leader = header.leader;
        process.table.banned.remove(&header.sender);
        process.table.nodes.insert(header.sender, node);
        return true;
    }
    if about != header.sender {
        // somebody else lives there by now
        if let Some(node) = process.table.nodes.get_mut(&about) {
            node.no_addr = true;
            node.addr = None;
            node.link = None;
        }
        return false;
    }
    true
}

fn note_pong(process: &mut Process, id: Id, now: Millis) {
    let undo = now.saturating_sub(process.timeout * UNDO_TIMEOUTS);
    let owns = process.table.owns_any(id);
    if let Some(node) = process.table.nodes.get_mut(&id) {
        node.ping_sent = None;
        node.pong_received = now;
        node.suspected = false;
        // a leader with slots only once nobody has succeeded it for long
        if node.failed && (node.leader.is_some() || !owns || node.failed_at < undo) {
            node.failed = false;
        }
    }
}

/// Role, slots, epochs and news.
fn note_header(
    process: &mut Process,
    packet: &Packet,
    gossip: &[Gossip],
    now: Millis,
    out: &mut Vec<Packet>,
) {
    let header = packet.header;
    let sender = header.sender;
    let Some(node) = process.table.nodes.get_mut(&sender) else {
        return;
    };
    let led = node.leader.is_none();
    node.leader = header.leader;
    if led && header.leader.is_some() {
        // a leader that follows now: its slots are its successor's to claim
        for owner in &mut process.table.owners {
            if *owner == Some(sender) {
                *owner = None;
            }
        }
    }
    let speaker = header.leader.unwrap_or(sender);
    if header.leader.is_none() && header.mask != process.table.mask(sender) {
        update_slots(process, sender, header.epoch, header.mask, now);
    }
    correct(process, packet, speaker, now, out);
    if header.leader.is_none() && process.leads() {
        resolve_collision(process, &header);
    }
    note_gossip(process, Some(sender), gossip, now, out);
}

/// Whoever claims what has a newer owner is told so.
fn correct(process: &Process, packet: &Packet, speaker: Id, now: Millis, out: &mut Vec<Packet>) {
    let header = &packet.header;
    for (chunk, owner) in process.table.owners.iter().enumerate() {
        let Some(owner) = *owner else { continue };
        if header.mask & (1 << chunk) == 0 || owner == speaker || owner == header.sender {
            continue;
        }
        let epoch = process.table.epoch_of(owner);
        if epoch > header.epoch {
            let mask = process.table.mask(owner);
            out.push(process.packet(packet.from, now, Body::Update { owner, epoch, mask }));
            return;
        }
    }
}

/// `clusterHandleConfigEpochCollision`: of two leaders with one epoch the one with the smaller id
/// takes a new one.
fn resolve_collision(process: &mut Process, header: &Header) {
    let table = &mut process.table;
    if header.epoch == table.epoch && header.sender > table.me {
        table.current_epoch += 1;
        table.epoch = table.current_epoch;
    }
}

fn note_gossip(
    process: &mut Process,
    sender: Option<Id>,
    gossip: &[Gossip],
    now: Millis,
    out: &mut Vec<Packet>,
) {
    let is_leader = sender.is_some_and(|id| {
        let leads = process
            .table
            .nodes
            .get(&id)
            .is_some_and(|it| it.leader.is_none());
        leads && process.table.owns_any(id)
    });
    for news in gossip {
        if news.id == process.table.me {
            continue;
        }
        let Some(node) = process.table.nodes.get_mut(&news.id) else {
            let is_banned = process
                .table
                .banned
                .get(&news.id)
                .is_some_and(|until| *until > now);
            if let (Some(addr), false) = (news.addr, is_banned) {
                process.start_handshake(addr, now);
            }
            continue;
        };
        if let (Some(reporter), true) = (sender, is_leader) {
            if news.is_failing {
                node.reports.insert(reporter, now);
            } else {
                node.reports.remove(&reporter);
            }
        }
        let is_down = node.suspected || node.failed;
        if !news.is_failing && node.ping_sent.is_none() && !is_down && node.reports.is_empty() {
            node.pong_received = node.pong_received.max(news.pong_received.min(now));
        }
        // it lives at another address than we know
        if !news.is_failing && is_down && news.addr.is_some() && node.addr != news.addr {
            node.addr = news.addr;
            node.no_addr = false;
            node.link = None;
        }
        if news.is_failing {
            mark_failed(process, news.id, now, out);
        }
    }
}

/// `markNodeAsFailingIfNeeded`.
pub fn mark_failed(process: &mut Process, id: Id, now: Millis, out: &mut Vec<Packet>) {
    let quorum = process.table.quorum();
    let votes = usize::from(process.table.votes());
    let oldest = now.saturating_sub(process.timeout * REPORT_TIMEOUTS);
    let Some(node) = process.table.nodes.get_mut(&id) else {
        return;
    };
    if !node.suspected || node.failed {
        return;
    }
    node.reports.retain(|_, at| *at >= oldest);
    if node.reports.len() + votes < quorum {
        return;
    }
    (node.failed, node.suspected, node.failed_at) = (true, false, now);
    process.broadcast(now, &Body::Fail(id), out);
}

/// `clusterSendFailoverAuthIfNeeded`.
fn vote(process: &mut Process, packet: &Packet, force: bool, now: Millis, out: &mut Vec<Packet>) {
    let header = packet.header;
    let oldest = now.saturating_sub(process.timeout * 2);
    let table = &process.table;
    if !table.votes()
        || header.current_epoch < table.current_epoch
        || table.last_vote_epoch == table.current_epoch
    {
        return;
    }
    // who is a leader to this one still gets no vote
    let asks = table.nodes.get(&header.sender);
    let Some(leader) = asks.and_then(|node| node.leader) else {
        return;
    };
    // its leader may be this very process, which hands over
    let known = table.nodes.get(&leader);
    if known.is_none() && leader != table.me {
        return;
    }
    let is_down = known.is_some_and(|node| node.failed) || force;
    let voted_at = known.map_or(table.voted_for_mine_at, |node| node.voted_at);
    let has_voted = voted_at.is_some_and(|at| at > oldest);
    let is_stale = table.owners.iter().enumerate().any(|(chunk, owner)| {
        header.mask & (1 << chunk) != 0
            && owner.is_some_and(|owner| table.epoch_of(owner) > header.epoch)
    });
    if !is_down || has_voted || is_stale {
        return;
    }
    let table = &mut process.table;
    table.last_vote_epoch = table.current_epoch;
    match table.nodes.get_mut(&leader) {
        Some(node) => node.voted_at = Some(now),
        None => table.voted_for_mine_at = Some(now),
    }
    out.push(process.packet(packet.from, now, Body::AuthAck));
}

fn update(process: &mut Process, owner: Id, epoch: u64, mask: Mask, now: Millis) {
    if owner == process.table.me {
        return;
    }
    let Some(node) = process.table.nodes.get_mut(&owner) else {
        return;
    };
    if node.epoch >= epoch {
        return;
    }
    node.leader = None;
    node.epoch = epoch;
    update_slots(process, owner, epoch, mask, now);
}

/// `clusterUpdateSlotsConfigWith`. With `cluster-allow-replica-migration no`, which we always set, a
/// member follows the taker only where that took exactly what its leader had.
fn update_slots(process: &mut Process, sender: Id, epoch: u64, mask: Mask, now: Millis) {
    let table = &process.table;
    let current = table.leader.unwrap_or(table.me);
    let mut claimed = 0;
    let mut taken_from_ours = 0;
    for chunk in 0..table.owners.len() {
        if mask & (1 << chunk) == 0 {
            continue;
        }
        claimed += 1;
        let owner = process.table.owners[chunk];
        if owner == Some(sender) {
            continue;
        }
        if owner.is_none_or(|owner| process.table.epoch_of(owner) < epoch) {
            if owner == Some(current) {
                taken_from_ours += 1;
            }
            process.table.owners[chunk] = Some(sender);
        }
    }
    let lost_all = taken_from_ours > 0 && !process.table.owns_any(current);
    if lost_all && claimed == taken_from_ours {
        process.follow(sender, now);
    }
}

/// `CLUSTER FORGET`, by command or by gossip.
pub fn forget(process: &mut Process, id: Id, now: Millis) {
    if id == process.table.me || process.table.leader == Some(id) {
        return;
    }
    if process.table.nodes.contains_key(&id) {
        process.table.remove(id);
    }
    process.table.banned.insert(id, now + BAN_MILLIS);
}

/// Whether FORGET is told to the others.
pub fn gossips_forget(process: &Process) -> bool {
    process.engine == Engine::Redis8
}

/// Where a node of the table is, for tests.
pub fn addr_of(process: &Process, id: Id) -> Option<Addr> {
    process
        .table
        .nodes
        .get(&id)
        .and_then(|node: &Node| node.addr)
}
