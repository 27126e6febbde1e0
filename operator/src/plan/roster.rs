//! The roster of members by intent: writes this round's facts into the record, and strikes out
//! who is lost. Who is struck out is remembered as departed until the bus has forgotten it.

mod copies;
mod ended;
mod fed;
mod origin;
mod outlived;
pub(super) mod start_failures;

use jiff::Timestamp;

use super::census::{Census, Member, Round};
use super::evidence::Verdict;
use super::{Deed, Draft, placing};
use crate::model::{
    Asked, ContainerEnd, Departed, Desired, Enrolled, Leaderless, LeftAddress, MemberName,
    Observation, Record, Serial, ShardId, VolumeName,
};
use crate::resources;
pub(super) use ended::kubelet_has_ended_it;
use ended::{body_is_free, is_really_gone};

/// The record with what was seen in it: pods and ids learnt, silence begun or ended. Decides
/// nothing; this much is noted even while the cluster is paused.
pub(super) fn note_facts(desired: &Desired, seen: &Observation, now: Timestamp) -> Record {
    let mut record = seen.record.clone();
    let wanted = resources::fingerprint(desired);
    for entry in &mut record.members {
        record
            .departed
            .extend(origin::lost_identity(entry, seen, now));
        note_member(entry, seen, now);
        origin::note(entry, seen, &wanted);
    }
    origin::note_starts(desired, seen, &mut record, now);
    start_failures::forgive(&mut record, seen, &wanted);
    if record.next_serial == Serial::default() && !is_lost(seen) {
        record.next_serial = Serial(1);
    }
    for gone in &mut record.departed {
        gone.is_proven_dead |= ended::has_surely_ended(gone, desired, seen, now);
    }
    copies::note(desired, seen, &mut record, now);
    note_leaders(desired, seen, &mut record, now);
    fed::note(desired, seen, &mut record, now);
    outlived::note(desired, seen, &mut record, now);
    record
}

/// There are pods or volumes that the record cannot know, for serials are raised in it first: the
/// status was deleted, taken back to an older one, or the RedisCluster was made again over volumes
/// that were kept. Whatever is done now might be done to the only copy, or form a second cluster
/// beside the first.
pub(super) fn is_lost(seen: &Observation) -> bool {
    let next = seen.record.next_serial;
    let is_unknown =
        |serial: Option<Serial>| serial.map_or(next == Serial::default(), |serial| serial >= next);
    let volume_name = |name: &VolumeName| MemberName::new(name.as_str());
    seen.pods.iter().any(|pod| is_unknown(pod.name.serial()))
        || seen
            .volumes
            .iter()
            .any(|volume| is_unknown(volume_name(&volume.name).serial()))
}

/// What to do about it.
pub(super) fn lost_message(desired: &Desired, seen: &Observation) -> String {
    let name = &desired.key.name;
    if seen.pods.is_empty() {
        format!(
            "{} volumes of an earlier RedisCluster of this name are there, and nothing is formed over \
             them. If their data is not needed: kubectl delete pvc -l zoneward.io/cluster={name}; else \
             use another name",
            seen.volumes.len()
        )
    } else {
        format!(
            "members run that status.record, which says what they are to each other, does not know (any \
             more): they are left as they are. Restore the status of RedisCluster {name} from a backup, or move the \
             data to a new RedisCluster"
        )
    }
}

fn note_member(entry: &mut Enrolled, seen: &Observation, now: Timestamp) {
    let Some(pod) = seen.pod(&entry.name) else {
        if entry.pod_uid.is_some() {
            entry.silent_since.get_or_insert(now);
            entry.gone_since.get_or_insert(now);
        }
        return;
    };
    entry.pod_uid.get_or_insert_with(|| pod.uid.clone());
    if entry.pod_uid.as_ref() != Some(&pod.uid) {
        // a late call made it again after its pod was gone
        entry.silent_since.get_or_insert(now);
        entry.gone_since.get_or_insert(now);
        return;
    }
    entry.gone_since = None; // a store that lagged showed none
    if pod.host.is_some() {
        entry.host.clone_from(&pod.host);
    }
    entry.address = pod.address.or(entry.address);
    match seen.members.get(&entry.name) {
        Some(Asked::Answered(answer)) => {
            entry.member_id = Some(answer.id.clone());
            entry.silent_since = None;
            (entry.has_ended, entry.ended_unseen) = (false, false);
        }
        Some(Asked::Silent(_)) if entry.member_id.is_some() => {
            entry.silent_since.get_or_insert(now);
        }
        _ => {}
    }
}

