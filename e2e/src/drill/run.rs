//! Plays one drill on kind.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::deeds::{Hands, change, drain, forget_password, taint, uncordon};
use super::measured::{Outcome, Setting};
use super::operator::{begin_afresh, crash_operator};
use super::passwords::passwords;
use super::setting::{engine, load};
use super::stage::{Place, Stage, losses};
use super::told::told;
use super::{Drill, Step};
use crate::bed::{Bed, Moment};
use crate::bring_up::{bring_up, confirmed, make_room};
use crate::crash_loop::open_zones;
use crate::diagnosis;
use crate::manifest::{Change, from_example};
use crate::near::{Extent, Workload};
use crate::objects::{Key, RedisCluster};
use crate::show::Screen;

/// How drills are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first `RedisCluster`; others are called the same with a number behind it.
    pub key: Key,
    /// The example that it is made from.
    pub example: PathBuf,
    /// The image of the members.
    pub image: String,
    /// Seconds that each goal may take.
    pub limit: u64,
    /// Where they are played.
    pub setting: Setting,
}

/// Runs a drill; what was taken away is given back, also where something fails.
pub async fn drill(bed: &Bed, drill: &Drill, options: &Options, screen: Screen) -> Outcome {
    let mut outcome = Outcome {
        drill: drill.name.to_owned(),
        title: drill.title.to_owned(),
        shape: drill.shape(),
        setting: Some(options.setting.clone()),
        ..Outcome::default()
    };
    screen.heading(&format!("{}: {}", drill.name, drill.title));
    let mut hands = Hands::default();
    let played = tokio::select! {
        played = play(bed, drill, options, screen, &mut hands, &mut outcome) => Some(played),
        _ = tokio::signal::ctrl_c() => None,
    };
    outcome.interrupted = played.is_none();
    let played = played.unwrap_or_else(|| Err(anyhow!("interrupted")));
    if let Err(error) = &played {
        // now: afterwards it would show the state after all was given back
        match diagnosis::keep(bed, &options.key, error).await {
            Ok(folder) => screen.aside(&format!("status and logs are in {}", folder.display())),
            Err(other) => screen.warning(&format!("status and logs could not be kept: {other:#}")),
        }
    }
    screen.aside("giving back what was taken away");
    let given_back = hands.give_back(bed).await;
    if let Err(error) = played.and(given_back) {
        screen.warning(&format!("{error:#}"));
        outcome.error = Some(format!("{error:#}"));
    }
    outcome
}

async fn play(
    bed: &Bed,
    drill: &Drill,
    options: &Options,
    screen: Screen,
    hands: &mut Hands,
    outcome: &mut Outcome,
) -> Result<()> {
    let keys = keys(drill, options);
    for key in &keys {
        make_room(bed, key).await?;
    }
    begin_afresh(bed).await?;
    for key in &keys {
        let manifest = manifest(bed, drill, options, key).await?;
        let (times, _) = bring_up(bed, key, &manifest, options.limit, Some(screen)).await?;
        screen.aside(&format!(
            "{key} is redundant after {:.1} s",
            times.redundant
        ));
    }
    let first = bed.kubectl.redis_cluster(&options.key).await?;
    *hands = Hands::new(bed, &options.key, &first.context("it is gone")?).await?;
    let extent = Extent {
        fill: drill.fill,
        followers: usize::try_from(drill.followers)?,
    };
    let mut workloads = Vec::new();
    for key in &keys {
        workloads.push(Workload::start(bed, key, extent).await?);
    }
    outcome.engines.extend(engine(bed, &options.key).await);
    sleep(Duration::from_secs(2)).await;
    let mut kind = Kind {
        bed,
        keys: &keys,
        first: &options.key,
        image: &options.image,
        hands,
    };
    let stage = Stage {
        screen,
        limit: Duration::from_secs(options.limit),
        zones: drill.zones.unwrap_or(open_zones(bed).await?),
        start: Instant::now(),
    };
    outcome.load = load();
    outcome.unix_millis = Timestamp::now().as_millisecond();
    let done = stage.steps(drill.steps, &mut kind, outcome).await;
    outcome.engines.extend(engine(bed, &options.key).await);
    outcome.engines.dedup();
    outcome.told = told(bed, &keys, outcome.unix_millis).await;
    for workload in workloads {
        let report = workload.finish().await?;
        screen.report(&report, Some(outcome.unix_millis));
        outcome.workloads.push(report);
    }
    done?;
    for key in &keys {
        confirmed(bed, key, Moment::Whole, 60).await?;
        make_room(bed, key).await?;
    }
    if let Some(said) = losses(drill, &outcome.workloads)? {
        screen.line(&said);
    }
    Ok(())
}

