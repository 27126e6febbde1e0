//! What a process does every 100 ms (`clusterCron`).

use super::process::{Manual, Process, WRITABLE_DELAY};
use super::{Body, Id, Link, Millis, Packet, bus, election};
use rand::Rng;

/// A handshake that is not answered is given up after the node timeout, or this.
const HANDSHAKE_MILLIS_MIN: Millis = 1000;
/// CLUSTER_MIN/MAX_REJOIN_DELAY.
const REJOIN_MILLIS: (Millis, Millis) = (500, 5000);

/// One turn. Connections were seen to before.
pub fn cron(process: &mut Process, now: Millis, rng: &mut impl Rng, out: &mut Vec<Packet>) {
    give_up_handshakes(process, now);
    drop_mute_links(process, now);
    ping(process, now, out);
    if now / 100 % 10 == process.phase {
        ping_somebody(process, now, rng, out);
    }
    suspect(process, now, out);
    if process.manual.end.is_some_and(|end| now > end) {
        process.manual = Manual::default();
    }
    election::stand(process, now, rng, out);
    update_state(process, now);
}

fn give_up_handshakes(process: &mut Process, now: Millis) {
    let limit = process.timeout.max(HANDSHAKE_MILLIS_MIN);
    let nodes = &mut process.table.nodes;
    nodes.retain(|_, node| !node.handshake || now < node.entered + limit);
}

/// A link that stays mute for half the timeout is opened anew: the packet may be lost with it.
fn drop_mute_links(process: &mut Process, now: Millis) {
    let timeout = process.timeout;
    for node in process.table.nodes.values_mut() {
        let is_old = |link: Link| now > link.since + timeout;
        let is_mute = node.ping_sent.is_some_and(|sent| now > sent + timeout / 2);
        let is_quiet = now > node.pong_received + timeout / 2;
        if node.link.is_some_and(is_old) && is_mute && is_quiet {
            node.link = None;
        }
    }
}

fn ping(process: &mut Process, now: Millis, out: &mut Vec<Packet>) {
    let half = process.timeout / 2;
    let due: Vec<(Id, Link)> = process
        .table
        .nodes
        .iter()
        .filter(|(_, node)| !node.handshake && node.ping_sent.is_none())
        .filter(|(_, node)| now > node.pong_received + half)
        .filter_map(|(id, node)| Some((*id, node.link?)))
        .collect();
    // while it hands over, its follower is told in each turn what to catch up with
    let told = process.manual.end.is_some() && now < process.manual.paused_until;
    for (id, link) in due {
        let gossip = process.gossip();
        out.push(process.packet(link.peer, now, Body::Ping { about: id, gossip }));
        if let Some(node) = process.table.nodes.get_mut(&id) {
            node.ping_sent = Some(now);
        }
    }
    if told {
        let body = Body::Pong {
            about: None,
            gossip: Vec::new(),
        };
        process.broadcast(now, &body, out);
    }
}

/// Once a second, whoever was heard longest ago of five at random. News of others keep a member from
/// pinging them; who leads and who follows stands in their own packets only.
fn ping_somebody(process: &mut Process, now: Millis, rng: &mut impl Rng, out: &mut Vec<Packet>) {
    let idle: Vec<(Id, Link, Millis)> = process
        .table
        .nodes
        .iter()
        .filter(|(_, node)| !node.handshake && node.ping_sent.is_none())
        .filter_map(|(id, node)| Some((*id, node.link?, node.pong_received)))
        .collect();
    let drawn = (0..5).filter_map(|_| {
        let at = rng.random_range(0..idle.len().max(1));
        idle.get(at).copied()
    });
    if let Some((id, link, _)) = drawn.min_by_key(|(_, _, heard)| *heard) {
        let gossip = process.gossip();
        out.push(process.packet(link.peer, now, Body::Ping { about: id, gossip }));
        if let Some(node) = process.table.nodes.get_mut(&id) {
            node.ping_sent = Some(now);
        }
    }
}

fn suspect(process: &mut Process, now: Millis, out: &mut Vec<Packet>) {
    let timeout = process.timeout;
    let late: Vec<Id> = process
        .table
        .nodes
        .iter()
        .filter(|(_, node)| !node.handshake && !node.no_addr && !node.suspected && !node.failed)
        .filter(|(_, node)| match node.ping_sent {
            Some(sent) => now > sent.max(node.pong_received) + timeout,
            // nobody to ping: its address is blank
            None => node.link.is_none() && now > node.pong_received + timeout,
        })
        .map(|(id, _)| *id)
        .collect();
    for id in late {
        if let Some(node) = process.table.nodes.get_mut(&id) {
            node.suspected = true;
        }
        bus::mark_failed(process, id, now, out);
    }
    let suspected: Vec<Id> = process
        .table
        .nodes
        .iter()
        .filter(|(_, node)| node.suspected)
        .map(|(id, _)| *id)
        .collect();
    for id in suspected {
        bus::mark_failed(process, id, now, out);
    }
}

/// `clusterUpdateState`, without full coverage.
fn update_state(process: &mut Process, now: Millis) {
    let has_majority = process.table.reachable() >= process.table.quorum();
    if !has_majority || process.table.size() == 0 {
        process.table.ok = false;
        let (least, most) = REJOIN_MILLIS;
        let delay = process.timeout.clamp(least, most);
        process.table.ok_at = now + delay;
        return;
    }
    let fresh = process.started + WRITABLE_DELAY;
    let is_late_enough = !process.leads() || now >= process.table.ok_at.max(fresh);
    if is_late_enough {
        process.table.ok = true;
    }
}
