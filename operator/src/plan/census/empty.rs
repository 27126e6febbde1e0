//! Shards that own nothing: new ones, and those that are about to leave.

use super::{Member, follows};
use crate::model::{MemberAnswer, MemberId, Record, Role, ShardId, SlotSet, ViewEntry};

/// Whether the leader that this hearsay gives slots to says itself, and knows it at no older epoch, that it
/// owns none: it has given the last one away, or it follows, and not everybody has heard. (Packets of a
/// follower bear the epoch of its leader, `clusterBuildMessageHdr`: whoever still takes it for the leader
/// lists it with that one.)
pub(super) fn is_denied(members: &[Member<'_>], hearsay: &ViewEntry) -> bool {
    let views = members.iter().filter_map(|it| Some(&it.answer()?.view));
    let mut own = views.filter_map(|view| Some((view, view.own_entry()?)));
    own.any(|(view, own)| {
        let speaks_for = match own.role {
            Role::Leader => Some(own),
            Role::Follower => own.leader.as_ref().and_then(|id| view.entry(id)),
        };
        own.id == hearsay.id
            && own.slots.is_empty()
            && speaks_for.is_some_and(|it| it.config_epoch >= hearsay.config_epoch)
    })
}

/// Whether nothing can have been lost with a shard that nobody claims slots for: it never had any, or
/// others have them now. What it had when all views were equal last is on record.
pub(super) fn owns_nothing(id: ShardId, claimed: &SlotSet, record: &Record) -> bool {
    let had = record.share_of(id);
    let is_known = record.formed && !record.shares.is_empty();
    is_known && had.is_none_or(|had| had.difference(claimed).is_empty())
}

/// Who leads a shard that owns nothing: whoever is followed, then who has slots on the way to it, then the
/// first that was made. Nobody while a follower holds keys that came before its leader died (`reshard`).
pub(super) fn leader(own: &[Member<'_>]) -> Option<MemberId> {
    let living = || {
        own.iter()
            .filter_map(|it| it.answer().map(|answer| (it, answer)))
    };
    let leads = |id: &MemberId| {
        living().any(|(_, answer)| &answer.id == id && answer.role() == Role::Leader)
    };
    let leader_of = |answer: &MemberAnswer| answer.view.own_entry()?.leader.clone();
    let holds_keys_alone = |answer: &MemberAnswer| {
        let leader = leader_of(answer);
        answer.keys > 0 && leader.is_some_and(|leader| !leads(&leader))
    };
    if living().any(|(_, answer)| holds_keys_alone(answer)) {
        return None;
    }
    let candidates = living().filter(|(_, answer)| answer.role() == Role::Leader);
    let best = candidates.max_by_key(|(member, answer)| {
        let followers = living().filter(|(_, it)| follows(it, &answer.id)).count();
        let own = answer.view.own_entry();
        (
            followers,
            own.is_some_and(|own| !own.open_slots.is_empty()),
            answer.keys > 0,
            !member.entry.surplus,
            std::cmp::Reverse((member.entry.name.serial(), member.name())),
        )
    });
    best.map(|(_, answer)| answer.id.clone())
}
