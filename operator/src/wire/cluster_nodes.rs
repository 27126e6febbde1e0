//! Reads the reply to `CLUSTER NODES`.
//!
//! One line a member:
//! `id ip:port@bus-port[,hostname[,key=value…]] flags leader ping pong epoch link slots…`.
//! redis 7.0 prints no `key=value`, valkey and later redis do so in nodes.conf only; both are
//! read. Everything else that a member can print is in the tests, taken from real servers.

use std::net::IpAddr;

use super::error::Unreadable;
use crate::model::{
    Address, ConfigEpoch, MemberId, OpenSlot, Role, Slot, SlotRange, SlotSet, ViewEntry, ViewFlags,
};

/// All lines, sorted by id.
pub(super) fn parse(text: &str) -> Result<Vec<ViewEntry>, Unreadable> {
    let mut entries = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(parse_line)
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(entries)
}

fn parse_line(line: &str) -> Result<ViewEntry, Unreadable> {
    let mut words = line.split_ascii_whitespace();
    let mut next = |what| words.next().ok_or_else(|| Unreadable::new(what, line));
    let id = MemberId::new(next("a member id")?);
    let endpoint = next("an address")?;
    let (flags, role) = parse_flags(next("flags")?, line)?;
    let leader = next("a leader's id")?;
    let _ping_sent = next("the time of the last ping")?;
    let _pong_received = next("the time of the last pong")?;
    let epoch = next("a configuration epoch")?;
    let bus = next("a link state")?;

    let mut ranges: Vec<SlotRange> = Vec::new();
    let mut open_slots = Vec::new();
    for word in words {
        match word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
            Some(open) => open_slots.push(parse_open_slot(open)?),
            None => ranges.push(word.parse().map_err(|_| Unreadable::new("slots", line))?),
        }
    }
    Ok(ViewEntry {
        id,
        address: parse_endpoint(endpoint)?.filter(|_| !flags.no_address),
        role,
        leader: (leader != "-").then(|| MemberId::new(leader)),
        flags,
        config_epoch: ConfigEpoch(
            epoch
                .parse()
                .map_err(|_| Unreadable::new("a configuration epoch", line))?,
        ),
        link_up: bus == "connected",
        slots: ranges.into_iter().collect::<SlotSet>(),
        open_slots,
    })
}

/// A line without a role (`handshake`, `noflags`) is read as a leader's: it owns nothing and
/// follows nobody that is known.
fn parse_flags(words: &str, line: &str) -> Result<(ViewFlags, Role), Unreadable> {
    let mut flags = ViewFlags::default();
    let mut role = Role::Leader;
    for word in words.split(',') {
        match word {
            "myself" => flags.myself = true,
            "fail" => flags.failed = true,
            "fail?" => flags.suspected = true,
            "handshake" => flags.handshake = true,
            "noaddr" => flags.no_address = true,
            "slave" | "replica" => role = Role::Follower,
            // `nofailover`: a follower that shall not stand for election.
            "master" | "primary" | "nofailover" | "noflags" => {}
            _ => return Err(Unreadable::new("flags", line)),
        }
    }
    Ok((flags, role))
}

/// None while the address or the port is not known: `:0@0`, or `:6379@16379` of a member (valkey
/// 8.1) that nobody has told its own address yet.
fn parse_endpoint(text: &str) -> Result<Option<Address>, Unreadable> {
    let bad = || Unreadable::new("an address", text);
    let endpoint = text.split(',').next().unwrap_or_default();
    let (client, _bus_port) = endpoint.split_once('@').ok_or_else(bad)?;
    // The last colon: an IPv6 address is printed without brackets.
    let (host, port) = client.rsplit_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    if host.is_empty() || host == "?" || port == 0 {
        return Ok(None);
    }
    let ip: IpAddr = host.parse().map_err(|_| bad())?;
    Ok(Some(Address { ip, port }))
}

/// `5->-id` leaves to `id`, `5-<-id` comes from it.
fn parse_open_slot(text: &str) -> Result<OpenSlot, Unreadable> {
    let bad = || Unreadable::new("an open slot", text);
    let slot = |number: &str| number.parse().ok().and_then(Slot::new).ok_or_else(bad);
    if let Some((number, to)) = text.split_once("->-") {
        return Ok(OpenSlot::Migrating {
            slot: slot(number)?,
            to: MemberId::new(to),
        });
    }
    let (number, from) = text.split_once("-<-").ok_or_else(bad)?;
    Ok(OpenSlot::Importing {
        slot: slot(number)?,
        from: MemberId::new(from),
    })
}

#[cfg(test)]
mod tests;
