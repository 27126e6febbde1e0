//! What must hold of every answer, on random problems. A failing case prints its seed.

#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

#[path = "support/advice.rs"]
mod advice;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use advice::followed;
use placement::{
    Mode, Move, Placement, Problem, Score, SolveError, Step, WhenUnsatisfiable, ZoneName,
    ZoneState, explain, moves, solve, verify,
};
use proptest::prelude::*;
use support::{Dice, carried_out, fresh, lose, random};

fn solved(problem: &Problem) -> Option<Placement> {
    match solve(problem) {
        Ok(placement) => Some(placement),
        Err(SolveError::Infeasible(why)) => {
            assert!(!why.reasons.is_empty());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn key(problem: &Problem, score: Score) -> [u64; 6] {
    score.in_order(problem.mode)
}

/// Whether `after` is no worse than `before`: what is proven decides.
fn is_no_worse(problem: &Problem, before: &Placement, after: &Placement) -> bool {
    let bound = after.bound.unwrap_or(after.score);
    key(problem, after.score) <= key(problem, before.score)
        || (!after.optimal && key(problem, bound) <= key(problem, before.score))
}

/// Turns the order of the zones round and gives them names of another order.
fn relabelled(problem: &Problem) -> Problem {
    let mut text = serde_json::to_string(problem).unwrap();
    for index in 0..8 {
        let old = format!("\"{}\"", support::zone_name(index));
        text = text.replace(&old, &format!("\"relabelled-{}\"", 9 - index));
    }
    let mut turned: Problem = serde_json::from_str(&text).unwrap();
    turned.zones.reverse();
    let shards = turned.shards;
    for shard in turned.current.iter_mut().filter(|it| it.shard < shards) {
        shard.shard = shards - 1 - shard.shard;
        shard.members.reverse();
    }
    turned.current.reverse();
    turned
}

#[test]
fn who_misses_one_member_gets_one_in_a_zone_that_is_to_hold_two() {
    let mut problem = fresh(1, 1, 2);
    problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    let mut now = carried_out(&problem, &solved(&problem).unwrap());
    now.current[0].members.pop();
    let list = moves(&now, &solved(&now).unwrap());
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(matches!(list[0].step, Step::Add { .. }));
}

#[test]
fn no_advice_asks_for_more_zones_than_a_problem_may_have() {
    let problem = found("no-advice");
    let Err(SolveError::Infeasible(why)) = solve(&problem) else {
        panic!("five members in three zones");
    };
    for changed in followed(&problem, &why) {
        assert!(solve(&changed).is_ok(), "{why}");
    }
}

/// A problem that random ones have found, kept.
fn found(name: &str) -> Problem {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/found");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_right_and_explained(seed: u64) {
        let problem = random(&mut Dice(seed), 6, 12, 5);
        if let Some(placement) = solved(&problem) {
            prop_assert_eq!(verify(&problem, &placement), []);
            let members = placement.shards.iter().map(|it| it.followers.len() + 1);
            prop_assert_eq!(explain(&problem, &placement).len(), members.sum::<usize>());
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer(seed: u64) {
        let problem = random(&mut Dice(seed), 5, 10, 4);
        let text = |placement| serde_json::to_string(&placement).unwrap();
        let (once, again) = (solved(&problem), solved(&problem.clone()));
        prop_assert_eq!(once.map(text), again.map(text));
    }

    #[test]
    fn a_solved_problem_stays_as_it_is(seed: u64, lagging: bool) {
        let problem = random(&mut Dice(seed), 5, 10, 4);
        // A cordoned zone that was left cannot lead any more, which is another problem.
        if let Some((next, again)) = solved_again(&problem, lagging)
            && can_lead(&next) == can_lead(&problem)
        {
            prop_assert_eq!((again.score.data_moves, again.score.switchovers), (0, 0));
            prop_assert_eq!(moves(&next, &again), []);
        }
    }

    #[test]
    fn every_advice_helps(seed: u64) {
        let mut problem = random(&mut Dice(seed), 5, 10, 5);
        for zone in problem.zones.iter_mut().filter(|_| seed % 2 == 0) {
            zone.capacity = zone.capacity.map(|room| room / 2);
        }
        if let Err(SolveError::Infeasible(why)) = solve(&problem) {
            for changed in followed(&problem, &why) {
                let helps = solve(&changed).is_ok();
                prop_assert!(helps, "{} does not help: {:?}", why, changed);
            }
        }
    }

    #[test]
    fn names_do_not_matter(seed: u64) {
        let problem = random(&mut Dice(seed), 5, 10, 4);
        let (plain, turned) = (solved(&problem), solved(&relabelled(&problem)));
        prop_assert_eq!(plain.is_some(), turned.is_some());
        if let (Some(plain), Some(turned)) = (plain, turned)
            && plain.optimal && turned.optimal
        {
            prop_assert_eq!(plain.score, turned.score);
        }
    }

    #[test]
    fn more_room_is_never_worse(seed: u64, pick in 0_usize..8) {
        let problem = random(&mut Dice(seed), 5, 10, 4);
        let mut roomier = problem.clone();
        let count = roomier.zones.len();
        let zone = &mut roomier.zones[pick % count];
        // From no room at all to some makes a zone that can lead: another set U, other terms.
        zone.capacity = zone.capacity.filter(|room| *room > 0).map(|room| room + 1).or(zone.capacity);
        if let Some(before) = solved(&problem) {
            let after = solved(&roomier);
            prop_assert!(after.is_some_and(|after| is_no_worse(&problem, &before, &after)));
        }
    }

    #[test]
    fn moves_are_safe_and_arrive(seed: u64) {
        let problem = random(&mut Dice(seed), 5, 10, 4);
        if let Some(placement) = solved(&problem) {
            let list = moves(&problem, &placement);
            if let Err(why) = follow(&problem, &placement, &list) {
                prop_assert!(false, "{}: {:#?}", why, list);
            }
        }
    }

    #[test]
    fn a_life_of_losses_and_returns(seed: u64) {
        let mut dice = Dice(seed);
        let zones = 3 + dice.below(2);
        let mut problem = fresh(zones, 3 + dice.below(8), 2 + dice.below(2));
        problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
        let mut placement = solved(&problem).unwrap();
        for _ in 0..3 {
            let lost = dice.below(zones) as usize;
            problem.mode = Mode::Repair;
            let hurt = lose(&problem, &placement, lost);
            placement = solved(&hurt).unwrap();
            prop_assert_eq!(follow(&hurt, &placement, &moves(&hurt, &placement)), Ok(()));
            let quota = u64::from(hurt.shards.div_ceil(zones - 1));
            prop_assert!(leaders(&placement).values().all(|led| *led <= quota));
            problem = carried_out(&hurt, &placement);
            problem.zones[lost].state = ZoneState::Open;
            problem.mode = Mode::Rebalance;
            placement = solved(&problem).unwrap();
            prop_assert_eq!(follow(&problem, &placement, &moves(&problem, &placement)), Ok(()));
            prop_assert_eq!(placement.score.member_imbalance, 0);
            problem = carried_out(&problem, &placement);
        }
    }
}

/// The problem after its solution was carried out, and its solution; only proven ones.
fn solved_again(problem: &Problem, lagging: bool) -> Option<(Problem, Placement)> {
    let placement = solved(problem).filter(|placement| placement.optimal)?;
    let mut next = carried_out(problem, &placement);
    for shard in &mut next.current {
        let old = problem.current.iter().find(|it| it.shard == shard.shard);
        shard.pinned = old.is_some_and(|old| old.pinned);
        // Followers that were built just now are not in sync yet; a leader is what others follow.
        let leader = shard.leader.clone();
        let follows = |at: &ZoneName| Some(at) != leader.as_ref();
        for member in shard
            .members
            .iter_mut()
            .filter(|it| lagging && follows(&it.zone))
        {
            member.has_data = old.is_some_and(|old| old.members.contains(member));
        }
    }
    let again = solved(&next).unwrap();
    Some((next, again))
}

/// The zones that can hold a leader, as the crate documentation defines them.
fn can_lead(problem: &Problem) -> Vec<&ZoneName> {
    let holds = |zone: &ZoneName| {
        let stay = problem
            .current
            .iter()
            .filter(|it| it.shard < problem.shards);
        stay.flat_map(|it| &it.members).any(|it| it.zone == *zone)
    };
    let zones = problem.zones.iter().filter(|zone| match zone.state {
        ZoneState::Open => zone.capacity != Some(0),
        ZoneState::Cordoned => holds(&zone.name),
        ZoneState::Gone => false,
    });
    zones.map(|zone| &zone.name).collect()
}

fn leaders(placement: &Placement) -> BTreeMap<&ZoneName, u64> {
    let mut leaders = BTreeMap::new();
    for shard in &placement.shards {
        *leaders.entry(&shard.leader).or_default() += 1;
    }
    leaders
}

struct Walker {
    /// Zone of each member, and whether it holds data.
    members: Vec<(ZoneName, bool)>,
    leader: Option<ZoneName>,
}

impl Walker {
    fn here(&self, zone: &ZoneName) -> usize {
        self.members.iter().filter(|(at, _)| at == zone).count()
    }

    fn zones_with_data(&self) -> usize {
        let zones = self.members.iter().filter(|(_, has_data)| *has_data);
        zones.map(|(at, _)| at).collect::<BTreeSet<_>>().len()
    }

    fn leader_has_data(&self) -> bool {
        let leads = |at: &ZoneName| Some(at) == self.leader.as_ref();
        self.members
            .iter()
            .any(|(at, has_data)| leads(at) && *has_data)
    }
}

#[test]
fn a_leader_that_came_back_empty_takes_no_copy_with_it() {
    let problem = found("came-back-empty");
    let placement = solved(&problem).unwrap();
    let list = moves(&problem, &placement);
    assert_eq!(follow(&problem, &placement, &list), Ok(()));
}

/// Carries the moves out one by one and checks the promises after each.
fn follow(problem: &Problem, placement: &Placement, list: &[Move]) -> Result<(), String> {
    let state = |name: &ZoneName| problem.zones.iter().find(|it| it.name == *name).unwrap();
    let exists = |name: &ZoneName| state(name).state != ZoneState::Gone;
    let mut walkers: Vec<Walker> = (0..problem.shards)
        .map(|shard| {
            let now = problem.current.iter().find(|now| now.shard == shard);
            let members = now
                .map(|now| now.members.as_slice())
                .unwrap_or_default()
                .iter();
            Walker {
                members: members
                    .filter(|it| exists(&it.zone))
                    .map(|it| (it.zone.clone(), it.has_data))
                    .collect(),
                leader: now.and_then(|now| now.leader.clone()).filter(exists),
            }
        })
        .collect();
    let mut held: BTreeMap<ZoneName, u32> = BTreeMap::new();
    for (zone, _) in walkers.iter().flat_map(|it| &it.members) {
        *held.entry(zone.clone()).or_default() += 1;
    }
    for (place, step) in list.iter().enumerate() {
        let walker = &mut walkers[step.shard as usize];
        take(problem, walker, &mut held, &step.step)
            .map_err(|why| format!("move {place}: {why}"))?;
    }
    for (walker, placed) in walkers.iter().zip(&placement.shards) {
        let mut after: Vec<&ZoneName> = walker.members.iter().map(|(zone, _)| zone).collect();
        let mut wanted: Vec<&ZoneName> = std::iter::once(&placed.leader)
            .chain(&placed.followers)
            .collect();
        after.sort();
        wanted.sort();
        let arrived = after == wanted && walker.leader.as_ref() == Some(&placed.leader);
        // it may end early where every zone that it waits for is full
        let is_full = |name: &ZoneName| {
            let taken = held.get(name).copied().unwrap_or(0);
            state(name).capacity.is_some_and(|room| taken >= room)
        };
        let count = |list: &[&ZoneName], zone| list.iter().filter(|it| **it == zone).count();
        let mut missing = wanted
            .iter()
            .filter(|zone| count(&after, **zone) < count(&wanted, **zone))
            .peekable();
        let is_stuck = missing.peek().is_some() && missing.all(|zone| is_full(zone));
        if !arrived && !is_stuck {
            return Err(format!(
                "shard {} ends at {after:?} led by {:?}",
                placed.shard, walker.leader
            ));
        }
    }
    Ok(())
}

fn take(
    problem: &Problem,
    walker: &mut Walker,
    held: &mut BTreeMap<ZoneName, u32>,
    step: &Step,
) -> Result<(), String> {
    let strict = problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
    let had_data = walker.members.iter().any(|(_, has_data)| *has_data);
    match step {
        Step::Add { zone } => {
            let it = problem.zones.iter().find(|it| it.name == *zone).unwrap();
            if it.state != ZoneState::Open {
                return Err(format!("adds to closed {zone}"));
            }
            if strict && walker.here(zone) > 0 {
                return Err(format!("I1: two members in {zone}"));
            }
            let now = held.entry(zone.clone()).or_default();
            *now += 1;
            if it.capacity.is_some_and(|room| *now > room) {
                return Err(format!("no room in {zone}"));
            }
            walker.members.push((zone.clone(), had_data));
        }
        Step::Appoint { zone } => {
            let fit = walker
                .members
                .iter()
                .any(|(at, has)| at == zone && (*has || !had_data));
            if walker.leader_has_data() || !fit {
                return Err(format!("I3: appoints in {zone}"));
            }
            walker.leader = Some(zone.clone());
            walker
                .members
                .iter_mut()
                .filter(|(at, _)| at == zone)
                .take(1)
                .for_each(|it| it.1 = true);
        }
        Step::Switchover { from, to } => {
            if walker.leader.as_ref() != Some(from) || walker.here(to) == 0 {
                return Err(format!("switches from {from} to {to}"));
            }
            if had_data && !walker.leader_has_data() {
                return Err(format!("I3: an empty leader in {from} feeds {to}"));
            }
            // It waited until the copy was in sync.
            walker.members.iter_mut().for_each(|it| it.1 = true);
            walker.leader = Some(to.clone());
        }
        Step::Remove { zone } => {
            let count = walker.here(zone);
            if count == 0 || (count == 1 && walker.leader.as_ref() == Some(zone)) {
                return Err(format!("I6: removes the leader from {zone}"));
            }
            // It waits until those that the leader feeds are in sync.
            if walker.leader_has_data() {
                walker.members.iter_mut().for_each(|it| it.1 = true);
            }
            let here = walker
                .members
                .iter()
                .enumerate()
                .filter(|(_, (at, _))| at == zone);
            let (at, _) = here.min_by_key(|(_, (_, has))| *has).unwrap();
            let before = walker.zones_with_data();
            walker.members.remove(at);
            let after = walker.zones_with_data();
            let is_thinner = after < 2 && after < before && problem.members_per_shard > 1;
            if strict && is_thinner {
                return Err(format!("I6: the shard is in one zone without {zone}"));
            }
            *held.get_mut(zone).unwrap() -= 1;
            if had_data && !walker.members.iter().any(|(_, has)| *has) {
                return Err(format!("I3: the last copy leaves {zone}"));
            }
        }
    }
    Ok(())
}
