//! Who can be elected: what the voters have to know before they are asked (cluster.c,
//! `clusterSendFailoverAuthIfNeeded`). A vote that is denied costs dear: whoever lost an election waits
//! 4 node timeouts for the next, and a leader that is to hand over stops its clients for 5 s in vain.

use super::census::{Round, Shard};
use crate::model::{MemberAnswer, MemberId};

/// Whether leaders enough answer to elect the shard another one. Who came after its leader was lost has
/// never heard of that one, and denies its vote.
pub(super) fn can_be_elected(round: &Round<'_>, shard: &Shard<'_>) -> bool {
    let lost = shard.leader.as_ref();
    lost.is_some_and(|lost| is_majority(round, |voter| voter.view.entry(lost).is_some()))
}

/// Whether leaders enough would vote for this one. Each must have heard that it follows: to the others it is
/// a leader still, and no leader is given a vote (a new copy of little data is in sync before the bus has
/// told everybody). It must have heard of no later epoch than the candidate has: new members that meet with the
/// same one take the next, also where nobody was elected. And each needs its own link to the other: votes are
/// asked for once and given once, and what has no link to go by is dropped (`clusterSendFailoverAuth`).
pub(super) fn would_elect(round: &Round<'_>, heir: &MemberAnswer) -> bool {
    is_majority(round, |voter| {
        let lost = heir.view.own_entry().and_then(|own| own.leader.as_ref());
        let follows = voter.view.entry(&heir.id).is_some_and(|it| {
            // by gossip alone it is known for a follower, and not whose; of the one before it was voted already
            it.leader.is_some() && it.leader.as_ref() == lost && !it.flags.handshake && it.link_up
        });
        // votes are counted of those only that the candidate knows for leaders
        let is_known = heir
            .view
            .entry(&voter.id)
            .is_some_and(|it| it.link_up && !it.flags.handshake && !it.slots.is_empty());
        follows && is_known && is_up_to_date(heir, voter)
    })
}

/// Whether it claims its leader's slots by no older epoch than the voter knows, in no older election, and none of
/// them that went to somebody else since: all are claimed, and one alone is refused with all.
fn is_up_to_date(heir: &MemberAnswer, voter: &MemberAnswer) -> bool {
    let leader = heir.view.own_entry().and_then(|own| own.leader.as_ref());
    let Some(claimed) = leader.and_then(|id| heir.view.entry(id)) else {
        return false;
    };
    let mut others = voter.view.entries.iter();
    let no_later_owner = others.all(|entry| {
        entry.config_epoch <= claimed.config_epoch
            || entry.id != claimed.id && entry.slots.intersection(&claimed.slots).is_empty()
    });
    voter.view.current_epoch.0 <= heir.view.current_epoch.0 && no_later_owner
}

/// Whether the leader would stop its clients for this one (`CLUSTERMSG_TYPE_MFSTART`): it does so only for
/// whom it lists as its own follower itself, and the follower that asks too early waits for 5 s in vain.
pub(super) fn would_hand_over(shard: &Shard<'_>, heir: &MemberAnswer) -> bool {
    shard.living_leader().is_some_and(|(_, leader)| {
        let entry = leader.view.entry(&heir.id);
        let back = heir.view.entry(&leader.id);
        entry.is_some_and(|it| it.leader.as_ref() == Some(&leader.id) && it.link_up)
            && back.is_some_and(|it| it.link_up)
    })
}

/// Whether all that the candidate is in touch with agree on it: no voter, and nobody of its shard, has it for
/// failed still, for its shard's others may be elected in its place; and nobody has heard of a later epoch, which
/// would reach the voters before it asks. (A link that stands in a view may lead nowhere: who does not hear the
/// other any more takes it for failed.)
pub(super) fn is_agreed_on(round: &Round<'_>, shard: &Shard<'_>, heir: &MemberAnswer) -> bool {
    let is_in_touch = |other: &MemberAnswer| {
        let entry = heir.view.entry(&other.id);
        entry.is_some_and(|it| it.link_up && !it.flags.failed && !it.flags.suspected)
    };
    let mut living = round.census.living();
    living.all(|(member, other)| {
        let entry = other.view.entry(&heir.id);
        let is_leader = shard.leader.as_ref() == Some(&other.id);
        let has_failed = entry.is_some_and(|it| it.flags.failed || it.flags.suspected && is_leader);
        let is_concerned = member.shard() == shard.id || round.census.owns_slots(&other.id);
        let is_behind = other.view.current_epoch.0 > heir.view.current_epoch.0;
        !(has_failed && is_concerned || is_behind && is_in_touch(other))
    })
}

/// Whether leaders enough take this one for failed still to elect any follower of it: the flag of one that
/// came back stands for 2 node timeouts (`clearNodeFailureIfNeeded`).
pub(super) fn is_taken_for_failed(round: &Round<'_>, id: &MemberId) -> bool {
    is_majority(round, |voter| {
        voter.view.entry(id).is_some_and(|entry| entry.flags.failed)
    })
}

