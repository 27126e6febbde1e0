//! Slots that some voters give to a leader that was lost, and succeeded, before all had heard of them. Stage: plan,
//! pure.
//!
//! A leader that receives slot after slot keeps its configuration epoch, and tells of each slot once. Where it is
//! lost in the middle of that, a voter that heard of the last ones denies its vote to every follower of the shard that
//! they came from: that one claims them by an older epoch (`clusterSendFailoverAuthIfNeeded`). It cannot hear of them
//! either: news of an owner count only with a later epoch than is known of it (`CLUSTERMSG_TYPE_UPDATE`). The bus
//! alone never gets out of that. (Measured, redis 8.0.2: a zone was killed while slots moved; nobody was elected.)

use super::census::{Round, Shard, follows};
use super::failover::leaderless;
use super::{Draft, MemberCommand};
use crate::model::{MemberId, Role, SlotSet, ViewEntry};

/// Tells voters that nobody has these slots; then they believe the follower that claims them. What had come to the
/// lost leader goes on from there: it is on record (`reshard`).
pub(super) fn disown(round: &Round<'_>, draft: &mut Draft) {
    if !round.record.formed {
        return;
    }
    for shard in leaderless(round.census) {
        let Some(claim) = claim(round, shard) else {
            continue;
        };
        let voters = round.census.shards.iter().filter_map(Shard::living_leader);
        for (voter, answer) in voters {
            for entry in &answer.view.entries {
                let slots = entry.slots.intersection(&claim.slots);
                let denies = entry.id != claim.id && entry.config_epoch > claim.config_epoch;
                if !denies || slots.is_empty() || !is_succeeded(round, &entry.id, &slots) {
                    continue;
                }
                let Some(target) = voter.command_target() else {
                    continue;
                };
                let of = entry.id.clone();
                let why = format!(
                    "who leads in its place does not know of them, and shard {} is to be led",
                    shard.id
                );
                draft.tell(target, MemberCommand::DisownSlots { slots, of }, why);
            }
        }
    }
}

/// What the followers of a lost leader would ask votes for, by what the first of them knows.
fn claim<'a>(round: &Round<'a>, shard: &Shard<'_>) -> Option<&'a ViewEntry> {
    let lost = shard.leader.as_ref()?;
    let mut followers = round.census.living().filter(|(_, it)| follows(it, lost));
    followers.find_map(|(_, answer)| answer.view.entry(lost))
}

/// Whether it is lost, and another one leads its shard and does not own these.
fn is_succeeded(round: &Round<'_>, id: &MemberId, slots: &SlotSet) -> bool {
    let Some(shard) = round.record.shard_of(id) else {
        return false;
    };
    let mut living = round.census.living();
    let is_lost = living.all(|(_, answer)| &answer.id != id);
    let successor = round.census.shard(shard).and_then(Shard::living_leader);
    let own = successor.and_then(|(_, answer)| answer.view.own_entry());
    let own = own.filter(|own| own.role == Role::Leader && !own.slots.is_empty());
    is_lost && own.is_some_and(|own| own.slots.intersection(slots).is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::model::{MemberName, Observation, Role, Slot, SlotSet};
    use crate::plan::testing::{answer_of, desired, formed};
    use crate::plan::{check, plan};

    /// The leaders of shards 0 and 1 are lost; c-1-4 leads shard 1. One voter knows that slot 7 went to c-1-3.
    fn lost_with_a_slot_on_its_way() -> Observation {
        let mut seen = formed();
        let one = SlotSet::from(Slot::new(7).unwrap());
        for name in ["c-0-1", "c-1-3"] {
            seen.members.remove(&MemberName::from(name));
        }
        let names: Vec<String> = seen.members.keys().map(ToString::to_string).collect();
        for name in &names {
            for entry in &mut answer_of(&mut seen, name).view.entries {
                match entry.id.as_str() {
                    "id-c-1-3" => entry.slots = SlotSet::empty(),
                    "id-c-1-4" => {
                        (entry.role, entry.leader) = (Role::Leader, None);
                        entry.slots = SlotSet::even_share(1, 3);
                        entry.config_epoch.0 = 7;
                    }
                    _ => {}
                }
            }
        }
        answer_of(&mut seen, "c-1-4").replication.upstream = None;
        for entry in &mut answer_of(&mut seen, "c-2-5").view.entries {
            match entry.id.as_str() {
                "id-c-0-1" => entry.slots = entry.slots.difference(&one),
                "id-c-1-3" => entry.slots = one.clone(),
                _ => {}
            }
        }
        seen
    }

    fn disowned(seen: &Observation) -> Vec<String> {
        let (desired, now) = (desired(3, 1), Timestamp::UNIX_EPOCH);
        let plan = plan(&desired, seen, now);
        let refusals = check(&desired, seen, &plan, now);
        assert!(refusals.is_empty(), "{refusals:?}");
        let deeds = plan.actions.iter().map(|it| &it.deed);
        let disowning = deeds.filter(|it| it.kind() == "disown-slots");
        disowning.map(ToString::to_string).collect()
    }

    #[test]
    fn a_voter_that_alone_knows_of_a_slots_lost_owner_gives_that_up() {
        let mut seen = lost_with_a_slot_on_its_way();
        assert_eq!(
            disowned(&seen),
            ["tell c-2-5: take slots 7 for nobody's, not for id-c-1-3's"]
        );
        let follower = answer_of(&mut seen, "c-1-4");
        for entry in &mut follower.view.entries {
            if entry.id.as_str() == "id-c-1-4" {
                (entry.role, entry.slots) = (Role::Follower, SlotSet::empty());
            }
        }
        assert!(disowned(&seen).is_empty(), "its heir may know of it");
    }
}
