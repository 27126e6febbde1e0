//! Checks a plan against the safety promises, knowing nothing of how it was made.
//!
//! It reads the observation for itself and shares no rule with the steps: a bug there must not be
//! a bug here. A refused plan is not carried out, not even in part.

mod bodies;
mod disruption;
mod forgetting;
mod held;
mod moves;
mod settings;
mod takeover;
mod together;
mod unowned;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Action, Deed, FailoverMode, ManifestKind, MemberCommand, MemberRef, Plan};
use crate::api::{ShardLossPolicy, WhenUnsatisfiable};
use crate::model::{
    DataLoss, Desired, Enrolled, MemberAnswer, MemberId, MemberName, Observation, PodPhase,
    PodView, Role, ShardId, SlotSet,
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
pub fn check(desired: &Desired, seen: &Observation, plan: &Plan, now: Timestamp) -> Vec<Refusal> {
    let world = World::new(seen, now);
    let mut refusals = Vec::new();
    for action in &plan.actions {
        refusals.extend(check_action(desired, &world, plan, action));
    }
    refusals.extend(together::one_disruption_per_shard(&world, plan));
    refusals.extend(disruption::one_zone_at_a_time(&world, plan));
    refusals.extend(together::one_election_at_a_time(plan));
    refusals.extend(moves::one_target_each(plan));
    refusals.extend(moves::forgotten(&world, plan));
    refusals
}

/// The observation, from the checker's own point of view.
struct World<'a> {
    seen: &'a Observation,
    now: Timestamp,
    answers: BTreeMap<&'a MemberName, &'a MemberAnswer>,
}

impl<'a> World<'a> {
    fn new(seen: &'a Observation, now: Timestamp) -> Self {
        let answers = seen
            .members
            .iter()
            .filter_map(|(name, asked)| Some((name, asked.answer()?)))
            .collect();
        Self { seen, now, answers }
    }

    /// Slots that anybody alive believes this id to own.
    fn slots_of(&self, id: &MemberId) -> SlotSet {
        self.answers
            .values()
            .filter_map(|answer| answer.view.entry(id))
            .fold(SlotSet::empty(), |all, entry| all.union(&entry.slots))
    }

