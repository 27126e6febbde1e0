//! The demo, which asserted is the smoke test: bring up, write, stop a zone, watch it heal, bring
//! the zone back, watch the leaders go home.

mod outage;
mod story;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::sleep;

use crate::bed::{Bed, Fault};
use crate::bring_up::{bring_up, make_room};
use crate::crash_loop::open_zones;
use crate::diagnosis::{operators, zones_with_operator};
use crate::manifest::{Change, from_example};
use crate::near::{Extent, Workload};
use crate::objects::{Key, RedisCluster};
use crate::show::Screen;

pub use story::{Outage, Return, Story};

/// What no shard may pause for when asserted. A zone's loss costs seconds on a busy machine, the way home less;
/// a shard that nobody serves costs minutes.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `RedisCluster`.
    pub key: Key,
    /// What to change of the example.
    pub change: Change,
    /// The example.
    pub example: PathBuf,
    /// The zone to stop; none leaves the choice to the demo.
    pub zone: Option<String>,
    /// How it is lost.
    pub fault: Fault,
    /// A workload built beforehand.
    pub workload: Option<PathBuf>,
    /// Whether anything that is not as promised is an error.
    pub assert: bool,
    /// Acknowledged writes that may be lost when asserted.
    pub lost_max: u64,
    /// Time limits.
    pub limits: Limits,
}

/// Time limits, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From apply to redundant.
    pub bring_up: u64,
    /// From the stop of a zone to redundant.
    pub heal: u64,
    /// From the return of the zone to home.
    pub home: u64,
}

/// Runs the demo. The story is filled in as it goes, so that it is there when something fails.
pub async fn demo(bed: &Bed, options: &Options, screen: Screen, story: &mut Story) -> Result<()> {
    let key = &options.key;
    let manifest = prepare(bed, options, screen).await?;

    screen.heading(&format!("Bring up RedisCluster {key}"));
    let (times, checked) =
        bring_up(bed, key, &manifest, options.limits.bring_up, Some(screen)).await?;
    screen.line(&format!(
        "redundant {:.1} s after kubectl apply; confirmed by members themselves after {:.1} s:",
        times.redundant, times.confirmed
    ));
    screen.checks(&checked.lines);
    story.bring_up = Some(times);
    let whole = read(bed, key).await?;
    screen.map(&whole);

    screen.heading("Write and read through a cluster client");
    let first = Workload::for_a_while(bed, key, Duration::from_secs(2)).await?;
    screen.report(&first, None);

    let zone = choose_zone(bed, options, &whole).await?;
    let zones = open_zones(bed).await?;
    let extent = Extent {
        followers: whole.spec.followers_per_leader,
        ..Extent::default()
    };
    let workload = Workload::start(bed, key, extent).await?;
    // What is normal shows before what is not.
    sleep(Duration::from_secs(2)).await;
    let stage = outage::Stage {
        bed,
        options,
        screen,
        zone: &zone,
        zones,
    };
    let report = stage.play(workload, story).await?;

    screen.heading("What clients saw");
    screen.report(
        &report,
        story.outage.as_ref().map(|outage| outage.unix_millis),
    );
    let lost = report.lost() + report.unverified() + report.missing_in_followers();
    let pauses = report.shards.iter().map(|shard| shard.longest_gap.millis);
    let longest = Duration::from_millis(pauses.max().unwrap_or(0));
    story.workload = Some(report);
    if options.assert && longest > PAUSE_MAX {
        bail!(
            "a shard took no writes for {:.1} s, {} s at most are right on a busy machine",
            longest.as_secs_f64(),
            PAUSE_MAX.as_secs()
        );
    }
    if options.assert && lost > options.lost_max {
        bail!("{lost} acknowledged writes are lost or cannot be read back");
    }
    look_around(&whole, key, screen);
    Ok(())
}

async fn prepare(bed: &Bed, options: &Options, screen: Screen) -> Result<Value> {
    screen.heading("Prepare");
    let manifest = from_example(&options.example, &options.key, &options.change)?;
    if !bed.kubectl.knows_redis_clusters().await? {
        bail!(
            "the CRD is not installed: helm upgrade --install zoneward-crds charts/zoneward-crds"
        );
    }
    let operators = operators(bed).await?;
    if operators.is_empty() {
        let (label, value) = &bed.operator_label;
        bail!(
            "no pod {label}={value} in namespace {}: install charts/zoneward first",
            bed.operator_namespace
        );
    }
    screen.aside("building the workload (static, for the testbed's containers)");
    bed.place_workload(options.workload.as_deref()).await?;
    if make_room(bed, &options.key).await? {
        screen.aside("deleted what an earlier demo had left");
    }
    screen.line(&format!(
        "{} operator pods, the workload is in {}",
        operators.len(),
        bed.near
    ));
    Ok(manifest)
}

/// The zone asked for; else one with a leader and, if there is one, without an operator: the
/// operator in the lost zone is a drill of its own.
async fn choose_zone(bed: &Bed, options: &Options, cluster: &RedisCluster) -> Result<String> {
    let with_leader = cluster.leaders_by_zone();
    if let Some(zone) = &options.zone {
        return Ok(zone.clone());
    }
    let hosts = bed.kubectl.hosts().await?;
    let of_operators = zones_with_operator(bed, &hosts).await?;
    with_leader
        .keys()
        .find(|zone| !of_operators.contains(**zone))
        .or_else(|| with_leader.keys().next())
        .map(|zone| (*zone).to_owned())
        .context("no zone has a leader")
}

async fn read(bed: &Bed, key: &Key) -> Result<RedisCluster> {
    let cluster = bed.kubectl.redis_cluster(key).await?;
    cluster.with_context(|| format!("RedisCluster {key} is gone"))
}

fn look_around(cluster: &RedisCluster, key: &Key, screen: Screen) {
    let (namespace, name) = (&key.namespace, &key.name);
    let pod = cluster.members().next().map_or("POD", |member| &member.pod);
    screen.heading("Look around");
    for line in [
        "export KUBECONFIG=$PWD/target/kind/kubeconfig PATH=$PWD/target/kind/bin:$PATH".to_owned(),
        format!("kubectl -n {namespace} get rdc {name}            # -o yaml for the whole status"),
        format!("cargo run -p e2e -- map --name {name} --namespace {namespace}"),
        format!("e2e/check-cluster {key}"),
        format!(
            "kubectl -n {namespace} get secret {name}-auth -o go-template='{{{{.data.password | base64decode}}}}{{{{\"\\n\"}}}}'"
        ),
        format!("kubectl -n {namespace} exec -it {pod} -c redis -- redis-cli -c --user default --askpass"),
        "kubectl -n zoneward-system port-forward deploy/zoneward 8080   # the page: http://localhost:8080"
            .to_owned(),
    ] {
        screen.line(&line);
    }
    screen.heading("Clean up");
    screen.line(&format!(
        "kubectl -n {namespace} delete rdc {name}      # the RedisCluster"
    ));
    screen.line("make kind-down                        # the whole testbed");
}
