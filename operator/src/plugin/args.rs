//! The command line of the plugin: what can be asked, and of whom.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::drill::DrillArgs;
use super::switchover::duration;

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  error
  2  the command line is wrong
  3  the answer is no: not ready (status), not every zone may be lost (zones), the plan is refused (plan),
     the pod does not lead in time or cannot be asked to (switchover), the drill is refused or did not go well (drill)";

/// What was asked.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-zoneward",
    bin_name = "kubectl zoneward",
    version,
    about = "Look at a RedisCluster, ask what the operator would do and why nothing happens, hold it back, say who leads, and lose a zone to see what comes of it",
    after_help = EXIT_CODES
)]
pub struct Cli {
    /// Whom to ask.
    #[command(flatten)]
    pub target: Target,

    /// How the answer is printed.
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,

    /// What to ask.
    #[command(subcommand)]
    pub command: Command,
}

/// Which Kubernetes, which namespace, and where the operator is.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// The namespace of the RedisCluster. Left out: the context's.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,

    /// The context of the kubeconfig. Left out: its current one.
    #[arg(long, global = true)]
    pub context: Option<String>,

    /// The kubeconfig. Left out: the files in KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,

    /// The namespace of the operator.
    #[arg(long, global = true, default_value = "zoneward-system")]
    pub operator_namespace: String,

    /// The lease of the operator: called as its Deployment is.
    #[arg(long, global = true, default_value = "zoneward")]
    pub operator_lease: String,

    /// The port that the operator's pods serve on.
    #[arg(long, global = true, default_value_t = 8080)]
    pub operator_port: u16,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How it is: the verdict, the map of zones, the conditions, what is waited for.
    ///
    /// Exit code 3 where it, or one of them, is not ready.
    Status {
        /// The RedisCluster. Left out: one line for each.
        name: Option<String>,
        /// Those of all namespaces.
        #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
        all_namespaces: bool,
    },
    /// Which zone may be lost now, and why one may not.
    ///
    /// Exit code 0 where the loss of any one would be survived; 3 otherwise, also where no operator is active
    /// to keep that answer true.
    Zones {
        /// The RedisCluster.
        name: String,
    },
    /// What the operator would do now, by the world that it saw in its last round.
    ///
    /// It changes nothing. Exit code 3 where nothing would be done because the API server, the operator or
    /// its checker refuses.
    Plan {
        /// The RedisCluster.
        name: String,
        /// What it would do if this were applied; `-` reads standard input.
        #[arg(short, long = "filename")]
        file: Option<PathBuf>,
    },
    /// Why nothing happens and what to do about it; with a pod: why that member is where it is.
    Explain {
        /// The RedisCluster.
        name: String,
        /// One of its pods.
        pod: Option<String>,
    },
    /// Hold the operator back from this RedisCluster: it looks and reports, and touches nothing.
    Pause {
        /// The RedisCluster.
        name: String,
    },
    /// Have the operator look after it again.
    Resume {
        /// The RedisCluster.
        name: String,
    },
    /// Have this pod lead its shard, by a switchover that loses nothing; it keeps the lead whenever it can, until
    /// that is taken back or the pod is gone.
    ///
    /// Exit code 3 where it cannot be asked, or does not lead in time: it may later, as the wish stands.
    Switchover {
        /// The pod of a follower.
        pod: String,
        /// Take it back: leadership goes where leaders are even over the zones.
        #[arg(long)]
        release: bool,
        /// Ask, and do not wait until it leads.
        #[arg(long, conflicts_with = "release")]
        no_wait: bool,
        /// How long to wait until it leads, such as 90s or 5m.
        #[arg(long, default_value = "5m", value_parser = duration, conflicts_with_all = ["release", "no_wait"])]
        timeout: Duration,
    },
    /// Lose a zone for a minute, to see what comes of it: cuts the members of one zone off by a NetworkPolicy, and
    /// lets them through again, whatever happens.
    ///
    /// Without --run nothing is done, and told what would be. Exit code 3 where it is refused, where the zone was not
    /// really cut off, and where not all went well.
    Drill(DrillArgs),
    /// Print the completions of `kubectl-zoneward` for a shell.
    Completion {
        /// Which shell.
        shell: Shell,
    },
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
    fn flags_stand_before_and_behind_the_command() {
        for line in [
            ["kubectl-zoneward", "-n", "prod", "zones", "cache"],
            ["kubectl-zoneward", "zones", "cache", "-n", "prod"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.target.namespace.as_deref(), Some("prod"));
        }
    }

    #[test]
    fn one_and_all_are_two_questions() {
        let line = ["kubectl-zoneward", "status", "cache", "-A"];
        assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2);
    }
}
