//! Brute force over all placements: the definitions of the six terms, word for word. It knows only
//! two ways to be fast: equal shards need not be told apart, and what is worse than the best known
//! already, by what its shards cost at least, is left alone.

use placement::{CurrentShard, Mode, Problem, Score, WhenUnsatisfiable, ZoneState};

const Z: usize = 8;

/// One way to place one shard.
#[derive(Clone, Copy)]
struct Choice {
    members: [u64; Z],
    leader: usize,
    heir: Option<usize>,
    violations: u64,
    moves: u64,
    switched: u64,
}

struct Search<'a> {
    problem: &'a Problem,
    usable: Vec<usize>,
    options: Vec<Vec<Choice>>,
    same_as_before: Vec<bool>,
    members: [u64; Z],
    leaders: [u64; Z],
    heirs: [[u64; Z]; Z],
    sums: [u64; 3],
    /// From each shard on, the violations and moves that are there whatever is chosen.
    ahead: Vec<[u64; 2]>,
    quota: u64,
    /// Violations that full zones force: what they cannot hold meets in the one that is left.
    crowded: u64,
    best: Option<([u64; 6], Score)>,
    steps_left: u64,
    /// What terms before must not exceed, and the least values found.
    floors: Option<([u64; 6], [u64; 6])>,
}

/// The best score, or `None` when there is no placement.
pub fn best(problem: &Problem) -> Option<Score> {
    best_within(problem, u64::MAX).unwrap()
}

/// The same, or `None` where more than `steps` choices would have to be looked at.
pub fn best_within(problem: &Problem, steps: u64) -> Option<Option<Score>> {
    let mut search = Search::new(problem);
    search.steps_left = steps;
    search.run(0, 0);
    (search.steps_left > 0).then(|| search.best.map(|(_, score)| score))
}

/// A score that is better than `than`, if there is any, or `None` where that cannot be told in
/// `steps` choices: far larger problems can be checked like this than solved.
pub fn better(problem: &Problem, than: Score, steps: u64) -> Option<Option<Score>> {
    let mut search = Search::new(problem);
    search.steps_left = steps;
    search.best = Some((than.in_order(problem.mode), than));
    search.run(0, 0);
    let found = search.best.map(|(_, score)| score);
    (search.steps_left > 0).then(|| found.filter(|score| *score != than))
}

/// For each term the least that it is in any placement whose terms before it are no worse than in
/// `score`: what a bound must not exceed. `None` where more than `steps` choices are to be seen.
pub fn floors(problem: &Problem, score: Score, steps: u64) -> Option<[u64; 6]> {
    let mut search = Search::new(problem);
    search.steps_left = steps;
    let most = score.in_order(problem.mode);
    search.floors = Some((most, most));
    search.run(0, 0);
    let found = search.floors.map(|(_, least)| least);
    found.filter(|_| search.steps_left > 0)
}

impl<'a> Search<'a> {
    fn new(problem: &'a Problem) -> Self {
        let current = |shard: u32| problem.current.iter().find(|now| now.shard == shard);
        let inhabited = |index: usize| {
            let name = &problem.zones[index].name;
            let remain = problem
                .current
                .iter()
                .filter(|now| now.shard < problem.shards);
            remain
                .flat_map(|now| &now.members)
                .any(|member| member.zone == *name)
        };
        let usable = |index: &usize| match problem.zones[*index].state {
            ZoneState::Open => problem.zones[*index].capacity != Some(0),
            ZoneState::Cordoned => inhabited(*index),
            ZoneState::Gone => false,
        };
        let mut search = Self {
            problem,
            usable: (0..problem.zones.len()).filter(usable).collect(),
            options: Vec::new(),
            same_as_before: Vec::new(),
            members: [0; Z],
            leaders: [0; Z],
            heirs: [[0; Z]; Z],
            sums: [0; 3],
            ahead: Vec::new(),
            quota: 0,
            crowded: 0,
            best: None,
            steps_left: u64::MAX,
            floors: None,
        };
        let usable = search.usable.len() as u64;
        search.quota = u64::from(problem.shards).div_ceil(usable.max(1));
        search.crowded = crowded(problem);
        for shard in 0..problem.shards {
            let now = current(shard);
            let before = shard.checked_sub(1).and_then(current);
            let same = match (now, before) {
                (None, None) => true,
                (Some(now), Some(before)) => {
                    CurrentShard {
                        shard: now.shard,
                        ..before.clone()
                    } == *now
                }
                _ => false,
            };
            search.same_as_before.push(same && shard > 0);
            search.options.push(options(problem, now));
        }
        search.ahead = vec![[0; 2]; search.options.len() + 1];
        for (shard, options) in search.options.iter().enumerate().rev() {
            let least = |what: fn(&Choice) -> u64| options.iter().map(what).min().unwrap_or(0);
            let [violations, moves] = search.ahead[shard + 1];
            search.ahead[shard] = [
                violations + least(|choice| choice.violations),
                moves + least(|choice| choice.moves),
            ];
        }
        search
    }

