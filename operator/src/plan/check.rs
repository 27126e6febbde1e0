//! Checks a plan against the safety promises, knowing nothing of how it was made.
//!
//! It reads the observation for itself and shares no rule with the steps: a bug there must not be
//! a bug here. A refused plan is not carried out, not even in part.

mod disruption;

use std::collections::BTreeMap;

use super::{Action, Deed, FailoverMode, ManifestKind, MemberCommand, MemberRef, Plan};
use crate::api::{ShardLossPolicy, WhenUnsatisfiable};
use crate::model::{
    Asked, Desired, Enrolled, MemberAnswer, MemberId, MemberName, Observation, PodPhase, PodView,
    Role, ShardId, SlotSet, ViewEntry,
};

/// A promise that the plan would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The promise, such as `I3`.
    pub promise: &'static str,
    /// What would break it.
    pub message: String,
}

/// Every promise that the plan would break. Where there is one, nothing of the plan is done.
pub fn check(desired: &Desired, seen: &Observation, plan: &Plan) -> Vec<Refusal> {
    let world = World::new(seen);
    let mut refusals = Vec::new();
    for action in &plan.actions {
        refusals.extend(check_action(desired, &world, plan, action));
    }
    refusals.extend(disruption::one_per_shard(&world, plan));
    refusals.extend(disruption::one_zone_at_a_time(&world, plan));
    refusals.extend(one_election_at_a_time(plan));
    refusals
}

/// The observation, from the checker's own point of view.
struct World<'a> {
    seen: &'a Observation,
    answers: BTreeMap<&'a MemberName, &'a MemberAnswer>,
}

impl<'a> World<'a> {
    fn new(seen: &'a Observation) -> Self {
        let answers = seen
            .members
            .iter()
            .filter_map(|(name, asked)| match asked {
                Asked::Answered(answer) => Some((name, answer.as_ref())),
                _ => None,
            })
            .collect();
        Self { seen, answers }
    }

    /// Slots that anybody alive believes this id to own.
    fn slots_of(&self, id: &MemberId) -> SlotSet {
        self.answers
            .values()
            .filter_map(|answer| answer.view.entry(id))
            .fold(SlotSet::empty(), |all, entry| all.union(&entry.slots))
    }

    /// Slots that anybody alive believes anybody to own.
    fn owned_slots(&self) -> SlotSet {
        self.answers
            .values()
            .flat_map(|answer| &answer.view.entries)
            .fold(SlotSet::empty(), |all, entry| all.union(&entry.slots))
    }

    fn answers_as(&self, id: &MemberId) -> bool {
        self.answers.values().any(|answer| &answer.id == id)
    }

    fn answers_open(&self, id: &MemberId) -> bool {
        self.answers
            .values()
            .any(|answer| &answer.id == id && answer.is_open)
    }

    /// Whether this very process was in sync when its leader was heard last.
    fn record_knows_copy(&self, answer: &MemberAnswer) -> bool {
        let entry = self.seen.record.member_by_id(&answer.id);
        entry.is_some_and(|entry| entry.synced_run.as_ref() == Some(&answer.run_id))
    }

    fn shard_of(&self, name: &MemberName) -> Option<ShardId> {
        self.seen
            .record
            .member(name)
            .map(|entry| entry.shard)
            .or_else(|| self.seen.pod(name).map(|pod| pod.shard))
    }

    /// Its kubelet says so; or a human, and it does not answer.
    fn is_proven_dead(&self, pod: &PodView) -> bool {
        let host = pod.host.as_ref().and_then(|host| self.seen.host(host));
        matches!(pod.phase, PodPhase::Ended { .. })
            || host.is_some_and(|host| host.is_out_of_service)
                && !self.answers.contains_key(&pod.name)
    }

    /// The same of an id, on the roster or off it.
    fn is_id_proven_dead(&self, id: &MemberId) -> bool {
        let record = &self.seen.record;
        let departed = record.departed.iter().find(|gone| &gone.member_id == id);
        let is_dead = |entry: &Enrolled| match self.seen.pod(&entry.name) {
            _ if entry.has_ended => true,
            Some(pod) => self.is_proven_dead(pod),
            None => {
                let host = entry.host.as_ref().and_then(|host| self.seen.host(host));
                entry.pod_uid.is_some() && host.is_some_and(|host| host.is_out_of_service)
            }
        };
        departed.is_some_and(|gone| gone.is_proven_dead)
            || record.member_by_id(id).is_some_and(is_dead)
    }

    fn is_loss_on_record(&self, shard: ShardId, slots: &SlotSet) -> bool {
        let mut losses = self.seen.record.losses.iter();
        losses.any(|loss| loss.shard == shard && slots.difference(&loss.slots).is_empty())
    }

