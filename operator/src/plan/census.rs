//! Who is there, and what each is to its shard, as this round saw it.
//!
//! Membership comes from the record and identity from Redis' own ids (promise I8); roles come
//! from what the living say, never from names, labels or indices.

mod claims;
mod empty;

use std::collections::BTreeSet;

use self::claims::{Claim, owners};
use super::evidence::Verdict;
use super::{Draft, MemberRef};
use crate::model::{
    Address, ClusterView, Desired, Enrolled, HostView, MemberAnswer, MemberId, MemberName,
    Observation, PodFingerprint, PodView, Record, Role, ShardId, SlotSet, ZoneName,
};
use crate::resources;

/// One member and all that is known of it.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its entry in the record.
    pub entry: &'a Enrolled,
    /// Its pod.
    pub pod: Option<&'a PodView>,
    /// Its host.
    pub host: Option<&'a HostView>,
    /// What is known of its process.
    pub verdict: Verdict<'a>,
    /// Its pod was made from another spec than the present one, or its process started before a
    /// directive that is taken at a start only.
    pub is_outdated: bool,
}

impl<'a> Member<'a> {
    /// What it answered, if it did.
    pub fn answer(&self) -> Option<&'a MemberAnswer> {
        match self.verdict {
            Verdict::Alive(answer) => Some(answer),
            _ => None,
        }
    }

    /// Its pod's name.
    pub fn name(&self) -> &'a MemberName {
        &self.entry.name
    }

    /// Its shard.
    pub fn shard(&self) -> ShardId {
        self.entry.shard
    }

    /// Its zone: the one its host is in, else the one it was placed in.
    pub fn zone(&self) -> &'a ZoneName {
        self.host
            .and_then(|host| host.zone.as_ref())
            .unwrap_or(&self.entry.zone)
    }

    /// Its address.
    pub fn address(&self) -> Option<Address> {
        self.pod?.address.map(|ip| Address {
            ip,
            port: crate::model::CLIENT_PORT,
        })
    }

    /// How to name it in a command; none where it does not answer.
    pub fn command_target(&self) -> Option<MemberRef> {
        let answer = self.answer()?;
        Some(MemberRef {
            name: self.entry.name.clone(),
            id: answer.id.clone(),
            run_id: answer.run_id.clone(),
            address: self.address()?,
        })
    }

    /// See [`Enrolled::was_in_sync`].
    pub(super) fn was_in_sync(&self) -> bool {
        self.answer()
            .is_some_and(|answer| self.entry.was_in_sync(answer))
    }

    /// Whether it was asked to go.
    pub fn is_leaving(&self) -> bool {
        self.pod.is_some_and(|pod| pod.is_leaving)
    }
}

/// One shard.
#[derive(Clone, Debug)]
pub struct Shard<'a> {
    /// Which.
    pub id: ShardId,
    /// The slots that its leader owns (or owned, where the leader does not answer).
    pub slots: SlotSet,
    /// The id of its leader: the living owner of its slots with the highest epoch, else the one
    /// that the living believe in. Where it owns nothing: who leads it, if somebody does.
    pub leader: Option<MemberId>,
    /// It is new, or about to leave: nothing was lost with it, as others own whatever it had.
    pub is_empty: bool,
    /// Its members, the leader first, then by name.
    pub members: Vec<Member<'a>>,
}

impl<'a> Shard<'a> {
    /// Its leader, if it answers.
    pub fn living_leader(&self) -> Option<(&Member<'a>, &'a MemberAnswer)> {
        let id = self.leader.as_ref()?;
        self.members
            .iter()
            .find_map(|member| member.answer().filter(|a| &a.id == id).map(|a| (member, a)))
    }

    /// Whether this member leads it.
    pub fn is_led_by(&self, member: &Member<'_>) -> bool {
        self.leader.is_some() && member.entry.member_id == self.leader
    }

    /// Whether this member holds a whole copy that is kept up to date: it leads, or it follows
    /// the living leader and is in sync.
    pub fn is_current(&self, member: &Member<'_>) -> bool {
        let (Some(answer), Some((_, leader))) = (member.answer(), self.living_leader()) else {
            return false;
        };
        answer.id == leader.id || (answer.is_in_sync() && follows(answer, &leader.id))
    }
}

/// Whether this member says that it follows that one.
pub(super) fn follows(answer: &MemberAnswer, leader: &MemberId) -> bool {
    answer.role() == Role::Follower
        && answer.view.own_entry().and_then(|own| own.leader.as_ref()) == Some(leader)
}

