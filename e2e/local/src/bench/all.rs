//! All measurements of the design's table of speed, one part after the other.

use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use clap::ValueEnum;

use super::run::{Options, Side, What, measure};
use super::sheet::{self, Line, Sheet};
use super::{Report, form, page, place, reshard, roll};
use crate::servers::server;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The solver.
    Placement,
    /// Forming a cluster.
    Form,
    /// Updates of all pods.
    Roll,
    /// Slots that move.
    Reshard,
    /// Outages after faults.
    Outages,
}

/// How much of it.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Which parts, in this order.
    pub parts: Vec<Part>,
    /// Runs of each kind, where several are made.
    pub repetitions: u32,
    /// Keys in the slots that move.
    pub keys: usize,
    /// Leaders, where sizes are compared.
    pub leaders: Vec<u32>,
}

/// Where a third of the leaders is lost.
const LEADERS: u32 = 30;
const TIMEOUTS_MILLIS: [u64; 2] = [5_000, 15_000];
const MEMBERS_PLACED: [u32; 4] = [6, 30, 300, 1_000];
const SERVER: &str = "redis-8";
const RESHARDED: [&str; 2] = ["redis-8", "valkey-9"];
/// `spec.rollout.maxShardsAtOnce`, as it comes.
const AT_ONCE: u32 = 15;
const RESHARD_BYTES: usize = 10;

/// Measures, and writes the report anew after each part: what is measured is not lost with what fails later.
///
/// # Errors
/// When a part cannot be measured; the others are, all the same.
pub async fn all(extent: &Extent, folder: &Path, tell: impl Fn(&str)) -> Result<()> {
    let mut whole = Sheet {
        processors: std::thread::available_parallelism().map_or(1, Into::into),
        date: jiff::Timestamp::now().strftime("%F").to_string(),
        lines: Vec::new(),
    };
    let mut failed = Vec::new();
    for part in &extent.parts {
        tell(&format!("\n{part:?}"));
        let mut trouble = |error| failed.push(format!("{part:?}: {error:#}"));
        match measured(*part, extent, &tell, &mut trouble).await {
            Ok(lines) => whole.lines.extend(lines),
            Err(error) => trouble(error),
        }
        write(folder, &whole)?;
    }
    tell(&format!("\n{}", whole.markdown()));
    tell(&folder.join("report.html").display().to_string());
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

async fn measured(
    part: Part,
    extent: &Extent,
    tell: &impl Fn(&str),
    trouble: &mut impl FnMut(Error),
) -> Result<Vec<Line>> {
    match part {
        Part::Placement => {
            let placed: Result<Vec<_>> = MEMBERS_PLACED.into_iter().map(place).collect();
            Ok(sheet::placed(&placed?))
        }
        Part::Form => {
            let server = server(SERVER)?;
            let mut all = Vec::new();
            for leaders in &extent.leaders {
                for _ in 0..extent.repetitions {
                    let formed = form(&server, *leaders).await?;
                    tell(&format!("{formed:?}"));
                    all.push(formed);
                }
            }
            Ok(sheet::formed(&all))
        }
        Part::Roll => {
            let server = server(SERVER)?;
            let mut all = Vec::new();
            for leaders in &extent.leaders {
                let one = roll(&server, *leaders, 1).await?;
                tell(&format!("{one:?}"));
                let many = roll(&server, *leaders, AT_ONCE).await?;
                tell(&format!("{many:?}"));
                all.push((many, one));
            }
            Ok(sheet::rolled(&all))
        }
        Part::Reshard => {
            let mut lines = Vec::new();
            for name in RESHARDED {
                let server = server(name)?;
                let moved = reshard(&server, extent.keys, RESHARD_BYTES).await?;
                lines.extend(sheet::moved(&server.label, &moved));
            }
            Ok(lines)
        }
        Part::Outages => outages(extent, tell, trouble).await,
    }
}

/// One run that fails must not take the others' figures with it.
async fn outages(
    extent: &Extent,
    tell: &impl Fn(&str),
    trouble: &mut impl FnMut(Error),
) -> Result<Vec<Line>> {
    let options = Options {
        server: server(SERVER)?,
        leaders: LEADERS,
    };
    let mut runs = Vec::new();
    let faults = [What::Leader, What::Third, What::Zone];
    let kinds = faults
        .into_iter()
        .flat_map(|what| TIMEOUTS_MILLIS.map(|timeout| (what, timeout)));
    for (what, timeout) in kinds {
        let shape = match what {
            What::Third | What::Zone => (LEADERS, 1),
            What::Leader | What::Followers => (3, 1),
        };
        for _ in 0..extent.repetitions {
            // one right after the other: what else the machine does hits both
            for side in [Side::Operator, Side::Bus] {
                let name = format!("{what:?} T={timeout} {side:?}");
                match measure(&options, shape, what, side, timeout).await {
                    Ok(run) => {
                        tell(&format!("{name}: {:?}", run.outages));
                        runs.push(run);
                    }
                    Err(error) => {
                        tell(&format!("{name}: {error:#}"));
                        trouble(error.context(name));
                    }
                }
            }
        }
    }
    Ok(sheet::outages(&Report {
        server: options.server.label,
        processors: 0,
        runs,
    }))
}

fn write(folder: &Path, sheet: &Sheet) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let text = serde_json::to_string_pretty(sheet).context("write the figures as JSON")? + "\n";
    for (name, text) in [
        ("report.json", text),
        ("report.md", sheet.markdown()),
        ("report.html", page::page(sheet)),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}
