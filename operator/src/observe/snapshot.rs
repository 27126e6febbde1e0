//! Puts what Kubernetes and the members said into one [`Observation`]. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{
    Asked, Enrolled, HostName, HostView, MemberId, MemberName, Observation, Record,
    STORE_AGE_MILLIS_MAX, Silence, SilenceReason,
};
use crate::ports::ClusterObjects;
use crate::resources::labels::ANNOTATION_LOST_HOSTS;

/// One round's observation.
pub fn snapshot(
    objects: &ClusterObjects,
    members: BTreeMap<MemberName, Asked>,
    neighbours: BTreeMap<HostName, u64>,
    now: Timestamp,
) -> Observation {
    let status = objects.resource.status.as_ref();
    let record = status
        .map(|status| status.record.clone())
        .unwrap_or_default();
    Observation {
        hosts: with_lost_hosts(objects, &record),
        pods: objects.pods.clone(),
        volumes: objects.volumes.clone(),
        objects: objects.objects.clone(),
        secrets: objects.secrets.clone(),
        neighbours,
        members: without_mistaken(members, &record, now),
        listening_since: None,
        last_words: BTreeMap::new(),
        record,
    }
}

/// A human's word about hosts whose Node objects are gone, which cannot be tainted. Where there is one,
/// the word is void: its taint counts.
fn with_lost_hosts(objects: &ClusterObjects, record: &Record) -> Vec<HostView> {
    let mut hosts = objects.hosts.clone();
    let annotations = objects.resource.metadata.annotations.as_ref();
    let word = annotations.and_then(|all| all.get(ANNOTATION_LOST_HOSTS));
    let names = word.map_or("", String::as_str).split(',').map(str::trim);
    for name in names.filter(|name| !name.is_empty()).map(HostName::new) {
        if hosts.iter().any(|host| host.name == name) {
            continue;
        }
        let mut members = record.members.iter();
        let member = members.find(|entry| entry.host.as_ref() == Some(&name));
        hosts.push(HostView {
            zone: member.map(|entry| entry.zone.clone()),
            name,
            is_ready: false,
            ready_since: None,
            is_schedulable: false,
            is_out_of_service: true,
        });
    }
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    hosts
}

/// A member is its id (promise I8), and a question goes to an address: where a store lags behind, that
/// may be another member's by now. An answer by somebody else is no answer.
fn without_mistaken(
    mut members: BTreeMap<MemberName, Asked>,
    record: &Record,
    now: Timestamp,
) -> BTreeMap<MemberName, Asked> {
    let id_of = |asked: &Asked| Some(asked.answer()?.id.clone());
    let ids: Vec<MemberId> = members.values().filter_map(id_of).collect();
    for (name, asked) in &mut members {
        let Some(id) = id_of(asked) else { continue };
        let entry = record.member(name);
        let known = entry.and_then(|entry| entry.member_id.as_ref());
        let is_anothers = record
            .member_by_id(&id)
            .is_some_and(|entry| &entry.name != name);
        let is_double = known != Some(&id) && ids.iter().filter(|other| **other == id).count() > 1;
        if is_anothers || is_double {
            *asked = Asked::NotAsked;
        } else if entry.is_some_and(|entry| may_be_a_stranger(entry, &id, now)) {
            *asked = Asked::Silent(Silence {
                reason: SilenceReason::Unusable,
                millis: 0,
                said_goodbye: false,
            });
        }
    }
    members
}

/// Somebody whom no store shows yet answers at the address of a member that lives on a volume. That
/// its volume was emptied is believed only once no store can be so old: its body would be given up
/// for a stranger's sake.
fn may_be_a_stranger(entry: &Enrolled, id: &MemberId, now: Timestamp) -> bool {
    let is_another = entry.member_id.as_ref().is_some_and(|known| known != id);
    let millis = entry
        .silent_since
        .map_or(0, |since| now.as_millisecond() - since.as_millisecond());
    is_another
        && entry.volume.is_some()
        && u64::try_from(millis).unwrap_or(0) < STORE_AGE_MILLIS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::VolumeName;
    use crate::plan::testing::{answer, enrolled};

    /// What is made of a stranger's answer at the address of a member with this volume, silent for so
    /// long.
    fn heard(volume: Option<&str>, silent_seconds: i64) -> Asked {
        let mut entry = enrolled("c-0-1", 0, "a");
        entry.member_id = Some(MemberId::from("id-c-0-1"));
        entry.volume = volume.map(VolumeName::from);
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(silent_seconds);
        entry.silent_since = Some(Timestamp::UNIX_EPOCH);
        let record = Record {
            members: vec![entry],
            ..Record::default()
        };
        let name = MemberName::from("c-0-1");
        let stranger = Asked::Answered(Box::new(answer("id-new")));
        let members = BTreeMap::from([(name.clone(), stranger)]);
        without_mistaken(members, &record, now)[&name].clone()
    }

    #[test]
    fn a_humans_word_counts_for_hosts_whose_objects_are_gone_and_for_no_others() {
        let mut objects = crate::fakes::objects(&serde_json::json!({ "image": "redis" }));
        objects.hosts = vec![crate::plan::testing::host("here", "a")];
        let mut resource = (*objects.resource).clone();
        let word = BTreeMap::from([(ANNOTATION_LOST_HOSTS.to_owned(), "here, gone,".to_owned())]);
        resource.metadata.annotations = Some(word);
        objects.resource = std::sync::Arc::new(resource);
        let mut entry = enrolled("c-0-1", 0, "b");
        entry.host = Some(HostName::from("gone"));
        let record = Record {
            members: vec![entry],
            ..Record::default()
        };
        let hosts = with_lost_hosts(&objects, &record);
        let told: Vec<_> = hosts
            .iter()
            .map(|host| (host.name.as_str(), host.is_out_of_service))
            .collect();
        assert_eq!(told, [("gone", true), ("here", false)]);
        let zone = hosts.first().and_then(|host| host.zone.clone());
        assert_eq!(zone, Some("b".into()));
    }

    #[test]
    fn a_body_is_not_given_up_for_a_stranger_at_its_address() {
        assert!(matches!(heard(Some("v"), 0), Asked::Silent(_)));
        assert!(matches!(heard(Some("v"), 39), Asked::Silent(_)));
        assert!(matches!(heard(Some("v"), 40), Asked::Answered(_)));
        assert!(matches!(heard(None, 0), Asked::Answered(_)), "in memory");
    }
}
