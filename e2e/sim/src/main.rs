//! `zoneward-sim`: runs histories, counts what they contained, tells one as a story.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program for people, who want to know how long it took"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use zoneward_sim::faults::Fault;
use zoneward_sim::history::{Outcome, Script, run};
use zoneward_sim::promises::ROWS;
use zoneward_sim::shrink::shrink;

/// Zoneward against a modelled world.
#[derive(Debug, Parser)]
struct Cli {
    /// How many histories.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first one's seed.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Tell this history as a story, and run no other.
    #[arg(long)]
    seed: Option<u64>,
    /// Histories side by side.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Stop after so many that broke a promise.
    #[arg(long, default_value_t = 5)]
    stop_after: usize,
    /// With updates of the image in place of some faults.
    #[arg(long)]
    updates: bool,
}

/// How often a sweep tells how far it is.
const TOLD_EVERY: u64 = 500;

/// All hosts are well for so long, and slots are not served yet: told, and no broken promise.
const UNSERVED_FOR_LONG_MILLIS: u64 = 120_000;

#[derive(Default)]
struct Sum {
    done: u64,
    seen: BTreeMap<&'static str, u64>,
    writes: (u64, u64),
    longest_heal: (u64, u64),
    longest_unserved: (u64, u64),
    unserved_for_long: u64,
    broken: Vec<(u64, String)>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.seed {
        Some(seed) => tell(script(&cli, seed)),
        None => soak(&cli),
    }
}

fn script(cli: &Cli, seed: u64) -> Script {
    if cli.updates {
        Script::with_updates(seed)
    } else {
        Script::of(seed)
    }
}

fn tell(script: Script) -> ExitCode {
    let outcome = run(&script);
    print_story(&script, &outcome);
    if outcome.broken.is_some() {
        let (script, outcome) = shrink(script, outcome);
        println!("\nThe shortest history that breaks the same promise:\n");
        print_story(&script, &outcome);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print_story(script: &Script, outcome: &Outcome) {
    println!("seed {}", script.seed);
    for event in &script.events {
        println!("  {event}");
    }
    for line in &outcome.story {
        println!("{line}");
    }
    let (all, lost) = outcome.writes;
    println!("{all} writes, {lost} of them lost with an excuse");
}

fn soak(cli: &Cli) -> ExitCode {
    let begun = Instant::now();
    let next = AtomicU64::new(cli.first_seed);
    let end = cli.first_seed + cli.seeds;
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..cli.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_enough = sum.lock().is_ok_and(|it| it.broken.len() >= cli.stop_after);
                    if seed >= end || is_enough {
                        return;
                    }
                    add(&sum, seed, run(&script(cli, seed)));
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_default();
    report(cli, &sum, begun.elapsed().as_secs_f64())
}

/// What a thousand histories are to contain, and these did not: a rule that is never reached is not
/// tested.
fn missed(seeds: u64, sum: &Sum) -> Vec<&'static str> {
    const ENOUGH: u64 = 1000;
    let wanted = Fault::WORDS.iter().chain(&ROWS);
    let is_missed = |word: &&&str| seeds >= ENOUGH && !sum.seen.contains_key(**word);
    wanted.filter(is_missed).copied().collect()
}

fn add(sum: &Mutex<Sum>, seed: u64, outcome: Outcome) {
    let Ok(mut sum) = sum.lock() else { return };
    for word in outcome.seen.keys() {
        *sum.seen.entry(word).or_default() += 1;
    }
    sum.done += 1;
    if sum.done.is_multiple_of(TOLD_EVERY) {
        eprintln!(
            "{} histories, {} broke a promise",
            sum.done,
            sum.broken.len()
        );
    }
    sum.writes.0 += outcome.writes.0;
    sum.writes.1 += outcome.writes.1;
    sum.longest_heal = sum.longest_heal.max((outcome.healed, seed));
    sum.longest_unserved = sum.longest_unserved.max((outcome.served, seed));
    sum.unserved_for_long += u64::from(outcome.served > UNSERVED_FOR_LONG_MILLIS);
    if let Some(violation) = outcome.broken {
        let line = format!("{}: {}", violation.promise, violation.what);
        println!("seed {seed} breaks {line}");
        sum.broken.push((seed, line));
    }
}

fn report(cli: &Cli, sum: &Sum, seconds: f64) -> ExitCode {
    println!("\nhistories that contained");
    for (word, count) in &sum.seen {
        println!("  {count:>7}  {word}");
    }
    let (all, lost) = sum.writes;
    let (heal, seed) = sum.longest_heal;
    println!("{all} writes acknowledged, {lost} of them lost with an excuse");
    let (unserved, by) = sum.longest_unserved;
    println!(
        "after the last fault all slots were served again within {:.1} s (seed {by}), in {} histories after more \
         than {} s",
        unserved as f64 / 1000.0,
        sum.unserved_for_long,
        UNSERVED_FOR_LONG_MILLIS / 1000
    );
    println!(
        "the longest took {:.0} s to heal after the last fault (seed {seed})",
        heal as f64 / 1000.0
    );
    println!(
        "{} histories in {seconds:.0} s, {:.1} s per thousand",
        sum.done,
        seconds * 1000.0 / sum.done.max(1) as f64
    );
    let missed = missed(cli.seeds, sum);
    for word in &missed {
        println!("no history contained: {word}");
    }
    let Some((seed, _)) = sum.broken.first() else {
        return if missed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    };
    println!(
        "{} broke a promise; the story of one: make sim SEED={}",
        sum.broken.len(),
        seed
    );
    ExitCode::FAILURE
}
