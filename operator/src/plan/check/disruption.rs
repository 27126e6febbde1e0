//! I6: members that run are taken away in one zone at a time.

use std::collections::BTreeSet;

use super::{Refusal, World, moves, refuse};
use crate::model::{Asked, Enrolled, MemberName};
use crate::plan::{Action, Deed, Plan};

/// Members that are to start again, or to make room for their successors, are all in one zone, and
/// nobody else of their shards is on the way out. (A surplus member is replaced already, and a shard
/// that gave its slots away serves nobody, nor does a cluster that forms.)
pub(super) fn one_zone_at_a_time(world: &World<'_>, plan: &Plan) -> Vec<Refusal> {
    let in_service = |name: &MemberName| -> Option<&Enrolled> {
        let answers = matches!(world.seen.members.get(name), Some(Asked::Answered(_)));
        let entry = world.seen.record.member(name)?;
        let serves = entry.joined && !entry.surplus && !moves::is_drained(world, entry.shard);
        (world.seen.record.formed && answers && serves).then_some(entry)
    };
    let mut zones = BTreeSet::new();
    let mut refusals = Vec::new();
    for action in &plan.actions {
        let Some(entry) = taken_away(action).and_then(in_service) else {
            continue;
        };
        zones.insert(&entry.zone);
        let other = world.seen.pods.iter().find(|pod| {
            let is_other = pod.shard == entry.shard && pod.name != entry.name;
            is_other && pod.is_leaving && in_service(&pod.name).is_some()
        });
        if let Some(other) = other {
            let because = format!("{} of the same shard is on the way out", other.name);
            refusals.push(refuse("I6", action, because));
        }
        if zones.len() > 1 {
            refusals.push(refuse("I6", action, "another zone is worked on"));
        }
    }
    refusals
}

/// Who is asked to go and lives.
fn taken_away(action: &Action) -> Option<&MemberName> {
    match &action.deed {
        Deed::DeletePod {
            pod,
            is_dead: false,
            ..
        } => Some(pod),
        _ => None,
    }
}
