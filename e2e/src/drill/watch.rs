//! Follows the status of the drilled `RedisClusters`: what it says newly, and what is reached.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::Goal;
use super::measured::{Level, Standing};
use super::stage::Place;
use crate::objects::{Lost, RedisCluster};
use crate::wait::{Patience, until};

/// Conditions whose changes are told.
const TOLD: [&str; 4] = ["Available", "ZoneOutage", "ZoneSafe", "DataLost"];

/// Of two zones one has the majority of the leaders.
const ZONES_TO_BE_SAFE: usize = 3;

/// What the conditions said last, of each `RedisCluster`.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    last: BTreeMap<(String, &'static str), String>,
}

impl Conditions {
    /// What this status says otherwise than the last one. Nothing at first sight.
    pub(super) fn changes(&mut self, name: &str, cluster: &RedisCluster) -> Vec<String> {
        let mut changes = Vec::new();
        for kind in TOLD {
            let now = cluster
                .condition(kind)
                .map_or("absent".to_owned(), |it| it.status.clone());
            let key = (name.to_owned(), kind);
            let before = self.last.insert(key, now.clone());
            if before.is_some_and(|before| before != now) {
                changes.push(format!("{name}: {kind} is {now}"));
            }
        }
        changes
    }
}

/// Whether the goal is reached, by what is left.
fn holds(goal: Goal, cluster: &RedisCluster, lost: &Lost, zones: usize) -> bool {
    let is_safe = || zones < ZONES_TO_BE_SAFE || cluster.is("ZoneSafe");
    match goal {
        Goal::Served => cluster.is_served(lost),
        Goal::Redundant => cluster.is_redundant(lost),
        Goal::ZoneSafe => cluster.is_redundant(lost) && cluster.is("ZoneSafe"),
        Goal::Home => cluster.is_home(zones) && is_safe(),
        Goal::Updated => cluster.is_home(zones) && is_safe() && !cluster.is("Progressing"),
        Goal::Stuck => {
            let progress = cluster.condition("Progressing");
            progress.is_some_and(|it| it.reason == "RollStuck")
        }
        Goal::Resharding => cluster.is_resharding(),
    }
}

/// What holds of all of them, by what is left.
pub(super) fn standing(
    at: f64,
    clusters: &[(&str, RedisCluster)],
    (lost, zones): (&Lost, usize),
) -> Standing {
    let all = |goal| {
        let mut each = clusters.iter();
        each.all(|(_, cluster)| holds(goal, cluster, lost, zones))
    };
    let mut members = clusters.iter().flat_map(|(_, cluster)| cluster.members());
    let level = if !all(Goal::Served) {
        Level::Unserved
    } else if !all(Goal::Redundant) {
        Level::Served
    } else if !all(Goal::ZoneSafe) {
        Level::Redundant
    } else if !(all(Goal::Home) && members.all(|member| member.lives(lost))) {
        Level::ZoneSafe
    } else {
        Level::Balanced
    };
    Standing { at, level }
}

/// Waits until all have reached the goal; `tell` hears what their status says.
pub(super) async fn reach(
    place: &impl Place,
    goal: Option<Goal>,
    zones: usize,
    limit: Duration,
    mut tell: impl FnMut(&[(&str, RedisCluster)]),
) -> Result<()> {
    let lost = &place.hands().lost;
    let what = goal.map_or("some time", Goal::text);
    let begun = tokio::time::Instant::now();
    until(what, Patience::seconds(limit.as_secs() + 1), async || {
        let clusters = place.look().await?;
        tell(&clusters);
        let mut each = clusters.iter();
        let is_over = match goal {
            Some(goal) => each.all(|(_, cluster)| holds(goal, cluster, lost, zones)),
            None => begun.elapsed() >= limit,
        };
        Ok(is_over.then_some(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples;

    #[test]
    fn a_change_of_a_condition_is_told_once() {
        let mut conditions = Conditions::default();
        let mut cluster = samples::whole();
        assert!(conditions.changes("demo", &cluster).is_empty());
        cluster.status.conditions.retain(|it| it.kind != "ZoneSafe");
        assert_eq!(
            conditions.changes("demo", &cluster),
            ["demo: ZoneSafe is absent"]
        );
        assert!(conditions.changes("demo", &cluster).is_empty());
    }

    #[test]
    fn a_standing_holds_of_all_and_by_what_is_left() {
        let none = Lost::default();
        let whole = || ("demo", samples::whole());
        let mut bare = samples::whole();
        bare.status.shards[0].members.truncate(1);
        let zone = Lost::zone("zone-a");
        let mut uneven = samples::whole();
        uneven.status.shards[0].members[0].zone = "zone-c".to_owned();
        for (clusters, lost, level) in [
            (vec![whole(), whole()], &none, Level::Balanced),
            (vec![whole(), ("two", bare)], &none, Level::Served),
            (vec![whole(), ("two", uneven)], &none, Level::ZoneSafe),
            // a status from before the loss
            (vec![whole()], &zone, Level::Unserved),
        ] {
            let standing = standing(1.0, &clusters, (lost, 3));
            assert_eq!(standing, Standing { at: 1.0, level });
        }
    }

    #[test]
    fn what_is_lost_reaches_no_goal() {
        let whole = samples::whole();
        let (none, zone) = (Lost::default(), Lost::zone("zone-a"));
        for (goal, lost, reached) in [
            (Goal::Served, &none, true),
            (Goal::Served, &zone, false),
            (Goal::Redundant, &none, true),
            (Goal::Redundant, &zone, false),
            (Goal::ZoneSafe, &none, true),
            (Goal::Home, &none, true),
        ] {
            assert_eq!(holds(goal, &whole, lost, 3), reached, "{goal:?} {lost:?}");
        }
        let mut unsafe_one = samples::whole();
        unsafe_one
            .status
            .conditions
            .retain(|it| it.kind != "ZoneSafe");
        for (zones, reached) in [(3, false), (2, true)] {
            assert_eq!(holds(Goal::Home, &unsafe_one, &none, zones), reached);
        }
    }
}
