//! Who may still hold the data of a shard that nobody leads.
//!
//! Whoever is not proven dead may hold all of it; a volume that is left may, too. A follower that was
//! not in sync to the last has an older copy: better than none, and no reason to wait for ever.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::census::{Member, Round, Shard, follows};
use super::evidence::Verdict;
use crate::model::{MemberAnswer, MemberId, MemberName, Role};

/// What is left of a shard's data.
pub(super) enum Left<'a, 'b> {
    /// Somebody may hold all of it.
    Whole,
    /// Followers of the lost leader that were not in sync to the last, the furthest first.
    OlderCopies(Vec<&'b Member<'a>>),
    /// Nobody holds anything.
    Nothing,
}

/// The bus elects no follower whose link was down for longer than this many node timeouts
/// (ten, by the validity factor of our redis.conf), and needs some time for one that it would.
const BUS_GIVES_UP_TIMEOUTS: u64 = 11;

/// Looks for the data of a shard whose leader does not answer.
pub(super) fn left<'a, 'b>(round: &Round<'_>, shard: &'b Shard<'a>) -> Left<'a, 'b> {
    // as it stands on record, like the checker
    let mut departed = round.seen.record.departed.iter();
    let may_live = departed.any(|gone| gone.shard == shard.id && !gone.is_proven_dead);
    let mut copies: Vec<(&Member<'_>, &MemberAnswer)> = shard
        .members
        .iter()
        .filter_map(|member| Some((member, older_copy(round, shard, member)?)))
        .collect();
    // nobody was left then to copy from
    let is_told = round.seen.record.is_all_told_lost(shard.id);
    let answers = |member: &Member<'_>| member.answer().is_some();
    let may_hold_it = |member: &Member<'_>| {
        let is_copy = copies.iter().any(|(copy, _)| copy.name() == member.name());
        (member.entry.joined || !is_told && member.entry.may_have_copied(answers(member)))
            && !is_copy
            && !is_blank(round, member)
            && !trails_a_copy(shard, member)
            && (member.entry.volume.is_some() || !matches!(member.verdict, Verdict::Dead(_)))
    };
    if may_live || shard.members.iter().any(may_hold_it) || is_led_in_some_view(round, shard) {
        return Left::Whole;
    }
    // offsets compare within one history; who goes on from another's has come further than that one
    let goes_on_from = |own: &MemberAnswer| {
        let of = |it: &MemberAnswer| Some(it.replication.replication_id.clone());
        let others = copies
            .iter()
            .filter(|(_, other)| own.replication.former_id == of(other));
        others.count()
    };
    let ranks: BTreeMap<MemberName, usize> = copies
        .iter()
        .map(|(member, answer)| (member.name().clone(), goes_on_from(answer)))
        .collect();
    copies.sort_by_key(|(member, answer)| {
        (
            std::cmp::Reverse((ranks.get(member.name()).copied(), answer.replication.offset)),
            member.name().clone(),
        )
    });
    if copies.is_empty() {
        return Left::Nothing;
    }
    if bus_may_elect(round, shard) {
        return Left::Whole;
    }
    Left::OlderCopies(copies.into_iter().map(|(member, _)| member).collect())
}

/// It follows one of its shard who leads no more and follows the lost leader, and has no more than that one: it is
/// fed by it, or cut off from it.
fn trails_a_copy(shard: &Shard<'_>, member: &Member<'_>) -> bool {
    let Some((answer, lost)) = member.answer().zip(shard.leader.as_ref()) else {
        return false;
    };
    let mut others = shard.members.iter().filter_map(Member::answer);
    answer.replication.upstream.is_some()
        && others.any(|other| follows(answer, &other.id) && follows(other, lost))
}

/// Views differ: one says that somebody who answers owns some of its slots.
fn is_led_in_some_view(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let answers_as = |id| round.census.living().any(|(_, answer)| &answer.id == id);
    let mut entries = round
        .census
        .living()
        .flat_map(|(_, answer)| &answer.view.entries);
    entries.any(|entry| {
        let overlaps = entry.slots.difference(&shard.slots).count() != entry.slots.count();
        overlaps && answers_as(&entry.id)
    })
}

/// What it answers, where it follows the lost leader, was not in sync with it to the last, and has
/// something.
fn older_copy<'a>(
    round: &Round<'_>,
    shard: &Shard<'_>,
    member: &Member<'a>,
) -> Option<&'a MemberAnswer> {
    let answer = member.answer()?;
    let lost = shard.leader.as_ref()?;
    let up = answer.replication.upstream.as_ref();
    let is_settled = up.is_some_and(|up| !up.is_syncing && !up.is_up) && !answer.loading;
    let is_whole = is_whole(shard, member) || shard.living_leader().is_some();
    (follows(answer, lost) && is_settled && !is_whole && answer.keys > 0 && round.record.formed)
        .then_some(answer)
}

/// Whether it holds all that is known to be left: it was in sync to the last, or it has come further in the
/// same history than one of the same leader's followers that was. (It became whole a moment before its leader was
/// lost, and nobody saw it. Who follows another one says nothing of what this one's leader took.)
pub(super) fn is_whole(shard: &Shard<'_>, member: &Member<'_>) -> bool {
    if member.was_in_sync() {
        return true;
    }
    let history =
        |it: &MemberAnswer| (it.replication.replication_id.clone(), it.replication.offset);
    let Some((id, offset)) = member.answer().map(history) else {
        return false;
    };
    let leader = |it: &MemberAnswer| it.view.own_entry().and_then(|own| own.leader.clone());
    let upstream = member.answer().and_then(leader);
    let others = shard.members.iter().filter(|other| other.was_in_sync());
    let others = others.filter_map(Member::answer);
    let mut others = others
        .filter(|other| leader(other) == upstream)
        .map(history);
    others.any(|(other_id, other_offset)| other_id == id && other_offset <= offset)
}

