//! How long a rolling update takes, by the number of shards.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::report::Writes;
use crate::servers::Server;
use crate::testbed::{Settings, Testbed};

const PATIENCE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(1_200);
/// New pods start as late as real ones.
const POD_START: Duration = Duration::from_secs(1);

/// One update. Times in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rolled {
    /// Leaders, with a follower each.
    pub leaders: u32,
    /// `spec.rollout.maxShardsAtOnce`.
    pub at_once: u32,
    /// Until all is as the new spec wants it.
    pub took: u128,
    /// The longest time without an acknowledged write of any shard.
    pub worst_pause: u128,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Those of them that cannot be read back.
    pub lost: usize,
}

impl Rolled {
    /// What became of the writes.
    pub(super) fn writes(&self) -> Writes {
        Writes {
            acknowledged: self.acknowledged,
            lost: self.lost,
        }
    }
}

/// Replaces all pods of so many shards in memory, under a writer on every shard.
///
/// # Errors
/// When the cluster cannot be built, or the update does not end.
pub async fn roll(server: &Server, leaders: u32, at_once: u32) -> Result<Rolled> {
    let mut settings = Settings::new(server.clone(), leaders, 1);
    settings.pace.start_after = POD_START;
    settings.spec = json!({ "rollout": { "maxShardsAtOnce": at_once } });
    let (testbed, writers) = Testbed::busy(settings, PATIENCE).await?;
    let start = Instant::now();
    let pod = json!({ "annotations": { "zoneward.io/bench": "changed" } });
    testbed.kubernetes.edit(&json!({ "pod": pod }))?;
    testbed.until_settled(LIMIT).await?;
    let took = start.elapsed();
    let outages = writers.outages();
    let tally = writers.finish().await?;
    Ok(Rolled {
        leaders,
        at_once,
        took: took.as_millis(),
        worst_pause: outages.values().map(Duration::as_millis).max().unwrap_or(0),
        acknowledged: tally.acknowledged,
        lost: tally.lost,
    })
}
