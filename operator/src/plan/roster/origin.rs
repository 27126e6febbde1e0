//! What members were made from and started by, for rolling updates.

use jiff::Timestamp;

use super::super::census::{Census, Round};
use super::super::settings;
use crate::model::{Asked, Departed, Desired, Enrolled, Observation, PodFingerprint, Record};

/// What its pod was made from. One that is older than fingerprints counts as made from the spec of the
/// moment when this was first asked.
pub(super) fn note(entry: &mut Enrolled, seen: &Observation, wanted: &PodFingerprint) {
    let pod = seen.pod(&entry.name);
    let Some(pod) = pod.filter(|pod| entry.pod_uid.as_ref() == Some(&pod.uid)) else {
        return;
    };
    let before = entry.made_from.take();
    entry.made_from = pod
        .fingerprint
        .clone()
        .or(before)
        .or_else(|| Some(wanted.clone()));
}

/// Whose process takes its directives at another start only. What it answered last is kept.
pub(super) fn note_starts(
    desired: &Desired,
    seen: &Observation,
    record: &mut Record,
    now: Timestamp,
) {
    let before = record.clone();
    let census = Census::new(desired, seen, &before);
    let round = Round {
        desired,
        seen,
        census: &census,
        record: &before,
        now,
    };
    let answering = census.members().filter(|it| it.answer().is_some());
    for member in answering {
        let mut entries = record.members.iter_mut();
        if let Some(entry) = entries.find(|entry| &entry.name == member.name()) {
            entry.started_before_config = settings::is_to_start_again(&round, member);
        }
    }
}

/// A pod whose process has another id than before was started again over nothing (a host that came
/// back with a fresh disk): who it was is no more, and the bus still knows him. It is a new member in
/// an old place.
pub(super) fn lost_identity(
    entry: &mut Enrolled,
    seen: &Observation,
    now: Timestamp,
) -> Option<Departed> {
    // one that was not seen before may answer at once
    let is_its_pod = seen
        .pod(&entry.name)
        .is_some_and(|pod| entry.pod_uid.as_ref().is_none_or(|uid| uid == &pod.uid));
    let Some(Asked::Answered(answer)) = seen.members.get(&entry.name) else {
        return None;
    };
    let before = entry.member_id.clone().filter(|id| id != &answer.id)?;
    if !is_its_pod {
        return None;
    }
    entry.joined = false;
    (entry.synced_run, entry.synced_with) = (None, None);
    Some(Departed {
        member_id: before,
        name: entry.name.clone(),
        shard: entry.shard,
        host: entry.host.clone(),
        is_proven_dead: true,
        ended_unseen: entry.silent_since.is_some(),
        since: now,
    })
}