    /// Whether anybody but a member that is proven dead may hold data of these slots.
    fn may_be_held(&self, shard: ShardId, slots: &SlotSet, heir: &MemberId) -> bool {
        let views = self
            .answers
            .values()
            .flat_map(|answer| &answer.view.entries);
        let overlaps = |entry: &&ViewEntry| {
            entry.slots.difference(slots).count() != entry.slots.count() && &entry.id != heir
        };
        let mut owners = views.filter(overlaps).map(|entry| &entry.id);
        let is_owned = owners.any(|id| !self.is_id_proven_dead(id));
        let mut members = self.seen.record.members.iter();
        let has_body = members.any(|entry| {
            let pod = self.seen.pod(&entry.name);
            let is_dead = pod.is_some_and(|pod| self.is_proven_dead(pod));
            let is_blank = self.answers.get(&entry.name).is_some_and(|answer| {
                let leads_nothing = self.slots_of(&answer.id).is_empty();
                answer.keys == 0 && answer.role() == Role::Leader && leads_nothing
            });
            let may_hold = entry.joined && !is_blank;
            entry.shard == shard && may_hold && (entry.volume.is_some() || !is_dead)
        });
        is_owned || has_body
    }

    fn is_whole_copy(&self, entry: &Enrolled) -> bool {
        self.answers
            .get(&entry.name)
            .is_some_and(|answer| match answer.role() {
                Role::Leader => !self.slots_of(&answer.id).is_empty(),
                Role::Follower => answer.is_in_sync(),
            })
    }
}

fn refuse(promise: &'static str, action: &Action, because: impl std::fmt::Display) -> Refusal {
    Refusal {
        promise,
        message: format!("would {} ({}): {because}", action.deed, action.why),
    }
}

fn check_action(
    desired: &Desired,
    world: &World<'_>,
    plan: &Plan,
    action: &Action,
) -> Option<Refusal> {
    match &action.deed {
        Deed::Create(manifest) if manifest.kind == ManifestKind::Pod => new_pod(
            desired,
            world,
            plan,
            action,
            &MemberName::new(manifest.name.as_str()),
        ),
        Deed::DeletePod { pod, .. } => pod_deletion(world, plan, action, pod),
        Deed::DeleteVolume { volume, .. } => {
            let in_use = |entry: &Enrolled| entry.volume.as_ref() == Some(volume);
            let held = plan
                .record
                .members
                .iter()
                .chain(&world.seen.record.members)
                .any(in_use);
            held.then(|| refuse("I11", action, "a member on the roster lives on it"))
        }
        Deed::Command { member, command } => command_to(desired, world, action, member, command),
        _ => None,
    }
}

/// I1: no second member of the shard in its zone (a member that is leaving or replaced is on its
/// way out; a body that was replaced may come back to hand its data over), and only names that are on record.
fn new_pod(
    desired: &Desired,
    world: &World<'_>,
    plan: &Plan,
    action: &Action,
    name: &MemberName,
) -> Option<Refusal> {
    let Some(entry) = world.seen.record.member(name) else {
        return Some(refuse("I8", action, "its name is not on record yet"));
    };
    if desired.zones.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway || entry.surplus {
        return None;
    }
    let is_leaving = |other: &Enrolled| {
        other.surplus
            || world
                .seen
                .pod(&other.name)
                .is_some_and(|pod| pod.is_leaving)
    };
    let double = plan.record.members.iter().find(|other| {
        other.shard == entry.shard
            && other.zone == entry.zone
            && &other.name != name
            && !is_leaving(other)
    })?;
    Some(refuse(
        "I1",
        action,
        format!(
            "{} of the same shard is in zone {}",
            double.name, entry.zone
        ),
    ))
}

/// I3 and I11: a process that may hold data is taken away only while another whole copy answers.
fn pod_deletion(
    world: &World<'_>,
    plan: &Plan,
    action: &Action,
    name: &MemberName,
) -> Option<Refusal> {
    let pod = world.seen.pod(name)?;
    let is_dead = world.is_proven_dead(pod);
    if matches!(&action.deed, Deed::DeletePod { is_dead: true, .. }) && !is_dead {
        return Some(refuse(
            "I11",
            action,
            "nothing proves that its process is dead",
        ));
    }
    let holds_nothing = world.answers.get(name).is_some_and(|answer| {
        let owns = !world.slots_of(&answer.id).is_empty();
        answer.keys == 0 && !(owns && world.seen.record.formed)
    });
    let never_joined = world
        .seen
        .record
        .member(name)
        .is_some_and(|entry| !entry.joined);
    // what waits to start on a body holds nothing but the body, and that stays
    let volume = pod.volume.as_ref();
    let keeps_body = matches!(pod.phase, PodPhase::Waiting { .. })
        && volume.is_some_and(|it| {
            let mut members = plan.record.members.iter();
            members.any(|entry| entry.volume.as_ref() == Some(it))
        });
    if is_dead || holds_nothing || never_joined || keeps_body {
        return None;
    }
    let leads = world.answers.get(name).is_some_and(|answer| {
        answer.role() == Role::Leader && !world.slots_of(&answer.id).is_empty()
    });
    if leads {
        return Some(refuse("I3", action, "it leads slots"));
    }
    let shard = world.shard_of(name)?;
    let other = plan
        .record
        .members
        .iter()
        .any(|entry| entry.shard == shard && &entry.name != name && world.is_whole_copy(entry));
    (!other).then(|| {
        refuse(
            "I3",
            action,
            format!("no other whole copy of shard {shard} answers"),
        )
    })
}

