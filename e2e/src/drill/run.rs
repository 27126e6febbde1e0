//! Plays one drill.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::deeds::{Hands, change, crash_operator, drain, forget_password, taint, uncordon};
use super::faults::edge;
use super::measured::{Event, Outcome, Setting, Sort, Standing};
use super::setting::{engine, load};
use super::told::told;
use super::watch::{Conditions, look, reach, standing};
use super::{Drill, Step};
use crate::bed::{Bed, Moment};
use crate::bring_up::{bring_up, confirmed, make_room};
use crate::crash_loop::open_zones;
use crate::diagnosis;
use crate::manifest::{Change, from_example};
use crate::near::Workload;
use crate::objects::{Key, RedisCluster};
use crate::show::Screen;
use crate::timeline::seconds;
use crate::workload::report::Report;
use terminal::Color;

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
    for key in &keys {
        let manifest = manifest(bed, drill, options, key).await?;
        let (times, _) = bring_up(bed, key, &manifest, options.limit, Some(screen)).await?;
        screen.aside(&format!(
            "{key} is redundant after {:.1} s",
            times.redundant
        ));
    }
    let first = bed.kubectl.redis_cluster(&options.key).await?;
    *hands = Hands::new(bed, &first.context("it is gone")?).await?;
    let mut workloads = Vec::new();
    for key in &keys {
        workloads.push(Workload::start(bed, key, drill.fill).await?);
    }
    outcome.engines.extend(engine(bed, &options.key).await);
    sleep(Duration::from_secs(2)).await;
    let stage = Stage {
        bed,
        keys: &keys,
        first: &options.key,
        image: &options.image,
        screen,
        limit: Duration::from_secs(options.limit),
        zones: drill.zones.unwrap_or(open_zones(bed).await?),
        start: Instant::now(),
    };
    outcome.load = load();
    outcome.unix_millis = Timestamp::now().as_millisecond();
    let done = stage.steps(drill.steps, hands, outcome).await;
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

/// What the drill may lose, where it did; an error where it may not.
fn losses(drill: &Drill, reports: &[Report]) -> Result<Option<String>> {
    let for_sure: u64 = reports.iter().map(Report::lost_for_sure).sum();
    if for_sure > 0 {
        bail!("{for_sure} writes are lost that a follower had, or that were there from the start")
    }
    let lost: u64 = reports.iter().map(Report::lost).sum();
    let unverified: u64 = reports.iter().map(Report::unverified).sum();
    let missing: u64 = reports.iter().map(Report::missing_in_followers).sum();
    if missing > 0 {
        bail!("{missing} acknowledged writes are with their leader, and not with a follower of it")
    }
    match drill.may_lose.filter(|_| unverified == 0) {
        Some(why) => Ok((lost > 0).then(|| format!("{lost} acknowledged writes are lost: {why}"))),
        None if lost + unverified > 0 => {
            bail!("{lost} acknowledged writes are lost, and {unverified} could not be read back")
        }
        None => Ok(None),
    }
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
    if let Some(count) = drill.zones {
        let hosts = bed.kubectl.hosts().await?;
        let zones: BTreeSet<&str> = hosts.iter().filter_map(|host| host.zone()).collect();
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
    Ok(manifest)
}

/// Where a drill is played.
struct Stage<'a> {
    bed: &'a Bed,
    keys: &'a [Key],
    /// The one whose leader or host is lost.
    first: &'a Key,
    image: &'a str,
    screen: Screen,
    limit: Duration,
    zones: usize,
    start: Instant,
}

impl Stage<'_> {
    async fn steps(&self, steps: &[Step], hands: &mut Hands, outcome: &mut Outcome) -> Result<()> {
        let mut conditions = Conditions::default();
        let clusters = look(self.bed, self.keys).await?;
        for (name, cluster) in &clusters {
            conditions.changes(name, cluster);
        }
        self.stand(outcome, &clusters, hands);
        for step in steps {
            let (goal, limit) = match step {
                Step::Until(goal) => (Some(*goal), self.limit),
                Step::Stay(seconds) => (None, Duration::from_secs(*seconds)),
                deed => {
                    self.deed(*deed, hands, outcome).await?;
                    continue;
                }
            };
            let lost = (&hands.lost, self.zones);
            reach(self.bed, self.keys, goal, lost, limit, |clusters| {
                self.stand(outcome, clusters, hands);
                for (name, cluster) in clusters {
                    for change in conditions.changes(name, cluster) {
                        self.note(outcome, Sort::Said, change);
                    }
                }
            })
            .await?;
            if let Some(goal) = goal {
                self.note(outcome, Sort::Reached, goal.text().to_owned());
            }
        }
        Ok(())
    }

    /// Keeps what holds now, where it is not what held at the last look.
    fn stand(&self, outcome: &mut Outcome, clusters: &[(&str, RedisCluster)], hands: &Hands) {
        let at = seconds(self.start.elapsed());
        let now = standing(at, clusters, (&hands.lost, self.zones));
        let last = outcome.standings.last();
        if last.is_none_or(|last| Standing { at, ..*last } != now) {
            outcome.standings.push(now);
        }
    }

    /// Does it, and tells when it was begun and when it was done.
    async fn deed(&self, step: Step, hands: &mut Hands, outcome: &mut Outcome) -> Result<()> {
        let begun = seconds(self.start.elapsed());
        // a host that is started is known before, one that is killed only afterwards
        let before = edge(step, hands);
        let text = self.act(step, hands).await?;
        let fault = before.or_else(|| edge(step, hands));
        self.note(outcome, Sort::Done, text);
        if let Some(event) = outcome.events.last_mut() {
            event.begun = Some(begun);
            event.fault = fault;
        }
        Ok(())
    }

    async fn act(&self, step: Step, hands: &mut Hands) -> Result<String> {
        let (bed, key) = (self.bed, self.first);
        match step {
            Step::DeleteLeader => hands.delete_leader(bed, key, false).await,
            Step::CrashLeader => hands.delete_leader(bed, key, true).await,
            Step::CrashFollowers => hands.crash_followers(bed, key).await,
            Step::CrashOperator => crash_operator(bed).await,
            Step::ForgetPassword => forget_password(bed, key).await,
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

    fn note(&self, outcome: &mut Outcome, sort: Sort, text: String) {
        let at = self.start.elapsed();
        let color = match sort {
            Sort::Done => Color::Red,
            Sort::Reached => Color::Green,
            Sort::Said => Color::Yellow,
        };
        self.screen.event(at, color, &text);
        outcome.events.push(Event {
            at: seconds(at),
            begun: None,
            sort,
            text,
            fault: None,
        });
    }
}
