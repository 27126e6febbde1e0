//! The command line. Every flag can be given as an environment variable too.

mod place;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::telemetry::LogFormat;

pub use place::{Output, PlaceArgs, place};

/// A Kubernetes operator for Redis Cluster that keeps every shard's members in different zones.
#[derive(Debug, Parser)]
#[command(name = "zoneward", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Print what would be done, as JSON, for a dumped world: {desired, observation, now}.
    Plan {
        /// The file; `-` reads standard input.
        file: PathBuf,
    },
    /// Solve a placement problem, given as JSON; docs/placement.md has the format.
    ///
    /// Exit status 0: solved; 1: proven to have no solution; 2: the problem is malformed.
    Place(PlaceArgs),
}

/// Settings of the operator.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// A namespace to watch; may be given more than once. None: all.
    #[arg(long = "namespace", env = "ZONEWARD_NAMESPACE", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// The namespace of the lease that tells which replica is active.
    #[arg(
        long,
        env = "ZONEWARD_LEASE_NAMESPACE",
        default_value = "zoneward-system"
    )]
    pub lease_namespace: String,

    /// The name of that lease.
    #[arg(long, env = "ZONEWARD_LEASE_NAME", default_value = "zoneward")]
    pub lease_name: String,

    /// This replica's name, as its pod is called.
    #[arg(long, env = "POD_NAME", default_value = "zoneward")]
    pub pod_name: String,

    /// The uid of its pod: who is started again in the same pod takes its forerunner's lease at once.
    #[arg(long, env = "POD_UID")]
    pub pod_uid: Option<String>,

    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "ZONEWARD_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_address: SocketAddr,

    /// How log lines look.
    #[arg(long, env = "ZONEWARD_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged, such as info or zoneward_operator=debug.
    #[arg(long, env = "ZONEWARD_LOG", default_value = "info")]
    pub log: String,
}

/// The text of a file; `-` is standard input.
pub fn read(file: &Path) -> anyhow::Result<String> {
    if file.as_os_str() != "-" {
        return std::fs::read_to_string(file)
            .with_context(|| format!("failed to read {}", file.display()));
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("failed to read standard input")?;
    Ok(text)
}

/// Writes the answer of a command to standard output.
pub fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("failed to print")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn namespaces_add_up() {
        let cli =
            Cli::try_parse_from(["zoneward", "run", "--namespace", "a,b", "--namespace", "c"])
                .unwrap();
        let Command::Run(args) = cli.command else {
            panic!("not run")
        };
        assert_eq!(args.namespaces, ["a", "b", "c"]);
        assert_eq!(args.metrics_address.port(), 8080);
    }
}
