//! What must not be done in one breath.

use std::collections::BTreeSet;

use super::{Refusal, World, refuse};
use crate::plan::{Action, Deed, MemberCommand, Plan};

/// I5: followers that are promoted side by side take the same epoch, and slots of one epoch may
/// have two owners (REDIS-LAB section 10).
pub(super) fn one_election_at_a_time(plan: &Plan) -> Option<Refusal> {
    let is_election = |action: &&Action| {
        let Deed::Command { command, .. } = &action.deed else {
            return false;
        };
        matches!(command, MemberCommand::Failover { .. })
    };
    let second = plan.actions.iter().filter(is_election).nth(1)?;
    Some(refuse(
        "I5",
        second,
        "another failover is asked for in the same breath",
    ))
}

/// I6: what is voluntary takes at most one member of a shard at a time.
pub(super) fn one_disruption_per_shard(world: &World<'_>, plan: &Plan) -> Vec<Refusal> {
    let mut disrupted = BTreeSet::new();
    let mut refusals = Vec::new();
    for action in &plan.actions {
        let name = match &action.deed {
            Deed::DeletePod {
                pod,
                is_dead: false,
                ..
            } if world.answers.contains_key(pod) => pod,
            Deed::Command {
                member,
                command: MemberCommand::Failover { .. },
            } => &member.name,
            _ => continue,
        };
        let holds_data = world.seen.record.formed
            && world
                .seen
                .record
                .member(name)
                .is_some_and(|entry| entry.joined);
        let Some(shard) = world.shard_of(name).filter(|_| holds_data) else {
            continue;
        };
        if !disrupted.insert(shard) {
            refusals.push(refuse(
                "I6",
                action,
                format!("shard {shard} is disrupted by another action"),
            ));
        }
    }
    refusals
}
