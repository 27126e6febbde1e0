//! Who claims a shard's slots, and whose claim is the best.
//!
//! The claim with the highest configuration epoch owns them, as on the bus. One epoch is told of two where a
//! follower told its leader's in its own packets (`clusterBuildMessageHdr`): it led by another one before.
//! Stage: plan, pure.

use std::collections::BTreeMap;

use super::Member;
use super::empty::is_denied;
use crate::model::{ClusterView, ConfigEpoch, MemberId, Record, ShardId, SlotSet, ViewEntry};

/// A claim to slots.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// An owner's word about itself outranks hearsay: the living owner is the leader.
    is_first_hand: bool,
    is_contested: bool,
    /// It was heard to lead by another epoch: this one may be its successor's, which it followed for a moment.
    led_by_another: bool,
    epoch: ConfigEpoch,
    pub id: MemberId,
    pub slots: SlotSet,
}

/// The best claim to each shard's slots.
pub(super) fn owners(
    members: &[Member<'_>],
    views: &[&ClusterView],
    record: &Record,
) -> BTreeMap<ShardId, Claim> {
    let mut best: BTreeMap<ShardId, Claim> = BTreeMap::new();
    let claim = |entry: &ViewEntry, is_first_hand: bool| {
        let shard = record.shard_of(&entry.id)?;
        let claim = Claim {
            is_first_hand,
            is_contested: is_contested(views, entry),
            led_by_another: led_by_another(record, entry),
            epoch: entry.config_epoch,
            id: entry.id.clone(),
            slots: entry.slots.clone(),
        };
        (!entry.slots.is_empty()).then_some((shard, claim))
    };
    let mut put = |entry: &ViewEntry, is_first_hand: bool| {
        let Some((shard, claim)) = claim(entry, is_first_hand) else {
            return;
        };
        let rank = |claim: &Claim| {
            let is_told = (
                claim.is_first_hand,
                !claim.is_contested,
                !claim.led_by_another,
            );
            (claim.epoch, is_told, claim.id.clone())
        };
        if best.get(&shard).is_none_or(|old| rank(old) < rank(&claim)) {
            best.insert(shard, claim);
        }
    };
    let own = || {
        let answers = members.iter().filter_map(Member::answer);
        answers.filter_map(|answer| answer.view.own_entry())
    };
    own().for_each(|entry| put(entry, true));
    for view in views {
        view.entries
            .iter()
            .filter(|entry| !entry.flags.myself && !is_denied(members, entry))
            .for_each(|entry| put(entry, false));
    }
    for (shard, claim) in own().filter_map(|entry| claim(entry, true)) {
        if best.get(&shard).is_some_and(|it| is_remnant(it, &claim)) {
            best.insert(shard, claim);
        }
    }
    best
}

/// Two of one shard own slots, and not the same: one was succeeded out of sight and took a few before it heard of
/// that (`reshard::second`), by whatever epoch. Who has the most leads the shard.
fn is_remnant(claim: &Claim, other: &Claim) -> bool {
    let is_apart = claim.slots.intersection(&other.slots).is_empty();
    claim.id != other.id && is_apart && claim.slots.count() < other.slots.count()
}

/// It is on record as who led last, by another epoch. A leader's own changes only with our command or an
/// election, after which it is heard to lead.
fn led_by_another(record: &Record, claim: &ViewEntry) -> bool {
    let mut histories = record.histories.iter();
    let led = histories.find(|it| it.leader == claim.id);
    led.is_some_and(|it| it.epoch.is_some_and(|epoch| epoch != claim.config_epoch.0))
}

/// Somebody knows by the same epoch, or a later one, that it owns nothing. Who heard its epoch only, and not
/// that it follows, still takes it for the owner: a follower tells its leader's epoch in every packet, and
/// its role counts in pings only.
fn is_contested(views: &[&ClusterView], claim: &ViewEntry) -> bool {
    let mut entries = views.iter().filter_map(|view| view.entry(&claim.id));
    entries.any(|it| it.slots.is_empty() && it.config_epoch >= claim.config_epoch)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Census;
    use crate::model::{ConfigEpoch, Departed, History, MemberId, MemberName, ShardId, SlotSet};
    use crate::plan::testing::{answer_of, desired, formed};

    #[test]
    fn who_led_by_another_epoch_owns_nothing_where_two_are_told_with_one() {
        // One led by epoch 1, and followed its successor for a moment before both died. One view has heard what it
        // told last, the others what its successor told.
        let both = [MemberId::from("id-c-0-1"), MemberId::from("id-gone")];
        for (led, succeeded) in [(0, 1), (1, 0)] {
            let (mut seen, desired) = (formed(), desired(3, 1));
            seen.members.remove(&MemberName::from("c-0-1"));
            seen.record.departed.push(Departed {
                member_id: both[1].clone(),
                name: MemberName::from("c-0-9"),
                shard: ShardId(0),
                host: None,
                is_proven_dead: true,
                ended_unseen: false,
                since: Timestamp::UNIX_EPOCH,
            });
            seen.record.histories.push(History {
                shard: ShardId(0),
                leader: both[led].clone(),
                replication_id: String::new(),
                epoch: Some(1),
                ended_with: None,
                since: None,
            });
            let names: Vec<MemberName> = seen.members.keys().cloned().collect();
            for (at, name) in names.iter().enumerate() {
                let owner = &both[at.min(1)];
                let entries = &mut answer_of(&mut seen, name.as_str()).view.entries;
                let mut gone = entries[0].clone();
                gone.id.clone_from(&both[1]);
                entries.push(gone);
                for entry in entries.iter_mut().filter(|it| both.contains(&it.id)) {
                    let owns = &entry.id == owner;
                    entry.config_epoch = ConfigEpoch(if owns { 20 } else { 1 });
                    if !owns {
                        entry.slots = SlotSet::empty();
                    }
                }
            }
            let census = Census::new(&desired, &seen, &seen.record);
            let leader = census.shards[0].leader.as_ref();
            assert_eq!(leader, Some(&both[succeeded]));
        }
    }
}