    /// Whether the terms that only grow with each shard say already that this becomes worse.
    fn is_worse(&self, shard: usize) -> bool {
        let [violations, moves] = self.ahead[shard];
        let over = self.over_quota();
        let first = [(self.sums[0] + violations).max(self.crowded), over];
        if let Some((most, _)) = self.floors {
            return first[0] > most[0] || first[1] > most[1];
        }
        let Some((best, _)) = self.best else {
            return false;
        };
        match self.problem.mode {
            Mode::Repair => [first[0], first[1], self.sums[1] + moves][..] > best[..3],
            Mode::Rebalance => first[..] > best[..2],
        }
    }

    fn over_quota(&self) -> u64 {
        let over = |zone: &usize| self.leaders[*zone].saturating_sub(self.quota);
        self.usable.iter().map(over).sum()
    }

    fn run(&mut self, shard: usize, least: usize) {
        if shard == self.options.len() {
            return self.finish();
        }
        let from = if self.same_as_before[shard] { least } else { 0 };
        for index in from..self.options[shard].len() {
            if self.steps_left == 0 {
                return;
            }
            self.steps_left -= 1;
            let choice = self.options[shard][index];
            self.apply(&choice, u64::wrapping_add);
            let fits = (0..self.problem.zones.len()).all(|zone| {
                let room = self.problem.zones[zone].capacity;
                room.is_none_or(|room| self.members[zone] <= u64::from(room))
            });
            if fits && !self.is_worse(shard + 1) {
                self.run(shard + 1, index);
            }
            self.apply(&choice, u64::wrapping_sub);
        }
    }

    fn apply(&mut self, choice: &Choice, op: fn(u64, u64) -> u64) {
        for zone in 0..Z {
            self.members[zone] = op(self.members[zone], choice.members[zone]);
        }
        self.leaders[choice.leader] = op(self.leaders[choice.leader], 1);
        if let Some(heir) = choice.heir {
            self.heirs[choice.leader][heir] = op(self.heirs[choice.leader][heir], 1);
        }
        self.sums[0] = op(self.sums[0], choice.violations);
        self.sums[1] = op(self.sums[1], choice.moves);
        self.sums[2] = op(self.sums[2], choice.switched);
    }

    fn finish(&mut self) {
        let zones = self.usable.len() as u64;
        let shards = u64::from(self.problem.shards);
        let over = self.over_quota();
        let squares: u64 = self.usable.iter().map(|&w| self.members[w].pow(2)).sum();
        let total = shards * u64::from(self.problem.members_per_shard);
        let mut second = 0;
        if zones > 1 {
            for &z in &self.usable {
                let rest = self.usable.iter().filter(|&&w| w != z);
                let after: Vec<u64> = rest.map(|&w| self.leaders[w] + self.heirs[z][w]).collect();
                let squares: u64 = after.iter().map(|led| led * led).sum();
                second += squares - even(after.iter().sum(), zones - 1);
            }
        }
        let score = Score {
            zone_violations: self.sums[0],
            leaders_over_quota: over,
            data_moves: self.sums[1],
            member_imbalance: squares - even(total, zones),
            second_order_imbalance: second,
            switchovers: self.sums[2],
        };
        let [a, b, c, d, e, f] = [
            self.sums[0],
            over,
            self.sums[1],
            score.member_imbalance,
            second,
            self.sums[2],
        ];
        let key = match self.problem.mode {
            Mode::Repair => [a, b, c, d, e, f],
            Mode::Rebalance => [a, b, d, e, c, f],
        };
        if let Some((most, least)) = &mut self.floors {
            let count = (0..6)
                .find(|at| key[*at] > most[*at])
                .map_or(6, |at| at + 1);
            for at in 0..count {
                least[at] = least[at].min(key[at]);
            }
            return;
        }
        if self.best.as_ref().is_none_or(|(best, _)| key < *best) {
            self.best = Some((key, score));
        }
    }
}

