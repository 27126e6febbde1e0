//! Exact settling of units in zones: the least sum of separable convex costs.
//!
//! Groups (classes of shards) hold units (members, leaders, heirs) in zones. A unit may be shifted
//! from zone to zone within its group at a cost; each zone has a convex cost of its total. As there
//! are few zones and many groups, the residual network is condensed to the zones and one pool:
//! the arc from u to v is the cheapest shift of any group. Without a negative cycle there, the
//! flow is of least cost, the same as in the network of all groups.
//!
//! Costs are sums of levels, and cycles are cancelled level by level from the top: each cycle
//! lowers a whole number that cannot pass zero and is no larger than the units or their squares,
//! so the end is bounded by them, not by the weights.

use crate::model::PerZone;
use crate::problem::ZONES_MAX;

/// One level of a lexicographic sum: no sum of lower levels reaches half of it.
pub(super) const LEVEL: i128 = 1 << 26;
/// The highest power of it in any cost.
const LEVELS: u32 = 4;

/// What settling needs to know of a problem.
pub(super) trait Costs {
    /// Cost of one more unit of `group` in `zone` that now holds `held`; `None` forbids it.
    /// Must not fall as `held` grows.
    fn unit(&self, group: usize, zone: usize, held: u32) -> Option<i128>;
    /// Cost of one more unit in `zone` when it holds `total` of all groups. Must not fall either.
    fn zone(&self, zone: usize, total: u32) -> i128;
}

/// Units per group and zone.
pub(super) type Held = Vec<PerZone<u32>>;

const POOL: usize = ZONES_MAX;

#[derive(Clone, Copy)]
struct Arc {
    from: usize,
    to: usize,
    cost: i128,
    /// The group that shifts; unused on arcs of the pool.
    group: usize,
}

/// Fills `count` units of each group greedily, then shifts until no shift helps.
/// `None` where a group finds no allowed zone.
pub(super) fn settle(costs: &impl Costs, zones: usize, units: &[u32]) -> Option<Held> {
    let mut held = Held::new();
    let mut totals = PerZone::<u32>::default();
    for (group, &count) in units.iter().enumerate() {
        let mut mine = PerZone::<u32>::default();
        for _ in 0..count {
            let options = (0..zones).filter_map(|zone| {
                let unit = costs.unit(group, zone, mine.at(zone))?;
                Some((unit + costs.zone(zone, totals.at(zone)), zone))
            });
            let (_, zone) = options.min()?;
            mine.set(zone, mine.at(zone) + 1);
            totals.set(zone, totals.at(zone) + 1);
        }
        held.push(mine);
    }
    for level in (0..=LEVELS).rev() {
        let unit = LEVEL.pow(level);
        while let Some(cycle) = negative_cycle(&arcs(costs, zones, unit, &held, &totals), zones) {
            shift(&cycle, &mut held, &mut totals);
        }
    }
    Some(held)
}

fn shift(cycle: &[Arc], held: &mut Held, totals: &mut PerZone<u32>) {
    for arc in cycle {
        if arc.from == POOL || arc.to == POOL {
            continue;
        }
        if let Some(mine) = held.get_mut(arc.group) {
            mine.set(arc.from, mine.at(arc.from).saturating_sub(1));
            mine.set(arc.to, mine.at(arc.to) + 1);
        }
        totals.set(arc.from, totals.at(arc.from).saturating_sub(1));
        totals.set(arc.to, totals.at(arc.to) + 1);
    }
}

/// All that can be shifted, and at which cost, in multiples of `unit`: what lies below is left out.
fn arcs(
    costs: &impl Costs,
    zones: usize,
    unit: i128,
    held: &Held,
    totals: &PerZone<u32>,
) -> Vec<Arc> {
    let coarse = |cost: i128| (cost + unit / 2).div_euclid(unit);
    let mut arcs = Vec::new();
    for zone in 0..zones {
        if let Some(less) = totals.at(zone).checked_sub(1) {
            let cost = -coarse(costs.zone(zone, less));
            arcs.push(Arc {
                from: POOL,
                to: zone,
                cost,
                group: 0,
            });
        }
        let cost = coarse(costs.zone(zone, totals.at(zone)));
        arcs.push(Arc {
            from: zone,
            to: POOL,
            cost,
            group: 0,
        });
    }
    let mut best: PerZone<PerZone<Option<(i128, usize)>>> = PerZone::default();
    let price_of = |group, zone, held| costs.unit(group, zone, held).map(coarse);
    for (group, mine) in held.iter().enumerate() {
        let mut gain = PerZone::<Option<i128>>::default();
        let mut price = PerZone::<Option<i128>>::default();
        for zone in 0..zones {
            let less = mine.at(zone).checked_sub(1);
            gain.set(zone, less.and_then(|less| price_of(group, zone, less)));
            price.set(zone, price_of(group, zone, mine.at(zone)));
        }
        for from in 0..zones {
            let (Some(gain), Some(row)) = (gain.at(from), best.slot(from)) else {
                continue;
            };
            for to in (0..zones).filter(|&to| to != from) {
                let Some(price) = price.at(to) else { continue };
                if row.at(to).is_none_or(|(least, _)| price - gain < least) {
                    row.set(to, Some((price - gain, group)));
                }
            }
        }
    }
    for from in 0..zones {
        for to in 0..zones {
            if let Some((cost, group)) = best.at(from).at(to) {
                arcs.push(Arc {
                    from,
                    to,
                    cost,
                    group,
                });
            }
        }
    }
    arcs
}

/// A cycle of negative cost in the graph of zones and pool, by Bellman and Ford.
fn negative_cycle(arcs: &[Arc], zones: usize) -> Option<Vec<Arc>> {
    let mut distance = [0_i128; POOL + 1];
    let mut entered: [Option<Arc>; POOL + 1] = [None; POOL + 1];
    let mut last = None;
    for _ in 0..=zones + 1 {
        last = None;
        for arc in arcs {
            let reach = distance.get(arc.from)? + arc.cost;
            let best = distance.get_mut(arc.to)?;
            if reach < *best {
                *best = reach;
                *entered.get_mut(arc.to)? = Some(*arc);
                last = Some(arc.to);
            }
        }
        last?;
    }
    // Walk back far enough to stand on the cycle, then collect it once around.
    let mut at = last?;
    for _ in 0..=POOL {
        at = (*entered.get(at)?)?.from;
    }
    let first = at;
    let mut cycle = Vec::new();
    loop {
        let arc = (*entered.get(at)?)?;
        cycle.push(arc);
        at = arc.from;
        if at == first {
            return Some(cycle);
        }
    }
}