fn command_to(
    desired: &Desired,
    world: &World<'_>,
    action: &Action,
    member: &MemberRef,
    command: &MemberCommand,
) -> Option<Refusal> {
    let Some(entry) = world.seen.record.member(&member.name) else {
        return Some(refuse("I8", action, "it is not on the roster"));
    };
    let answer = world.answers.get(&member.name)?;
    match command {
        MemberCommand::AddSlots(slots) => {
            let owned = world.owned_slots();
            let taken = slots.count() != slots.difference(&owned).count();
            (world.seen.record.formed || taken || answer.keys > 0).then(|| {
                refuse(
                    "I5",
                    action,
                    "slots are dealt out to empty members of a cluster that never was whole, once",
                )
            })
        }
        MemberCommand::Forget(id) => {
            let owns = !world.slots_of(id).is_empty();
            (owns || world.answers_as(id)).then(|| refuse("I7", action, "it owns slots or answers"))
        }
        MemberCommand::Replicate { leader } => {
            let of_another_shard = world
                .seen
                .record
                .member_by_id(leader)
                .is_some_and(|other| other.shard != entry.shard);
            let gives_up_slots =
                !world.slots_of(&answer.id).is_empty() && answer.role() == Role::Leader;
            (of_another_shard || gives_up_slots).then(|| {
                refuse(
                    "I3",
                    action,
                    "it leads slots, or the other leads another shard",
                )
            })
        }
        MemberCommand::SeizeSlots { slots, .. } => {
            let is_empty = answer.keys == 0;
            let may_be_held = world.may_be_held(entry.shard, slots, &answer.id);
            let is_told = world.is_loss_on_record(entry.shard, slots);
            let is_wanted = desired.shard_loss == ShardLossPolicy::AcceptEmpty;
            (!is_told || !is_wanted || !is_empty || may_be_held).then(|| {
                refuse(
                    "I9",
                    action,
                    "only slots whose loss is on record and whose every holder is proven dead go to \
                     an empty member, and only by policy",
                )
            })
        }
        MemberCommand::Failover { mode, of } => failover(world, action, answer, *mode, of),
        _ => None,
    }
}

/// I3 and I6: only a follower of that leader leads instead; in peace only one that is in sync.
fn failover(
    world: &World<'_>,
    action: &Action,
    answer: &MemberAnswer,
    mode: FailoverMode,
    of: &MemberId,
) -> Option<Refusal> {
    let follows = answer.view.own_entry().and_then(|own| own.leader.as_ref()) == Some(of);
    if !follows {
        return Some(refuse("I3", action, "it does not follow that leader"));
    }
    match mode {
        FailoverMode::Graceful if !answer.is_in_sync() => {
            Some(refuse("I3", action, "its copy is not in sync"))
        }
        FailoverMode::Force if world.answers_open(of) => Some(refuse(
            "I3",
            action,
            "the old leader serves: what its clients write meanwhile would be lost",
        )),
        FailoverMode::Force if !world.answers_as(of) && !world.record_knows_copy(answer) => {
            Some(refuse(
                "I3",
                action,
                "its copy was not whole when its leader was heard last",
            ))
        }
        FailoverMode::Takeover if world.answers_as(of) => Some(refuse(
            "I5",
            action,
            "the old leader answers: the slots would have two owners",
        )),
        FailoverMode::Takeover if !world.is_id_proven_dead(of) => Some(refuse(
            "I5",
            action,
            "nothing proves that the old leader is dead: the slots might have two owners",
        )),
        _ => None,
    }
}

/// I5: followers that are promoted side by side take the same epoch, and slots of one epoch may
/// have two owners (REDIS-LAB section 10).
fn one_election_at_a_time(plan: &Plan) -> Option<Refusal> {
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

#[cfg(test)]
mod tests;
