//! Drills on the local testbed: the rows of `e2e`'s table, its checking workload, its judgement and its report, with
//! `Local` for kind. What would not be true here is not played, and says why.

mod bed;
mod playable;
mod proof;
mod told;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use e2e::drill::measured::{Outcome, Setting};
use e2e::drill::series::{Folders, chosen, series};
use e2e::drill::setting::{commit, load, machine};
use e2e::drill::{DRILLS, Drill, Stage, adapt, losses};
use e2e::show::Screen;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

pub use playable::why_not;

use crate::servers::server;
use crate::testbed::{Settings, Testbed};
use bed::Local;
use playable::{IMAGE, engine, short};
use told::told;
use workload::Workload;

/// Of a pod, after it has its host: as in the measurements.
const POD_START: Duration = Duration::from_secs(1);
/// What the members may take to agree at the end.
const AGREED_WITHIN: Duration = Duration::from_secs(60);
/// How long is written before the first deed.
const BEFOREHAND: Duration = Duration::from_secs(2);

/// How drills are played.
#[derive(Clone, Debug)]
pub struct Options {
    /// What each goal may take.
    pub limit: Duration,
    /// Where report and outcomes are written.
    pub folder: PathBuf,
    /// Where they are played.
    pub setting: Setting,
}

/// Plays those of these names, or all that can be played here; writes and shows the report.
///
/// # Errors
/// When one is not known or can be played on kind only, or when one failed.
pub async fn drills(names: &[String], options: &Options, screen: Screen) -> Result<()> {
    let asked_for = chosen(names)?;
    for drill in &asked_for {
        if let Some(why) = why_not(drill) {
            bail!("{} is played on kind only: {why}", drill.name);
        }
    }
    let drills = if asked_for.is_empty() {
        all(screen)
    } else {
        asked_for
    };
    let folders = Folders {
        report: options.folder.clone(),
        each: options.folder.clone(),
    };
    series(&drills, &folders, screen, async |one| {
        drill(one, options, screen).await
    })
    .await
}

/// All that can be played here; of the others it is told why not.
fn all(screen: Screen) -> Vec<&'static Drill> {
    let mut here = Vec::new();
    for drill in &DRILLS {
        match why_not(drill) {
            Some(why) => screen.aside(&format!("{}: on kind only: {why}", drill.name)),
            None => here.push(drill),
        }
    }
    here
}

/// The machine, and that this is no kind.
pub async fn setting(root: &Path) -> Setting {
    Setting {
        machine: machine(),
        hosts: "6 hosts in 3 zones".to_owned(),
        commit: commit(root).await,
        testbed: "local: the operator's loop with real servers on loopback; hosts, kubelets and Kubernetes in memory; the \
                  writers in the same process"
            .to_owned(),
        ..Setting::default()
    }
}

/// Plays a drill on a testbed of its own, which ends with it; what was taken away is given back, also where something fails.
pub async fn drill(drill: &'static Drill, options: &Options, screen: Screen) -> Outcome {
    let mut outcome = Outcome {
        drill: drill.name.to_owned(),
        title: drill.title.to_owned(),
        shape: drill.shape(),
        setting: Some(options.setting.clone()),
        ..Outcome::default()
    };
    screen.heading(&format!("{}: {}", drill.name, drill.title));
    let played = tokio::select! {
        played = play(drill, options, screen, &mut outcome) => Some(played),
        _ = tokio::signal::ctrl_c() => None,
    };
    outcome.interrupted = played.is_none();
    let played = played.unwrap_or_else(|| Err(anyhow!("interrupted")));
    if let Err(error) = played {
        let said = in_a_line(drill, &format!("{error:#}"), &options.folder);
        screen.warning(&said);
        outcome.error = Some(said);
    }
    outcome
}

