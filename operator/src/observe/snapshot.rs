//! Puts what Kubernetes and the members said into one [`Observation`]. Pure.

use std::collections::BTreeMap;

use crate::model::{Asked, MemberId, MemberName, Observation, Record};
use crate::ports::ClusterObjects;

/// One round's observation.
pub fn snapshot(objects: &ClusterObjects, members: BTreeMap<MemberName, Asked>) -> Observation {
    let status = objects.resource.status.as_ref();
    let record = status
        .map(|status| status.record.clone())
        .unwrap_or_default();
    Observation {
        hosts: objects.hosts.clone(),
        pods: objects.pods.clone(),
        volumes: objects.volumes.clone(),
        objects: objects.objects.clone(),
        secrets: objects.secrets.clone(),
        members: without_mistaken(members, &record),
        record,
    }
}

/// A member is its id (promise I8), and a question goes to an address: where a store lags behind, that
/// may be another member's by now. An answer by somebody else is no answer.
fn without_mistaken(
    mut members: BTreeMap<MemberName, Asked>,
    record: &Record,
) -> BTreeMap<MemberName, Asked> {
    let id_of = |asked: &Asked| match asked {
        Asked::Answered(answer) => Some(answer.id.clone()),
        _ => None,
    };
    let ids: Vec<MemberId> = members.values().filter_map(id_of).collect();
    for (name, asked) in &mut members {
        let Some(id) = id_of(asked) else { continue };
        let known = record
            .member(name)
            .and_then(|entry| entry.member_id.as_ref());
        let is_anothers = record
            .member_by_id(&id)
            .is_some_and(|entry| &entry.name != name);
        let is_double = known != Some(&id) && ids.iter().filter(|other| **other == id).count() > 1;
        if is_anothers || is_double {
            *asked = Asked::NotAsked;
        }
    }
    members
}
