//! How far role changes are kept apart.
//!
//! Elections that run side by side take the same epoch, and the loser waits 4 node timeouts before
//! it tries again: 19 of 30 shards did (REDIS-LAB section 2). So they are asked for one at a time,
//! over all shards, and not twice in one shard within 4 node timeouts (a phantom win otherwise,
//! section 4) while that shard is led: one that is not, and came to its leader by the last role change, is not
//! made to wait for it, as long as another candidate stands than before.

use jiff::Timestamp;

use super::census::{Round, Shard};
use crate::model::{MemberAnswer, MemberId, RoleChange};

/// The least distance between two role changes in one shard, in node timeouts.
const DISTANCE_TIMEOUTS: u64 = 4;
/// How long a role change may take to show before the next shard's is asked for all the same.
const SHOWS_WITHIN_MILLIS: u64 = 2_000;
/// Clocks of two operators may differ by this much.
const SKEW_MILLIS_MAX: i64 = 5_000;
/// How long a client that is told MOVED takes to go where it is sent, if it asks at all.
const CLIENTS_HEAR_MILLIS: u64 = 2_000;
/// How long who was told to lead may still gather votes: the servers' own limit of a manual failover
/// (`CLUSTER_MF_TIMEOUT`, 5 s), from when the command came.
const STANDS_MILLIS: u64 = 6_000;
/// How long everybody may take to hear of a role change that has shown.
const SPREADS_WITHIN_MILLIS: u64 = 200;

/// Whether a role change was asked for and does not show yet.
pub(super) fn is_in_flight(round: &Round<'_>) -> bool {
    let mut shards = round.census.shards.iter();
    shards.any(|shard| is_in_flight_in(round, shard))
}

/// The same of one shard: somebody is about to lead it who does not yet.
pub(super) fn is_in_flight_in(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let leader = shard.leader.as_ref();
    let mut changes = recent(round).filter(|change| change.shard == shard.id);
    leader.is_some() && changes.any(|change| leader == change.of.as_ref())
}

/// Whether one is in flight, or not everybody may have heard of the last one yet: a voter that has
/// refuses one that has not, and a leader that hands over stops for 5 s when that happens.
pub(super) fn is_unsettled(round: &Round<'_>) -> bool {
    is_in_flight(round)
        || recent(round).any(|change| {
            !round.census.views_are_equal || round.millis_since(change.at) < SPREADS_WITHIN_MILLIS
        })
}

/// Whether this one has not heard of the last election yet: it would ask for votes in an epoch that was
/// voted in already, lose, and wait 4 node timeouts.
pub(super) fn is_behind(round: &Round<'_>, answer: &MemberAnswer) -> bool {
    let mut living = round.census.living();
    let epoch = |answer: &MemberAnswer| answer.view.current_epoch.0;
    recent(round).next().is_some() && living.any(|(_, other)| epoch(other) > epoch(answer))
}

/// Whether this shard's last role change that we asked for was a moment ago.
pub(super) fn is_too_soon(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    round
        .record
        .last_role_change(shard.id)
        .is_some_and(|at| is_within_distance(round, at))
}

/// Whether it came to its leader a moment ago, also by an election that the bus held by itself. One that is
/// relieved so soon still has the votes: it takes the slots back without an election, once it takes its
/// successor for failed for a moment only (the phantom win).
pub(super) fn is_newly_led(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let mut histories = round.record.histories.iter();
    let history = histories.find(|it| it.shard == shard.id);
    history
        .and_then(|it| it.since)
        .is_some_and(|at| is_within_distance(round, at))
}

/// Whether this one was told to lead a moment ago, or came to lead then and was relieved since: its last election
/// counts still, and it would hold no other (`failover_auth_time`), or take its old votes for new ones.
pub(super) fn has_just_stood(round: &Round<'_>, shard: &Shard<'_>, id: &MemberId) -> bool {
    let mut changes = round.record.clocks.role_changes.iter();
    changes.any(|change| {
        let was_told = change.to.as_ref() == Some(id) && is_within_distance(round, change.at);
        let began = change.of_since.filter(|_| change.of.as_ref() == Some(id));
        let has_led = began.is_some_and(|at| is_within_distance(round, at));
        change.shard == shard.id && (was_told || has_led)
    })
}

