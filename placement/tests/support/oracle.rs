//! Brute force over all placements: the definitions of the six terms, word for word, and no idea
//! of how to be fast except that equal shards need not be told apart.

use placement::{CurrentShard, Mode, Problem, Score, WhenUnsatisfiable, ZoneState};

const Z: usize = 8;

/// One way to place one shard.
#[derive(Clone)]
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
    best: Option<([u64; 6], Score)>,
}

/// How many placements would have to be looked at, at most.
pub fn size(problem: &Problem) -> u64 {
    let search = Search::new(problem);
    let mut size = 1_u64;
    let mut run = 0;
    for (options, same) in search.options.iter().zip(&search.same_as_before) {
        run = if *same { run + 1 } else { 1 };
        let count = u64::try_from(options.len()).unwrap();
        size = size.saturating_mul(count + run - 1) / run;
    }
    size
}

/// The best score, or `None` when there is no placement.
pub fn best(problem: &Problem) -> Option<Score> {
    let mut search = Search::new(problem);
    search.run(0, 0);
    search.best.map(|(_, score)| score)
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
            best: None,
        };
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
        search
    }

    fn run(&mut self, shard: usize, least: usize) {
        let Some(options) = self.options.get(shard) else {
            return self.finish();
        };
        let options = options.clone();
        let from = if self.same_as_before[shard] { least } else { 0 };
        for (index, choice) in options.iter().enumerate().skip(from) {
            let worst = self.best.as_ref().map_or(u64::MAX, |(key, _)| key[0]);
            if self.sums[0] + choice.violations > worst {
                continue;
            }
            self.apply(choice, u64::wrapping_add);
            let fits = (0..self.problem.zones.len()).all(|zone| {
                let room = self.problem.zones[zone].capacity;
                room.is_none_or(|room| self.members[zone] <= u64::from(room))
            });
            if fits {
                self.run(shard + 1, index);
            }
            self.apply(choice, u64::wrapping_sub);
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
        let quota = shards.div_ceil(zones);
        let over = self
            .usable
            .iter()
            .map(|&w| self.leaders[w].saturating_sub(quota))
            .sum();
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
        if self.best.as_ref().is_none_or(|(best, _)| key < *best) {
            self.best = Some((key, score));
        }
    }
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
    all_sets(
        problem.zones.len(),
        u64::from(problem.members_per_shard),
        [0; Z],
        0,
        &mut sets,
    );
    let is_allowed = |set: &[u64; Z]| {
        let total: u64 = present.iter().sum();
        let pin_holds = if total <= u64::from(problem.members_per_shard) {
            (0..Z).all(|zone| set[zone] >= present[zone])
        } else {
            (0..Z).all(|zone| set[zone] <= present[zone])
        };
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
