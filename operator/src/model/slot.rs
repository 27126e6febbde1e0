//! Hash slots: the 16384 parts that Redis Cluster cuts its keys into.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How many slots there are (Redis Cluster specification, "key distribution model").
pub const SLOT_COUNT: u16 = 16384;

/// One slot, 0…16383.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number; none past the last.
    pub fn new(number: u16) -> Option<Self> {
        (number < SLOT_COUNT).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Slot {
    type Error = SlotParseError;

    fn try_from(number: u16) -> Result<Self, SlotParseError> {
        Self::new(number).ok_or_else(|| SlotParseError(number.to_string()))
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> u16 {
        slot.0
    }
}

/// A text that is no slot, slot range or list of them.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("failed to read {0:?} as slots: wanted numbers from 0 to 16383 and ranges such as 0-5460")]
pub struct SlotParseError(String);

/// Slots from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    start: u16,
    end: u16,
}

impl SlotRange {
    /// From `start` to `end`, both included; none where they are the wrong way round.
    pub fn new(start: Slot, end: Slot) -> Option<Self> {
        (start <= end).then_some(Self {
            start: start.0,
            end: end.0,
        })
    }

    /// The first slot.
    pub fn start(self) -> u16 {
        self.start
    }

    /// The last slot.
    pub fn end(self) -> u16 {
        self.end
    }

    /// How many slots it holds.
    pub fn count(self) -> u16 {
        self.end - self.start + 1
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end {
            write!(f, "{}", self.start)
        } else {
            write!(f, "{}-{}", self.start, self.end)
        }
    }
}

impl FromStr for SlotRange {
    type Err = SlotParseError;

    fn from_str(text: &str) -> Result<Self, SlotParseError> {
        let bad = || SlotParseError(text.to_owned());
        let (start, end) = text.split_once('-').unwrap_or((text, text));
        let read = |part: &str| part.parse().ok().and_then(Slot::new).ok_or_else(bad);
        Self::new(read(start)?, read(end)?).ok_or_else(bad)
    }
}

/// A set of slots, held as sorted ranges that neither touch nor overlap, so that equal sets are
/// equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotSet {
    ranges: Vec<SlotRange>,
}

impl SlotSet {
    /// No slot.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All 16384.
    pub fn all() -> Self {
        Self {
            ranges: vec![SlotRange {
                start: 0,
                end: SLOT_COUNT - 1,
            }],
        }
    }

    /// The slots of shard `index` of `shards`, cut as evenly as can be (sizes differ by one at
    /// most). Empty where there is no such shard.
    pub fn even_share(index: u32, shards: u32) -> Self {
        if index >= shards {
            return Self::empty();
        }
        let bound = |part: u32| u64::from(part) * u64::from(SLOT_COUNT) / u64::from(shards);
        let (start, end) = (bound(index), bound(index + 1));
        match (u16::try_from(start), u16::try_from(end)) {
            (Ok(start), Ok(end)) if start < end => Self {
                ranges: vec![SlotRange {
                    start,
                    end: end - 1,
                }],
            },
            _ => Self::empty(),
        }
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.ranges
    }

    /// How many slots are in the set.
    pub fn count(&self) -> u16 {
        self.ranges.iter().map(|range| range.count()).sum()
    }

    /// Whether no slot is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether all 16384 are.
    pub fn is_all(&self) -> bool {
        self.count() == SLOT_COUNT
    }

    /// Whether this slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        self.ranges
            .iter()
            .any(|range| range.start <= slot.0 && slot.0 <= range.end)
    }

    /// Each slot, in order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let numbers = self.ranges.iter().flat_map(|range| range.start..=range.end);
        numbers.map(Slot)
    }

    /// The lowest so many slots; all where there are fewer.
    #[must_use]
    pub fn first(&self, count: u16) -> Self {
        let mut left = count;
        let mut taken = Vec::new();
        for range in &self.ranges {
            let here = range.count().min(left);
            if here > 0 {
                let end = range.start + here - 1;
                taken.push(SlotRange { end, ..*range });
            }
            left -= here;
        }
        Self { ranges: taken }
    }

    /// The slots in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.difference(&self.difference(other))
    }

    /// The slots in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }

    /// The slots of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = self.ranges.clone();
        for cut in &other.ranges {
            left = left
                .into_iter()
                .flat_map(|range| without(range, *cut))
                .collect();
        }
        Self { ranges: left }
    }
}

