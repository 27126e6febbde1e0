//! From `kubectl apply` to a redundant cluster, with the time that it takes.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::bed::{Bed, Checked, Moment};
use crate::manifest::DEMO_LABEL;
use crate::objects::{Key, Lost, Pod, RedisCluster};
use crate::show::Screen;
use crate::timeline::seconds;
use crate::wait::{Patience, until};
use terminal::Color;

/// Seconds from just before `kubectl apply` was started. What stands in the status is seen by
/// asking five times a second.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BringUp {
    /// Every pod runs.
    pub pods_running: Option<f64>,
    /// All slots are served.
    pub slots_served: Option<f64>,
    /// Each leader has a follower in sync in another zone.
    pub redundant: f64,
    /// The condition Ready.
    pub ready: Option<f64>,
    /// check-cluster has confirmed it.
    pub confirmed: f64,
}

/// Applies the manifest and follows it until check-cluster confirms that it is redundant.
pub async fn bring_up(
    bed: &Bed,
    key: &Key,
    manifest: &Value,
    limit: u64,
    screen: Option<Screen>,
) -> Result<(BringUp, Checked)> {
    let start = Instant::now();
    bed.kubectl.apply(manifest).await?;
    let mut times = BringUp::default();
    let mut shown = String::new();
    until(
        "Ready and redundant",
        Patience::seconds(limit),
        async || {
            let pods = bed.kubectl.members(key).await?;
            let cluster = bed.kubectl.redis_cluster(key).await?;
            let cluster = cluster.with_context(|| format!("RedisCluster {key} is gone"))?;
            refuse_rejected(&cluster)?;
            let at = start.elapsed();
            times.note(at, &cluster, &pods);
            let progress = progress(&cluster, &pods);
            if let Some(screen) = screen
                && progress != shown
            {
                screen.event(at, Color::Plain, &progress);
                shown = progress;
            }
            Ok((times.redundant > 0.0 && times.ready.is_some()).then_some(()))
        },
    )
    .await?;
    let checked = confirmed(bed, key, Moment::Whole, 30).await?;
    times.confirmed = seconds(start.elapsed());
    Ok((times, checked))
}

/// Checks until all holds; the last word counts when the time is up.
pub async fn confirmed(bed: &Bed, key: &Key, moment: Moment, limit: u64) -> Result<Checked> {
    let start = Instant::now();
    loop {
        let checked = bed.check(key, moment).await?;
        if checked.passed {
            return Ok(checked);
        }
        if start.elapsed() > Duration::from_secs(limit) {
            bail!(
                "check-cluster does not agree after {limit} s:\n{}",
                checked.lines
            );
        }
    }
}

/// Deletes what an earlier demo made under that name; anything else of that name is left alone.
pub async fn make_room(bed: &Bed, key: &Key) -> Result<bool> {
    let Some(there) = bed.kubectl.redis_cluster(key).await? else {
        return Ok(false);
    };
    if !there.metadata.labels.contains_key(DEMO_LABEL) {
        bail!("there is a RedisCluster {key} that the demo did not make: give another --name");
    }
    remove(bed, key).await?;
    Ok(true)
}

/// Deletes a `RedisCluster` and waits until nothing of it is left.
pub async fn remove(bed: &Bed, key: &Key) -> Result<()> {
    bed.kubectl.delete("redisclusters.zoneward.io", key).await?;
    let what = format!("RedisCluster {key} and its pods gone");
    until(&what, Patience::seconds(90), async || {
        let there = bed.kubectl.redis_cluster(key).await?;
        let pods = bed.kubectl.members(key).await?;
        Ok((there.is_none() && pods.is_empty()).then_some(()))
    })
    .await?;
    confirmed(bed, key, Moment::Gone, 60).await.map(drop)
}

impl BringUp {
    fn note(&mut self, at: Duration, cluster: &RedisCluster, pods: &[Pod]) {
        let at = seconds(at);
        if running(pods) == cluster.members_wanted() {
            self.pods_running.get_or_insert(at);
        }
        if cluster.is_served(&Lost::default()) {
            self.slots_served.get_or_insert(at);
        }
        if self.redundant == 0.0 && cluster.is_redundant(&Lost::default()) {
            self.redundant = at;
        }
        if cluster.is("Ready") && cluster.status.observed_generation == cluster.metadata.generation
        {
            self.ready.get_or_insert(at);
        }
    }
}

fn running(pods: &[Pod]) -> usize {
    pods.iter()
        .filter(|pod| pod.status.phase == "Running")
        .count()
}

/// Where it stands, in one line.
fn progress(cluster: &RedisCluster, pods: &[Pod]) -> String {
    let followers = cluster
        .members()
        .filter(|member| !member.leads() && member.in_sync)
        .count();
    let mut text = format!(
        "pods running {}/{}, slots served {}, followers in sync {followers}/{}",
        running(pods),
        cluster.members_wanted(),
        cluster.status.slots_served,
        cluster.spec.leaders * cluster.spec.followers_per_leader,
    );
    let mut waits: Vec<&str> = cluster
        .status
        .waiting_on
        .iter()
        .map(|w| w.reason.as_str())
        .collect();
    waits.dedup();
    if !waits.is_empty() {
        text.push_str("; waits: ");
        text.push_str(&waits.join(", "));
    }
    text
}

/// A spec that cannot work will not become Ready by waiting.
fn refuse_rejected(cluster: &RedisCluster) -> Result<()> {
    match cluster.condition("Ready") {
        Some(ready) if ready.status == "False" && ready.reason == "InvalidSpec" => {
            bail!("the operator refuses the spec: {}", ready.message)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Waiting, samples};

    #[test]
    fn progress_names_each_wait_once() {
        let mut cluster = samples::whole();
        cluster.status.shards[0].members[1].in_sync = false;
        let wait = Waiting {
            reason: "FollowerSync".to_owned(),
            message: String::new(),
        };
        cluster.status.waiting_on = vec![wait.clone(), wait];
        assert_eq!(
            progress(&cluster, &[]),
            "pods running 0/6, slots served 16384, followers in sync 2/3; waits: FollowerSync"
        );
    }

    #[test]
    fn times_are_those_of_the_first_sight() {
        let mut times = BringUp::default();
        let mut forming = samples::whole();
        forming.status.conditions.clear();
        forming.status.shards[0].members[1].in_sync = false;
        times.note(Duration::from_secs(3), &forming, &[]);
        times.note(Duration::from_secs(5), &samples::whole(), &[]);
        times.note(Duration::from_secs(7), &samples::whole(), &[]);
        assert_eq!(times.slots_served, Some(3.0));
        assert!((times.redundant - 5.0).abs() < 1e-9);
        assert_eq!(times.ready, Some(5.0));
        assert_eq!(times.pods_running, None);
    }
}
