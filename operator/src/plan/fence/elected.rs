//! Who may lead beyond a cut although nobody here saw an election. Stage: plan, pure.

use jiff::Timestamp;

use super::super::census::{Round, Shard};
use super::super::evidence::Verdict;
use super::{Unproven, leaders};

/// Followers who may lead where nobody sees it: one of each shard does, and nobody knows which. Those leaders that are proven dead now
/// may have been cut off with others before, and have made a majority there. And the living may have
/// voted: who was heard after its leader was lost may have been elected, by the bus or as we asked, in the
/// moment before it fell silent.
pub(super) fn elected_unseen<'a>(
    round: &Round<'a>,
    lost: &[&Shard<'_>],
    unproven: &[Unproven<'_>],
) -> Vec<Unproven<'a>> {
    let voted = lost.iter().filter(|shard| may_have_voted(round, shard));
    let is_majority = voted.count() * 2 > leaders(round);
    let is_counted = |shard: &&Shard<'_>| {
        let leader = shard.leader.as_ref();
        leader.is_some_and(|leader| unproven.iter().all(|it| &it.id != leader))
    };
    let shards = round.census.shards.iter().filter(is_counted);
    shards
        .flat_map(|shard| {
            let lost_at = leader_lost_at(round, shard);
            let may_lead = move |it: &Unproven<'_>| {
                let fell_silent_later = |at| it.silent_since.is_none_or(|since| since >= at);
                is_majority || lost_at.is_some_and(fell_silent_later)
            };
            unheard(round, shard).into_iter().filter(may_lead)
        })
        .collect()
}

/// Members of this shard that nobody hears and nothing proves dead.
pub(super) fn unheard<'a>(round: &Round<'a>, shard: &Shard<'a>) -> Vec<Unproven<'a>> {
    let members = shard.members.iter().filter(|it| {
        let is_unheard = matches!(it.verdict, Verdict::Silent(_) | Verdict::Gone);
        is_unheard && it.entry.may_have_copied(false)
    });
    let enrolled = members.filter_map(|it| {
        Some(Unproven {
            id: it.entry.member_id.clone()?,
            shard: shard.id,
            name: it.name().to_string(),
            host: it.host,
            silent_since: it.entry.silent_since,
        })
    });
    enrolled.chain(departed_unproven(round, shard)).collect()
}

/// Since when the shard has no leader, where it was seen to lose it. One that is led again in this round counts
/// as it stands on record, for the checker goes by that: what was seen first now is acted on in the next.
fn leader_lost_at(round: &Round<'_>, shard: &Shard<'_>) -> Option<Timestamp> {
    let before = &round.seen.record.clocks.leaderless;
    let mut clocks = before.iter().chain(&round.record.clocks.leaderless);
    clocks
        .find(|clock| clock.shard == shard.id)
        .map(|clock| clock.since)
}

/// Who was struck out of this shard and is not proven dead.
fn departed_unproven<'a>(
    round: &Round<'a>,
    shard: &Shard<'_>,
) -> impl Iterator<Item = Unproven<'a>> {
    let id = shard.id;
    let departed = round.seen.record.departed.iter();
    let unproven = departed.filter(move |gone| gone.shard == id && !gone.is_proven_dead);
    let round = *round;
    unproven.map(move |gone| Unproven {
        id: gone.member_id.clone(),
        shard: id,
        name: gone.name.to_string(),
        host: gone.host.as_ref().and_then(|host| round.seen.host(host)),
        silent_since: Some(gone.since),
    })
}

/// Whether the shard's lost leader was silent for longer than an election takes, and alive for all that was
/// known then.
fn may_have_voted(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let Some(id) = shard.leader.as_ref() else {
        return true;
    };
    let Some(entry) = round.record.member_by_id(id) else {
        let mut departed = round.seen.record.departed.iter();
        let gone = departed.find(|gone| &gone.member_id == id);
        return gone.is_none_or(|gone| gone.ended_unseen || !gone.is_proven_dead);
    };
    let silent = entry
        .silent_since
        .map_or(0, |since| round.millis_since(since));
    entry.ended_unseen || !entry.has_ended && silent >= round.desired.node_timeout_millis
}
