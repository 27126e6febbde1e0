//! The command line of `e2e`.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::bed::{Bed, Fault};
use crate::bench::Shape;
use crate::demo::{Limits, Options};
use crate::kubectl::Kubectl;
use crate::manifest::Change;
use crate::objects::Key;

/// Zoneward end to end, on a real Kubernetes.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// Where things are.
    #[command(flatten)]
    pub bed: BedArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring a `RedisCluster` up, stop a zone while writing, watch it heal, bring the zone back.
    Demo(DemoArgs),
    /// Lose leaders, hosts, zones and power while a writer checks every write; without names, all drills.
    Drill {
        /// Which, in this order.
        names: Vec<String>,
        /// Namespace and image.
        #[command(flatten)]
        target: TargetArgs,
        /// Seconds that each goal of a drill may take.
        #[arg(long, default_value_t = 300)]
        limit_seconds: u64,
    },
    /// Draw the report of drills again: report.json and report.html.
    Report {
        /// A report.json, or the files of single drills; of a drill that stands in several the last counts
        /// (default: target/drills/report.json of the repository).
        files: Vec<PathBuf>,
        /// The folder that both are written to (default: target/drills of the repository).
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Print the zone map of a `RedisCluster`.
    Map(ClusterArgs),
    /// Check a `RedisCluster` with e2e/check-cluster.
    Check {
        /// Which.
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Ask only the members that can be reached.
        #[arg(long)]
        during_outage: bool,
    },
    /// Measure the time from kubectl apply to redundant.
    BringUpBench {
        /// Namespace and image.
        #[command(flatten)]
        target: TargetArgs,
        /// Shapes, leaders x followers of each.
        #[arg(long, value_delimiter = ',', default_value = "3x1,5x2", value_parser = Shape::parse)]
        shapes: Vec<Shape>,
        /// How often each.
        #[arg(long, default_value_t = 3)]
        repetitions: u32,
    },
    /// Kill the operator again and again during bring-ups.
    CrashLoop {
        /// Namespace and image.
        #[command(flatten)]
        target: TargetArgs,
        /// How often.
        #[arg(long, default_value_t = 10)]
        kills: u32,
        /// Leaders and followers of each.
        #[arg(long, default_value = "3x1", value_parser = Shape::parse)]
        shape: Shape,
        /// Seconds that a bring-up may take after the last kill in it.
        #[arg(long, default_value_t = 180)]
        limit_seconds: u64,
    },
}

/// Where things are.
#[derive(Debug, Args)]
pub struct BedArgs {
    /// The repository.
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."), hide_default_value = true)]
    pub root: PathBuf,
    /// The folder with the testbed's scripts (default: e2e/kind of the repository).
    #[arg(long, global = true)]
    pub kind: Option<PathBuf>,
    /// The container near the pods that the workload runs in.
    #[arg(long, global = true, default_value = "zoneward-control-plane")]
    pub near: String,
    /// The operator's namespace.
    #[arg(long, global = true, default_value = "zoneward-system")]
    pub operator_namespace: String,
    /// The operator's pods.
    #[arg(long, global = true, default_value = "app.kubernetes.io/name=zoneward")]
    pub operator_label: String,
}

/// A `RedisCluster` that is there.
#[derive(Clone, Debug, Args)]
pub struct ClusterArgs {
    /// Its name.
    #[arg(long, default_value = "demo")]
    pub name: String,
    /// Its namespace.
    #[arg(long, short, default_value = "default")]
    pub namespace: String,
}

/// A `RedisCluster` to be made.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// Its name.
    #[arg(long, default_value = "bench")]
    pub name: String,
    /// Its namespace.
    #[arg(long, short, default_value = "default")]
    pub namespace: String,
    /// The image of its members.
    #[arg(long, default_value = "zoneward.local/redis:8")]
    pub image: String,
}

/// How the demo is run.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// The image of the members, instead of the example's.
    #[arg(long)]
    pub image: Option<String>,
    /// Shards, instead of the example's.
    #[arg(long)]
    pub leaders: Option<u32>,
    /// Followers of each leader, instead of the example's.
    #[arg(long)]
    pub followers: Option<u32>,
    /// Size of each member's volume, such as 64Mi; without it as the example has it.
    #[arg(long)]
    pub storage: Option<String>,
    /// The zone to stop; without it one that has a leader.
    #[arg(long)]
    pub zone: Option<String>,
    /// How it is lost.
    #[arg(long, value_enum, default_value_t)]
    pub fault: Fault,
    /// The example (default: examples/redis-cluster.yaml of the repository).
    #[arg(long)]
    pub example: Option<PathBuf>,
    /// The workload, built beforehand; without it, it is built.
    #[arg(long)]
    pub workload: Option<PathBuf>,
    /// Fail when anything is not as promised.
    #[arg(long)]
    pub assert: bool,
    /// With --assert: acknowledged writes that may be lost. Redis copies asynchronously.
    #[arg(long, default_value_t = 0)]
    pub lost_max: u64,
    /// Seconds from apply to redundant, at most.
    #[arg(long, default_value_t = 180)]
    pub bring_up_seconds: u64,
    /// Seconds from the stop of the zone to redundant, at most.
    #[arg(long, default_value_t = 180)]
    pub heal_seconds: u64,
    /// Seconds from the return of the zone until all is as it was, at most.
    #[arg(long, default_value_t = 300)]
    pub home_seconds: u64,
}

impl BedArgs {
    /// The testbed.
    pub fn bed(&self) -> Bed {
        let root = self
            .root
            .canonicalize()
            .unwrap_or_else(|_| self.root.clone());
        let label = self.operator_label.split_once('=');
        let (label, value) = label.unwrap_or((&self.operator_label, ""));
        Bed {
            kind: self.kind.clone().unwrap_or_else(|| root.join("e2e/kind")),
            near: self.near.clone(),
            operator_namespace: self.operator_namespace.clone(),
            operator_label: (label.to_owned(), value.to_owned()),
            kubectl: Kubectl::new(&root),
            root,
        }
    }
}

impl ClusterArgs {
    /// Its key.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

impl TargetArgs {
    /// Its key.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

impl DemoArgs {
    /// As the demo wants it.
    pub fn options(self, root: &Path) -> Options {
        Options {
            key: self.cluster.key(),
            change: Change {
                image: self.image,
                leaders: self.leaders,
                followers: self.followers,
                storage: self.storage,
            },
            example: self
                .example
                .unwrap_or_else(|| root.join("examples/redis-cluster.yaml")),
            zone: self.zone,
            fault: self.fault,
            workload: self.workload,
            assert: self.assert,
            lost_max: self.lost_max,
            limits: Limits {
                bring_up: self.bring_up_seconds,
                heal: self.heal_seconds,
                home: self.home_seconds,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["e2e", "demo", "--assert", "--leaders", "5", "-n", "x"]);
        let Command::Demo(args) = cli.command else {
            panic!("not the demo");
        };
        let options = args.options(Path::new("/repo"));
        assert_eq!(options.key.to_string(), "x/demo");
        assert_eq!(
            options.example,
            Path::new("/repo/examples/redis-cluster.yaml")
        );
    }
}
