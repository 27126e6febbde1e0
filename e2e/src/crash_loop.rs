//! The operator is killed again and again while clusters are brought up: they must come up all
//! the same, without doubles.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::bed::{Bed, Moment};
use crate::bring_up::{confirmed, make_room, remove};
use crate::diagnosis::operators;
use crate::manifest::{Change, plain};
use crate::objects::{Key, Pod, RedisCluster};
use crate::show::Screen;
use crate::timeline::seconds;
use crate::wait::{Patience, until};
use terminal::Color;

/// How it is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `RedisCluster` to bring up; it must not be there yet.
    pub key: Key,
    /// Its shape and image.
    pub change: Change,
    /// How often the operator is killed.
    pub kills: u32,
    /// Seconds that a bring-up may take after the last kill in it.
    pub limit: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How often the operator was killed.
    pub kills: u32,
    /// Each bring-up: seconds from apply until home, and kills in it.
    pub bring_ups: Vec<(f64, u32)>,
}

/// Kills the operator until it was killed often enough, each time during a bring-up.
pub async fn crash_loop(bed: &Bed, options: &Options, screen: Screen) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    while outcome.kills < options.kills {
        let before = outcome.kills;
        make_room(bed, &options.key).await?;
        let took = round(bed, options, &mut outcome.kills, screen).await?;
        let kills = outcome.kills - before;
        screen.line(&format!(
            "up after {:.1} s and {kills} kills: no doubles",
            seconds(took)
        ));
        outcome.bring_ups.push((seconds(took), kills));
        remove(bed, &options.key).await?;
        if kills == 0 {
            bail!("a bring-up went by before the operator could be killed once");
        }
    }
    Ok(outcome)
}

async fn round(bed: &Bed, options: &Options, kills: &mut u32, screen: Screen) -> Result<Duration> {
    let zones = open_zones(bed).await?;
    let start = Instant::now();
    bed.kubectl
        .apply(&plain(&options.key, &options.change)?)
        .await?;
    loop {
        if *kills < options.kills {
            until_somebody_acts(bed).await?;
            let pause = Duration::from_millis(rand::random_range(50..3000));
            if watch(bed, &options.key, zones, pause).await? {
                break;
            }
            let pods = operators(bed).await?;
            let names: Vec<&str> = pods.iter().map(|pod| pod.metadata.name.as_str()).collect();
            bed.kubectl
                .kill_pods(&bed.operator_namespace, &names)
                .await?;
            *kills += 1;
            screen.event(
                start.elapsed(),
                Color::Yellow,
                &format!("operator killed ({kills})"),
            );
        } else if watch(bed, &options.key, zones, Duration::from_secs(options.limit)).await? {
            break;
        } else {
            bail!("not home {} s after the last kill", options.limit);
        }
    }
    let took = start.elapsed();
    confirmed(bed, &options.key, Moment::Whole, 60).await?;
    let cluster = bed
        .kubectl
        .redis_cluster(&options.key)
        .await?
        .context("it is gone")?;
    let pods = bed.kubectl.members(&options.key).await?;
    refuse_doubles(&cluster, &pods)?;
    if pods.len() != cluster.members_wanted() {
        bail!(
            "{} members instead of {}",
            pods.len(),
            cluster.members_wanted()
        );
    }
    Ok(took)
}

/// Looks for doubles all the while; true as soon as the cluster is home.
async fn watch(bed: &Bed, key: &Key, zones: usize, time: Duration) -> Result<bool> {
    let end = Instant::now() + time;
    loop {
        let cluster = bed
            .kubectl
            .redis_cluster(key)
            .await?
            .context("it is gone")?;
        refuse_doubles(&cluster, &bed.kubectl.members(key).await?)?;
        if cluster.is_home(zones) {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        sleep(left.min(Duration::from_millis(300))).await;
    }
}

/// Waits until an operator that lives holds the lease: killing nobody proves nothing.
async fn until_somebody_acts(bed: &Bed) -> Result<()> {
    until(
        "an operator with the lease",
        Patience::seconds(90),
        async || {
            let holders = bed.kubectl.lease_holders(&bed.operator_namespace).await?;
            let pods = operators(bed).await?;
            let acts = pods.iter().any(|pod| {
                pod.metadata.deletion_timestamp.is_none()
                    && holders
                        .iter()
                        .any(|holder| holder.contains(&pod.metadata.name))
            });
            Ok(acts.then_some(()))
        },
    )
    .await
}

/// Zones with a Ready host.
pub async fn open_zones(bed: &Bed) -> Result<usize> {
    let hosts = bed.kubectl.hosts().await?;
    let ready = hosts.iter().filter(|host| host.is_ready());
    let zones: BTreeSet<&str> = ready.filter_map(|host| host.zone()).collect();
    Ok(zones.len())
}

/// No two pods with one serial, none too many, none of another owner.
fn refuse_doubles(cluster: &RedisCluster, pods: &[Pod]) -> Result<()> {
    let mut serials = BTreeSet::new();
    for pod in pods {
        let name = &pod.metadata.name;
        let serial = name.rsplit('-').next().unwrap_or_default();
        if !serials.insert(serial) {
            bail!("two members have the serial {serial}");
        }
        let owners = &pod.metadata.owner_references;
        if owners.iter().all(|owner| owner.uid != cluster.metadata.uid) {
            bail!("pod {name} is a stranger: it belongs to another RedisCluster");
        }
    }
    let staying = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let count = staying.count();
    if count > cluster.members_wanted() {
        bail!(
            "{count} members where {} are wanted",
            cluster.members_wanted()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Metadata, OwnerReference, samples};

    fn pods(names: &[&str]) -> Vec<Pod> {
        let pod = |name: &&str| Pod {
            metadata: Metadata {
                name: (*name).to_owned(),
                owner_references: vec![OwnerReference {
                    uid: "u".to_owned(),
                }],
                ..Metadata::default()
            },
            ..Pod::default()
        };
        names.iter().map(pod).collect()
    }

    #[test]
    fn doubles_and_strangers_are_seen() {
        let mut cluster = samples::whole();
        cluster.metadata.uid = "u".to_owned();
        let verdict = |names: &[&str]| refuse_doubles(&cluster, &pods(names));
        assert!(verdict(&["demo-0-1", "demo-0-2", "demo-1-3"]).is_ok());
        assert!(
            verdict(&["demo-0-1", "demo-1-1"]).is_err(),
            "one serial twice"
        );
        let seven: Vec<String> = (1..=7).map(|n| format!("demo-0-{n}")).collect();
        let seven: Vec<&str> = seven.iter().map(String::as_str).collect();
        assert!(verdict(&seven).is_err(), "one too many");
        let mut other = samples::whole();
        other.metadata.uid = "new".to_owned();
        assert!(refuse_doubles(&other, &pods(&["demo-0-1"])).is_err());
    }
}