/// All shards, and the state of the bus.
#[derive(Clone, Debug)]
pub struct Census<'a> {
    /// By id; every shard of the spec has an entry.
    pub shards: Vec<Shard<'a>>,
    /// The member to speak to the bus through: it answers and knows the most of ours.
    pub seed: Option<Member<'a>>,
    /// Ids on the bus that never were ours.
    pub strangers: BTreeSet<MemberId>,
    /// Slots whose leader answers.
    pub served: SlotSet,
    /// All living members agree on who is there, who leads what, and that nobody failed.
    pub views_are_equal: bool,
}

impl<'a> Census<'a> {
    /// Takes the census.
    pub fn new(desired: &Desired, seen: &'a Observation, record: &'a Record) -> Self {
        let wanted = resources::fingerprint(desired);
        let members: Vec<Member<'a>> = record
            .members
            .iter()
            .map(|entry| look(entry, seen, &wanted))
            .collect();
        let views: Vec<&ClusterView> = members
            .iter()
            .filter_map(Member::answer)
            .map(|answer| &answer.view)
            .collect();
        let owners = owners(&members, &views, record);
        let highest = record
            .members
            .iter()
            .map(|entry| entry.shard.0 + 1)
            .max()
            .unwrap_or(0);
        let claimed = views
            .iter()
            .flat_map(|view| &view.entries)
            .fold(SlotSet::empty(), |all, entry| all.union(&entry.slots));
        let shards: Vec<Shard<'a>> = (0..desired.leaders.max(highest))
            .map(|index| {
                let id = ShardId(index);
                let is_empty =
                    !owners.contains_key(&id) && empty::owns_nothing(id, &claimed, record);
                shard(id, &members, owners.get(&id), is_empty)
            })
            .collect();
        let served = shards
            .iter()
            .filter(|shard| shard.living_leader().is_some())
            .fold(SlotSet::empty(), |all, shard| all.union(&shard.slots));
        Self {
            served,
            seed: seed(&members),
            strangers: strangers(&views, record),
            views_are_equal: views_are_equal(&members, &views),
            shards,
        }
    }

    /// All members, shard by shard.
    pub fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        self.shards.iter().flat_map(|shard| &shard.members)
    }

    /// Those that answer.
    pub fn living(&self) -> impl Iterator<Item = (&Member<'a>, &'a MemberAnswer)> {
        self.members()
            .filter_map(|member| member.answer().map(|answer| (member, answer)))
    }

    /// Whether the operator is blind: members were heard before, and none answers now. That tells of
    /// us rather than of them.
    pub(super) fn hears_nobody(&self) -> bool {
        self.living().next().is_none()
            && self.members().any(|member| {
                member.entry.member_id.is_some()
                    && matches!(member.verdict, Verdict::Silent(_) | Verdict::Starting)
            })
    }

    /// The shard of this id.
    pub fn shard(&self, id: ShardId) -> Option<&Shard<'a>> {
        self.shards.iter().find(|shard| shard.id == id)
    }

    /// How many leaders may vote, living or not (each that owns slots), and how many of them
    /// answer.
    pub fn voters(&self) -> (usize, usize) {
        let owning = || {
            self.shards
                .iter()
                .filter(|shard| shard.leader.is_some() && !shard.slots.is_empty())
        };
        (
            owning().count(),
            owning()
                .filter(|shard| shard.living_leader().is_some())
                .count(),
        )
    }

    /// Whether any living member is in touch with this id over the bus.
    pub(super) fn is_in_touch_with(&self, id: &MemberId) -> bool {
        self.living()
            .filter(|(_, answer)| &answer.id != id)
            .filter_map(|(_, answer)| answer.view.entry(id))
            .any(|entry| {
                entry.link_up
                    && !entry.flags.failed
                    && !entry.flags.suspected
                    && !entry.flags.no_address
            })
    }

    /// Slots that any living member's view gives to anybody.
    pub(super) fn owned_slots(&self) -> SlotSet {
        self.living()
            .flat_map(|(_, answer)| &answer.view.entries)
            .fold(SlotSet::empty(), |all, entry| all.union(&entry.slots))
    }

    /// Whether any living member's view gives slots to this id.
    pub fn owns_slots(&self, id: &MemberId) -> bool {
        self.living()
            .filter_map(|(_, answer)| answer.view.entry(id))
            .any(|entry| !entry.slots.is_empty())
    }
}

