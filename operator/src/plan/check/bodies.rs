//! I9: who may still hold what was in a shard's slots, as far as the observation tells.

use super::World;
use crate::model::{MemberAnswer, MemberId, ShardId, SlotSet, ViewEntry};

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

    fn is_owned_by_the_living(&self, slots: &SlotSet, heir: Option<&MemberId>) -> bool {
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
            let may_hold = entry.joined && !holds_none;
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
