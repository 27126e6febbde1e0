//! How long a lane was without an acknowledged write. Pure: times are handed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time between two acknowledged writes. Times count from the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// When the write before it was acknowledged.
    pub start_millis: u64,
    /// How long it lasted.
    pub millis: u64,
    /// No write ended it: the run was over first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
}

/// Gaps at least this long are listed one by one.
pub const NOTABLE: Duration = Duration::from_millis(100);

/// How many notable gaps are kept: the first ones.
const KEPT: usize = 50;

/// Follows one lane.
#[derive(Clone, Debug, Default)]
pub struct GapMeter {
    acknowledged: u64,
    last: Option<Duration>,
    longest: Gap,
    notable: Vec<Gap>,
}

impl GapMeter {
    /// A write was acknowledged. The gap before it, where it is notable.
    pub fn acknowledged(&mut self, at: Duration) -> Option<Gap> {
        let gap = self.last.map(|last| gap(last, at));
        self.acknowledged += 1;
        self.last = Some(at);
        gap.filter(|gap| self.note(*gap))
    }

    /// How many writes were acknowledged.
    pub fn count(&self) -> u64 {
        self.acknowledged
    }

    /// The gap that goes on now; none before the first write.
    pub fn current(&self, now: Duration) -> Option<Gap> {
        self.last.map(|last| gap(last, now))
    }

    /// The run is over: the gap that still goes on counts too. The longest gap, and the notable
    /// ones.
    pub fn finish(mut self, now: Duration) -> (Gap, Vec<Gap>) {
        if let Some(gap) = self.current(now) {
            self.note(Gap { open: true, ..gap });
        }
        (self.longest, self.notable)
    }

    fn note(&mut self, gap: Gap) -> bool {
        if gap.millis > self.longest.millis {
            self.longest = gap;
        }
        let notable = u128::from(gap.millis) >= NOTABLE.as_millis();
        if notable && self.notable.len() < KEPT {
            self.notable.push(gap);
        }
        notable
    }
}

fn gap(from: Duration, to: Duration) -> Gap {
    Gap {
        start_millis: millis(from),
        millis: millis(to.saturating_sub(from)),
        open: false,
    }
}

/// Whole milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_longest_gap_is_the_outage() {
        let mut meter = GapMeter::default();
        assert_eq!(meter.current(at(5)), None);
        assert_eq!(
            meter.acknowledged(at(1000)),
            None,
            "no gap before the first write"
        );
        assert_eq!(meter.acknowledged(at(1010)), None, "too short to tell");
        let told = meter.acknowledged(at(2510)).unwrap();
        assert_eq!((told.start_millis, told.millis), (1010, 1500));
        assert_eq!(meter.acknowledged(at(2610)).unwrap().millis, 100);
        assert_eq!(meter.count(), 4);
        let (longest, notable) = meter.finish(at(2650));
        assert_eq!((longest.start_millis, longest.millis), (1010, 1500));
        assert_eq!(notable.len(), 2);
    }

    #[test]
    fn a_gap_that_never_ended_counts_to_the_end() {
        let mut meter = GapMeter::default();
        meter.acknowledged(at(0));
        meter.acknowledged(at(300));
        let (longest, _) = meter.finish(at(9300));
        assert_eq!(
            longest,
            Gap {
                start_millis: 300,
                millis: 9000,
                open: true
            }
        );
    }

    #[test]
    fn a_lane_that_never_wrote_has_no_gap() {
        let (longest, notable) = GapMeter::default().finish(at(9000));
        assert_eq!(longest, Gap::default());
        assert!(notable.is_empty());
    }
}