fn keys(drill: &Drill, options: &Options) -> Vec<Key> {
    let numbered = |number: usize| Key {
        namespace: options.key.namespace.clone(),
        name: match number {
            0 => options.key.name.clone(),
            _ => format!("{}-{}", options.key.name, number + 1),
        },
    };
    (0..drill.clusters.max(1)).map(numbered).collect()
}

async fn manifest(bed: &Bed, drill: &Drill, options: &Options, key: &Key) -> Result<Value> {
    let change = Change {
        image: Some(drill.image.unwrap_or(&options.image).to_owned()),
        leaders: Some(drill.leaders),
        followers: Some(drill.followers),
        storage: drill.storage.map(str::to_owned),
    };
    let mut manifest = from_example(&options.example, key, &change)?;
    let spec = manifest
        .get_mut("spec")
        .and_then(Value::as_object_mut)
        .context("no spec")?;
    let hosts = bed.kubectl.hosts().await?;
    let zones: BTreeSet<&str> = hosts.iter().filter_map(|host| host.zone()).collect();
    adapt(spec, drill, zones)?;
    Ok(manifest)
}

/// What a drill wants otherwise in a spec, but for its image and size; the testbed has these zones.
///
/// # Errors
/// Where the spec is not one.
pub fn adapt<'a>(
    spec: &mut Map<String, Value>,
    drill: &Drill,
    zones: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    if let Some(count) = drill.zones {
        let allowed: Vec<&str> = zones.into_iter().take(count).collect();
        spec.insert("zones".to_owned(), json!({ "allowed": allowed }));
    }
    if let Some(policy) = drill.quorum_loss {
        let recovery = spec.entry("recovery").or_insert_with(|| json!({}));
        let recovery = recovery
            .as_object_mut()
            .context("spec.recovery is no map")?;
        recovery.insert("quorumLoss".to_owned(), json!(policy));
        recovery.insert("debounceSeconds".to_owned(), json!(15));
    }
    Ok(())
}

/// The testbed's `RedisClusters` in a drill.
struct Kind<'a> {
    bed: &'a Bed,
    keys: &'a [Key],
    /// The one whose leader or host is lost.
    first: &'a Key,
    image: &'a str,
    hands: &'a mut Hands,
}

impl Place for Kind<'_> {
    fn hands(&self) -> &Hands {
        self.hands
    }

    async fn look(&self) -> Result<Vec<(&str, RedisCluster)>> {
        let mut clusters = Vec::new();
        for key in self.keys {
            let cluster = self.bed.kubectl.redis_cluster(key).await?;
            let cluster = cluster.with_context(|| format!("RedisCluster {key} is gone"))?;
            clusters.push((key.name.as_str(), cluster));
        }
        Ok(clusters)
    }

    async fn act(&mut self, step: Step) -> Result<String> {
        let (bed, key, hands) = (self.bed, self.first, &mut *self.hands);
        match step {
            Step::DeleteLeader => hands.delete_leader(bed, key, false).await,
            Step::CrashLeader => hands.delete_leader(bed, key, true).await,
            Step::CrashFollowers => hands.crash_followers(bed, key).await,
            Step::KillLeaders(count) => hands.kill_leaders(bed, key, count).await,
            Step::CrashOperator => crash_operator(bed).await,
            Step::ForgetPassword => forget_password(bed, key).await,
            Step::ComparePasswords => hands.passwords.are_renewed(&passwords(bed, key).await?),
            Step::KillHost => hands.kill_host(bed, key).await,
            Step::StartHost => hands.start_host().await,
            Step::LoseZone(number, fault) => hands.lose_zone(bed, number, fault).await,
            Step::ReturnZone(number, fault) => hands.return_zone(bed, number, fault).await,
            Step::TaintZone(number) => taint(bed, &hands.zone(number)?, true).await,
            Step::UntaintZone(number) => taint(bed, &hands.zone(number)?, false).await,
            Step::DrainZone(number) => drain(bed, &hands.zone(number)?).await,
            Step::UncordonZone(number) => uncordon(bed, &hands.zone(number)?).await,
            Step::Change(spec) => change(bed, key, &spec.replace("IMAGE", self.image)).await,
            Step::CutPower => hands.power(bed, false).await,
            Step::RestorePower => hands.power(bed, true).await,
            Step::Stay(_) | Step::Until(_) => Ok(String::new()),
        }
    }
}
