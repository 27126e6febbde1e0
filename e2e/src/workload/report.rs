//! What the workload says: one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gaps::Gap;

/// A line of the workload's output. Times are milliseconds since its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Line {
    /// The lanes are pinned and begin to write.
    Started {
        /// The prefix of this run's keys.
        run: String,
        /// The wall clock at its start, milliseconds since 1970.
        unix_millis: i64,
        /// Each lane's slots, in the order of the lanes.
        slots: Vec<String>,
    },
    /// Once a second.
    Second {
        /// When.
        at_millis: u64,
        /// Each lane.
        shards: Vec<LaneSecond>,
    },
    /// A lane had no acknowledged write for half a second.
    GapOpened {
        /// Which.
        shard: usize,
        /// When the last write was acknowledged.
        start_millis: u64,
    },
    /// A lane writes again, after 100 ms or more.
    GapClosed {
        /// Which.
        shard: usize,
        /// The gap.
        gap: Gap,
    },
    /// The end.
    Report(Report),
}

/// One lane in one second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneSecond {
    /// Writes acknowledged so far.
    pub acknowledged: u64,
    /// Since when there was none.
    pub gap_millis: u64,
}

/// What became of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The prefix of this run's keys.
    pub run: String,
    /// The wall clock at its start, milliseconds since 1970.
    pub unix_millis: i64,
    /// How long it wrote.
    pub millis: u64,
    /// Each lane.
    pub shards: Vec<LaneReport>,
    /// What a normal client saw; none in reports from before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientReport>,
}

/// What a normal client saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientReport {
    /// Reads and writes that were answered, or given up.
    pub operations: u64,
    /// Those that ended with an error, by its code.
    pub failed: BTreeMap<String, u64>,
    /// Those that took 100 ms or more.
    pub slow: u64,
    /// The slowest.
    pub longest: Gap,
    /// Keys that were written before the lanes began.
    pub filled: u64,
    /// Those of them that cannot be read back.
    pub filled_lost: u64,
    /// Those that nobody could be asked about.
    pub filled_unverified: u64,
}

impl ClientReport {
    /// Operations that ended with an error.
    pub fn errors(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl Report {
    /// Whether every acknowledged write is where it shall be.
    pub fn is_whole(&self) -> bool {
        self.lost() + self.unverified() + self.missing_in_followers() == 0
    }

    /// Acknowledged writes that cannot be read back.
    pub fn lost(&self) -> u64 {
        let lanes: u64 = self.shards.iter().map(|shard| shard.lost).sum();
        lanes + self.lost_of_the_first()
    }

    /// Those of them that a follower had by the word of WAIT.
    pub fn lost_with_wait(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lost_with_wait).sum()
    }

    /// Those that were there from the start, of all that are lost.
    pub fn lost_of_the_first(&self) -> u64 {
        self.client.as_ref().map_or(0, |it| it.filled_lost)
    }

    /// Acknowledged writes that nobody could be asked about.
    pub fn unverified(&self) -> u64 {
        let lanes: u64 = self.shards.iter().map(|shard| shard.unverified).sum();
        lanes + self.client.as_ref().map_or(0, |it| it.filled_unverified)
    }

    /// Acknowledged writes that leaders hold, and their followers do not.
    pub fn missing_in_followers(&self) -> u64 {
        let shards = self.shards.iter();
        shards.map(|shard| shard.missing_in_followers).sum()
    }

    /// Copies of acknowledged writes that followers were seen to hold.
    pub fn read_from_followers(&self) -> u64 {
        let shards = self.shards.iter();
        shards.map(|shard| shard.read_from_followers).sum()
    }

    /// Acknowledged writes.
    pub fn acknowledged(&self) -> u64 {
        self.shards.iter().map(|shard| shard.acknowledged).sum()
    }
}

impl LaneReport {
    /// Whether every acknowledged write is where it shall be.
    pub fn is_whole(&self) -> bool {
        self.lost + self.unverified + self.missing_in_followers == 0
    }

    /// Tries to write: those that were acknowledged, and those that were answered otherwise or not at all.
    pub fn attempted(&self) -> u64 {
        self.acknowledged + self.failed_tries.values().sum::<u64>()
    }
}

/// One lane at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneReport {
    /// The slots that it was pinned to.
    pub slots: String,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// The longest time without one: the outage.
    pub longest_gap: Gap,
    /// Every gap of 100 ms or more.
    pub gaps: Vec<Gap>,
    /// Tries that were not acknowledged, by what was answered.
    pub failed_tries: BTreeMap<String, u64>,
    /// Acknowledged writes that a follower had, too, by the word of WAIT.
    #[serde(default)]
    pub acknowledged_with_wait: u64,
    /// Acknowledged writes that a leader does not hold, or with another value.
    pub lost: u64,
    /// Those of them that a follower had.
    #[serde(default)]
    pub lost_with_wait: u64,
    /// The first few of them.
    pub lost_keys: Vec<String>,
    /// Acknowledged writes that no leader answered for until the time was up.
    pub unverified: u64,
    /// Acknowledged writes that a leader holds and a follower of it does not, when the time was up: for each follower.
    #[serde(default)]
    pub missing_in_followers: u64,
    /// Copies of them that followers were seen to hold: as many as there are acknowledged writes, for each follower.
    #[serde(default)]
    pub read_from_followers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_as_they_were_written() {
        let lines = [
            Line::GapClosed {
                shard: 1,
                gap: Gap {
                    start_millis: 10,
                    millis: 1500,
                    open: false,
                },
            },
            Line::Report(Report {
                run: "r".to_owned(),
                shards: vec![LaneReport {
                    acknowledged: 7,
                    lost: 1,
                    ..LaneReport::default()
                }],
                ..Report::default()
            }),
        ];
        for line in lines {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
        }
    }
}
