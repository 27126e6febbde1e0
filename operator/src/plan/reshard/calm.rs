//! Whether slots may be begun: not while anything is to be made good (promise I10).

use super::super::census::{Census, Round, Shard};
use super::super::{spacing, zones};
use super::shards_kept;
use crate::model::{MemberId, Record, ShardId, SlotSet};
use placement::ZoneState;

/// Slots that have a leader that answers. What moves between two of those may be said by neither of them to
/// be its own, as they did not answer at the same moment: then one of them says that the other has it.
pub fn in_service(census: &Census<'_>, record: &Record) -> SlotSet {
    let leads = |shard: ShardId| {
        let shard = census.shard(shard);
        shard.is_some_and(|shard| shard.living_leader().is_some())
    };
    let answers = |id: &MemberId| census.living().any(|(_, answer)| &answer.id == id);
    let entries = census.living().flat_map(|(_, answer)| &answer.view.entries);
    let given = entries
        .filter(|entry| answers(&entry.id))
        .fold(SlotSet::empty(), |all, it| all.union(&it.slots));
    let moving = record.transfers().iter();
    moving
        .filter(|it| leads(it.from) && leads(it.to))
        .fold(census.served.clone(), |all, it| {
            all.union(&it.slots.intersection(&given))
        })
}

/// What has to be so before another slot is begun; none where it is.
pub(super) fn hindrance(round: &Round<'_>) -> Option<String> {
    let states = zones::states(round.desired, round.seen, round.census);
    let gone = states.iter().find(|(_, state)| **state == ZoneState::Gone);
    if let Some((zone, _)) = gone {
        return Some(format!("zone {zone} is back, or its members are elsewhere"));
    }
    if !in_service(round.census, round.record).is_all() {
        return Some("all slots are served".to_owned());
    }
    if spacing::is_in_flight(round) {
        return Some("a role change is done".to_owned());
    }
    let kept = shards_kept(round);
    let shards = round.census.shards.iter();
    let mut kept = shards.filter(|shard| shard.id.0 < kept);
    kept.find_map(|shard| lack(round, shard))
}

fn lack(round: &Round<'_>, shard: &Shard<'_>) -> Option<String> {
    let id = shard.id;
    let Some((leader, answer)) = shard.living_leader() else {
        return Some(format!("shard {id} has a leader"));
    };
    if !answer.is_open || answer.loading {
        return Some(format!("{} is open", leader.name()));
    }
    // a server takes no write for 2 s after its start, and clients of its first slot would wait with it
    // (measured, redis 8.0.2: CLUSTERDOWN for 2.1 s)
    if !answer.view.says_ok {
        return Some(format!("{} takes writes", leader.name()));
    }
    if leader.is_leaving() {
        return Some(format!("{} has handed shard {id} over", leader.name()));
    }
    let is_staying = id.0 < round.desired.leaders;
    let wanted = usize::try_from(round.desired.members_per_shard()).unwrap_or(usize::MAX);
    let current = shard.members.iter().filter(|it| shard.is_current(it));
    let there = current.filter(|it| !it.entry.surplus).count();
    (is_staying && there < wanted)
        .then(|| format!("shard {id} has {wanted} members in sync; it has {there}"))
}