/// Since when shards that had a leader have none.
fn note_leaders(desired: &Desired, seen: &Observation, record: &mut Record, now: Timestamp) {
    if !record.formed {
        return;
    }
    let before = record.clone();
    let census = Census::new(desired, seen, &before);
    let known = |shard: ShardId| {
        let mut clocks = before.clocks.leaderless.iter();
        clocks.find(|clock| clock.shard == shard).cloned()
    };
    record.clocks.leaderless = census
        .shards
        .iter()
        .filter(|shard| shard.living_leader().is_none())
        .map(|shard| {
            let (shard, since) = (shard.id, now);
            known(shard).unwrap_or(Leaderless { shard, since })
        })
        .collect();
}

/// Strikes out members that are lost for good and clears their pods away.
pub(super) fn strike_out_the_lost(round: &Round<'_>, draft: &mut Draft) {
    for member in round.census.members() {
        match member.verdict {
            Verdict::Dead(reason) => bury(round, draft, member, reason),
            // memory-only: nothing of it can come back
            Verdict::Gone if member.entry.volume.is_none() && is_really_gone(round, member) => {
                let is_proven = kubelet_has_ended_it(round, member);
                // an owner of slots is kept in mind until its end is proven: others may have to
                // take over from it
                let may_be_proven = is_proven || placing::counts(round, member);
                if is_proven || !may_be_proven || !leads(round, member) {
                    strike_out(round, draft, member.entry, is_proven);
                }
            }
            Verdict::Gone if member.entry.volume.is_some() && body_is_free(round, member) => {
                reincarnate(round, draft, member.entry);
            }
            _ => {}
        }
    }
}

fn leads(round: &Round<'_>, member: &Member<'_>) -> bool {
    let shard = round.census.shard(member.shard());
    shard.is_some_and(|shard| shard.is_led_by(member))
}

fn bury(round: &Round<'_>, draft: &mut Draft, member: &Member<'_>, reason: &str) {
    let entry = member.entry;
    // a body has joined in an earlier incarnation: what counts is whether this one got so far
    let got_far = entry.joined && (entry.volume.is_none() || entry.synced_run.is_some());
    // one that was asked to go, that ended with its host, or by a spec that is wanted no more, tells nothing
    // of the present one
    let went_with_host = member
        .pod
        .is_some_and(|pod| pod.end == Some(ContainerEnd::Found));
    let is_telling = !member.is_outdated && !member.is_leaving() && !went_with_host;
    let failed_to_start = !got_far && entry.pod_uid.is_some() && is_telling;
    // once the pause is over all are tried that wait for it
    let is_paused = start_failures::pause_left_millis(round, round.record) > 0;
    if failed_to_start && entry.volume.is_some() && is_paused {
        return; // its turn comes; it keeps its place
    }
    if failed_to_start {
        start_failures::note(round, draft, entry, reason);
    } else if let Some(pod) = round.seen.pod(&entry.name) {
        let deed = Deed::DeletePod {
            pod: entry.name.clone(),
            uid: pod.uid.clone(),
            is_dead: true,
        };
        draft.act(deed, format!("its process is dead: {reason}"));
    }
    if entry.volume.is_some() {
        reincarnate(round, draft, entry);
    } else {
        strike_out(round, draft, entry, true);
    }
}

/// Followers copy from an address, and one that is silent cannot be asked from which.
fn leave_address(draft: &mut Draft, entry: &Enrolled) {
    let Some(address) = entry.address.filter(|_| entry.joined) else {
        return;
    };
    let shard = entry.shard;
    let all = &mut draft.record.left_addresses;
    all.retain(|it| (it.shard, it.address) != (shard, address));
    all.push(LeftAddress {
        shard,
        address,
        member_id: entry.member_id.clone(),
    });
}

