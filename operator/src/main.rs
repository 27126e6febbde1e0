//! The operator's program: reads the command line and does what it says.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use kube::CustomResourceExt;
use zoneward_operator::api::RedisCluster;
use zoneward_operator::cli::{self, Cli, Command};
use zoneward_operator::ports::RedisAdmin;
use zoneward_operator::rounds::World;
use zoneward_operator::wire::{Alarm, RedisWire};
use zoneward_operator::{plan, run, telemetry};

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => {
            telemetry::init(args.log_format, &args.log).context("failed to start logging")?;
            // With two providers compiled in rustls refuses to choose; so we choose.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("failed to start the runtime")?;
            let result = runtime.block_on(run::run(*args, redis_admin));
            // Rounds that hang must not keep the process from ending.
            runtime.shutdown_background();
            result?;
        }
        Command::Crd => cli::print(&serde_saphyr::to_string(&RedisCluster::crd())?)?,
        Command::Plan { file } => cli::print(&plan_file(&file)?)?,
        Command::Place(args) => return Ok(cli::place(&args)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The one place that chooses how members are reached.
fn redis_admin(waker: Alarm) -> Arc<dyn RedisAdmin> {
    Arc::new(RedisWire::new(waker))
}

fn plan_file(file: &Path) -> anyhow::Result<String> {
    let text = cli::read(file)?;
    let world: World = serde_json::from_str(&text)
        .context("failed to read the world: wanted {desired, observation, now}")?;
    let plan = plan::plan(&world.desired, &world.observation, world.now);
    let refusals = plan::check(&world.desired, &world.observation, &plan, world.now);
    let refusals: Vec<_> = refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.promise, refusal.message))
        .collect();
    let text = serde_json::to_string_pretty(&serde_json::json!({
        "plan": plan,
        "refusals": refusals,
    }))?;
    Ok(text + "\n")
}
