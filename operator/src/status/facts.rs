//! What status is computed from: the census, and what follows from it.

use std::collections::BTreeMap;

use placement::ZoneState;

use crate::api::{ShardMemberStatus, ShardStatus, ZoneStatus};
use crate::model::{Access, DataLoss, Desired, MemberAnswer, Role, SlotSet, ZoneName};
use crate::plan::{Census, Member, Shard, Verdict};
use crate::resources::labels::ANNOTATION_LEAD;

/// Bytes in a step of the lag that status tells.
const MEBIBYTE_SHIFT: u32 = 20;

/// What is, from one round.
pub(super) struct Facts<'a> {
    /// Shards that lost every copy.
    pub(super) losses: &'a [DataLoss],
    /// What is wanted.
    pub(super) desired: &'a Desired,
    /// Who is there.
    pub(super) census: &'a Census<'a>,
    /// Slots with a leader that answers and takes writes.
    pub(super) served: SlotSet,
    /// The zones' states.
    pub(super) states: BTreeMap<ZoneName, ZoneState>,
    /// The zones, with the verdict on each.
    pub(super) zones: Vec<ZoneStatus>,
    /// Whether the cluster was ever whole.
    pub(super) formed: bool,
}

impl Facts<'_> {
    /// Slots without a leader that answers and takes writes.
    pub(super) fn unserved(&self) -> SlotSet {
        SlotSet::all().difference(&self.served)
    }

    /// Leaders that answer and take no writes, each with why.
    pub(super) fn shut(&self) -> Vec<String> {
        let words = |(leader, answer): (&Member<'_>, &MemberAnswer)| {
            let slots = &self.census.shard(leader.shard())?.slots;
            let why = takes_no_writes(answer).filter(|_| !slots.is_empty())?;
            Some(format!("{} leads slots {slots} and {why}", leader.name()))
        };
        let leaders = self.census.shards.iter().filter_map(Shard::living_leader);
        leaders.filter_map(words).collect()
    }

    /// Shards that lack in-sync members, in words.
    pub(super) fn missing_members(&self) -> Option<String> {
        let wanted = usize::try_from(self.desired.members_per_shard()).unwrap_or(usize::MAX);
        let short: Vec<String> = self
            .census
            .shards
            .iter()
            // one without slots serves nobody: its coming and going is progress, not a lack
            .filter(|shard| shard.id.0 < self.desired.leaders && !shard.is_empty)
            .filter_map(|shard| {
                let there = shard
                    .members
                    .iter()
                    .filter(|member| shard.is_current(member))
                    .count();
                (there < wanted)
                    .then(|| format!("shard {} has {there} of {wanted} members in sync", shard.id))
            })
            .collect();
        (!short.is_empty()).then(|| short.join("; "))
    }

    /// Nothing is left to be brought about. Leaders that are uneven because their owner wants it so stay so,
    /// once the plan `rests`.
    pub(super) fn is_converged(&self, rests: bool) -> bool {
        self.formed
            && self.census.views_are_equal
            && self
                .census
                .members()
                .all(|m| !m.entry.surplus && !m.is_leaving() && !m.is_outdated)
            && self.missing_members().is_none()
            && self.census.members().all(|member| {
                member.answer().is_some_and(|answer| {
                    answer.node_timeout_millis == self.desired.node_timeout_millis
                        && answer.deviations.is_empty()
                        && answer.access == Access::default()
                })
            })
            && self
                .uneven_zone()
                .is_none_or(|(zone, _)| rests && !self.wished_leaders(zone).is_empty())
            && self.is_even()
    }

    /// Every shard that is wanted owns its part of the slots, and no other is there.
    fn is_even(&self) -> bool {
        let shards = &self.census.shards;
        let counts: Vec<u16> = shards.iter().map(|shard| shard.slots.count()).collect();
        let least = counts.iter().min().copied().unwrap_or(0);
        let most = counts.iter().max().copied().unwrap_or(0);
        shards.len() == usize::try_from(self.desired.leaders).unwrap_or(usize::MAX)
            && most - least <= 1
    }

    /// A zone that two staying members of one shard share, in words.
    pub(super) fn shared_zone(&self) -> Option<String> {
        for shard in &self.census.shards {
            let staying = || {
                shard
                    .members
                    .iter()
                    .filter(|m| !m.entry.surplus && !m.is_leaving())
            };
            for member in staying() {
                let double = staying()
                    .find(|other| other.zone() == member.zone() && other.name() > member.name());
                if let Some(other) = double {
                    return Some(format!(
                        "{} and {} of shard {} are both in zone {}",
                        member.name(),
                        other.name(),
                        shard.id,
                        member.zone()
                    ));
                }
            }
        }
        None
    }

    /// A zone with more leaders than ceil(leaders / zones), in words, and whose wish that is.
    pub(super) fn uneven_leaders(&self) -> Option<String> {
        self.uneven_zone().map(|(zone, quota)| {
            let told = format!(
                "zone {} has {} leaders, {quota} would be its share",
                zone.zone, zone.leaders
            );
            let wished = self.wished_leaders(zone);
            if wished.is_empty() {
                return told;
            }
            let wished = wished.join(", ");
            format!("{told}; its owner wants that these lead there: {wished} (annotation {ANNOTATION_LEAD})")
        })
    }

    /// Such a zone, and its share. Zones that are gone do not count.
    fn uneven_zone(&self) -> Option<(&ZoneStatus, u32)> {
        let usable = self
            .states
            .values()
            .filter(|state| **state != ZoneState::Gone)
            .count();
        let usable = u32::try_from(usable).unwrap_or(u32::MAX);
        if usable == 0 {
            return None;
        }
        let shards = u32::try_from(self.census.shards.len()).unwrap_or(u32::MAX);
        let quota = self.desired.leaders.max(shards).div_ceil(usable);
        let mut zones = self.zones.iter();
        let uneven = zones.find(|zone| zone.leaders > quota);
        uneven.map(|zone| (zone, quota))
    }

    /// Who leads in this zone and is wished to.
    fn wished_leaders(&self, zone: &ZoneStatus) -> Vec<&str> {
        let leaders = self.census.shards.iter().filter_map(Shard::living_leader);
        leaders
            .map(|(leader, _)| leader)
            .filter(|it| {
                it.zone().as_str() == zone.zone && it.pod.is_some_and(|pod| pod.is_to_lead)
            })
            .map(|it| it.name().as_str())
            .collect()
    }

    /// The shards as status shows them.
    pub(super) fn shards(&self) -> Vec<ShardStatus> {
        self.census
            .shards
            .iter()
            .map(|shard| ShardStatus {
                shard: shard.id.0,
                slots: shard.slots.to_string(),
                members: shard
                    .members
                    .iter()
                    .map(|member| self.member(shard, member))
                    .collect(),
            })
            .collect()
    }

    fn member(&self, shard: &Shard<'_>, member: &Member<'_>) -> ShardMemberStatus {
        let in_sync = shard.is_current(member);
        let leads = shard.is_led_by(member);
        let role = match member.answer() {
            _ if leads => Some(Role::Leader),
            Some(answer) => (answer.role() == Role::Follower).then_some(Role::Follower),
            None => member.entry.joined.then_some(Role::Follower),
        };
        let lag = shard
            .living_leader()
            .zip(member.answer())
            .map(|((_, leader), answer)| {
                leader
                    .replication
                    .offset
                    .saturating_sub(answer.replication.offset)
                    >> MEBIBYTE_SHIFT
            });
        ShardMemberStatus {
            pod: member.name().to_string(),
            zone: member.zone().to_string(),
            role,
            state: state(member, in_sync).to_owned(),
            in_sync,
            lag_mebibytes: lag.filter(|_| in_sync && !leads && self.formed),
        }
    }
}