/// Whether the bus may still elect somebody by itself: it judges a copy's age by the clock of its link, which
/// may say better than the record does.
pub(super) fn bus_may_elect(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let limit = BUS_GIVES_UP_TIMEOUTS * round.desired.node_timeout_millis;
    super::votes::can_be_elected(round, shard)
        && leaderless_since(round, shard).is_none_or(|since| round.millis_since(since) < limit)
}

/// Since when nobody leads this shard, as it stands on record.
fn leaderless_since(round: &Round<'_>, shard: &Shard<'_>) -> Option<Timestamp> {
    let clocks = &round.record.clocks.leaderless;
    let clock = clocks.iter().find(|clock| clock.shard == shard.id);
    clock.map(|clock| clock.since)
}

/// It was a member of the shard, and what answers there now has nothing of it: a leader of nothing, such
/// as a follower that took over from one whose slots it had not heard of; or a follower that has not
/// copied yet.
pub(super) fn is_blank(round: &Round<'_>, member: &Member<'_>) -> bool {
    let Some(answer) = member.answer() else {
        return false;
    };
    let is_cut_off = answer
        .replication
        .upstream
        .as_ref()
        .is_some_and(|up| !up.is_up && !up.is_syncing)
        || copies_a_stranger(round, answer);
    let own = answer.view.own_entry();
    let upstream = own.and_then(|own| own.leader.as_ref());
    let copies_nobody = upstream.is_none_or(|id| !knows_as_owner(answer, id));
    answer.keys == 0
        && !answer.loading
        && answer.is_open
        && !round.census.owns_slots(&answer.id)
        && (answer.role() == Role::Leader || is_cut_off && (copies_nobody || !member.was_in_sync()))
}

/// A follower copies from an address: somebody else may live there by now, and its link to that one says
/// nothing of its leader.
fn copies_a_stranger(round: &Round<'_>, answer: &MemberAnswer) -> bool {
    let own = answer.view.own_entry();
    let (Some(leader), Some(up)) = (
        own.and_then(|own| own.leader.as_ref()),
        answer.replication.upstream.as_ref(),
    ) else {
        return false;
    };
    let mut others = round.census.living();
    up.is_up
        && others.any(|(other, its)| {
            let address = other.address();
            address.is_some_and(|at| at.ip.to_string() == up.host) && &its.id != leader
        })
}

/// Whether it has heard that this one owns slots. A follower takes over the slots that its leader has in
/// its own table, and never stands for election where those are none.
pub(super) fn knows_as_owner(answer: &MemberAnswer, leader: &MemberId) -> bool {
    let entry = answer.view.entry(leader);
    entry.is_some_and(|entry| !entry.slots.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::model::{Asked, Departed, MemberId, MemberName, Role, ShardId, SlotSet};
    use crate::plan::census::{Census, Member};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};

    /// The checker refused it to lead, and the plan with it, round after round.
    #[test]
    fn who_was_deposed_is_not_whole_because_its_own_follower_is() {
        let mut seen = formed();
        let desired = desired(3, 1);
        seen.record = plan(&desired, &seen, Timestamp::UNIX_EPOCH).record;
        let is_whole = |seen: &crate::model::Observation| {
            let census = Census::new(&desired, seen, &seen.record);
            let shard = &census.shards[0];
            let deposed = MemberName::from("c-0-1");
            let mut members = shard.members.iter();
            super::is_whole(shard, members.find(|it| it.name() == &deposed).unwrap())
        };
        assert!(is_whole(&seen));
        let mut entries = answer_of(&mut seen, "c-0-1").view.entries.iter_mut();
        let own = entries.find(|it| it.flags.myself).unwrap();
        (own.role, own.leader) = (Role::Follower, Some(MemberId::from("id-c-0-9")));
        assert!(!is_whole(&seen));
    }

    /// Nobody led the shard for ever: its leader had gone over to one that is dead, and its own follower was waited
    /// for.
    #[test]
    fn who_follows_a_deposed_leader_has_no_more_than_that_one() {
        let mut seen = formed();
        let lost = MemberId::from("id-c-0-9");
        let upstream = answer_of(&mut seen, "c-0-2").replication.upstream.clone();
        answer_of(&mut seen, "c-0-1").replication.upstream = upstream;
        for asked in seen.members.values_mut() {
            let Asked::Answered(answer) = asked else {
                continue;
            };
            let entries = &mut answer.view.entries;
            let deposed = entries.iter_mut().find(|it| it.id.as_str() == "id-c-0-1");
            let deposed = deposed.unwrap();
            let mut gone = deposed.clone();
            (gone.id, gone.flags.myself, gone.flags.failed) = (lost.clone(), false, true);
            gone.config_epoch.0 = 9;
            (deposed.role, deposed.leader) = (Role::Follower, Some(lost.clone()));
            deposed.slots = SlotSet::empty();
            entries.push(gone);
        }
        seen.record.departed.push(Departed {
            member_id: lost.clone(),
            name: MemberName::from("c-0-9"),
            shard: ShardId(0),
            host: None,
            is_proven_dead: true,
            ended_unseen: false,
            since: Timestamp::UNIX_EPOCH,
        });
        let desired = desired(3, 1);
        let census = Census::new(&desired, &seen, &seen.record);
        let shard = &census.shards[0];
        assert_eq!(shard.leader, Some(lost));
        let members = shard.members.iter();
        let trails = |it: &Member<'_>| super::trails_a_copy(shard, it);
        let told: Vec<bool> = members.map(trails).collect();
        assert_eq!(told, [false, true], "c-0-1, and c-0-2 that follows it");
    }
}