/// Whether this one handed over so short a time ago that clients may not have heard it say MOVED yet. Where its
/// process is gone by then they ask an address that nobody answers, and wait for that.
pub(super) fn may_still_be_asked(round: &Round<'_>, shard: &Shard<'_>, id: &MemberId) -> bool {
    let mut changes = recent_within(round, CLIENTS_HEAR_MILLIS);
    changes.any(|change| change.shard == shard.id && change.of.as_ref() == Some(id))
}

/// (One that lies far ahead was written by an operator whose clock ran ahead, and says nothing.)
fn is_within_distance(round: &Round<'_>, at: Timestamp) -> bool {
    let ahead = at.as_millisecond() - round.now.as_millisecond();
    let distance = DISTANCE_TIMEOUTS * round.desired.node_timeout_millis;
    round.millis_since(at) < distance && ahead < i64::try_from(distance).unwrap_or(i64::MAX)
}

/// Whether somebody was told already to succeed this very leader, and has not: whoever stood for election and
/// lost waits for as long. Of a leader that came by the last role change its followers may be told at once: the
/// voters' last vote in this shard was for a follower of another one.
pub(super) fn was_asked_in_vain(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let mut changes = round.record.clocks.role_changes.iter();
    let is_of_this = changes.any(|it| it.shard == shard.id && it.of == shard.leader);
    is_of_this && is_too_soon(round, shard)
}

/// Whether a role change in this shard may still have to show.
pub(super) fn was_asked_a_moment_ago(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    recent(round).any(|change| change.shard == shard.id)
}

/// Whether somebody was told to succeed this one and may still be elected, whatever comes of that one: it asks
/// nobody's leave any more.
pub(super) fn may_still_be_succeeded(round: &Round<'_>, shard: &Shard<'_>, of: &MemberId) -> bool {
    let mut changes = recent_within(round, STANDS_MILLIS);
    changes.any(|change| change.shard == shard.id && change.of.as_ref() == Some(of))
}

fn recent<'a>(round: &Round<'a>) -> impl Iterator<Item = &'a RoleChange> {
    recent_within(round, SHOWS_WITHIN_MILLIS)
}

fn recent_within<'a>(round: &Round<'a>, millis: u64) -> impl Iterator<Item = &'a RoleChange> {
    let changes = &round.record.clocks.role_changes;
    let round = *round;
    changes.iter().filter(move |change| {
        // one that lies ahead was written by an operator whose clock runs ahead of ours
        let ahead = change.at.as_millisecond() - round.now.as_millisecond();
        round.millis_since(change.at) < millis && ahead < SKEW_MILLIS_MAX
    })
}

#[cfg(test)]
mod tests {
    use crate::model::{MemberId, MemberName, RoleChange, ShardId};
    use crate::plan::testing::{desired, formed};
    use crate::plan::{Deed, plan};
    use jiff::Timestamp;

    #[test]
    fn who_handed_over_stays_until_clients_have_heard_where_to_go() {
        let surplus = MemberName::from("c-0-2");
        let mut seen = formed();
        let mut entries = seen.record.members.iter_mut();
        entries.find(|it| it.name == surplus).unwrap().surplus = true;
        let goes = |change_of: &str, second: i64| {
            let mut seen = seen.clone();
            seen.record.clocks.role_changes.push(RoleChange {
                shard: ShardId(0),
                of: Some(MemberId::from(change_of)),
                of_since: None,
                to: Some(MemberId::from("id-c-0-1")),
                at: Timestamp::UNIX_EPOCH,
            });
            let plan = plan(&desired(3, 0), &seen, Timestamp::new(second, 0).unwrap());
            let mut deeds = plan.actions.iter().map(|it| &it.deed);
            deeds.any(|it| matches!(it, Deed::DeletePod { pod, .. } if pod == &surplus))
        };
        assert!(!goes("id-c-0-2", 1));
        assert!(goes("id-c-0-2", 3));
        assert!(goes("id-c-0-9", 1), "somebody else did");
        assert!(goes("id-c-0-2", -60), "told by a clock that was ahead");
    }
}
