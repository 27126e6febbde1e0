//! Which slots have to move so that they are spread evenly. Pure computation over slot sets.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{SLOT_COUNT, ShardId, SlotSet, Transfer};

/// How many slots each shard shall own: the same for all, give or take one. The shards that have the
/// most keep the odd ones, so that nothing moves for them; whoever is past the last keeps none.
fn shares(owned: &BTreeMap<ShardId, SlotSet>, leaders: u32) -> BTreeMap<ShardId, u16> {
    let count = u32::from(SLOT_COUNT);
    let leaders = leaders.clamp(1, count);
    let has = |shard: ShardId| owned.get(&shard).map_or(0, SlotSet::count);
    let mut by_size: Vec<ShardId> = (0..leaders).map(ShardId).collect();
    by_size.sort_by_key(|shard| (std::cmp::Reverse(has(*shard)), *shard));
    let (least, odd) = (count / leaders, count % leaders);
    let mut shares: BTreeMap<ShardId, u16> = owned.keys().map(|shard| (*shard, 0)).collect();
    for (rank, shard) in (0..).zip(by_size) {
        let share = least + u32::from(rank < odd);
        shares.insert(shard, u16::try_from(share).unwrap_or(SLOT_COUNT));
    }
    shares
}

/// The moves that spread these slots evenly over so many shards, the fewest there are: every slot that
/// moves leaves a shard that has too many for one that has too few.
///
/// Shards give the upper end of what they have, to the shards in order: few ranges are cut.
pub(crate) fn moves(owned: &BTreeMap<ShardId, SlotSet>, leaders: u32) -> Vec<Transfer> {
    let empty = SlotSet::empty();
    let mut lacking: VecDeque<(ShardId, u16)> = VecDeque::new();
    let mut surplus: Vec<(ShardId, SlotSet)> = Vec::new();
    for (shard, share) in shares(owned, leaders) {
        let own = owned.get(&shard).unwrap_or(&empty);
        if own.count() > share {
            surplus.push((shard, own.difference(&own.first(share))));
        } else if own.count() < share {
            lacking.push_back((shard, share - own.count()));
        }
    }
    let mut moves = Vec::new();
    for (from, mut slots) in surplus {
        while !slots.is_empty() {
            let Some((to, room)) = lacking.front_mut() else {
                break; // slots that nobody owns are missing: not ours to make up for
            };
            let part = slots.first(*room);
            slots = slots.difference(&part);
            *room -= part.count();
            moves.push(Transfer {
                from,
                to: *to,
                slots: part,
            });
            if *room == 0 {
                lacking.pop_front();
            }
        }
    }
    moves
}

/// The same slots once what is on the way has arrived.
pub(crate) fn after(
    owned: &BTreeMap<ShardId, SlotSet>,
    transfers: &[Transfer],
) -> BTreeMap<ShardId, SlotSet> {
    let mut owned = owned.clone();
    for transfer in transfers {
        for slots in owned.values_mut() {
            *slots = slots.difference(&transfer.slots);
        }
        let to = owned.entry(transfer.to).or_default();
        *to = to.union(&transfer.slots);
    }
    owned
}

/// How many slots these moves take.
pub(crate) fn count(moves: &[Transfer]) -> u16 {
    moves.iter().map(|transfer| transfer.slots.count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slot;
    use proptest::prelude::*;

    /// Cut at these slots, the parts given to these shards in turn.
    fn dealt(cuts: &[u16], to: &[u32]) -> BTreeMap<ShardId, SlotSet> {
        let mut owned: BTreeMap<ShardId, SlotSet> = BTreeMap::new();
        let mut bounds = cuts.to_vec();
        bounds.extend([0, SLOT_COUNT]);
        bounds.sort_unstable();
        for (part, pair) in bounds.windows(2).enumerate() {
            let slots: SlotSet = (pair[0]..pair[1]).filter_map(Slot::new).collect();
            let own = owned.entry(ShardId(to[part % to.len()])).or_default();
            *own = own.union(&slots);
        }
        owned
    }

    fn even(shards: u32) -> BTreeMap<ShardId, SlotSet> {
        let share = |shard| (ShardId(shard), SlotSet::even_share(shard, shards));
        (0..shards).map(share).collect()
    }

    #[test]
    fn out_and_in_and_nothing_to_do() {
        assert_eq!(moves(&even(3), 3), []);
        let out = moves(&even(3), 5);
        assert_eq!(count(&out), 6553, "two fifths of all");
        assert_eq!(out.len(), 4, "{out:?}");
        let five = after(&even(3), &out);
        let back = moves(&five, 3);
        assert_eq!(count(&back), 6553);
        assert!(back.iter().all(|it| it.from.0 >= 3 && it.to.0 < 3));
        assert_eq!(count(&moves(&even(1), 2)), 8192);
    }

    proptest! {
        #[test]
        fn every_slot_has_one_owner_all_are_even_and_no_slot_moves_for_nothing(
            cuts in prop::collection::vec(0..SLOT_COUNT, 0..24),
            to in prop::collection::vec(0_u32..12, 1..24),
            leaders in 1_u32..12,
            arrived in 0_usize..4,
        ) {
            let before = dealt(&cuts, &to);
            let plan = moves(&before, leaders);
            for transfer in &plan {
                let own = &before[&transfer.from];
                prop_assert!(transfer.slots.difference(own).is_empty() && !transfer.slots.is_empty());
                prop_assert!(transfer.to.0 < leaders && transfer.to != transfer.from);
            }
            let then = after(&before, &plan);
            let total: u32 = then.values().map(|it| u32::from(it.count())).sum();
            let all = then.values().fold(SlotSet::empty(), |all, it| all.union(it));
            prop_assert!(all.is_all() && total == u32::from(SLOT_COUNT));
            let sizes: Vec<u16> = (0..leaders)
                .map(|shard| then.get(&ShardId(shard)).map_or(0, SlotSet::count))
                .collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            // the fewest: what each has beyond the share that suits it best
            let least = SLOT_COUNT / u16::try_from(leaders).unwrap();
            let mut odd = SLOT_COUNT % u16::try_from(leaders).unwrap();
            let mut surplus = 0_u32;
            for (shard, slots) in &before {
                let over = slots.count().saturating_sub(if shard.0 < leaders { least } else { 0 });
                surplus += u32::from(over);
                if over > 0 && shard.0 < leaders && odd > 0 {
                    (surplus, odd) = (surplus - 1, odd - 1);
                }
            }
            prop_assert_eq!(u32::from(count(&plan)), surplus);
            // no step on the way makes the rest longer
            let part = &plan[..arrived.min(plan.len())];
            let rest = moves(&after(&before, part), leaders);
            prop_assert_eq!(count(&rest), count(&plan) - count(part));
            prop_assert_eq!(moves(&then, leaders), vec![]);
        }
    }
}
