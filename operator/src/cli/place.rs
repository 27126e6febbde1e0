//! `zoneward place`: a placement problem in, its answer out. Reads and prints; what is right and
//! what is best is the business of the crate `placement`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use placement::{
    Explanation, Infeasible, Move, Placement, Problem, Reason, ShardPlacement, SolveError,
    ZoneName, ZoneState, explain, moves, solve,
};
use serde::Serialize;
use terminal::{Cell, Paint, aligned};

/// It is proven that there is no solution.
const INFEASIBLE: u8 = 1;
/// There is no answer: the problem is malformed, or was not read.
const UNANSWERED: u8 = 2;

/// What `zoneward place` is told.
#[derive(Args, Debug)]
pub struct PlaceArgs {
    /// The file; `-` reads standard input.
    pub file: PathBuf,

    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Output,

    /// Tell why each member sits where it sits, and by which moves it gets there.
    #[arg(long)]
    pub explain: bool,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: zones as columns, shards as rows.
    Table,
    /// For programs.
    Json,
    /// For programs, and people.
    Yaml,
}

/// A solution as it is printed.
#[derive(Serialize)]
struct Solution {
    #[serde(flatten)]
    placement: Placement,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    story: Option<Story>,
}

/// What `--explain` adds.
#[derive(Serialize)]
struct Story {
    explanations: Vec<Explanation>,
    moves: Vec<Move>,
}

/// No solution, as it is printed.
#[derive(Serialize)]
struct Refusal {
    infeasible: Vec<Reason>,
}

/// Solves the problem in the file and prints the answer; returns the exit status.
pub fn place(args: &PlaceArgs) -> ExitCode {
    answer(args).unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        ExitCode::from(UNANSWERED)
    })
}

fn answer(args: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let problem = parse(&super::read(&args.file)?)?;
    match solve(&problem) {
        Ok(placement) => {
            let story = args.explain.then(|| Story {
                explanations: explain(&problem, &placement),
                moves: moves(&problem, &placement),
            });
            let solution = Solution { placement, story };
            super::print(&match args.output {
                Output::Table => table(&problem, &solution)?,
                output => text(output, &solution)?,
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(SolveError::Infeasible(Infeasible { reasons })) => {
            super::print(&match args.output {
                Output::Table => reasons
                    .iter()
                    .flat_map(|reason| [reason.to_string(), "\n".to_owned()])
                    .collect(),
                output => text(
                    output,
                    &Refusal {
                        infeasible: reasons,
                    },
                )?,
            })?;
            Ok(ExitCode::from(INFEASIBLE))
        }
        Err(malformed) => Err(malformed.into()),
    }
}

/// The problem, or the path of the field that is wrong.
fn parse(text: &str) -> anyhow::Result<Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let problem = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, why) = (error.path().to_string(), error.into_inner());
        // The path ends at the object that the field is missing from, or stands in twice.
        let why = why.to_string();
        let field = ["missing field `", "duplicate field `"]
            .iter()
            .find_map(|start| why.strip_prefix(start)?.split('`').next());
        match (path.as_str(), field) {
            (".", Some(field)) => anyhow!("malformed problem at {field}: {why}"),
            (".", None) => anyhow!("malformed problem: {why}"),
            (path, Some(field)) => anyhow!("malformed problem at {path}.{field}: {why}"),
            (path, None) => anyhow!("malformed problem at {path}: {why}"),
        }
    })?;
    reader.end().context("malformed problem")?;
    Ok(problem)
}

fn text(output: Output, answer: &impl Serialize) -> anyhow::Result<String> {
    match output {
        Output::Yaml => serde_saphyr::to_string(answer).context("failed to write YAML"),
        Output::Json | Output::Table => {
            Ok(serde_json::to_string_pretty(answer).context("failed to write JSON")? + "\n")
        }
    }
}

/// Zones as columns, shards as rows, then the sums, the score and the story.
fn table(problem: &Problem, solution: &Solution) -> Result<String, std::fmt::Error> {
    let placement = &solution.placement;
    let zones: Vec<&ZoneName> = problem.zones.iter().map(|zone| &zone.name).collect();
    let mut rows = vec![row("SHARD", problem.zones.iter().map(title))];
    for shard in &placement.shards {
        let cells = zones.iter().map(|zone| cell(shard, zone));
        rows.push(row(&shard.shard.to_string(), cells));
    }
    let sum = |count: fn(&ShardPlacement, &ZoneName) -> usize| {
        let shards = &placement.shards;
        zones.iter().map(move |zone| {
            let all: usize = shards.iter().map(|shard| count(shard, zone)).sum();
            all.to_string()
        })
    };
    rows.push(row(
        "leaders",
        sum(|shard, zone| ranks(shard, zone).filter(|it| *it == 0).count()),
    ));
    rows.push(row(
        "members",
        sum(|shard, zone| ranks(shard, zone).count()),
    ));
    let mut out = aligned(&rows, Paint::plain());
    let proof = if placement.optimal {
        "optimal"
    } else {
        "not proven optimal"
    };
    writeln!(out, "\n{proof}: {}", placement.score)?;
    if let Some(bound) = placement.bound {
        writeln!(out, "none is below: {bound}")?;
    }
    if let Some(story) = &solution.story {
        out.push('\n');
        for line in &story.explanations {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "\nmoves: {}", story.moves.len())?;
        for step in &story.moves {
            writeln!(out, "{step}")?;
        }
    }
    Ok(out)
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> Vec<Cell> {
    let name = std::iter::once(name.to_owned());
    name.chain(cells).map(Cell::plain).collect()
}

fn title(zone: &placement::Zone) -> String {
    match zone.state {
        ZoneState::Open => zone.name.to_string(),
        ZoneState::Cordoned => format!("{} (cordoned)", zone.name),
        ZoneState::Gone => format!("{} (gone)", zone.name),
    }
}

/// The ranks of the shard's members in the zone: 0 leads, 1 is the first in succession.
fn ranks(shard: &ShardPlacement, zone: &ZoneName) -> impl Iterator<Item = usize> {
    std::iter::once(&shard.leader)
        .chain(&shard.followers)
        .enumerate()
        .filter(move |(_, at)| *at == zone)
        .map(|(rank, _)| rank)
}

fn cell(shard: &ShardPlacement, zone: &ZoneName) -> String {
    let names: Vec<String> = ranks(shard, zone)
        .map(|rank| match rank {
            0 => "leader".to_owned(),
            rank => rank.to_string(),
        })
        .collect();
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(",")
    }
}
