//! I9: who may still hold what was in a shard's slots, as far as the observation tells.

use super::World;
use crate::model::{MemberAnswer, MemberId, Role, ShardId, SlotSet, ViewEntry};

impl World<'_> {
    /// Whether anybody but a member that is proven dead may hold data of these slots.
    pub(super) fn may_be_held(&self, shard: ShardId, slots: &SlotSet, heir: &MemberId) -> bool {
        self.is_owned_by_the_living(slots, Some(heir)) || self.has_body(shard, |_| false)
    }

    /// The same, of all that was in them: not so a follower that was cut off from its leader before.
    pub(super) fn may_be_held_whole(&self, shard: ShardId, slots: &SlotSet) -> bool {
        let is_older = |answer: &MemberAnswer| {
            let up = answer.replication.upstream.as_ref();
            up.is_some_and(|up| !up.is_up) && !self.record_knows_copy(answer)
        };
        self.is_owned_by_the_living(slots, None) || self.has_body(shard, is_older)
    }

    /// Whether it leads slots. A body that started again closed may not have heard yet that it was succeeded: who
    /// answers, open, and owns all of them by later epochs has them (`clusterUpdateSlotsConfigWith`).
    pub(super) fn leads(&self, answer: &MemberAnswer) -> bool {
        let own = answer.view.own_entry();
        let is_later = |it: &&ViewEntry| own.is_some_and(|own| it.config_epoch > own.config_epoch);
        let open = self
            .answers
            .values()
            .filter(|it| it.is_open && !answer.is_open);
        let later = open
            .filter(|it| it.role() == Role::Leader)
            .filter_map(|it| it.view.own_entry())
            .filter(is_later);
        let slots = self.slots_of(&answer.id);
        let left = later.fold(slots, |left, it| left.difference(&it.slots));
        answer.role() == Role::Leader && !left.is_empty()
    }

    pub(super) fn is_owned_by_the_living(&self, slots: &SlotSet, heir: Option<&MemberId>) -> bool {
        let views = self
            .answers
            .values()
            .flat_map(|answer| &answer.view.entries);
        let overlaps = |entry: &&ViewEntry| {
            entry.slots.difference(slots).count() != entry.slots.count() && Some(&entry.id) != heir
        };
        let mut owners = views.filter(overlaps).map(|entry| &entry.id);
        owners.any(|id| !self.is_id_proven_dead(id))
    }

    fn has_body(&self, shard: ShardId, is_older: impl Fn(&MemberAnswer) -> bool) -> bool {
        let is_told = self.seen.record.is_all_told_lost(shard);
        let mut members = self.seen.record.members.iter();
        members.any(|entry| {
            let is_dead = self.has_ended(entry);
            let holds_none = self.answers.get(&entry.name).is_some_and(|answer| {
                let leads_nothing = self.slots_of(&answer.id).is_empty();
                let is_cut_off = answer
                    .replication
                    .upstream
                    .as_ref()
                    .is_none_or(|up| !up.is_up && !self.is_copy_of_an_owner(answer));
                let is_apart = is_cut_off || self.copies_another(answer);
                answer.keys == 0 && leads_nothing && is_apart || is_older(answer)
            });
            let answers = self.answers.contains_key(&entry.name);
            let may_have_copied = !is_told && entry.may_have_copied(answers);
            let may_hold = (entry.joined || may_have_copied) && !holds_none;
            entry.shard == shard && may_hold && (entry.volume.is_some() || !is_dead)
        })
    }

    /// It copies from an address where somebody else than its leader answers by now.
    fn copies_another(&self, answer: &MemberAnswer) -> bool {
        let leader = answer.view.own_entry().and_then(|own| own.leader.as_ref());
        let upstream = answer.replication.upstream.as_ref();
        let lives_there = |other: &MemberAnswer| {
            let at = other.view.own_entry().and_then(|own| own.address);
            upstream.is_some_and(|up| at.is_some_and(|at| at.ip.to_string() == up.host))
        };
        let mut others = self.answers.values();
        others.any(|other| Some(&other.id) != leader && lives_there(other))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Asked, ConfigEpoch, MemberId, MemberName, Observation};
    use crate::plan::testing::{answer_of, desired, formed, pod};
    use crate::plan::{Action, Deed, check, plan};
    use jiff::Timestamp;

    #[test]
    fn who_started_again_closed_and_was_succeeded_leads_nothing() {
        // (the epoch that it owns slots by, where its successor's is 1; open to clients; may go)
        let table = [
            (0, false, true, "it has not heard of it yet"),
            (0, true, false, "it takes writes"),
            (2, false, false, "it will depose the other"),
        ];
        for (epoch, is_open, may_go, why) in table {
            let mut seen: Observation = formed();
            let mut old = answer_of(&mut seen, "c-0-1").clone();
            let id = MemberId::from("id-c-0-0");
            (old.id, old.view.myself, old.is_open) = (id.clone(), id.clone(), is_open);
            old.view.entries.retain(|it| it.flags.myself);
            for own in &mut old.view.entries {
                (own.id, own.config_epoch) = (id.clone(), ConfigEpoch(epoch));
            }
            let asked = Asked::Answered(Box::new(old));
            seen.members.insert(MemberName::from("c-0-0"), asked);
            seen.pods.push(pod("c-0-0", 0, "a"));
            let (desired, now) = (desired(3, 1), Timestamp::UNIX_EPOCH);
            let mut plan = plan(&desired, &seen, now);
            let pod = seen.pods.last().unwrap();
            plan.actions.push(Action {
                deed: Deed::DeletePod {
                    pod: pod.name.clone(),
                    uid: pod.uid.clone(),
                    is_dead: false,
                },
                why: why.to_owned(),
            });
            let refusals = check(&desired, &seen, &plan, now);
            assert_eq!(refusals.is_empty(), may_go, "{why}");
        }
    }
}