/// What was left is remembered for as long as a follower copies from there, or is silent and may: one
/// that answers still may fall silent before it was told of another leader.
pub(super) fn note_addresses(round: &Round<'_>, draft: &mut Draft) {
    let departed = draft.record.departed.clone();
    let may_copy = |left: &LeftAddress| {
        let mut members = round.census.members().filter(|it| it.shard() == left.shard);
        members.any(|member| may_copy_unseen(member) || copies_from(member, left))
            || departed.iter().any(|gone| may_copy_on(gone, left))
    };
    draft.record.left_addresses.retain(may_copy);
}

/// It was struck out of that shard with no proof that it is dead: it may hold a copy, and nobody tells it of
/// another leader than the one that was there. (Nobody copies from itself.)
pub(super) fn may_copy_on(gone: &Departed, left: &LeftAddress) -> bool {
    let is_its_own = left.member_id.as_ref() == Some(&gone.member_id);
    gone.shard == left.shard && !gone.is_proven_dead && !is_its_own
}

fn copies_from(member: &Member<'_>, left: &LeftAddress) -> bool {
    let upstream = member
        .answer()
        .and_then(|it| it.replication.upstream.as_ref());
    upstream.is_some_and(|up| up.host == left.address.to_string())
}

/// It runs for all that is known, nobody hears it, and it holds a copy.
pub(super) fn may_copy_unseen(member: &Member<'_>) -> bool {
    member.entry.joined && matches!(member.verdict, Verdict::Silent(_) | Verdict::Gone)
}

/// The body lives on its volume: its next pod carries the next serial.
fn reincarnate(round: &Round<'_>, draft: &mut Draft, entry: &Enrolled) {
    leave_address(draft, entry);
    let name = next_name(round, draft, entry.shard);
    if let Some(slot) = draft
        .record
        .members
        .iter_mut()
        .find(|other| other.name == entry.name)
    {
        *slot = Enrolled {
            name,
            pod_uid: None,
            made_from: None,
            host: None,
            address: None,
            synced_run: None,
            synced_with: None,
            silent_since: None,
            gone_since: None,
            has_ended: true,
            ended_unseen: was_unseen(round, entry),
            started_before_config: false,
            restarts: false,
            ..entry.clone()
        };
    }
}

/// Whether its process was silent for longer than an election takes, or the one before it was.
fn was_unseen(round: &Round<'_>, entry: &Enrolled) -> bool {
    let silent = entry
        .silent_since
        .map_or(0, |since| round.millis_since(since));
    entry.ended_unseen || silent >= round.desired.node_timeout_millis
}

/// Takes a member off the roster; its id is to be forgotten by the others.
pub(super) fn strike_out(
    round: &Round<'_>,
    draft: &mut Draft,
    entry: &Enrolled,
    is_proven_dead: bool,
) {
    draft
        .record
        .members
        .retain(|other| other.name != entry.name);
    leave_address(draft, entry);
    if let Some(id) = &entry.member_id {
        draft.record.departed.push(Departed {
            member_id: id.clone(),
            name: entry.name.clone(),
            shard: entry.shard,
            host: entry.host.clone(),
            is_proven_dead,
            ended_unseen: !is_proven_dead || was_unseen(round, entry),
            since: round.now,
        });
    }
}

/// Puts a new member on the roster. Its pod is made in a later round, once this is on record.
pub(super) fn enroll(
    round: &Round<'_>,
    draft: &mut Draft,
    shard: ShardId,
    zone: crate::model::ZoneName,
) {
    let name = next_name(round, draft, shard);
    let volume = round
        .desired
        .storage
        .as_ref()
        .map(|_| VolumeName::new(name.as_str()));
    draft.record.members.push(Enrolled {
        name,
        shard,
        zone,
        volume,
        pod_uid: None,
        made_from: None,
        member_id: None,
        host: None,
        address: None,
        joined: false,
        synced_run: None,
        synced_with: None,
        silent_since: None,
        gone_since: None,
        has_ended: false,
        ended_unseen: false,
        surplus: false,
        started_before_config: false,
        restarts: false,
    });
}

