//! How long the solver takes for a cluster of so many members in three zones: all anew, and after a zone is lost.

use anyhow::{Context, Result};
use placement::{
    CurrentMember, CurrentShard, Mode, Placement, Problem, WhenUnsatisfiable, Zone, ZoneState,
};
use serde::Serialize;
use tokio::time::Instant;

/// Of so many runs the median is told.
pub(super) const RUNS: usize = 15;

/// Milliseconds that the solver took.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Members, half of them leaders.
    pub members: u32,
    /// Nobody is there yet.
    pub anew: f64,
    /// A zone of three is gone, and its members are made good.
    pub zone_lost: f64,
    /// Both answers are proven to be the best.
    pub is_proven: bool,
}

/// Places so many members, half of them leaders, in three zones.
///
/// # Errors
/// When the solver finds no answer.
pub fn place(members: u32) -> Result<Placed> {
    let fresh = problem(members, ZoneState::Open, Vec::new());
    let (anew, placement) = solved(&fresh)?;
    let hurt = problem(members, ZoneState::Gone, current(&placement));
    let (zone_lost, repaired) = solved(&hurt)?;
    Ok(Placed {
        members,
        anew,
        zone_lost,
        is_proven: placement.optimal && repaired.optimal,
    })
}

fn solved(problem: &Problem) -> Result<(f64, Placement)> {
    let mut times = Vec::new();
    let mut found = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        found = Some(placement::solve(problem).context("place the members")?);
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(RUNS / 2).copied().unwrap_or_default();
    Ok((median, found.context("no run")?))
}

fn problem(members: u32, first_zone: ZoneState, current: Vec<CurrentShard>) -> Problem {
    let mut zones = ["a", "b", "c"].map(Zone::open).to_vec();
    for zone in zones.iter_mut().take(1) {
        zone.state = first_zone;
    }
    Problem {
        zones,
        shards: members / 2,
        members_per_shard: 2,
        when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        mode: Mode::Repair,
        current,
    }
}

/// Who is left when the first zone is gone.
fn current(placement: &Placement) -> Vec<CurrentShard> {
    let is_left = |zone: &&placement::ZoneName| zone.as_str() != "a";
    let shards = placement.shards.iter().map(|shard| {
        let zones = std::iter::once(&shard.leader).chain(&shard.followers);
        let left: Vec<CurrentMember> = zones
            .filter(is_left)
            .map(|zone| CurrentMember {
                zone: zone.clone(),
                has_data: true,
            })
            .collect();
        CurrentShard {
            shard: shard.shard,
            leader: left.first().map(|it| it.zone.clone()),
            members: left,
            pinned: false,
        }
    });
    shards.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_cluster_is_placed_both_ways() {
        let placed = place(6).unwrap();
        assert!(placed.is_proven && placed.anew > 0.0 && placed.zone_lost > 0.0);
    }
}
