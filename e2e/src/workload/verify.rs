//! The reader: asks the leaders for every acknowledged write.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::Cmd;
use tokio::time::sleep;

use super::lane::{Keys, Lane};
use super::report::LaneReport;

/// How many keys one command asks for.
const BATCH: usize = 200;

/// How many of the lost keys are named.
const NAMED: usize = 20;

/// Reads back what the lane wrote, fills in what was lost, and gives it. Gives up `limit` after the start
/// of the run at the latest.
pub async fn verify(lane: &mut Lane, limit: Duration, report: &mut LaneReport) -> BTreeSet<u64> {
    let mut lost = BTreeSet::new();
    for batch in batches(&lane.keys, report.acknowledged) {
        let mut question = Cmd::new();
        question.arg("MGET");
        for n in &batch {
            question.arg(lane.keys.key(*n));
        }
        let first = batch.first().copied().unwrap_or_default();
        match ask::<Vec<Option<String>>>(lane, first, &question, limit).await {
            Some(values) => {
                let missing = differing(&lane.keys, &batch, &values);
                lost.extend(missing);
            }
            None => report.unverified += u64::try_from(batch.len()).unwrap_or(u64::MAX),
        }
    }
    note(&lane.keys, &lane.waited, &lost, report);
    lost
}

/// Deletes what the lane wrote, as far as it can.
pub async fn clean_up(lane: &mut Lane, limit: Duration, written: u64) {
    for batch in batches(&lane.keys, written) {
        let mut command = Cmd::new();
        command.arg("UNLINK");
        for n in &batch {
            command.arg(lane.keys.key(*n));
        }
        let first = batch.first().copied().unwrap_or_default();
        if ask::<u64>(lane, first, &command, limit).await.is_none() {
            return;
        }
    }
}

async fn ask<T: redis::FromRedisValue>(
    lane: &mut Lane,
    n: u64,
    question: &Cmd,
    limit: Duration,
) -> Option<T> {
    loop {
        if let Some(answer) = lane.try_command(n, question).await {
            return Some(answer);
        }
        if lane.start.elapsed() >= limit {
            return None;
        }
        sleep(lane.every).await;
    }
}

/// The writes up to `count`, by batches of one slot: one command can only ask for one.
pub(super) fn batches(keys: &Keys, count: u64) -> Vec<Vec<u64>> {
    let mut all = Vec::new();
    let step = keys.tags.len().max(1);
    for first in 0..u64::try_from(step).unwrap_or(1) {
        let of_tag: Vec<u64> = (first..count).step_by(step).collect();
        all.extend(of_tag.chunks(BATCH).map(<[u64]>::to_vec));
    }
    all
}

/// The writes of a batch that an answer to MGET does not have, or with another value.
pub(super) fn differing<'a>(
    keys: &'a Keys,
    batch: &'a [u64],
    values: &'a [Option<String>],
) -> impl Iterator<Item = u64> + 'a {
    let numbered = batch.iter().enumerate();
    let is_other = |(position, n): &(usize, &u64)| {
        let found = values.get(*position).and_then(Option::as_deref);
        found != Some(keys.value(**n).as_str())
    };
    numbered.filter(is_other).map(|(_, n)| *n)
}

fn note(keys: &Keys, waited: &BTreeSet<u64>, lost: &BTreeSet<u64>, report: &mut LaneReport) {
    let count = |numbers: usize| u64::try_from(numbers).unwrap_or(u64::MAX);
    report.lost = count(lost.len());
    report.lost_with_wait = count(lost.intersection(waited).count());
    report.lost_keys = lost.iter().take(NAMED).map(|n| keys.key(*n)).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys {
            run: "r".to_owned(),
            shard: 0,
            tags: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        }
    }

    #[test]
    fn batches_hold_each_write_once_and_one_tag_each() {
        let keys = keys();
        let batches = batches(&keys, 1000);
        let mut all: Vec<u64> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        for batch in batches {
            assert!(batch.len() <= BATCH);
            assert!(batch.iter().all(|n| keys.tag(*n) == keys.tag(batch[0])));
        }
    }

    #[test]
    fn a_missing_key_and_another_value_are_lost() {
        let keys = keys();
        let mut report = LaneReport::default();
        let values = [Some(keys.value(0)), None, Some("stale".to_owned())];
        let waited = [0, 6].into();
        let lost = differing(&keys, &[0, 3, 6], &values).collect();
        note(&keys, &waited, &lost, &mut report);
        assert_eq!((report.lost, report.lost_with_wait), (2, 1));
        assert_eq!(report.lost_keys, ["{a}:r:0:3", "{a}:r:0:6"]);
    }
}
