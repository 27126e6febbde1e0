//! `zoneward-local`: measurements on the local testbed, and pictures of the page.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use e2e::show::Screen;
use serde::Serialize;
use terminal::Paint;
use zoneward_local::bench::{
    Extent, Options, Part, Report, Side, What, all, measure, reshard, roll,
};
use zoneward_local::soak::{self, soak};
use zoneward_local::{drill, pictures, server};

/// Where the figures go, below the folder that it is started in.
const FIGURES: &str = "target/local/bench.json";
const ROLLED: &str = "target/local/roll.json";
/// Where the sheet of all measurements goes.
const SHEET: &str = "target/bench";
/// Beside the report of kind's.
const DRILLS: &str = "target/drills/local";
const SOAKED: &str = "target/local/soak.json";

#[derive(Parser)]
#[command(about = "The operator's loop against real servers on loopback")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Outages with the operator and with the bus alone, side by side.
    Bench(BenchArgs),
    /// 4096 slots with all keys in them: the operator, and the server's own command line.
    Reshard(ReshardArgs),
    /// All of the design's table of speed, each beside its alternative; report in target/bench.
    All(AllArgs),
    /// How the time of a rolling update grows with the number of shards.
    Roll(RollArgs),
    /// One fault or change after another under a checking workload.
    Soak(SoakArgs),
    /// The drills of `make drills` that can be played here; report in target/drills/local.
    Drill(DrillArgs),
    /// The operator's page through the loss of a zone, in a real Chromium; pictures of it.
    Page(PageArgs),
}

#[derive(Args)]
struct AllArgs {
    /// Which parts.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["placement", "form", "roll", "reshard", "outages"])]
    parts: Vec<Part>,
    /// Runs of each kind, where several are made.
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
    /// Keys in the slots that move.
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Leaders, where sizes are compared.
    #[arg(long, value_delimiter = ',', default_values_t = [3, 15, 45])]
    leaders: Vec<u32>,
}

#[derive(Args)]
struct RollArgs {
    /// Leaders, with a follower each.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 40])]
    leaders: Vec<u32>,
    /// `spec.rollout.maxShardsAtOnce`.
    #[arg(long, default_value_t = 4)]
    at_once: u32,
    /// The server, as `make servers` names it.
    #[arg(long, default_value = "redis-8")]
    server: String,
}

#[derive(Args)]
struct SoakArgs {
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Draws the deeds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct DrillArgs {
    /// Which, in this order; none, or all: all that can be played here.
    names: Vec<String>,
    /// Seconds that each goal of a drill may take.
    #[arg(long, default_value_t = 300)]
    limit_seconds: u64,
}

#[derive(Args)]
struct PageArgs {
    /// Where the pictures go.
    #[arg(long)]
    pictures: PathBuf,
    /// The servers, as `make servers` names them.
    #[arg(long, default_value = "redis-8")]
    servers: String,
}

#[derive(Args)]
struct ReshardArgs {
    /// How many keys.
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 10)]
    bytes: usize,
    /// The servers, as `make servers` names them.
    #[arg(long, value_delimiter = ',', default_values = ["redis-8", "valkey-9"])]
    servers: Vec<String>,
}

