//! What a process says when it is asked, in the operator's types.

use std::net::{IpAddr, Ipv4Addr};

use zoneward_operator::model::{
    Access, Address, CLIENT_PORT, ClusterView, ConfigEpoch, CurrentEpoch, Disk, Engine,
    FollowerLink, MemberAnswer, MemberId, Replication, Role, RunId, SlotSet, Traffic, UpstreamLink,
    Version, ViewEntry, ViewFlags,
};

use super::process::{Process, Upstream};
use super::{Addr, Id, Mask, Millis, Node, ProcKey};

/// An id as Redis prints it.
pub fn id_text(id: Id) -> MemberId {
    MemberId::new(format!("{id:040x}"))
}

/// The id in the text; none where it is no id of the model's.
pub fn id_of(text: &MemberId) -> Option<Id> {
    Id::from_str_radix(text.as_str(), 16).ok()
}

/// The run of a process.
pub fn run_text(key: ProcKey) -> RunId {
    RunId::new(format!("run-{}", key.0))
}

/// Where a process listens.
pub fn ip(addr: Addr) -> IpAddr {
    let [high, low] = addr.number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, addr.host, high, low))
}

/// The address in the operator's words.
pub fn address(addr: Addr) -> Address {
    Address {
        ip: ip(addr),
        port: CLIENT_PORT,
    }
}

/// And back.
pub fn addr_of(ip: IpAddr) -> Option<Addr> {
    let IpAddr::V4(ip) = ip else { return None };
    let [_, host, high, low] = ip.octets();
    Some(Addr {
        host,
        number: u16::from_be_bytes([high, low]),
    })
}

/// The slots of these chunks, of `leaders` in all.
pub fn slots(mask: Mask, leaders: u32) -> SlotSet {
    let chunks = (0..leaders).filter(|chunk| mask & (1 << chunk) != 0);
    chunks.fold(SlotSet::empty(), |all, chunk| {
        all.union(&SlotSet::even_share(chunk, leaders))
    })
}

/// The chunks that these slots are; none where they are not whole chunks.
pub fn mask(slots: &SlotSet, leaders: u32) -> Option<Mask> {
    let mut mask = 0;
    let mut rest = slots.clone();
    for chunk in 0..leaders {
        let share = SlotSet::even_share(chunk, leaders);
        if share.difference(slots).is_empty() {
            mask |= 1 << chunk;
            rest = rest.difference(&share);
        }
    }
    rest.is_empty().then_some(mask)
}

/// Everything that the operator asks for. `addr_of` tells where a process listens.
pub fn answer(
    process: &Process,
    leaders: u32,
    now: Millis,
    addr_of: impl Fn(ProcKey) -> Option<Addr>,
) -> MemberAnswer {
    let keys = process.data.offset();
    MemberAnswer {
        id: id_text(process.table.me),
        run_id: run_text(process.key),
        engine: Engine::Redis,
        version: Version(8, 0, 2),
        uptime_seconds: (now - process.started) / 1000,
        loading: now < process.loads_until,
        keys,
        used_memory_bytes: keys + 1,
        connected_clients: 1,
        traffic: Traffic::default(),
        is_open: process.is_open,
        is_open_to_followers: process.is_open_to_followers,
        node_timeout_millis: process.timeout,
        deviations: Vec::new(),
        access: Access::default(),
        disk: Disk::default(),
        replication: replication(process, now, addr_of),
        view: view(process, leaders),
    }
}

