//! The verifying workload as a program of its own, to be run near the pods: see
//! [`e2e::workload`]. Exit status 0: nothing lost; 1: something was, or it could not run.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use e2e::workload::link::Login;
use e2e::workload::report::{Line, Report};
use e2e::workload::run::{Settings, run};
use e2e::workload::slots::Address;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Writes to every shard of a Redis Cluster, and afterwards reads back every acknowledged write.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Members to begin with, host:port; one that answers is enough.
    #[arg(required = true, value_parser = Address::parse)]
    seeds: Vec<Address>,
    /// The user to log in as, where there is a password.
    #[arg(long, default_value = "default")]
    user: String,
    /// Its password.
    #[arg(long, env = "ZONEWARD_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Milliseconds between two writes of a shard, and between two tries of one.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    every_ms: u64,
    /// Milliseconds that one try may take.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    limit_ms: u64,
    /// Stop by itself after this many seconds of writing.
    #[arg(long, default_value_t = 900)]
    for_seconds: u64,
    /// Seconds that the start may take, and that the reader may take at the end.
    #[arg(long, default_value_t = 60)]
    patience_seconds: u64,
    /// Stop when standard input ends, as it does when whoever started this is gone.
    #[arg(long)]
    until_stdin_ends: bool,
    /// Write so many keys before all else; they are read back at the end, too.
    #[arg(long, default_value_t = 0)]
    fill: u64,
    /// Look for so many followers of each leader at the end, to read from.
    #[arg(long, default_value_t = 0)]
    followers: usize,
    /// Leave the keys where they are. Without it they are deleted once they were read back.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match work(Args::parse()).await {
        Ok(report) if report.is_whole() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work(args: Args) -> Result<Report> {
    let settings = Settings {
        seeds: args.seeds,
        login: Login {
            user: args.user,
            password: args.password.filter(|password| !password.is_empty()),
        },
        every: Duration::from_millis(args.every_ms),
        limit: Duration::from_millis(args.limit_ms),
        patience: Duration::from_secs(args.patience_seconds),
        keep: args.keep,
        fill: args.fill,
        followers: args.followers,
    };
    let duration = Duration::from_secs(args.for_seconds);
    let stop = asked_to_stop(duration, args.until_stdin_ends)?;
    let (told, mut lines) = mpsc::channel(1024);
    let printer = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            print(&line)?;
        }
        anyhow::Ok(())
    });
    let report = run(&settings, stop, &told).await?;
    drop(told);
    printer.await.context("the printer broke")??;
    Ok(report)
}

/// Ready when the time is up, on SIGTERM or SIGINT, or at the end of standard input.
fn asked_to_stop(after: Duration, with_stdin: bool) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let stdin_ends = async {
            if !with_stdin {
                return std::future::pending().await;
            }
            let mut buffer = [0; 256];
            while matches!(tokio::io::stdin().read(&mut buffer).await, Ok(1..)) {}
        };
        tokio::select! {
            () = tokio::time::sleep(after) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stdin_ends => {}
        }
    })
}

fn print(line: &Line) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    // Whoever reads this wants to know now.
    out.flush()?;
    Ok(())
}
