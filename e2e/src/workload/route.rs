//! Whom a lane asks next. Pure: times are handed in.
//!
//! It behaves as a good cluster client does: it follows redirections, asks others of the shard
//! when one is silent, and does not run back at once to an address that has just failed it, even
//! when a member that has not noticed yet sends it there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::slots::{Address, ShardSlots};

/// How long an address that failed is passed over where there is another one. Short: a leader
/// that only paused must be found again soon, or the pause would be reported too long.
const SHUNNED: Duration = Duration::from_millis(100);

/// How long it is not asked for the slots: any other member will do as well.
const UNASKED: Duration = Duration::from_secs(3);

/// The way to a slot.
#[derive(Clone, Debug)]
pub struct Route {
    /// The slot.
    slot: u16,
    /// The members of its shard, as last told, the leader first.
    members: Vec<Address>,
    /// Whom to ask next.
    target: Address,
    /// Every member of the cluster ever told of; when it last failed us.
    known: BTreeMap<Address, Option<Duration>>,
    /// Counts questions for the slots, to ask another member each time.
    questions: usize,
}

impl Route {
    /// The way to the shard that owns `slot`; none where nobody does.
    pub fn new(slot: u16, shards: &[ShardSlots], seeds: &[Address]) -> Option<Self> {
        let shard = shards.iter().find(|shard| shard.owns(slot))?;
        let target = shard.members.first()?.clone();
        let mut route = Self {
            slot,
            members: shard.members.clone(),
            target,
            known: seeds.iter().map(|seed| (seed.clone(), None)).collect(),
            questions: 0,
        };
        route.learn(shards);
        Some(route)
    }

    /// Whom to send the next command.
    pub fn target(&self) -> &Address {
        &self.target
    }

    /// The slots were told anew.
    pub fn told(&mut self, shards: &[ShardSlots], now: Duration) {
        self.learn(shards);
        let Some(shard) = shards.iter().find(|shard| shard.owns(self.slot)) else {
            return;
        };
        self.members.clone_from(&shard.members);
        if let Some(leader) = shard.members.first()
            && !self.is_shunned(leader, now)
        {
            self.target = leader.clone();
        }
    }

    /// The target said that `to` leads the shard.
    pub fn moved(&mut self, to: Address, now: Duration) {
        self.known.entry(to.clone()).or_insert(None);
        if !self.members.contains(&to) {
            self.members.insert(0, to.clone());
        }
        // Whoever sent us there may not know yet that it is dead: stay, and ask again.
        if !self.is_shunned(&to, now) {
            self.target = to;
        }
    }

    /// The target did not answer in time, or refused the connection.
    pub fn failed(&mut self, now: Duration) {
        self.known.insert(self.target.clone(), Some(now));
        self.pass_on(now);
    }

    /// The target answered that it cannot serve this now.
    pub fn pass_on(&mut self, now: Duration) {
        let after = self
            .members
            .iter()
            .position(|member| member == &self.target)
            .map_or(0, |position| position + 1);
        let others = self.members.iter().cycle().skip(after);
        let next = others
            .take(self.members.len())
            .filter(|member| !self.is_shunned(member, now))
            .find(|member| *member != &self.target)
            .or_else(|| {
                // All have failed us: the one that did so first.
                self.members
                    .iter()
                    .min_by_key(|member| self.known.get(*member).copied().flatten())
            });
        if let Some(next) = next {
            self.target = next.clone();
        }
    }

    /// Whom to ask for the slots: each time another member of the cluster that has not just
    /// failed.
    pub fn whom_to_ask(&mut self, now: Duration) -> Option<Address> {
        self.questions += 1;
        let alive: Vec<&Address> = self
            .known
            .keys()
            .filter(|address| !self.has_failed(address, now, UNASKED))
            .collect();
        let index = self.questions % alive.len().max(1);
        alive.get(index).map(|address| (*address).clone())
    }

    /// An address that was asked for the slots did not answer.
    pub fn silent(&mut self, address: &Address, now: Duration) {
        self.known.insert(address.clone(), Some(now));
    }

    fn learn(&mut self, shards: &[ShardSlots]) {
        for member in shards.iter().flat_map(|shard| &shard.members) {
            self.known.entry(member.clone()).or_insert(None);
        }
    }

    fn is_shunned(&self, address: &Address, now: Duration) -> bool {
        self.has_failed(address, now, SHUNNED)
    }

    fn has_failed(&self, address: &Address, now: Duration, lately: Duration) -> bool {
        self.known
            .get(address)
            .copied()
            .flatten()
            .is_some_and(|failed| now.saturating_sub(failed) < lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str) -> Address {
        Address {
            host: host.to_owned(),
            port: 6379,
        }
    }

    fn shard(range: std::ops::RangeInclusive<u16>, members: &[&str]) -> ShardSlots {
        ShardSlots {
            ranges: vec![range],
            members: members.iter().map(|host| address(host)).collect(),
        }
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn route() -> Route {
        let shards = [shard(0..=99, &["a", "b"]), shard(100..=16383, &["c", "d"])];
        Route::new(50, &shards, &[address("seed")]).unwrap()
    }

    #[test]
    fn begins_at_the_leader() {
        assert_eq!(route().target(), &address("a"));
        assert!(Route::new(50, &[shard(100..=200, &["c"])], &[]).is_none());
    }

    #[test]
    fn a_silent_leader_is_not_gone_back_to_at_once() {
        let mut route = route();
        route.failed(at(300));
        assert_eq!(route.target(), &address("b"));
        route.moved(address("a"), at(310));
        assert_eq!(route.target(), &address("b"), "stays with the follower");
        route.moved(address("a"), at(450));
        assert_eq!(route.target(), &address("a"), "and looks again soon");
        route.failed(at(750));
        assert_eq!(route.target(), &address("b"));
    }

    #[test]
    fn follows_to_a_member_it_never_heard_of() {
        let mut route = route();
        route.moved(address("new"), at(0));
        assert_eq!(route.target(), &address("new"));
    }

    #[test]
    fn all_silent_means_the_one_that_failed_first() {
        let mut route = route();
        route.failed(at(300));
        route.failed(at(600));
        assert_eq!(route.target(), &address("a"));
    }

    #[test]
    fn asks_around_among_the_living() {
        let mut route = route();
        route.failed(at(0));
        route.silent(&address("seed"), at(0));
        let asked: std::collections::BTreeSet<_> = (0..10)
            .filter_map(|_| route.whom_to_ask(at(500)))
            .map(|address| address.host)
            .collect();
        assert_eq!(asked.into_iter().collect::<String>(), "bcd");
    }

    #[test]
    fn new_slots_bring_a_new_leader() {
        let mut route = route();
        route.failed(at(0));
        route.told(&[shard(0..=16383, &["a", "b"])], at(50));
        assert_eq!(
            route.target(),
            &address("b"),
            "they still name the dead one"
        );
        route.told(&[shard(0..=16383, &["d", "b"])], at(600));
        assert_eq!(route.target(), &address("d"));
    }
}