#[derive(Args)]
struct BenchArgs {
    /// What is lost.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["leader", "third", "zone", "followers"])]
    what: Vec<What>,
    /// cluster-node-timeout, milliseconds.
    #[arg(long, value_delimiter = ',', default_values_t = [5000, 15000])]
    timeout: Vec<u64>,
    /// Runs of each kind.
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
    /// The servers, as `make servers` names them.
    #[arg(long, default_value = "redis-8")]
    servers: String,
    /// Leaders, where a third of them or a zone is lost.
    #[arg(long, default_value_t = 30)]
    leaders: u32,
    /// With the operator, or with the bus alone.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["operator", "bus"])]
    sides: Vec<Side>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(args) => bench(&args).await,
        Command::All(args) => {
            let extent = Extent {
                parts: args.parts,
                repetitions: args.repetitions,
                keys: args.keys,
                leaders: args.leaders,
            };
            all(&extent, Path::new(SHEET), tell).await
        }
        Command::Reshard(args) => reshards(&args).await,
        Command::Roll(args) => rolls(&args).await,
        Command::Soak(args) => soaked(&args).await,
        Command::Drill(args) => drilled(&args).await,
        Command::Page(args) => page(&args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn reshards(args: &ReshardArgs) -> Result<()> {
    for name in &args.servers {
        let server = server(name)?;
        for moved in reshard(&server, args.keys, args.bytes).await? {
            let trip = &moved.trip;
            tell(&format!(
                "{}: {}: {} keys in {:.2?}, {:.0} keys/s; clients p99 {:.1?}, longest {:.1?}, {} asked, {} wrong",
                server.label,
                moved.who,
                moved.keys,
                moved.took,
                moved.rate(),
                trip.percentile(0.99),
                trip.percentile(1.0),
                trip.asked,
                trip.wrong.len() + trip.errors.len(),
            ));
        }
    }
    Ok(())
}

async fn rolls(args: &RollArgs) -> Result<()> {
    let server = server(&args.server)?;
    let mut all = Vec::new();
    for leaders in &args.leaders {
        let rolled = roll(&server, *leaders, args.at_once).await?;
        tell(&format!("{rolled:?}"));
        all.push(rolled);
    }
    write(ROLLED, &all)
}

async fn soaked(args: &SoakArgs) -> Result<()> {
    let length = Duration::try_from_secs_f64(args.hours * 3600.0).context("read --hours")?;
    let seed = args.seed;
    let report = soak(soak::Options { length, seed }, |bout| {
        tell(&bout.to_string());
    })
    .await?;
    tell(&format!("\n{report}"));
    write(SOAKED, &report)?;
    let broken = report.broken();
    anyhow::ensure!(broken == 0, "{broken} promises were broken: {SOAKED}");
    Ok(())
}

async fn drilled(args: &DrillArgs) -> Result<()> {
    let names: Vec<String> = args
        .names
        .iter()
        .filter(|it| *it != "all")
        .cloned()
        .collect();
    let options = drill::Options {
        limit: Duration::from_secs(args.limit_seconds),
        folder: PathBuf::from(DRILLS),
        setting: drill::setting(Path::new(".")).await,
    };
    drill::drills(&names, &options, Screen::new(Paint::detect())).await
}

async fn page(args: &PageArgs) -> Result<()> {
    let seen = pictures(server(&args.servers)?, Some(&args.pictures)).await?;
    for file in &seen.files {
        tell(&file.display().to_string());
    }
    let complaints = seen.complaints.join("; ");
    anyhow::ensure!(complaints.is_empty(), "chromium complains: {complaints}");
    Ok(())
}

async fn bench(args: &BenchArgs) -> Result<()> {
    let options = Options {
        server: server(&args.servers)?,
        leaders: args.leaders,
    };
    let mut report = Report {
        server: options.server.label.clone(),
        processors: std::thread::available_parallelism().map_or(1, Into::into),
        runs: Vec::new(),
    };
    let mut failed = 0;
    for what in &args.what {
        for timeout in &args.timeout {
            for repetition in 1..=args.repetitions {
                for (shape, side) in runs_of(*what, args) {
                    let name = format!("{what:?} {shape:?} T={timeout} {side:?} #{repetition}");
                    match measure(&options, shape, *what, side, *timeout).await {
                        Ok(run) => {
                            tell(&format!(
                                "{name}: {:?} failovers at {:?}",
                                run.outages, run.failovers
                            ));
                            report.runs.push(run);
                        }
                        // one that fails must not take the others' figures with it
                        Err(error) => {
                            failed += 1;
                            tell(&format!("{name}: {error:#}"));
                        }
                    }
                }
            }
        }
    }
    tell(&format!("\n{report}"));
    write(FIGURES, &report)?;
    anyhow::ensure!(failed == 0, "{failed} runs failed");
    Ok(())
}

/// Both sides of each shape, one right after the other: what else the machine does hits both.
fn runs_of(what: What, args: &BenchArgs) -> Vec<((u32, u32), Side)> {
    let shapes = match what {
        What::Leader => vec![(3, 1)],
        What::Third | What::Zone => vec![(args.leaders, 1)],
        What::Followers => vec![(3, 1), (10, 2)],
    };
    let sides = |shape| args.sides.iter().map(move |side| (shape, *side));
    shapes.into_iter().flat_map(sides).collect()
}

fn write(path: &str, report: &impl Serialize) -> Result<()> {
    let folder = Path::new(path).parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let text = serde_json::to_string_pretty(report).context("write the figures as JSON")?;
    fs::write(path, text + "\n").with_context(|| format!("write {path}"))
}

fn tell(text: &str) {
    // nobody is left to tell where that fails
    let _ = writeln!(std::io::stdout(), "{text}");
}