fn replication(
    process: &Process,
    now: Millis,
    addr_of: impl Fn(ProcKey) -> Option<Addr>,
) -> Replication {
    let reign = process.data.reign().map_or(0, |reign| reign.0 + 1);
    let id = |reign: u32| format!("{reign:040x}");
    let reigns = process.data.parts().map(|(reign, _)| reign.0 + 1);
    let former = reigns.filter(|it| *it != reign).last();
    let own = process.data.parts().last().map_or(0, |(_, upto)| upto);
    let until = process.data.offset() - own;
    let followers = process.downstream.iter().map(|(key, link)| FollowerLink {
        ip: addr_of(*key).map(ip),
        is_online: link.is_online,
        offset: link.offset,
        lag_seconds: (now - link.acked) / 1000,
    });
    // a leader that was started again goes on with an id of its own, until it is opened and writes
    let is_back = process.leads() && !process.is_open_to_followers && process.data.offset() > 0;
    let (own_id, former_id, former_until) = if is_back {
        let id_of_run = format!("f{:039x}", process.key.0);
        (id_of_run, Some(id(reign)), Some(process.data.offset()))
    } else {
        (id(reign), former.map(id), former.map(|_| until))
    };
    Replication {
        replication_id: own_id,
        former_id,
        former_until,
        offset: process.data.offset(),
        upstream: process.table.leader.map(|_| upstream(process, now)),
        followers: followers.collect(),
    }
}

/// INFO names the address that is tried, too; none of a body whose leader's is blank.
fn upstream(process: &Process, now: Millis) -> UpstreamLink {
    let (addr, is_up, is_syncing, heard) = match process.upstream {
        Upstream::None => (None, false, false, None),
        Upstream::Down { addr, .. } => (addr, false, false, None),
        Upstream::Syncing { addr, .. } => (Some(addr), false, true, None),
        Upstream::Up { addr, heard, .. } => (Some(addr), true, false, Some(heard)),
    };
    let down_since = match process.upstream {
        Upstream::Down { since, .. } | Upstream::Syncing { since, .. } => since,
        Upstream::None | Upstream::Up { .. } => None,
    };
    UpstreamLink {
        host: addr.map_or_else(String::new, |addr| ip(addr).to_string()),
        port: if addr.is_some() { CLIENT_PORT } else { 0 },
        is_up,
        is_syncing,
        last_io_seconds: heard.map(|heard| (now - heard) / 1000),
        down_seconds: down_since.map(|since| now / 1000 - since / 1000),
    }
}

fn view(process: &Process, leaders: u32) -> ClusterView {
    let table = &process.table;
    let mut entries: Vec<ViewEntry> = table
        .nodes
        .iter()
        .map(|(id, node)| entry(process, *id, node, leaders))
        .collect();
    let speaker = table.leader.unwrap_or(table.me);
    entries.push(ViewEntry {
        id: id_text(table.me),
        address: Some(address(process.addr)),
        role: role(table.leader),
        leader: table.leader.map(id_text),
        flags: ViewFlags {
            myself: true,
            ..ViewFlags::default()
        },
        config_epoch: ConfigEpoch(table.epoch_of(speaker)),
        link_up: true,
        slots: slots(table.mask(table.me), leaders),
        open_slots: Vec::new(),
    });
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    ClusterView {
        myself: id_text(table.me),
        says_ok: table.ok,
        current_epoch: CurrentEpoch(table.current_epoch),
        entries,
    }
}

fn role(leader: Option<Id>) -> Role {
    if leader.is_some() {
        Role::Follower
    } else {
        Role::Leader
    }
}

fn entry(process: &Process, id: Id, node: &Node, leaders: u32) -> ViewEntry {
    ViewEntry {
        id: id_text(id),
        address: node.addr.map(address),
        role: role(node.leader),
        leader: node.leader.map(id_text),
        flags: ViewFlags {
            myself: false,
            failed: node.failed,
            suspected: node.suspected,
            handshake: node.handshake,
            no_address: node.no_addr,
        },
        config_epoch: ConfigEpoch(node.epoch),
        link_up: node.link.is_some(),
        slots: slots(process.table.mask(id), leaders),
        open_slots: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_chunks_are_the_same_thing() {
        for leaders in [1, 3, 7] {
            for mask in 0..(1 << leaders) {
                assert_eq!(super::mask(&slots(mask, leaders), leaders), Some(mask));
            }
        }
        assert_eq!(mask(&SlotSet::even_share(1, 5), 3), None);
    }
}
