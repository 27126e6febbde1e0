//! Open slots that are not on record: somebody's `redis-cli --cluster reshard` that was broken off. They
//! are seen through as ours are, or closed where one of their ends is nobody that we know.

use super::super::census::Round;
use super::super::{Draft, MemberCommand};
use crate::model::{MemberId, OpenSlot, ShardId, SlotSet, StraySlots, Transfer};

/// How long a slot must have been open: who moves slots by hand is done with each within this.
const ABANDONED_AFTER_MILLIS: u64 = 10_000;

/// What is to be seen through, once it was open for long enough; closes what leads nowhere.
pub(super) fn adopt(round: &Round<'_>, draft: &mut Draft, transfers: &[Transfer]) -> Vec<Transfer> {
    let known = transfers
        .iter()
        .chain(round.record.transfers())
        .fold(SlotSet::empty(), |all, it| all.union(&it.slots));
    let open = open_slots(round, &known);
    let slots: SlotSet = open.iter().map(|(_, it)| it.slot()).collect();
    let before = round.record.stray_slots.as_ref();
    let still = before.map_or_else(SlotSet::empty, |it| it.slots.intersection(&slots));
    let since = before.filter(|_| !still.is_empty()).map(|it| it.since);
    let is_abandoned =
        since.is_some_and(|since| round.millis_since(since) >= ABANDONED_AFTER_MILLIS);
    draft.record.stray_slots = (!slots.is_empty()).then(|| StraySlots {
        slots: if still.is_empty() {
            slots
        } else {
            still.clone()
        },
        since: since.unwrap_or(round.now),
    });
    if !is_abandoned {
        return Vec::new();
    }
    let mut adopted: Vec<Transfer> = Vec::new();
    for (holder, it) in open.iter().filter(|(_, it)| still.contains(it.slot())) {
        let ends = ends(round, holder, it);
        match ends {
            Some((from, to)) => {
                let taken = adopted.iter().any(|other| other.slots.contains(it.slot()));
                if !taken {
                    let slots = SlotSet::from(it.slot());
                    adopted.push(Transfer { from, to, slots });
                }
            }
            None => close(round, draft, holder, it),
        }
    }
    adopted
}

/// The open slots of every living leader, less these.
fn open_slots(round: &Round<'_>, known: &SlotSet) -> Vec<(MemberId, OpenSlot)> {
    let living = round.census.living();
    let own = living.filter_map(|(_, answer)| answer.view.own_entry());
    own.flat_map(|own| own.open_slots.iter().map(|it| (own.id.clone(), it.clone())))
        .filter(|(_, it)| !known.contains(it.slot()))
        .collect()
}

/// Between which shards the slot is; none where it moves nowhere.
fn ends(round: &Round<'_>, holder: &MemberId, open: &OpenSlot) -> Option<(ShardId, ShardId)> {
    let shard_of = |id: &MemberId| Some(round.record.member_by_id(id)?.shard);
    let owner = round
        .census
        .shards
        .iter()
        .find(|shard| shard.slots.contains(open.slot()))?
        .id;
    let to = match open {
        OpenSlot::Migrating { to, .. } => shard_of(to)?,
        OpenSlot::Importing { .. } => shard_of(holder)?,
    };
    let is_led = |id: ShardId| {
        let shard = round.census.shard(id);
        shard.is_some_and(|shard| shard.living_leader().is_some())
    };
    (owner != to && is_led(owner) && is_led(to)).then_some((owner, to))
}

fn close(round: &Round<'_>, draft: &mut Draft, holder: &MemberId, open: &OpenSlot) {
    let mut living = round.census.living();
    let member = living.find(|(_, answer)| &answer.id == holder);
    if let Some(target) = member.and_then(|(member, _)| member.command_target()) {
        draft.tell(
            target,
            MemberCommand::CloseSlots(SlotSet::from(open.slot())),
            "it is open, and moves nowhere",
        );
    }
}
