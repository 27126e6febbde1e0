//! Elections, asked for by the bus or by hand (`clusterHandleSlaveFailover`).

use rand::Rng;

use super::process::{Election, MANUAL_TIMEOUT, Manual, Process, Upstream};
use super::{Body, Id, Millis, Packet};

/// `cluster-replica-validity-factor`.
const VALIDITY_TIMEOUTS: Millis = 10;

/// One turn of a follower whose leader may be down.
pub fn stand(process: &mut Process, now: Millis, rng: &mut impl Rng, out: &mut Vec<Packet>) {
    let Some(leader) = process.table.leader else {
        return;
    };
    follow_up_on_manual(process);
    let by_hand = process.manual.can_start;
    let is_down = process.table.nodes.get(&leader).is_some_and(|it| it.failed);
    if !(is_down || by_hand) || !process.table.owns_any(leader) {
        return;
    }
    if !by_hand && data_age(process, now) > VALIDITY_TIMEOUTS * process.timeout + 1000 {
        return;
    }
    let timeout = (2 * process.timeout).max(2000);
    let has_run_out = now > process.election.at + 2 * timeout;
    if !process.election.has_stood || has_run_out {
        schedule(process, by_hand, now, rng);
        if !by_hand {
            return;
        }
    }
    if now < process.election.at || now > process.election.at + timeout {
        return;
    }
    if !process.election.sent {
        process.table.current_epoch += 1;
        process.election.epoch = process.table.current_epoch;
        process.election.sent = true;
        process.broadcast(now, &Body::AuthRequest { force: by_hand }, out);
        return;
    }
    if process.election.votes >= process.table.quorum() {
        let epoch = process.election.epoch;
        process.table.epoch = process.table.epoch.max(epoch);
        succeed(process, leader, now, out);
    }
}

fn schedule(process: &mut Process, by_hand: bool, now: Millis, rng: &mut impl Rng) {
    let rank = process.election.rank;
    let delay = if by_hand {
        0
    } else {
        500 + rng.random_range(0..500) + rank * 1000
    };
    process.election = Election {
        at: now + delay,
        has_stood: true,
        rank,
        ..Election::default()
    };
}

/// How old what it holds is, as it sees it. One that was started again, and was not fed since, holds
/// what its disk had: for Redis that is older than anything.
fn data_age(process: &Process, now: Millis) -> Millis {
    let since = match process.upstream {
        Upstream::Up { heard, .. } => heard,
        Upstream::Down { since, .. } => match since {
            Some(since) => since,
            None => return Millis::MAX,
        },
        // what it had is about to be dropped
        Upstream::Syncing { .. } | Upstream::None => return Millis::MAX,
    };
    (now - since.min(now)).saturating_sub(process.timeout)
}

/// A graceful failover starts once the follower has caught up with the leader that stopped.
fn follow_up_on_manual(process: &mut Process) {
    let manual = &mut process.manual;
    if manual.end.is_some()
        && !manual.can_start
        && manual.leader_offset == Some(process.data.offset())
    {
        manual.can_start = true;
    }
}

/// `clusterFailoverReplaceYourMaster`.
fn succeed(process: &mut Process, old: Id, now: Millis, out: &mut Vec<Packet>) {
    let me = process.table.me;
    process.table.leader = None;
    process.upstream = Upstream::None;
    for owner in &mut process.table.owners {
        if *owner == Some(old) {
            *owner = Some(me);
        }
    }
    process.manual = Manual::default();
    let gossip = process.gossip();
    process.broadcast(
        now,
        &Body::Pong {
            about: None,
            gossip,
        },
        out,
    );
}

/// `CLUSTER FAILOVER FORCE`: OK means accepted.
pub fn force(process: &mut Process, now: Millis) {
    process.manual = Manual {
        end: Some(now + MANUAL_TIMEOUT),
        can_start: true,
        ..Manual::default()
    };
}

/// `CLUSTER FAILOVER`.
pub fn hand_over(process: &mut Process, now: Millis, out: &mut Vec<Packet>) {
    process.manual = Manual {
        end: Some(now + MANUAL_TIMEOUT),
        ..Manual::default()
    };
    let leader = process.table.leader;
    let link = leader.and_then(|id| process.table.nodes.get(&id)?.link);
    if let Some(link) = link {
        out.push(process.packet(link.peer, now, Body::FailoverStart));
    }
}

/// `CLUSTER FAILOVER TAKEOVER`: a new epoch, nobody asked.
pub fn take_over(process: &mut Process, now: Millis, out: &mut Vec<Packet>) {
    let Some(old) = process.table.leader else {
        return;
    };
    bump(process);
    succeed(process, old, now, out);
}

/// `clusterBumpConfigEpochWithoutConsensus`.
pub fn bump(process: &mut Process) {
    let table = &mut process.table;
    let highest = table.nodes.values().map(|node| node.epoch).max();
    let highest = highest.unwrap_or(0).max(table.current_epoch);
    if table.epoch == 0 || table.epoch != highest {
        table.current_epoch = highest + 1;
        table.epoch = table.current_epoch;
    }
}
