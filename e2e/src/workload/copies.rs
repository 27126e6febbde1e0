//! The second reader: asks the followers for every acknowledged write that their leader holds.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::Cmd;
use tokio::time::sleep;

use super::lane::Lane;
use super::link::Failure;
use super::report::LaneReport;
use super::slots::{Address, ShardSlots, slot_of};
use super::verify::{batches, differing};

/// Reads what the lane wrote from every follower that the cluster tells of, but what is lost. Who lacks some is asked
/// again until `limit` after the start of the run: what is acknowledged is on its way to followers.
pub async fn verify(
    lane: &mut Lane,
    seeds: &[Address],
    lost: &BTreeSet<u64>,
    limit: Duration,
    report: &mut LaneReport,
) {
    let mut shards = Vec::new();
    for batch in batches(&lane.keys, report.acknowledged) {
        let Some(first) = batch.first() else { continue };
        let slot = slot_of(lane.keys.tag(*first));
        loop {
            let missing = missing(lane, &shards, slot, &batch, lost).await;
            if missing == Some(0) {
                break;
            }
            if lane.start.elapsed() >= limit {
                let all = u64::try_from(batch.len()).unwrap_or(u64::MAX);
                report.missing_in_followers += missing.unwrap_or(all);
                break;
            }
            // who is away by now is left out of the next answer
            shards = ask_shards(lane, seeds, *first).await;
            sleep(lane.every).await;
        }
    }
}

/// How many of these the followers lack, counted for each of them; none where one does not answer, or nobody knows
/// who they are.
async fn missing(
    lane: &mut Lane,
    shards: &[ShardSlots],
    slot: u16,
    batch: &[u64],
    lost: &BTreeSet<u64>,
) -> Option<u64> {
    let shard = shards.iter().find(|shard| shard.owns(slot))?;
    let mut question = Cmd::new();
    question.arg("MGET");
    for n in batch {
        question.arg(lane.keys.key(*n));
    }
    let mut all = 0;
    for follower in shard.members.iter().skip(1) {
        let answer: Result<Vec<Option<String>>, Failure> =
            lane.links.send_readonly(follower, &question).await;
        let values = answer.ok()?;
        let lacking = differing(&lane.keys, batch, &values).filter(|n| !lost.contains(n));
        all += u64::try_from(lacking.count()).unwrap_or(u64::MAX);
    }
    Some(all)
}

/// The leader is asked first, then those that were there at the start: all of them may have been replaced.
async fn ask_shards(lane: &mut Lane, seeds: &[Address], n: u64) -> Vec<ShardSlots> {
    let leader = lane.target(lane.keys.index(n));
    for whom in leader.iter().chain(seeds) {
        if let Ok(shards) = lane.links.ask_slots(whom).await {
            return shards;
        }
    }
    Vec::new()
}