fn crowded(problem: &Problem) -> u64 {
    let shards = u64::from(problem.shards);
    let total = shards * u64::from(problem.members_per_shard);
    let room = |zone: &placement::Zone| match (zone.state, zone.capacity) {
        (ZoneState::Gone, _) => 0,
        (_, room) => room.map_or(total, u64::from),
    };
    let all: u64 = problem.zones.iter().map(room).sum();
    let zones = problem.zones.iter();
    let left = zones.map(|zone| (total + room(zone)).saturating_sub(all + shards));
    left.max().unwrap_or(0)
}

fn even(total: u64, parts: u64) -> u64 {
    (0..parts).map(|part| ((total + part) / parts).pow(2)).sum()
}

fn options(problem: &Problem, now: Option<&CurrentShard>) -> Vec<Choice> {
    let index = |name: &placement::ZoneName| {
        problem
            .zones
            .iter()
            .position(|zone| zone.name == *name)
            .unwrap()
    };
    let exists = |zone: usize| problem.zones[zone].state != ZoneState::Gone;
    let mut present = [0_u64; Z];
    let mut with_data = [0_u64; Z];
    for member in now.map(|now| now.members.as_slice()).unwrap_or_default() {
        let zone = index(&member.zone);
        if exists(zone) {
            present[zone] += 1;
            with_data[zone] += u64::from(member.has_data);
        }
    }
    let leader = now
        .and_then(|now| now.leader.as_ref())
        .map(index)
        .filter(|&zone| exists(zone));
    let pinned = now.is_some_and(|now| now.pinned);
    let one_each = problem.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
    let mut sets = Vec::new();
    let total: u64 = present.iter().sum();
    let kept = if pinned { total } else { 0 };
    all_sets(
        problem.zones.len(),
        u64::from(problem.members_per_shard).max(kept),
        [0; Z],
        0,
        &mut sets,
    );
    let is_allowed = |set: &[u64; Z]| {
        let pin_holds = (0..Z).all(|zone| set[zone] >= present[zone]);
        (!pinned || pin_holds)
            && problem
                .zones
                .iter()
                .enumerate()
                .all(|(zone, it)| match it.state {
                    ZoneState::Open => !one_each || set[zone] <= 1,
                    ZoneState::Cordoned => {
                        set[zone] <= present[zone] && (!one_each || set[zone] <= 1)
                    }
                    ZoneState::Gone => set[zone] == 0,
                })
    };
    let mut choices = Vec::new();
    for members in sets.into_iter().filter(is_allowed) {
        let moves = (0..Z).map(|zone| match (one_each, members[zone]) {
            (true, 0) => with_data[zone],
            (true, _) => 0,
            (false, stay) => with_data[zone].saturating_sub(stay),
        });
        let moves = moves.sum();
        let violations = members.iter().map(|count| count.saturating_sub(1)).sum();
        for led in (0..Z).filter(|&zone| members[zone] > 0) {
            if pinned && leader.is_some_and(|leader| leader != led) {
                continue;
            }
            let switched = u64::from(leader.is_some_and(|now| now != led && members[now] > 0));
            let heirs: Vec<usize> = (0..Z)
                .filter(|&zone| zone != led && members[zone] > 0)
                .collect();
            let heirs: Vec<Option<usize>> = if heirs.is_empty() {
                vec![None]
            } else {
                heirs.into_iter().map(Some).collect()
            };
            for heir in heirs {
                choices.push(Choice {
                    members,
                    leader: led,
                    heir,
                    violations,
                    moves,
                    switched,
                });
            }
        }
    }
    choices
}

fn all_sets(zones: usize, left: u64, set: [u64; Z], zone: usize, sets: &mut Vec<[u64; Z]>) {
    if zone == zones {
        if left == 0 {
            sets.push(set);
        }
        return;
    }
    for count in 0..=left {
        let mut set = set;
        set[zone] = count;
        all_sets(zones, left - count, set, zone + 1, sets);
    }
}
