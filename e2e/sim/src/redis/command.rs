//! What a process does with a command of the operator's, as `wire` sends it: the preconditions that
//! `wire` looks at again included.

use zoneward_operator::plan::{FailoverMode, MemberCommand};

use super::answer::{addr_of, id_of, mask};
use super::process::{Process, Upstream};
use super::{Body, Millis, Packet, bus, election};

/// A follower that heard its leader less than this long ago is being fed (`wire::command`).
const FED_MILLIS: Millis = 2000;

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// What it builds on is not so (any more).
    Precondition(&'static str),
    /// The server says no.
    Server(&'static str),
}

/// Does it.
pub fn command(
    process: &mut Process,
    command: &MemberCommand,
    leaders: u32,
    now: Millis,
    out: &mut Vec<Packet>,
) -> Result<(), Declined> {
    match command {
        MemberCommand::SetConfigEpoch(epoch) => set_epoch(process, epoch.0)?,
        MemberCommand::AddSlots(slots) => {
            let mask = mask(slots, leaders).ok_or(Declined::Server("no whole chunks"))?;
            add_slots(process, mask)?;
        }
        MemberCommand::Meet(addresses) => {
            for addr in addresses.iter().filter_map(|at| addr_of(at.ip)) {
                process.start_handshake(addr, now);
            }
        }
        MemberCommand::Replicate { leader } => {
            let id = id_of(leader).ok_or(Declined::Server("unknown node"))?;
            let node = process.table.nodes.get(&id);
            let node = node.ok_or(Declined::Server("unknown node"))?;
            check(
                node.leader.is_none(),
                Declined::Server("can only replicate a master"),
            )?;
            let is_empty = !process.table.owns_any(process.table.me)
                && (!process.leads() || process.data.is_empty());
            check(is_empty, Declined::Server("node must be empty"))?;
            process.follow(id, now);
        }
        MemberCommand::Forget(id) => {
            let id = id_of(id).ok_or(Declined::Server("unknown node"))?;
            forget(process, id, now, out)?;
        }
        MemberCommand::Failover { mode, of } => {
            check_failover(process, *mode, id_of(of), now)?;
            match mode {
                FailoverMode::Graceful => election::hand_over(process, now, out),
                FailoverMode::Force => election::force(process, now),
                FailoverMode::Takeover => election::take_over(process, now, out),
            }
        }
        MemberCommand::SeizeSlots { slots, of } => {
            let mask = mask(slots, leaders).ok_or(Declined::Server("no whole chunks"))?;
            seize(process, mask, of.as_ref().and_then(id_of))?;
        }
        // chunks are never uneven, so nothing is to move
        MemberCommand::MoveSlots { .. }
        | MemberCommand::DisownSlots { .. }
        | MemberCommand::CloseSlots(_) => {
            return Err(Declined::Server("slots do not move in this model"));
        }
        MemberCommand::SetNodeTimeout { millis } => process.timeout = *millis,
        MemberCommand::Configure(wanted) => process.directives.configure(wanted),
        MemberCommand::OpenToFollowers => process.is_open_to_followers = true,
        MemberCommand::Open => {
            (process.is_open, process.is_open_to_followers) = (true, true);
        }
        // by who knows the Secrets: `ports`
        MemberCommand::Passwords(_) | MemberCommand::ReloadCertificate => {}
        MemberCommand::HoldWrites { millis } => process.holds_writes_until = now + millis,
        MemberCommand::AcknowledgeDeparture => process.departure_acknowledged = true,
        MemberCommand::ReleaseDeparture => process.departure_released = true,
    }
    Ok(())
}

fn forget(
    process: &mut Process,
    id: super::Id,
    now: Millis,
    out: &mut Vec<Packet>,
) -> Result<(), Declined> {
    if process.table.leader == Some(id) || process.table.me == id {
        return Err(Declined::Server("can't forget my master or myself"));
    }
    if process.table.nodes.contains_key(&id) {
        bus::forget(process, id, now);
        if bus::gossips_forget(process) {
            process.broadcast(now, &Body::Forget(id), out);
        }
    }
    Ok(())
}

fn set_epoch(process: &mut Process, epoch: u64) -> Result<(), Declined> {
    let is_alone = process.table.nodes.is_empty() && process.table.epoch == 0;
    check(
        is_alone,
        Declined::Server("the user can assign a config epoch only when alone"),
    )?;
    process.table.epoch = epoch;
    process.table.current_epoch = process.table.current_epoch.max(epoch);
    Ok(())
}

fn seize(process: &mut Process, mask: super::Mask, of: Option<super::Id>) -> Result<(), Declined> {
    let leads_slots = process.table.owners.contains(&Some(process.table.me));
    check(
        process.data.is_empty() || leads_slots,
        Declined::Precondition("it is empty, or leads slots"),
    )?;
    check(process.leads(), Declined::Precondition("it follows nobody"))?;
    for (chunk, owner) in process.table.owners.iter().enumerate() {
        let others = owner.is_some() && *owner != of && *owner != Some(process.table.me);
        if mask & (1 << chunk) != 0 && others {
            return Err(Declined::Precondition("the slots have no other owner"));
        }
    }
    give_to_itself(process, mask);
    election::bump(process);
    Ok(())
}

fn check(holds: bool, otherwise: Declined) -> Result<(), Declined> {
    holds.then_some(()).ok_or(otherwise)
}

fn add_slots(process: &mut Process, mask: super::Mask) -> Result<(), Declined> {
    for (chunk, owner) in process.table.owners.iter().enumerate() {
        let is_busy = mask & (1 << chunk) != 0 && owner.is_some();
        check(!is_busy, Declined::Server("slot is already busy"))?;
    }
    give_to_itself(process, mask);
    Ok(())
}

fn give_to_itself(process: &mut Process, mask: super::Mask) {
    let me = process.table.me;
    for (chunk, owner) in process.table.owners.iter_mut().enumerate() {
        if mask & (1 << chunk) != 0 {
            *owner = Some(me);
        }
    }
}

/// What `wire` looks at before it sends a failover.
fn check_failover(
    process: &Process,
    mode: FailoverMode,
    of: Option<super::Id>,
    now: Millis,
) -> Result<(), Declined> {
    let follows = process.table.leader.is_some() && process.table.leader == of;
    check(follows, Declined::Precondition("it follows that leader"))?;
    let is_fed = match process.upstream {
        Upstream::Up { heard, .. } => now < heard + FED_MILLIS,
        _ => false,
    };
    match mode {
        FailoverMode::Graceful => {
            let what = Declined::Precondition("its replication link is up and in sync");
            check(process.is_in_sync(), what)
        }
        FailoverMode::Force | FailoverMode::Takeover => check(
            !is_fed,
            Declined::Precondition("its leader feeds it no more"),
        ),
    }
}
