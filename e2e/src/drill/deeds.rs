//! What drills do to the testbed, and how it is undone.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::Instant;

use super::operator::{holders_in, others_hold};
use super::passwords::{Passwords, passwords};
use super::{ZONE_OF_THE_ACTIVE, processes};
use crate::bed::{Bed, Fault};
use crate::diagnosis::{zone_of_the_active, zones_with_operator};
use crate::objects::{Key, Lost, RedisCluster};
use crate::program;

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// How long the hosts of a zone may take to be drained.
const DRAINED_WITHIN: Duration = Duration::from_secs(180);
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// What was taken away, so that it can be given back.
#[derive(Debug, Default)]
pub struct Hands {
    /// All zones, in the order in which they are lost.
    pub zones: Vec<String>,
    /// A host that was killed.
    pub host: Option<String>,
    /// What the status may still tell of.
    pub lost: Lost,
    /// The passwords that there were at the start.
    pub passwords: Passwords,
    /// Who held the operator's lease when its zone was lost.
    pub holders: Vec<String>,
}

impl Hands {
    /// Nothing is taken away yet.
    pub(super) async fn new(bed: &Bed, key: &Key, cluster: &RedisCluster) -> Result<Self> {
        let hosts = bed.kubectl.hosts().await?;
        let with_operator = zones_with_operator(bed, &hosts).await?;
        let active = zone_of_the_active(bed, &hosts).await?;
        let all: BTreeSet<&str> = hosts.iter().filter_map(|host| host.zone()).collect();
        let zones = all.iter().map(|zone| (*zone).to_owned()).collect();
        let operators = |zone: &str| {
            u8::from(with_operator.contains(zone)) + u8::from(active.as_deref() == Some(zone))
        };
        Ok(Self {
            passwords: passwords(bed, key).await?,
            ..Self::over(zones, cluster, operators)
        })
    }

    /// The same, of these zones; a zone counts for more with an operator in it, and for the most with the active one.
    pub fn over(
        mut zones: Vec<String>,
        cluster: &RedisCluster,
        operators: impl Fn(&str) -> u8,
    ) -> Self {
        let with_leader = cluster.leaders_by_zone();
        zones.sort_by_key(|zone| {
            let leaders = with_leader.get(zone.as_str()).copied().unwrap_or(0);
            (leaders == 0, leaders, operators(zone), zone.clone())
        });
        Self {
            zones,
            ..Self::default()
        }
    }

    /// The zone of this number.
    ///
    /// # Errors
    /// Where there is none.
    pub fn zone(&self, number: usize) -> Result<String> {
        let zone = self.zones.get(number).cloned();
        zone.with_context(|| format!("the testbed has no zone number {number}"))
    }

    pub(super) async fn delete_leader(
        &mut self,
        bed: &Bed,
        key: &Key,
        by_force: bool,
    ) -> Result<String> {
        let pod = self.leader(bed, key).await?;
        if by_force {
            bed.kubectl
                .kill_pods(&key.namespace, &[pod.as_str()])
                .await?;
        } else {
            let pod_key = Key {
                namespace: key.namespace.clone(),
                name: pod.clone(),
            };
            bed.kubectl.delete("pod", &pod_key).await?;
        }
        self.lost.pods.insert(pod.clone());
        Ok(format!("pod {pod} is deleted"))
    }

    /// All followers at once.
    pub(super) async fn crash_followers(&mut self, bed: &Bed, key: &Key) -> Result<String> {
        let cluster = bed.kubectl.redis_cluster(key).await?;
        let cluster = cluster.with_context(|| format!("RedisCluster {key} is gone"))?;
        let followers = cluster.members().filter(|it| !it.leads());
        let pods: Vec<&str> = followers.map(|it| it.pod.as_str()).collect();
        ensure!(!pods.is_empty(), "RedisCluster {key} has no followers");
        bed.kubectl.kill_pods(&key.namespace, &pods).await?;
        self.lost
            .pods
            .extend(pods.iter().map(|it| (*it).to_owned()));
        Ok(format!(
            "the pods of all {} followers are deleted",
            pods.len()
        ))
    }