/// What is left of `range` when `cut` is taken out: up to two ranges.
fn without(range: SlotRange, cut: SlotRange) -> impl Iterator<Item = SlotRange> {
    let apart = cut.end < range.start || range.end < cut.start;
    let before = (!apart && range.start < cut.start).then(|| SlotRange {
        start: range.start,
        end: cut.start - 1,
    });
    let after = (!apart && cut.end < range.end).then(|| SlotRange {
        start: cut.end + 1,
        end: range.end,
    });
    apart
        .then_some(range)
        .into_iter()
        .chain(before)
        .chain(after)
}

impl From<Slot> for SlotSet {
    fn from(slot: Slot) -> Self {
        Self {
            ranges: vec![SlotRange {
                start: slot.0,
                end: slot.0,
            }],
        }
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let single = |slot: Slot| SlotRange {
            start: slot.0,
            end: slot.0,
        };
        slots.into_iter().map(single).collect()
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let mut sorted: Vec<SlotRange> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<SlotRange> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if range.start <= last.end + 1 => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{range}")?;
        }
        Ok(())
    }
}

impl FromStr for SlotSet {
    type Err = SlotParseError;

    fn from_str(text: &str) -> Result<Self, SlotParseError> {
        text.split([',', ' '])
            .filter(|part| !part.is_empty())
            .map(str::parse::<SlotRange>)
            .collect()
    }
}

impl TryFrom<String> for SlotSet {
    type Error = SlotParseError;

    fn try_from(text: String) -> Result<Self, SlotParseError> {
        text.parse()
    }
}

impl From<SlotSet> for String {
    fn from(slots: SlotSet) -> String {
        slots.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(text: &str) -> SlotSet {
        text.parse().unwrap()
    }

    #[test]
    fn even_shares_cover_every_slot_once_and_differ_by_one_at_most() {
        for shards in [1, 2, 3, 5, 7, 100, 500] {
            let shares: Vec<_> = (0..shards)
                .map(|i| SlotSet::even_share(i, shards))
                .collect();
            let sizes: Vec<_> = shares.iter().map(SlotSet::count).collect();
            let total: u32 = sizes.iter().map(|size| u32::from(*size)).sum();
            assert_eq!(total, u32::from(SLOT_COUNT));
            assert!(
                shares
                    .iter()
                    .fold(SlotSet::empty(), |all, one| all.union(one))
                    .is_all()
            );
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn difference_cuts_ranges_in_two() {
        assert_eq!(
            slots("0-100").difference(&slots("10-20,50,100")),
            slots("0-9,21-49,51-99")
        );
        assert_eq!(
            SlotSet::all().difference(&slots("0-16383")),
            SlotSet::empty()
        );
    }

    #[test]
    fn what_is_no_slot_is_refused() {
        for text in ["16384", "5-4", "a", "0-16384", "-1"] {
            assert!(text.parse::<SlotSet>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn sets_agree_with_lists_of_slots(
            a in prop::collection::vec((0u16..200, 0u16..20), 0..8),
            b in prop::collection::vec((0u16..200, 0u16..20), 0..8),
        ) {
            let set = |list: &[(u16, u16)]| -> SlotSet {
                list.iter().map(|(start, more)| SlotRange { start: *start, end: start + more }).collect()
            };
            let (a, b) = (set(&a), set(&b));
            for number in 0..240 {
                let slot = Slot::new(number).unwrap();
                prop_assert_eq!(a.union(&b).contains(slot), a.contains(slot) || b.contains(slot));
                prop_assert_eq!(a.difference(&b).contains(slot), a.contains(slot) && !b.contains(slot));
            }
            prop_assert_eq!(a.to_string().parse::<SlotSet>().unwrap(), a.clone());
            prop_assert_eq!(a.iter().collect::<SlotSet>(), a.clone());
            let first: Vec<Slot> = a.first(7).iter().collect();
            prop_assert_eq!(first, a.iter().take(7).collect::<Vec<_>>());
            let both: Vec<Slot> = a.intersection(&b).iter().collect();
            prop_assert_eq!(both, a.iter().filter(|slot| b.contains(*slot)).collect::<Vec<_>>());
        }
    }
}