async fn play(
    drill: &Drill,
    options: &Options,
    screen: Screen,
    outcome: &mut Outcome,
) -> Result<()> {
    let image = drill.image.unwrap_or(IMAGE);
    let begun = Instant::now();
    let testbed = Testbed::whole(settings(drill, image)?).await?;
    let took = begun.elapsed().as_secs_f64();
    screen.aside(&format!("it is whole after {took:.1} s"));
    let mut local = Local::new(testbed, image)?;
    let workload = Workload::start(&local.testbed.kubernetes, drill).await?;
    outcome.engines = engines(&local);
    sleep(BEFOREHAND).await;
    let stage = Stage {
        screen,
        limit: options.limit,
        zones: drill.zones.unwrap_or(local.testbed.zones().len()),
        start: Instant::now(),
    };
    outcome.load = load();
    outcome.unix_millis = Timestamp::now().as_millisecond();
    let done = stage.steps(drill.steps, &mut local, outcome).await;
    outcome.told = told(&local.testbed.story(), stage.start);
    if done.is_err() {
        // now: afterwards it would show the state after all was given back
        let kept = keep(drill, &local.testbed, &options.folder).await?;
        screen.aside(&format!("what there is to know is in {}", kept.display()));
    }
    outcome.engines.extend(engines(&local));
    outcome.engines.dedup();
    let report = workload.finish().await;
    let given_back = local.give_back().await;
    let report = report?;
    screen.report(&report, Some(outcome.unix_millis));
    outcome.workloads.push(report);
    done?;
    given_back?;
    // by the members' own word, as check-cluster has it on kind
    local.testbed.until_whole(AGREED_WITHIN).await?;
    if let Some(said) = losses(drill, &outcome.workloads)? {
        screen.line(&said);
    }
    Ok(())
}

/// The testbed of a drill.
fn settings(drill: &Drill, image: &str) -> Result<Settings> {
    let server = server(&short(image))?;
    let mut settings = Settings::new(server, drill.leaders, drill.followers);
    let zones = ["a", "b", "c"];
    let mut spec = Map::new();
    adapt(&mut spec, drill, zones)?;
    if let Some(size) = drill.storage {
        spec.insert("storage".to_owned(), json!({ "size": size }));
    }
    settings.has_storage = drill.storage.is_some();
    settings.spec = Value::Object(spec);
    settings.pace.start_after = POD_START;
    Ok(settings)
}

/// What the members run, each once.
fn engines(local: &Local) -> Vec<String> {
    let mut labels = local.testbed.kubernetes.images();
    labels.sort();
    labels.dedup();
    labels.iter().map(|label| engine(label)).collect()
}

/// What a testbed says of a failure fills pages: the report has its first line, a file all of it.
fn in_a_line(drill: &Drill, error: &str, folder: &Path) -> String {
    let Some((first, _)) = error.split_once('\n') else {
        return error.to_owned();
    };
    match put(drill, folder, error) {
        Ok(file) => format!("{first}; all of it is in {}", file.display()),
        Err(other) => format!("{first}; {other:#}"),
    }
}

/// Keeps what the members, the status and the loop say.
async fn keep(drill: &Drill, testbed: &Testbed, folder: &Path) -> Result<PathBuf> {
    put(drill, folder, &testbed.tell(&testbed.survey().await))
}

fn put(drill: &Drill, folder: &Path, told: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let file = folder.join(format!("drill-{}.txt", drill.name));
    fs::write(&file, told).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The report has a line for it, and pages go nowhere else.
    #[test]
    fn a_failure_is_told_in_a_line_and_kept_whole() {
        let name = format!("zoneward-drill-line-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let drill = &DRILLS[0];
        assert_eq!(in_a_line(drill, "no server", &folder), "no server");
        assert!(!folder.exists());
        let told = "all is whole: shard 0 is bare\ncart-0-1: said nothing";
        let said = in_a_line(drill, told, &folder);
        let file = folder.join(format!("drill-{}.txt", drill.name));
        let kept = fs::read_to_string(&file).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let place = file.display();
        assert_eq!(
            said,
            format!("all is whole: shard 0 is bare; all of it is in {place}")
        );
        assert_eq!(kept, told);
    }

    /// Needs the servers, as the rest of this crate's tests.
    #[test]
    fn a_testbed_is_as_the_drill_wants_it() {
        for drill in DRILLS.iter().filter(|it| why_not(it).is_none()) {
            let settings = settings(drill, drill.image.unwrap_or(IMAGE)).unwrap();
            assert_eq!(
                (settings.leaders, settings.followers),
                (drill.leaders, drill.followers)
            );
            assert_eq!(
                settings.has_storage,
                drill.storage.is_some(),
                "{}",
                drill.name
            );
            let allowed = settings.spec["zones"]["allowed"].as_array().map(Vec::len);
            assert_eq!(allowed, drill.zones, "{}", drill.name);
            let policy = settings.spec["recovery"]["quorumLoss"].as_str();
            assert_eq!(policy, drill.quorum_loss, "{}", drill.name);
        }
    }
}