    /// Of the first so many shards, from their hosts.
    pub(super) async fn kill_leaders(
        &mut self,
        bed: &Bed,
        key: &Key,
        count: usize,
    ) -> Result<String> {
        let cluster = bed.kubectl.redis_cluster(key).await?;
        let cluster = cluster.with_context(|| format!("RedisCluster {key} is gone"))?;
        let leaders = cluster.status.shards.iter().filter_map(|it| it.leader());
        let names: Vec<String> = leaders.take(count).map(|it| it.pod.clone()).collect();
        ensure!(
            names.len() == count,
            "{} shards of {count} are led",
            names.len()
        );
        let pods = bed.kubectl.members(key).await?;
        let meant = pods.iter().filter(|pod| names.contains(&pod.metadata.name));
        processes::kill(meant).await?;
        self.lost.pods.extend(names.iter().cloned());
        Ok(format!("the processes of {} are killed", names.join(", ")))
    }

    pub(super) async fn kill_host(&mut self, bed: &Bed, key: &Key) -> Result<String> {
        let leader = self.leader(bed, key).await?;
        let pods = bed.kubectl.members(key).await?;
        let of_leader = pods.iter().find(|pod| pod.metadata.name == leader);
        let host = of_leader.and_then(|pod| pod.spec.node_name.clone());
        let host = host.with_context(|| format!("pod {leader} is on no host"))?;
        let there = pods
            .iter()
            .filter(|pod| pod.spec.node_name.as_ref() == Some(&host));
        self.lost
            .pods
            .extend(there.map(|pod| pod.metadata.name.clone()));
        docker(&["kill", &host]).await?;
        self.host = Some(host.clone());
        Ok(format!("host {host} dies"))
    }

    pub(super) async fn start_host(&mut self) -> Result<String> {
        let host = self.host.take().context("no host was killed")?;
        docker(&["start", &host]).await?;
        self.lost.pods.clear();
        Ok(format!("host {host} is started"))
    }

    /// Takes the zone of this number away.
    pub(super) async fn lose_zone(
        &mut self,
        bed: &Bed,
        number: usize,
        fault: Fault,
    ) -> Result<String> {
        let zone = self.zone(number)?;
        if number == ZONE_OF_THE_ACTIVE {
            self.holders = holders_in(bed, &zone).await?;
        }
        // before it is done: where that fails half way, it is lost all the same
        self.lost.zones.insert(zone.clone());
        bed.lose_zone(&zone, fault).await?;
        Ok(format!("{zone}: {}", fault.texts().0))
    }

    /// Brings it back.
    pub(super) async fn return_zone(
        &mut self,
        bed: &Bed,
        number: usize,
        fault: Fault,
    ) -> Result<String> {
        let zone = self.zone(number)?;
        if number == ZONE_OF_THE_ACTIVE {
            others_hold(bed, &self.holders).await?;
        }
        bed.return_zone(&zone, fault).await?;
        self.lost.zones.remove(&zone);
        Ok(format!("{zone}: {}", fault.texts().1))
    }

    /// All workers at once: one command for each, side by side.
    pub(super) async fn power(&mut self, bed: &Bed, is_on: bool) -> Result<String> {
        let fault = Fault::Kill;
        let mut all = tokio::task::JoinSet::new();
        for zone in self.zones.clone() {
            let bed = bed.clone();
            all.spawn(async move {
                if is_on {
                    bed.return_zone(&zone, fault).await
                } else {
                    bed.lose_zone(&zone, fault).await
                }
            });
        }
        while let Some(done) = all.join_next().await {
            done??;
        }
        Ok(if is_on {
            "all workers are started"
        } else {
            "all workers die"
        }
        .to_owned())
    }