/// Whether this holds for more than half of all leaders with slots, living or not.
fn is_majority(round: &Round<'_>, holds: impl Fn(&MemberAnswer) -> bool) -> bool {
    let (all, _) = round.census.voters();
    let owning = round.census.shards.iter().filter(|it| !it.slots.is_empty());
    let voters = owning.filter_map(Shard::living_leader);
    voters.filter(|(_, answer)| holds(answer)).count() > all / 2
}

#[cfg(test)]
mod tests {
    use crate::model::{MemberId, MemberName, Observation, Role, SlotSet, ViewEntry};
    use crate::plan::plan;
    use crate::plan::testing::{answer_of, desired, formed};
    use jiff::Timestamp;

    /// Whether somebody is told to do this.
    fn tells(seen: &Observation, kind: &str) -> bool {
        let plan = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH);
        plan.actions.iter().any(|it| it.deed.kind() == kind)
    }

    /// Changes how this member lists that one.
    fn list(seen: &mut Observation, by: &str, id: &str, change: impl Fn(&mut ViewEntry)) {
        let mut entries = answer_of(seen, by).view.entries.iter_mut();
        change(
            entries
                .find(|it| it.id == MemberId::from(id))
                .expect("listed"),
        );
    }

    #[test]
    fn nobody_stands_for_election_whom_the_voters_take_for_a_leader() {
        let mut seen = formed();
        let leaving = MemberName::from("c-0-1");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == leaving) {
            pod.is_leaving = true;
        }
        assert!(tells(&seen, "switchover"));
        let leads = |entry: &mut ViewEntry| (entry.role, entry.leader) = (Role::Leader, None);
        list(&mut seen, "c-1-3", "id-c-0-2", leads);
        assert!(tells(&seen, "switchover"), "two of three vote for it");
        let mut early = seen.clone();
        list(&mut early, "c-0-1", "id-c-0-2", leads);
        list(&mut early, "c-1-3", "id-c-0-2", |it| {
            it.leader = Some(MemberId::from("id-c-0-1"));
        });
        assert!(!tells(&early, "switchover"), "its leader has not heard");
        list(&mut seen, "c-2-5", "id-c-0-2", leads);
        assert!(!tells(&seen, "switchover"));
    }

    /// Its leader's zone was lost 0.3 s after the old follower had gone: nobody was elected for 10 s.
    #[test]
    fn the_old_follower_stays_until_the_new_one_could_be_elected() {
        let mut seen = formed();
        let old = MemberName::from("c-0-2");
        let entry = seen.record.members.iter().find(|it| it.name == old);
        let newcomer = MemberName::from("c-0-3");
        let mut entries = seen.record.members.clone();
        let mut entry = entry.expect("enrolled").clone();
        (entry.name, entry.member_id) = (newcomer.clone(), Some("id-c-0-3".into()));
        entry.pod_uid = Some("uid-c-0-3".into());
        entries.push(entry);
        for entry in entries.iter_mut().filter(|it| it.name == old) {
            entry.surplus = true;
        }
        seen.record.members = entries;
        let mut pod = seen
            .pods
            .iter()
            .find(|it| it.name == old)
            .expect("runs")
            .clone();
        (pod.name, pod.uid) = (newcomer.clone(), "uid-c-0-3".into());
        pod.address = Some([10, 0, 0, 9].into());
        seen.pods.push(pod);
        let own = answer_of(&mut seen, "c-0-2").view.own_entry().cloned();
        let mut listed = own.expect("it lists itself");
        listed.id = "id-c-0-3".into();
        listed.flags.myself = false;
        if let Some(address) = &mut listed.address {
            address.ip = [10, 0, 0, 9].into();
        }
        for asked in seen.members.values_mut() {
            if let crate::model::Asked::Answered(answer) = asked {
                answer.view.entries.push(listed.clone());
            }
        }
        let mut answer = answer_of(&mut seen, "c-0-2").clone();
        (answer.id, answer.view.myself) = ("id-c-0-3".into(), "id-c-0-3".into());
        for entry in &mut answer.view.entries {
            entry.flags.myself = entry.id == answer.id;
        }
        let asked = crate::model::Asked::Answered(Box::new(answer));
        seen.members.insert(newcomer, asked);
        assert!(tells(&seen, "delete-pod"));
        for voter in ["c-1-3", "c-2-5"] {
            list(&mut seen, voter, "id-c-0-3", |it| it.leader = None);
        }
        assert!(!tells(&seen, "delete-pod"), "they take it for a leader");
    }

    #[test]
    fn nobody_stands_for_election_who_has_not_heard_of_the_last_epoch() {
        let mut seen = formed();
        let leaving = MemberName::from("c-0-1");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == leaving) {
            pod.is_leaving = true;
        }
        assert!(tells(&seen, "switchover"));
        answer_of(&mut seen, "c-2-5").view.current_epoch.0 = 7;
        assert!(
            !tells(&seen, "switchover"),
            "the other voter may hear of it first"
        );
        answer_of(&mut seen, "c-0-2").view.current_epoch.0 = 7;
        assert!(tells(&seen, "switchover"));
    }

    #[test]
    fn nobody_is_handed_over_to_whose_votes_would_be_lost_on_the_way() {
        type Change = fn(&mut ViewEntry);
        let (heir, leader) = ("id-c-0-2", "id-c-0-1");
        let seen = || {
            let mut seen = formed();
            let leaving = MemberName::from("c-0-1");
            for pod in seen.pods.iter_mut().filter(|pod| pod.name == leaving) {
                pod.is_leaving = true;
            }
            seen
        };
        let (heirs, leaders, voters) = (&[heir][..], &[leader][..], &["id-c-1-3", "id-c-2-5"][..]);
        let cut: Change = |it| it.link_up = false;
        let failed: Change = |it| it.flags.failed = true;
        let suspected: Change = |it| it.flags.suspected = true;
        let unowned: Change = |it| it.slots = SlotSet::empty();
        let met: Change = |it| it.flags.handshake = true;
        let newer: Change = |it| it.config_epoch.0 += 1;
        let another: Change = |it| it.leader = Some(MemberId::from("id-c-2-5"));
        // (who lists, whom, how, why; in brackets where nothing is in the way)
        let table: [(&[&str], &[&str], Change, &str); 14] = [
            (&["c-1-3", "c-2-5"], heirs, cut, "no voter can answer"),
            (
                &["c-1-3", "c-2-5"],
                heirs,
                another,
                "by what they know they voted already",
            ),
            (&["c-0-2"], leaders, cut, "it cannot ask its leader to stop"),
            (
                &["c-0-1"],
                heirs,
                cut,
                "its leader cannot tell how far to copy",
            ),
            (
                &["c-0-1"],
                heirs,
                suspected,
                "its leader may be elected in its place",
            ),
            (&["c-1-3"], heirs, failed, "one would elect another"),
            (
                &["c-1-3", "c-2-5"],
                leaders,
                newer,
                "it claims by an old epoch",
            ),
            (&["c-0-2"], voters, cut, "it cannot ask for votes"),
            (&["c-0-2"], voters, met, "they are none to it yet"),
            (&["c-0-2"], voters, unowned, "and are not counted"),
            (&["c-0-2"], &voters[..1], unowned, "(one vote is left)"),
            (&["c-1-4"], &voters[1..], cut, "(not its business)"),
            (
                &["c-1-4"],
                heirs,
                failed,
                "(a follower of another shard elects nobody)",
            ),
            (
                &["c-1-3"],
                heirs,
                suspected,
                "(one voter may, and two are left)",
            ),
        ];
        for (by, ids, change, why) in table {
            let mut seen = seen();
            assert!(tells(&seen, "switchover"));
            for (name, id) in by.iter().flat_map(|by| ids.iter().map(move |id| (by, id))) {
                list(&mut seen, name, id, change);
            }
            assert_eq!(tells(&seen, "switchover"), why.starts_with('('), "{why}");
        }
        let mut late = seen();
        answer_of(&mut late, "c-1-4").view.current_epoch.0 = 9;
        assert!(!tells(&late, "switchover"), "a new member took an epoch");
        list(&mut late, "c-0-2", "id-c-1-4", cut);
        assert!(tells(&late, "switchover"), "who is cut off may take many");
    }

    /// One went to another shard, and its owner ended before all had heard: nobody was elected for 20 s.
    #[test]
    fn nobody_stands_for_election_who_claims_slots_that_the_voters_know_to_be_anothers() {
        let mut seen = formed();
        let leaving = MemberName::from("c-0-1");
        for pod in seen.pods.iter_mut().filter(|pod| pod.name == leaving) {
            pod.is_leaving = true;
        }
        let one = SlotSet::from(crate::model::Slot::new(7).unwrap());
        for voter in ["c-1-3", "c-2-5"] {
            list(&mut seen, voter, "id-c-0-1", |it| {
                it.slots = it.slots.difference(&one);
            });
            list(&mut seen, voter, "id-c-1-3", |it| {
                it.slots = it.slots.union(&one);
                it.config_epoch.0 = 1;
            });
        }
        assert!(tells(&seen, "switchover"), "by no later epoch");
        for voter in ["c-1-3", "c-2-5"] {
            list(&mut seen, voter, "id-c-1-3", |it| it.config_epoch.0 = 6);
        }
        assert!(!tells(&seen, "switchover"));
        list(&mut seen, "c-0-2", "id-c-0-1", |it| {
            it.slots = it.slots.difference(&one);
        });
        assert!(tells(&seen, "switchover"), "it has heard");
    }

    #[test]
    fn nobody_is_given_a_leader_that_most_take_for_failed() {
        let mut seen = formed();
        let new = answer_of(&mut seen, "c-0-2");
        new.replication.upstream = None;
        for entry in new.view.entries.iter_mut().filter(|it| it.flags.myself) {
            (entry.role, entry.leader) = (Role::Leader, None);
        }
        assert!(tells(&seen, "replicate"));
        let failed = |entry: &mut ViewEntry| entry.flags.failed = true;
        list(&mut seen, "c-1-3", "id-c-0-1", failed);
        assert!(tells(&seen, "replicate"), "one elects nobody");
        list(&mut seen, "c-2-5", "id-c-0-1", failed);
        assert!(!tells(&seen, "replicate"));
    }
}