fn look<'a>(entry: &'a Enrolled, seen: &'a Observation, wanted: &PodFingerprint) -> Member<'a> {
    let pod = seen.pod(&entry.name);
    let host = pod
        .and_then(|pod| pod.host.as_ref())
        .or(entry.host.as_ref())
        .and_then(|name| seen.host(name));
    let verdict = Verdict::of(entry, pod, host, seen.members.get(&entry.name));
    Member {
        entry,
        pod,
        host,
        verdict,
        is_outdated: entry.made_from.as_ref().is_some_and(|it| it != wanted)
            || entry.started_before_config,
    }
}

fn shard<'a>(
    id: ShardId,
    members: &[Member<'a>],
    claim: Option<&Claim>,
    is_empty: bool,
) -> Shard<'a> {
    let mut own: Vec<Member<'a>> = members
        .iter()
        .filter(|member| member.entry.shard == id)
        .cloned()
        .collect();
    let leader = match claim {
        Some(claim) => Some(claim.id.clone()),
        None if is_empty => empty::leader(&own),
        None => None,
    };
    own.sort_by_key(|member| {
        let leads = leader.is_some() && member.entry.member_id == leader;
        (
            !leads,
            member.entry.name.serial(),
            member.entry.name.clone(),
        )
    });
    Shard {
        id,
        slots: claim.map(|claim| claim.slots.clone()).unwrap_or_default(),
        leader,
        is_empty,
        members: own,
    }
}

/// The living member that knows the most of the living, ties to the older one.
fn seed<'a>(members: &[Member<'a>]) -> Option<Member<'a>> {
    let ids: Vec<&MemberId> = members
        .iter()
        .filter_map(Member::answer)
        .map(|answer| &answer.id)
        .collect();
    let known = |member: &Member<'_>| {
        member.answer().map(|answer| {
            let met = ids
                .iter()
                .filter(|id| answer.view.entry(id).is_some())
                .count();
            let owns = answer
                .view
                .own_entry()
                .is_some_and(|own| !own.slots.is_empty());
            (met, owns)
        })
    };
    let mut best: Option<(&Member<'a>, (usize, bool))> = None;
    for member in members {
        if let Some(score) = known(member)
            && best.as_ref().is_none_or(|(_, top)| score > *top)
        {
            best = Some((member, score));
        }
    }
    best.map(|(member, _)| member.clone())
}

fn strangers(views: &[&ClusterView], record: &Record) -> BTreeSet<MemberId> {
    views
        .iter()
        .flat_map(|view| &view.entries)
        .filter(|entry| !entry.flags.handshake && !record.knows(&entry.id))
        .map(|entry| entry.id.clone())
        .collect()
}

/// Equal views: the same ids, roles, owners and slots from all that answer, every one of them
/// listed, nobody failed or unmet (REDIS-LAB section 1).
fn views_are_equal(members: &[Member<'_>], views: &[&ClusterView]) -> bool {
    let Some((first, rest)) = views.split_first() else {
        return false;
    };
    let shape = |view: &ClusterView| -> Vec<_> {
        view.entries
            .iter()
            .map(|e| {
                (
                    e.id.clone(),
                    e.role,
                    e.leader.clone(),
                    e.slots.clone(),
                    e.flags.failed,
                )
            })
            .collect()
    };
    let wanted = shape(first);
    let settled = |view: &ClusterView| {
        view.entries.iter().all(|e| {
            !e.flags.handshake && !e.flags.suspected && !e.flags.failed && !e.flags.no_address
        })
    };
    let all_listed = members
        .iter()
        .filter_map(Member::answer)
        .all(|answer| first.entry(&answer.id).is_some());
    all_listed
        && views.iter().all(|view| settled(view))
        && rest.iter().all(|view| shape(view) == wanted)
}

/// What one round works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round<'a> {
    /// What the owner wants.
    pub(super) desired: &'a Desired,
    /// What was seen.
    pub(super) seen: &'a Observation,
    /// Who is there.
    pub(super) census: &'a Census<'a>,
    /// The record with this round's facts in it, before any decision.
    pub(super) record: &'a Record,
    /// Now.
    pub(super) now: jiff::Timestamp,
}

impl Round<'_> {
    /// Milliseconds since then; 0 where it lies ahead.
    pub(super) fn millis_since(&self, then: jiff::Timestamp) -> u64 {
        u64::try_from(self.now.as_millisecond() - then.as_millisecond()).unwrap_or(0)
    }
}

/// A step of the planner: reads the round, adds to the draft.
pub(super) type Step = fn(&Round<'_>, &mut Draft);
