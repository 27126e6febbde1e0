//! The figures of a drill, out of what was measured: outages, counts and times. Pure; it judges nothing.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;

use super::times::{Deed, LEVELS, Times, deeds, longest};
use crate::drill::lost_for_sure;
use crate::drill::measured::Outcome;
use crate::workload::gaps::Gap;
use crate::workload::report::{LaneReport, Report};

/// The figures of a drill.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The longest outage of any shard, in seconds; none where nothing was written.
    pub worst_outage: Option<f64>,
    /// The median of the shards' longest outages.
    pub median_outage: Option<f64>,
    /// Tries to write.
    pub attempted: u64,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Acknowledged writes that cannot be read back.
    pub lost: u64,
    /// Acknowledged writes that nobody could be asked about.
    pub unverified: u64,
    /// Acknowledged writes that a follower had, too, by the word of WAIT.
    pub acknowledged_with_wait: u64,
    /// Those of the lost ones that could not be lost: a follower had them, or they were there from the start.
    pub lost_for_sure: u64,
    /// What a normal client saw; none where none was there.
    pub client: Option<ClientSaw>,
    /// The longest time to each level, over all deeds.
    pub times: Times,
    /// The times after each deed.
    pub deeds: Vec<Deed>,
    /// Each shard.
    pub shards: Vec<Shard>,
}

/// What a normal client saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSaw {
    /// Reads and writes.
    pub operations: u64,
    /// Those that ended with an error.
    pub errors: u64,
    /// Those that took 100 ms or more.
    pub slow: u64,
    /// The slowest, in seconds.
    pub slowest: f64,
    /// Keys that were there before the first deed.
    pub filled: u64,
}

/// What the writer of a shard saw. Seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Its name; with its `RedisCluster` where there are several.
    pub name: String,
    /// The slots that it began with.
    pub slots: String,
    /// The longest time without an acknowledged write.
    pub outage: f64,
    /// When that began.
    pub outage_at: f64,
    /// No write ended it: the drill was over first.
    pub is_open: bool,
    /// How many pauses of 100 ms or more there were.
    pub pauses: usize,
    /// The median of these.
    pub median_pause: Option<f64>,
    /// Tries to write.
    pub attempted: u64,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Those of them that a follower had, too, by the word of WAIT.
    pub acknowledged_with_wait: u64,
    /// Acknowledged writes that cannot be read back.
    pub lost: u64,
    /// Acknowledged writes that nobody could be asked about.
    pub unverified: u64,
}

/// The figures of what was measured.
pub fn figures(outcome: &Outcome) -> Figures {
    let shards = shards(outcome);
    let outages: Vec<f64> = shards.iter().map(|shard| shard.outage).collect();
    let sum = |of: fn(&Shard) -> u64| shards.iter().map(of).sum();
    let deeds = deeds(outcome);
    let reports = || outcome.workloads.iter();
    Figures {
        worst_outage: outages.iter().copied().reduce(f64::max),
        median_outage: median(outages),
        attempted: sum(|it| it.attempted),
        acknowledged: sum(|it| it.acknowledged),
        lost: reports().map(Report::lost).sum(),
        unverified: reports().map(Report::unverified).sum(),
        acknowledged_with_wait: reports()
            .flat_map(|it| &it.shards)
            .map(|it| it.acknowledged_with_wait)
            .sum(),
        lost_for_sure: lost_for_sure(&outcome.drill, &outcome.workloads),
        client: client(outcome),
        times: LEVELS.map(|level| (level, longest(&deeds, level))).into(),
        deeds,
        shards,
    }
}

fn client(outcome: &Outcome) -> Option<ClientSaw> {
    let seen = outcome.workloads.iter().filter_map(|it| it.client.as_ref());
    seen.fold(None, |before: Option<ClientSaw>, it| {
        let slowest = seconds(it.longest.millis);
        Some(ClientSaw {
            operations: it.operations + before.as_ref().map_or(0, |it| it.operations),
            errors: it.errors() + before.as_ref().map_or(0, |it| it.errors),
            slow: it.slow + before.as_ref().map_or(0, |it| it.slow),
            slowest: before
                .as_ref()
                .map_or(slowest, |it| it.slowest.max(slowest)),
            filled: it.filled + before.as_ref().map_or(0, |it| it.filled),
        })
    })
}

/// Half of them are not larger, and half not smaller.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(*lower, *upper))
}

/// When the writer's clock began, in seconds from the first deed.
pub fn shift(outcome: &Outcome, writer_unix_millis: i64) -> f64 {
    SignedDuration::from_millis(writer_unix_millis - outcome.unix_millis).as_secs_f64()
}

/// Milliseconds as seconds.
pub fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

fn shards(outcome: &Outcome) -> Vec<Shard> {
    let mut shards = Vec::new();
    for (cluster, workload) in outcome.workloads.iter().enumerate() {
        let shift = shift(outcome, workload.unix_millis);
        for (number, lane) in workload.shards.iter().enumerate() {
            let name = match outcome.workloads.len() {
                1 => format!("shard {number}"),
                _ => format!("cluster {}, shard {number}", cluster + 1),
            };
            shards.push(shard(name, lane, shift));
        }
    }
    shards
}

fn shard(name: String, lane: &LaneReport, shift: f64) -> Shard {
    let pauses: Vec<f64> = lane.gaps.iter().map(length).collect();
    Shard {
        name,
        slots: lane.slots.clone(),
        outage: length(&lane.longest_gap),
        outage_at: seconds(lane.longest_gap.start_millis) + shift,
        is_open: lane.longest_gap.open,
        pauses: pauses.len(),
        median_pause: median(pauses),
        attempted: lane.attempted(),
        acknowledged: lane.acknowledged,
        acknowledged_with_wait: lane.acknowledged_with_wait,
        lost: lane.lost,
        unverified: lane.unverified,
    }
}

fn length(gap: &Gap) -> f64 {
    seconds(gap.millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::samples;
    use crate::drill::report::times::Time;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![9.0, 1.0], Some(5.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
            (vec![4.0, 1.0, 2.0, 9.0], Some(3.0)),
        ] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn figures_are_of_all_shards_and_all_deeds() {
        let figures = figures(&samples::zone_kill());
        assert_eq!(figures.worst_outage, Some(3.9));
        assert_eq!(figures.median_outage, Some(0.3));
        assert_eq!((figures.attempted, figures.acknowledged), (3030, 3000));
        let texts: Vec<&str> = figures.deeds.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "zone-b: its hosts are dead",
                "zone-b: its hosts are started"
            ]
        );
        let times: Vec<Time> = figures.times.values().copied().collect();
        assert_eq!(times[0], Time::After(4.0));
        assert_eq!(times[1], Time::After(34.0));
        assert_eq!(times[2], times[3], "both from the return");
    }
}