    /// Whoever leads the first shard.
    async fn leader(&self, bed: &Bed, key: &Key) -> Result<String> {
        let cluster = bed.kubectl.redis_cluster(key).await?;
        let cluster = cluster.with_context(|| format!("RedisCluster {key} is gone"))?;
        let leader = cluster
            .status
            .shards
            .first()
            .and_then(|shard| shard.leader());
        let leader = leader.with_context(|| format!("nobody leads shard 0 of {key}"))?;
        Ok(leader.pod.clone())
    }

    /// Gives everything back, whatever was taken: for the end, and where something failed. What cannot be
    /// given back holds up nothing else; the first such error is told.
    pub(super) async fn give_back(&mut self, bed: &Bed) -> Result<()> {
        let mut told = Ok(());
        if self.host.is_some() {
            told = self.start_host().await.map(drop);
        }
        for zone in &self.zones {
            for fault in [Fault::Kill, Fault::Pause, Fault::Cut] {
                told = told.and(bed.return_zone(zone, fault).await);
            }
            told = told.and(taint(bed, zone, false).await.map(drop));
            told = told.and(uncordon(bed, zone).await.map(drop));
        }
        self.lost = Lost::default();
        told.context("the testbed is not as it was: make kind-down, then make kind-up")
    }
}

/// Says that the hosts of a zone are off for good, or takes that back.
pub(super) async fn taint(bed: &Bed, zone: &str, is_off: bool) -> Result<String> {
    let taint = if is_off {
        format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
    } else {
        format!("{OUT_OF_SERVICE}-")
    };
    let label = format!("{ZONE_LABEL}={zone}");
    let words = ["taint", "nodes", "-l", &label, &taint];
    let told = bed.kubectl.text(&words).await;
    // what is not there need not be taken away
    let is_absent = |error: &anyhow::Error| !is_off && format!("{error:#}").contains("not found");
    if let Err(error) = told
        && !is_absent(&error)
    {
        return Err(error.context(format!("failed to change the taint of the hosts of {zone}")));
    }
    Ok(if is_off {
        format!("{zone}: its hosts are said to be off for good")
    } else {
        format!("{zone}: its hosts are in service again")
    })
}

/// Has the hosts of a zone drained; a leader hands over before its pod may go.
pub(super) async fn drain(bed: &Bed, zone: &str) -> Result<String> {
    let label = format!("{ZONE_LABEL}={zone}");
    let begun = Instant::now();
    bed.kubectl.drain(&label, DRAINED_WITHIN).await?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(format!("{zone}: its hosts are drained, in {seconds:.1} s"))
}

/// Has them take pods again.
pub(super) async fn uncordon(bed: &Bed, zone: &str) -> Result<String> {
    let label = format!("{ZONE_LABEL}={zone}");
    bed.kubectl.text(&["uncordon", "-l", &label]).await?;
    Ok(format!("{zone}: its hosts take pods again"))
}

/// Has the operator make another password for clients.
pub(super) async fn forget_password(bed: &Bed, key: &Key) -> Result<String> {
    let secret = Key {
        namespace: key.namespace.clone(),
        name: format!("{}-auth", key.name),
    };
    bed.kubectl.delete("secret", &secret).await?;
    Ok(format!("Secret {} is deleted", secret.name))
}

/// Changes the spec as its owner would.
pub(super) async fn change(bed: &Bed, key: &Key, spec: &str) -> Result<String> {
    let patch = format!(r#"{{"spec": {spec}}}"#);
    let words = ["-n", &key.namespace, "patch", "rdc", &key.name];
    let how = ["--type", "merge", "-p", &patch];
    bed.kubectl.text(&[words.as_slice(), &how].concat()).await?;
    Ok(format!("spec is changed: {spec}"))
}

pub(super) async fn docker(words: &[&str]) -> Result<String> {
    let mut command = Command::new("docker");
    command.args(words);
    program::text(&mut command, "", Duration::from_secs(60)).await
}
