//! The kubectl plugin's program: reads the command line, asks, prints, ends with the exit code of the answer.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use terminal::{Paint, clean};
use zoneward_operator::cli;
use zoneward_operator::plugin::{Cli, ERROR, run};
use zoneward_operator::telemetry::chain;

fn main() -> ExitCode {
    let cli = Cli::parse();
    answer(cli).unwrap_or_else(|error| {
        eprintln!("Error: {}", clean(&chain(error.as_ref())));
        ExitCode::from(ERROR)
    })
}

fn answer(cli: Cli) -> anyhow::Result<ExitCode> {
    // With two providers compiled in rustls refuses to choose; so we choose.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let answer = runtime.block_on(run(cli, Paint::detect()))?;
    cli::print(&answer.text)?;
    Ok(answer.exit_code())
}
