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

/// Whom to ask.
#[derive(Clone, Copy, Debug)]
pub struct Followers<'a> {
    /// Members that there were at the start.
    pub seeds: &'a [Address],
    /// How many each leader is to have.
    pub wanted: usize,
}

/// Reads what the lane wrote from every follower that the cluster tells of, but what is lost. Who lacks some, or is
/// not told of, is asked again until `limit` after the start of the run: what is acknowledged is on its way.
pub async fn verify(
    lane: &mut Lane,
    whom: Followers<'_>,
    lost: &BTreeSet<u64>,
    limit: Duration,
    report: &mut LaneReport,
) {
    let mut shards = Vec::new();
    for batch in batches(&lane.keys, report.acknowledged) {
        let Some(first) = batch.first() else { continue };
        let slot = slot_of(lane.keys.tag(*first));
        loop {
            let shard = shards.iter().find(|shard: &&ShardSlots| shard.owns(slot));
            let shard = shard.filter(|shard| shard.members.len() > whom.wanted);
            let copies = match shard {
                Some(shard) => copies(lane, shard, &batch, lost).await,
                None => None,
            };
            let is_over = lane.start.elapsed() >= limit;
            match copies {
                Some(copies) if copies.missing == 0 || is_over => {
                    report.read_from_followers += copies.held;
                    report.missing_in_followers += copies.missing;
                    break;
                }
                None if is_over => {
                    report.missing_in_followers += count(batch.len());
                    break;
                }
                _ => {}
            }
            // who is away by now is left out of the next answer
            shards = ask_shards(lane, whom.seeds, *first).await;
            sleep(lane.every).await;
        }
    }
}

/// Copies of acknowledged writes, over all followers.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    held: u64,
    missing: u64,
}

/// What the followers hold of these; none where one does not answer.
async fn copies(
    lane: &mut Lane,
    shard: &ShardSlots,
    batch: &[u64],
    lost: &BTreeSet<u64>,
) -> Option<Copies> {
    let mut question = Cmd::new();
    question.arg("MGET");
    for n in batch {
        question.arg(lane.keys.key(*n));
    }
    let expected = count(batch.iter().filter(|n| !lost.contains(n)).count());
    let mut copies = Copies::default();
    for follower in shard.members.iter().skip(1) {
        let answer: Result<Vec<Option<String>>, Failure> =
            lane.links.send_readonly(follower, &question).await;
        let values = answer.ok()?;
        let lacking = differing(&lane.keys, batch, &values).filter(|n| !lost.contains(n));
        let missing = count(lacking.count());
        copies.missing += missing;
        copies.held += expected.saturating_sub(missing);
    }
    Some(copies)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
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