/// What of these slots has a leader that takes writes.
pub(super) fn taking_writes(census: &Census<'_>, answered: &SlotSet) -> SlotSet {
    let is_shut = |shard: &&Shard<'_>| {
        let leader = shard.living_leader();
        leader.is_some_and(|(_, answer)| takes_no_writes(answer).is_some())
    };
    let shut = census.shards.iter().filter(is_shut);
    shut.fold(answered.clone(), |rest, shard| {
        rest.difference(&shard.slots)
    })
}

/// Why a leader that answers is of no use to clients; none where it is.
fn takes_no_writes(leader: &MemberAnswer) -> Option<&'static str> {
    if leader.loading {
        Some("loads its data")
    } else if !leader.is_open {
        Some("keeps clients out until that endangers no copy")
    } else if !leader.view.says_ok {
        // a server's own cluster_state: no majority is heard, or it has just started
        Some("takes no writes: by its own word the cluster is down")
    } else {
        None
    }
}

fn state(member: &Member<'_>, in_sync: bool) -> &'static str {
    match member.verdict {
        _ if member.is_leaving() || member.entry.surplus => "Leaving",
        Verdict::NotMade | Verdict::Starting => "Starting",
        Verdict::Alive(answer) if in_sync && !answer.is_open => "Closed",
        Verdict::Alive(_) if in_sync => "Alive",
        Verdict::Alive(_) => "Joining",
        Verdict::Silent(_) | Verdict::Gone => "Silent",
        Verdict::Dead(_) => "Ended",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::RedisClusterStatus;
    use crate::plan::testing::{answer_of, desired, formed};
    use crate::plan::{Plan, plan};
    use crate::status::{Input, status};

    #[test]
    fn a_leader_that_takes_no_writes_serves_nobody() {
        type Change = fn(&mut MemberAnswer);
        let table: [(&str, Change, Option<&str>); 4] = [
            ("Alive", |_| {}, None),
            ("Closed", |it| it.is_open = false, Some("keeps clients out")),
            ("Alive", |it| it.loading = true, Some("loads its data")),
            (
                "Alive",
                |it| it.view.says_ok = false,
                Some("by its own word"),
            ),
        ];
        for (state, change, expected) in table {
            let mut seen = formed();
            change(answer_of(&mut seen, "c-0-1"));
            let desired = desired(3, 1);
            let Plan { record, .. } = plan(&desired, &seen, Timestamp::UNIX_EPOCH);
            let plan = Plan {
                record,
                ..Plan::default()
            };
            let input = Input {
                generation: 1,
                desired: Ok(&desired),
                seen: &seen,
                plan: &plan,
                refusals: &[],
                failures: &[],
                now: Timestamp::UNIX_EPOCH,
            };
            let status = status(&RedisClusterStatus::default(), &input);
            assert_eq!(status.shards[0].members[0].state, state, "{expected:?}");
            let of = |kind: &str| status.conditions.iter().find(|it| it.type_ == kind);
            let (available, ready) = (of("Available").unwrap(), of("Ready").unwrap());
            let is = if expected.is_none() { "True" } else { "False" };
            assert_eq!((available.status.as_str(), ready.status.as_str()), (is, is));
            let unserved = 16384 - status.slots_served;
            assert_eq!(unserved, expected.map_or(0, |_| 5461), "{expected:?}");
            if let Some(why) = expected {
                assert!(available.message.contains(why), "{}", available.message);
                assert!(available.message.contains("c-0-1 leads slots 0-5460"));
            }
        }
    }
}
