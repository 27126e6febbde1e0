//! Whose copy is whole: who was in sync with the leader of its shard when that one was heard last. (`fed` has
//! those that tell it themselves.) Stage: plan, pure.

use jiff::Timestamp;

use super::super::census::{Census, Member, Shard};
use super::super::evidence::Verdict;
use crate::model::{Desired, History, MemberAnswer, Observation, Record, ShardId};

/// Who told how far it had come so short a time before its end was known did not do much in between.
const ENDED_WITHIN_MILLIS: i64 = 3_000;

/// A member has joined once it leads slots or was in sync with its shard's living leader. Whether
/// it still is in sync shows only while that leader is heard: after its end, what was noted last
/// tells whose copy is whole.
pub(super) fn note(desired: &Desired, seen: &Observation, record: &mut Record, now: Timestamp) {
    let before = record.clone();
    let census = Census::new(desired, seen, &before);
    let mut is_whole = record.formed;
    for shard in &census.shards {
        let is_wanted = shard.id.0 < desired.leaders;
        let is_short =
            u32::try_from(shard.members.len()).unwrap_or(0) < desired.members_per_shard();
        is_whole &= !(is_wanted && is_short);
        let leader = shard.living_leader().map(|(_, leader)| leader);
        let feeds = leader.is_some_and(|it| it.is_open_to_followers);
        if let Some(leader) = leader.filter(|_| feeds) {
            note_history(record, shard.id, leader, now);
        }
        note_end(seen, record, shard, now);
        for member in &shard.members {
            let run = member
                .answer()
                .filter(|_| shard.is_current(member))
                .map(|answer| answer.run_id.clone());
            let Some(entry) = record.members.iter_mut().find(|e| &e.name == member.name()) else {
                continue;
            };
            if run.is_some() && !entry.joined {
                entry.joined = true;
                record.start_failures = None;
            }
            // who was made from an older spec tells nothing of the present one
            is_whole &= run.is_some() && !member.is_outdated;
            if feeds {
                entry.synced_with = leader.filter(|_| run.is_some()).map(|it| it.id.clone());
                entry.synced_run = run;
            }
        }
    }
    if is_whole {
        record.start_failures = None;
    }
    let shards = &census.shards;
    let is_there = |history: &History| shards.iter().any(|shard| shard.id == history.shard);
    record.histories.retain(is_there);
}

/// Which history of writes the leader of this shard goes on with.
fn note_history(record: &mut Record, shard: ShardId, leader: &MemberAnswer, now: Timestamp) {
    let before = record.histories.iter().find(|it| it.shard == shard);
    let history = History {
        shard,
        leader: leader.id.clone(),
        replication_id: leader.replication.replication_id.clone(),
        epoch: leader.view.own_entry().map(|own| own.config_epoch.0),
        ended_with: None,
        since: before.and_then(|it| {
            let is_same = it.leader == leader.id;
            if is_same { it.since } else { Some(now) }
        }),
    };
    if !record.histories.contains(&history) {
        record.histories.retain(|it| it.shard != shard);
        record.histories.push(history);
        record.histories.sort_by_key(|it| it.shard);
    }
}

/// How far a leader had come that ended a moment after it was heard. (One that went on unheard may have taken much
/// since: `outlived`.)
fn note_end(seen: &Observation, record: &mut Record, shard: &Shard<'_>, now: Timestamp) {
    let mut histories = record.histories.iter_mut();
    let Some(history) = histories.find(|it| it.shard == shard.id) else {
        return;
    };
    let is_its = |it: &&Member<'_>| it.entry.member_id.as_ref() == Some(&history.leader);
    let ended = shard.members.iter().find(is_its);
    let is_dead = ended.is_some_and(|it| matches!(it.verdict, Verdict::Dead(_)));
    let told = seen.last_words.get(&history.leader).filter(|word| {
        let millis = now.as_millisecond() - word.at.as_millisecond();
        word.replication_id == history.replication_id && millis < ENDED_WITHIN_MILLIS
    });
    if let Some(word) = told.filter(|_| is_dead) {
        history.ended_with = Some(word.offset);
    }
}
