//! `e2e`: demo, checks and measurements on a real Kubernetes. See README.md beside this crate.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use e2e::bed::{Bed, Moment};
use e2e::bench::bench;
use e2e::cli::{Cli, ClusterArgs, Command, TargetArgs};
use e2e::crash_loop::{self, crash_loop};
use e2e::demo::{Options, Story, demo};
use e2e::diagnosis;
use e2e::drill::series::{self, Folders, series};
use e2e::drill::setting::setting;
use e2e::drill::{self, DRILLS, report};
use e2e::manifest::Change;
use e2e::objects::Key;
use e2e::show::Screen;
use serde::Serialize;
use terminal::Paint;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let bed = cli.bed.bed();
    let screen = Screen::new(Paint::detect());
    match cli.command {
        Command::Demo(args) => tell(&bed, &args.options(&bed.root), screen).await,
        Command::Drill {
            names,
            target,
            limit_seconds,
        } => {
            let options = drill::Options {
                key: target.key(),
                example: bed.root.join("examples/redis-cluster.yaml"),
                image: target.image,
                limit: limit_seconds,
                setting: setting(&bed).await,
            };
            drills(&bed, &names, &options, screen).await
        }
        Command::Report { files, to } => report(&bed.root, files, to, screen),
        Command::Map(cluster) => map(&bed, &cluster.key(), screen).await,
        Command::Check {
            cluster,
            during_outage,
        } => check(&bed, &cluster, during_outage, screen).await,
        Command::BringUpBench {
            target,
            shapes,
            repetitions,
        } => {
            let key = target.key();
            let image = Some(target.image.as_str());
            let runs = bench(&bed, &key, image, &shapes, repetitions, screen).await;
            write(&bed.root, "bring-up.json", &kept(&bed, &key, runs).await?)
        }
        Command::CrashLoop {
            target,
            kills,
            shape,
            limit_seconds,
        } => {
            let TargetArgs { image, .. } = target.clone();
            let options = crash_loop::Options {
                key: target.key(),
                change: Change {
                    image: Some(image),
                    leaders: Some(shape.leaders),
                    followers: Some(shape.followers),
                    storage: None,
                },
                kills,
                limit: limit_seconds,
            };
            let outcome = crash_loop(&bed, &options, screen).await;
            let outcome = kept(&bed, &options.key, outcome).await?;
            write(&bed.root, "crash-loop.json", &outcome)
        }
    }
}

async fn tell(bed: &Bed, options: &Options, screen: Screen) -> Result<()> {
    let mut story = Story::default();
    let told = tokio::select! {
        told = demo(bed, options, screen, &mut story) => Some(told),
        _ = tokio::signal::ctrl_c() => None,
    };
    let interrupted = told.is_none();
    let told = told.unwrap_or_else(|| Err(anyhow!("interrupted")));
    if let Err(error) = &told {
        story.error = Some(format!("{error:#}"));
    }
    write(&bed.root, "demo.json", &story)?;
    let told = if interrupted {
        told
    } else {
        kept(bed, &options.key, told).await
    };
    if told.is_err()
        && let Some(outage) = story.outage.filter(|_| story.back.is_none())
    {
        // Only now: what was kept shows the outage. To start a zone that runs does no harm.
        screen.line(&format!("bringing {} back", outage.zone));
        if let Err(error) = bed.return_zone(&outage.zone, outage.fault).await {
            screen.warning(&format!("{error:#}"));
        }
    }
    told
}

/// Runs the drills one after another, also after one that failed, and writes what each came to.
async fn drills(
    bed: &Bed,
    names: &[String],
    options: &drill::Options,
    screen: Screen,
) -> Result<()> {
    let mut chosen = series::chosen(names)?;
    if chosen.is_empty() {
        chosen = DRILLS.iter().collect();
    }
    screen.aside("building the workload (static, for the testbed's containers)");
    bed.place_workload(None).await?;
    let folders = Folders {
        report: drills_folder(&bed.root),
        each: bed.root.join("target/e2e"),
    };
    series(&chosen, &folders, screen, async |one| {
        drill::drill(bed, one, options, screen).await
    })
    .await
}

/// Where the report of drills is written.
fn drills_folder(root: &Path) -> PathBuf {
    root.join("target/drills")
}

/// Draws the report of what was measured before.
fn report(root: &Path, files: Vec<PathBuf>, to: Option<PathBuf>, screen: Screen) -> Result<()> {
    let folder = drills_folder(root);
    let files = if files.is_empty() {
        vec![folder.join("report.json")]
    } else {
        files
    };
    series::tell(&report::read(&files)?, &to.unwrap_or(folder), screen)
}

/// Where it failed, keeps what is needed to find out why.
async fn kept<T>(bed: &Bed, key: &Key, outcome: Result<T>) -> Result<T> {
    let error = match outcome {
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    let folder = diagnosis::keep(bed, key, &error).await;
    match folder {
        Ok(folder) => Err(error.context(format!("status and logs are in {}", folder.display()))),
        Err(other) => Err(error.context(format!("status and logs could not be kept: {other:#}"))),
    }
}

async fn map(bed: &Bed, key: &Key, screen: Screen) -> Result<()> {
    let cluster = bed.kubectl.redis_cluster(key).await?;
    let cluster = cluster.with_context(|| format!("there is no RedisCluster {key}"))?;
    screen.map(&cluster);
    Ok(())
}

async fn check(bed: &Bed, cluster: &ClusterArgs, outage: bool, screen: Screen) -> Result<()> {
    let moment = if outage {
        Moment::Outage
    } else {
        Moment::Whole
    };
    let checked = bed.check(&cluster.key(), moment).await?;
    screen.checks(&checked.lines);
    if !checked.passed {
        bail!("{} is not as it should be", cluster.key());
    }
    Ok(())
}

fn write<T: Serialize>(root: &Path, name: &str, value: &T) -> Result<()> {
    let folder = root.join("target/e2e");
    std::fs::create_dir_all(&folder)?;
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    let file = folder.join(name);
    std::fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))
}
