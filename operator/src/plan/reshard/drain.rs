//! Shards past the last, once they own nothing: their members leave, followers first (promise I7 sees to
//! the rest).

use super::super::census::{Member, Round, Shard};
use super::super::evidence::Verdict;
use super::super::{Deed, Draft, WaitingReason, roster};
use super::{is_on_the_move, shards_kept};

/// Strikes out the members of shards that are wanted no more and own nothing: of each shard one in a
/// round, the leader last, as its preStop hook waits while a follower is fed.
pub(in super::super) fn retire_drained(round: &Round<'_>, draft: &mut Draft) {
    let kept = shards_kept(round);
    for shard in round.census.shards.iter().filter(|it| it.id.0 >= kept) {
        let is_owner = |member: &Member<'_>| {
            let id = member.entry.member_id.as_ref();
            id.is_some_and(|id| round.census.owns_slots(id))
        };
        if is_on_the_move(round, shard.id)
            || !round.census.served.is_all()
            || shard.members.iter().any(is_owner)
        {
            continue;
        }
        if let Some(member) = next(round, shard) {
            leave(round, draft, shard, member);
        }
    }
}

/// Followers first, by name.
fn next<'a, 'b>(round: &Round<'_>, shard: &'b Shard<'a>) -> Option<&'b Member<'a>> {
    let is_silent = |member: &&Member<'_>| {
        // it may come back with what it knew: waited for as long as any other
        matches!(member.verdict, Verdict::Silent(_) | Verdict::Gone)
            && member
                .entry
                .silent_since
                .is_none_or(|since| round.millis_since(since) < round.desired.rehome_after_millis)
    };
    let mut members = shard.members.iter();
    if members.any(|member| is_silent(&member)) {
        return None;
    }
    let leads = |member: &&Member<'_>| shard.is_led_by(member);
    shard.members.iter().min_by_key(|member| leads(member))
}

fn leave(round: &Round<'_>, draft: &mut Draft, shard: &Shard<'_>, member: &Member<'_>) {
    let name = member.name();
    if draft.record.member(name).is_none() {
        return;
    }
    if let Some(answer) = member.answer().filter(|answer| answer.keys > 0) {
        draft.wait(
            WaitingReason::Resharding,
            format!(
                "shard {} owns no slot and {name} holds {} keys still: look what they are (`SCAN 0` on \
                 it), delete them (`FLUSHALL`), and it leaves",
                shard.id, answer.keys
            ),
        );
        return;
    }
    let is_dead = matches!(member.verdict, Verdict::Dead(_));
    roster::strike_out(round, draft, member.entry, is_dead);
    if let Some(pod) = member.pod.filter(|pod| !pod.is_leaving || is_dead) {
        let deed = Deed::DeletePod {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            is_dead,
        };
        draft.act(deed, format!("shard {} is wanted no more", shard.id));
    }
}