    /// It is proven dead, nobody follows it, and all its slots have owners who answer and serve: whoever still
    /// names it has not heard of them, and will not, for its epoch is the higher one.
    fn is_superseded(&self, id: &MemberId) -> bool {
        let record = &self.seen.record;
        let mut departed = record.departed.iter();
        let own = |answer: &MemberAnswer| answer.view.own_entry().cloned();
        let led = self.answers.values().filter(|answer| answer.is_open);
        let led = led
            .filter_map(|answer| own(answer))
            .fold(SlotSet::empty(), |all, own| all.union(&own.slots));
        let is_followed = self
            .answers
            .values()
            .any(|answer| own(answer).is_some_and(|own| own.leader.as_ref() == Some(id)));
        departed.any(|gone| &gone.member_id == id && gone.is_proven_dead)
            && !is_followed
            && self.slots_of(id).difference(&led).is_empty()
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

    /// Whether this very process was in sync with whom it follows when that one was heard last.
    fn record_knows_copy(&self, answer: &MemberAnswer) -> bool {
        let entry = self.seen.record.member_by_id(&answer.id);
        let own = answer.view.own_entry();
        let followed = own.and_then(|own| own.leader.as_ref());
        entry.is_some_and(|entry| {
            entry.synced_run.as_ref() == Some(&answer.run_id)
                && entry.synced_with.as_ref() == Some(followed.unwrap_or(&answer.id))
        })
    }

    /// The same, or it holds more of the history that one has which was.
    fn knows_copy(&self, answer: &MemberAnswer) -> bool {
        let leader = |it: &MemberAnswer| it.view.own_entry().and_then(|own| own.leader.clone());
        let (own, upstream) = (&answer.replication, leader(answer));
        let is_further = |other: &&&MemberAnswer| {
            let its = &other.replication;
            leader(other) == upstream
                && its.replication_id == own.replication_id
                && its.offset <= own.offset
        };
        let mut others = self.answers.values().filter(is_further);
        self.record_knows_copy(answer) || others.any(|other| self.record_knows_copy(other))
    }

    /// Its record says that it was whole, and that leader owned slots.
    fn is_copy_of_an_owner(&self, answer: &MemberAnswer) -> bool {
        let own = answer.view.own_entry();
        let leader = own.and_then(|own| own.leader.as_ref());
        let entry = leader.and_then(|id| answer.view.entry(id));
        let owned = entry.is_some_and(|entry| !entry.slots.is_empty());
        owned && self.record_knows_copy(answer)
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
        let is_dead = |entry: &Enrolled| entry.has_ended || self.has_ended(entry);
        departed.is_some_and(|gone| gone.is_proven_dead)
            || record.member_by_id(id).is_some_and(is_dead)
    }

    /// Its present process: as its pod tells, or a human's word about the host of one whose pod is gone.
    fn has_ended(&self, entry: &Enrolled) -> bool {
        if let Some(pod) = self.seen.pod(&entry.name) {
            return self.is_proven_dead(pod);
        }
        let host = entry.host.as_ref().and_then(|host| self.seen.host(host));
        entry.pod_uid.is_some() && host.is_some_and(|host| host.is_out_of_service)
    }

    fn is_loss_on_record(&self, shard: ShardId, slots: &SlotSet) -> bool {
        let mut losses = self.seen.record.losses.iter();
        losses.any(|loss| loss.shard == shard && slots.difference(&loss.slots).is_empty())
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
    // one that has no pod takes no room, unless this plan makes it one
    let has_pod = |other: &Enrolled| {
        let mut made = plan.actions.iter().filter_map(|it| match &it.deed {
            Deed::Create(manifest) if manifest.kind == ManifestKind::Pod => Some(&manifest.name),
            _ => None,
        });
        world.seen.pod(&other.name).is_some() || made.any(|made| made == other.name.as_str())
    };
    let double = plan.record.members.iter().find(|other| {
        other.shard == entry.shard
            && other.zone == entry.zone
            && &other.name != name
            && !is_leaving(other)
            && has_pod(other)
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
    let answers = world.answers.contains_key(name);
    let entry = world.seen.record.member(name);
    let never_copied = entry.map(|entry| !entry.may_have_copied(answers));
    // what waits to start on a body holds nothing but the body, and that stays; off the roster it is none
    let volume = pod.volume.as_ref();
    let waits = matches!(pod.phase, PodPhase::Waiting { .. });
    let keeps_body = waits
        && volume.is_some_and(|it| {
            let mut members = plan.record.members.iter();
            members.any(|entry| entry.volume.as_ref() == Some(it))
        });
    let is_drained = world.seen.record.formed && moves::is_drained(world, pod.shard);
    // clients are let in when it is formed
    let is_unwritten =
        !world.seen.record.formed && world.answers.values().all(|answer| answer.keys == 0);
    if is_dead || is_drained || is_unwritten {
        return None;
    }
    let answer = world.answers.get(name);
    let leads = answer.is_some_and(|answer| world.leads(answer));
    let holds_keys = world
        .answers
        .get(name)
        .is_some_and(|answer| answer.keys > 0);
    let never_held = never_copied.unwrap_or(waits) && !holds_keys;
    let is_nothing = holds_nothing || never_held || keeps_body;
    if leads && (world.seen.record.formed || !is_nothing) {
        return Some(refuse("I3", action, "it leads slots"));
    }
    if is_nothing {
        return None;
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
        MemberCommand::AddSlots(slots) => unowned::refuse_dealing(world, action, answer, slots),
        MemberCommand::Open => (!world.seen.record.formed).then(|| {
            let why =
                "clients are let in when the cluster is formed: before that it may begin again";
            refuse("I3", action, why)
        }),
        MemberCommand::HoldWrites { .. } => held::refuse_holding(action, answer, world),
        MemberCommand::Forget(id) => forgetting::refuse(world, action, id),
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
        MemberCommand::SeizeSlots { slots, of } => {
            let heir = (entry, *answer);
            unowned::refuse_seizing(desired, world, action, heir, (slots, of.as_ref()))
        }
        MemberCommand::Configure(wanted) => settings::kept(desired, action, wanted),
        MemberCommand::Failover { mode, of } => failover(desired, world, action, answer, *mode, of),
        MemberCommand::MoveSlots { slots, to, .. } => {
            moves::refuse_move(world, action, (entry, answer), slots, to)
        }
        MemberCommand::DisownSlots { slots, of } => {
            moves::refuse_disowning(world, action, answer, slots, of)
        }
        MemberCommand::CloseSlots(slots) => moves::refuse_closing(world, action, answer, slots),
        _ => None,
    }
}

/// I3 and I6: only a follower of that leader leads instead; in peace only one that is in sync.
fn failover(
    desired: &Desired,
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
        FailoverMode::Graceful if !answer.is_open => Some(refuse(
            "I3",
            action,
            "it lets no clients in, and would not serve them",
        )),
        FailoverMode::Force if world.answers_open(of) => Some(refuse(
            "I3",
            action,
            "the old leader serves: what its clients write meanwhile would be lost",
        )),
        FailoverMode::Force
            if !world.answers_as(of)
                && !world.knows_copy(answer)
                && !is_accepted(desired, world, answer) =>
        {
            Some(refuse(
                "I3",
                action,
                "its copy was not whole when its leader was heard last, and another may be left",
            ))
        }
        FailoverMode::Takeover if world.answers_as(of) => Some(refuse(
            "I5",
            action,
            "the old leader answers: the slots would have two owners",
        )),
        FailoverMode::Takeover => takeover::refusal(desired, world).map(|because| {
            refuse(
                "I5",
                action,
                format!("{because}: the slots might have two owners"),
            )
        }),
        _ => None,
    }
}

/// I9: what an older copy lacks, or an empty member, is told first, and accepted by policy; and nobody may hold
/// more.
fn is_accepted(desired: &Desired, world: &World<'_>, answer: &MemberAnswer) -> bool {
    let record = &world.seen.record;
    let Some(entry) = record.member_by_id(&answer.id) else {
        return false;
    };
    let mut losses = record.losses.iter();
    let told = losses.find(|loss| loss.shard == entry.shard);
    let is_wanted = desired.shard_loss == ShardLossPolicy::AcceptEmpty;
    let may_lead = |loss: &DataLoss| match &loss.older_copy {
        Some(copy) => copy == &entry.name && !world.may_be_held_whole(entry.shard, &loss.slots),
        None => answer.keys == 0 && !world.may_be_held(entry.shard, &loss.slots, &answer.id),
    };
    is_wanted && told.is_some_and(may_lead)
}

#[cfg(test)]
mod tests;
