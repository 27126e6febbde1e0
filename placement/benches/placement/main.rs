//! How long the solver takes, and how often it proves its answer best.
//!
//! `cargo bench -p placement` prints one line per case (members, zones, story: optimal or the
//! bound), then measures each with criterion. `ONCE=1` stops at the line; `PICTURE=CAPTION`
//! measures the mean processor time of some runs instead, and draws it into `docs/placement-growth.svg`.

mod picture;
mod stories;
#[path = "../../tests/support/mod.rs"]
#[allow(missing_docs)]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use picture::Point;
use placement::{Problem, solve};
use stories::{SIZES, ZONES, stories};

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    let caption = std::env::var("PICTURE").ok();
    let mut points = Vec::new();
    let mut proven = (0, 0);
    for zones in ZONES {
        for (members, shards, per_shard) in SIZES {
            let per_shard = per_shard.min(zones);
            for (story, problem) in stories(zones, shards, per_shard) {
                let name = format!("{members} members, {zones} zones/{story}");
                let is_optimal = show(&name, &problem);
                proven = (proven.0 + u32::from(is_optimal), proven.1 + 1);
                if caption.is_some() {
                    let took = mean(&problem);
                    report(&format!("{name}: mean {took:.1?}"));
                    points.push(Point {
                        zones,
                        story,
                        members: problem.shards * problem.members_per_shard,
                        took,
                    });
                } else if std::env::var_os("ONCE").is_none() {
                    criterion.bench_function(&name, |bench| {
                        bench.iter(|| solve(black_box(&problem)));
                    });
                }
            }
        }
    }
    report(&format!("proven optimal: {} of {}", proven.0, proven.1));
    if let Some(caption) = caption {
        picture::write(&points, &caption);
    }
    criterion.final_summary();
}

/// How long this thread has had a processor; what else the machine does counts little then. Where
/// the system does not tell, the time since `begin`.
fn processor_time(begin: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanos = told
        .ok()
        .and_then(|line| line.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| begin.elapsed(), Duration::from_nanos)
}

/// The mean of three runs, of more where they are short: a processor's time is told in ticks of some
/// milliseconds.
#[allow(clippy::disallowed_methods)]
fn mean(problem: &Problem) -> Duration {
    let begin = Instant::now();
    let start = processor_time(begin);
    let mut runs = 0;
    loop {
        let _ = black_box(solve(black_box(problem)));
        runs += 1;
        let took = processor_time(begin).saturating_sub(start);
        if runs >= 3 && took > Duration::from_millis(100) {
            return took / runs;
        }
    }
}

#[allow(clippy::disallowed_methods)]
fn show(name: &str, problem: &Problem) -> bool {
    let begin = Instant::now();
    let start = processor_time(begin);
    let Ok(placement) = solve(problem) else {
        report(&format!("{name}: infeasible"));
        return false;
    };
    let took = processor_time(begin).saturating_sub(start);
    let score = placement.score.in_order(problem.mode);
    let bound = placement.bound.map(|bound| bound.in_order(problem.mode));
    let proof = bound.map_or("proven".to_owned(), |bound| format!("bound {bound:?}"));
    report(&format!("{name}: {took:.1?}, {score:?}, {proof}"));
    placement.optimal
}

#[allow(clippy::print_stdout)]
fn report(line: &str) {
    println!("{line}");
}