fn next_name(round: &Round<'_>, draft: &mut Draft, shard: ShardId) -> MemberName {
    let serial = draft.record.next_serial;
    draft.record.next_serial = Serial(serial.0 + 1);
    MemberName::of(&round.desired.key.name, shard, serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemberId;
    use crate::plan::plan;
    use crate::plan::testing::{answer, answer_of, desired, formed};

    #[test]
    fn an_address_that_was_left_is_remembered_while_a_follower_copies_from_there() {
        let mut seen = formed();
        let left = LeftAddress {
            shard: ShardId(0),
            address: [10, 0, 0, 1].into(),
            member_id: None,
        };
        seen.record.left_addresses.push(left);
        let is_remembered = |seen: &Observation| {
            let record = plan(&desired(3, 1), seen, Timestamp::UNIX_EPOCH).record;
            !record.left_addresses.is_empty()
        };
        assert!(is_remembered(&seen));
        let follower = answer_of(&mut seen, "c-0-2");
        follower.replication.upstream.as_mut().unwrap().host = "10.0.0.9".to_owned();
        assert!(!is_remembered(&seen));
        let closed = answer_of(&mut seen, "c-1-4");
        (closed.is_open, closed.is_open_to_followers) = (false, false);
        seen.record.left_addresses[0].address = [10, 0, 0, 77].into();
        for (is_proven_dead, is_opened) in [(true, true), (false, false)] {
            let mut seen = seen.clone();
            for pod in seen
                .pods
                .iter_mut()
                .filter(|it| it.name.as_str() == "c-1-4")
            {
                pod.address = Some([10, 0, 0, 77].into());
            }
            seen.record.departed.push(Departed {
                member_id: MemberId::from("id-c-0-9"),
                name: MemberName::from("c-0-9"),
                shard: ShardId(0),
                host: None,
                is_proven_dead,
                ended_unseen: true,
                since: Timestamp::UNIX_EPOCH,
            });
            assert_eq!(is_remembered(&seen), !is_proven_dead, "struck out");
            let plan = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH);
            let mut kinds = plan.actions.iter().map(|it| it.deed.kind());
            assert_eq!(kinds.any(|kind| kind == "open"), is_opened);
            seen.record.left_addresses[0].member_id = Some(MemberId::from("id-c-0-9"));
            assert!(!is_remembered(&seen), "nobody copies from itself");
        }
    }

    #[test]
    fn who_comes_back_as_another_leaves_his_old_id_to_be_forgotten() {
        let mut seen = formed();
        let (pod, old, new) = ("c-0-1".into(), "id-c-0-1".into(), MemberId::from("id-new"));
        let fresh = Asked::Answered(Box::new(answer(new.as_str())));
        seen.members.insert(MemberName::clone(&pod), fresh);
        let record = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH).record;
        let entry = record.member(&pod).unwrap();
        assert_eq!(entry.member_id, Some(new));
        assert!(!entry.joined && entry.synced_run.is_none());
        let departed: Vec<_> = record.departed.iter().collect();
        assert_eq!(departed.len(), 1, "{departed:?}");
        assert_eq!(departed[0].member_id, MemberId::clone(&old));
        assert!(departed[0].is_proven_dead);
        seen.record = record;
        let again = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH).record;
        assert_eq!(again.departed.len(), 1, "it is noted once");
        // a body's next pod, over a volume that was made anew, may answer as soon as it is seen
        seen.record.departed.clear();
        for entry in seen.record.members.iter_mut().filter(|it| it.name == pod) {
            (entry.member_id, entry.pod_uid) = (Some(old.clone()), None);
        }
        let third = plan(&desired(3, 1), &seen, Timestamp::UNIX_EPOCH).record;
        assert_eq!(third.departed.len(), 1);
    }
}
