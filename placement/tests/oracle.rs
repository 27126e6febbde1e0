//! The solver against brute force: all six terms equal, infeasible exactly when the oracle says so.

#![allow(clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]

mod support;

use placement::{Mode, Problem, Score, SolveError, WhenUnsatisfiable, solve, verify};
use support::oracle;
use support::{Dice, fresh, random, scarce, seated};

/// The longest search that the oracle is asked for, unless `ORACLE_MAX` says otherwise.
const ORACLE_STEPS: u64 = 20_000;

fn solved(problem: &Problem, hint: &str) -> Option<Score> {
    match solve(problem) {
        Ok(placement) => {
            assert_eq!(verify(problem, &placement), [], "{hint}");
            assert!(placement.optimal, "{hint}: not proven: {placement:?}");
            Some(placement.score)
        }
        Err(SolveError::Infeasible(_)) => None,
        Err(error) => panic!("{hint}: {error}"),
    }
}

#[test]
fn every_small_shape_is_best() {
    for zones in 1..=4 {
        for shards in 1..=4 {
            for members in 1..=3 {
                for when in [
                    WhenUnsatisfiable::DoNotSchedule,
                    WhenUnsatisfiable::ScheduleAnyway,
                ] {
                    let mut problem = fresh(zones, shards, members);
                    problem.when_unsatisfiable = when;
                    let expected = oracle::best(&problem);
                    for mode in [Mode::Repair, Mode::Rebalance] {
                        problem.mode = mode;
                        let hint = format!("{zones} zones, {shards} x {members}, {when:?}");
                        assert_eq!(solved(&problem, &hint), expected, "{hint}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_proof_is_not_given_up_where_few_shards_are_lonely() {
    // zone a holds what the others have no room for, so shards can meet in it
    let seats = [
        "abd/d", "abc/a", "abd/a", "acd/c", "abc/b", "aac/c", "aad/d",
    ];
    let mut problem = seated(4, 3, &seats);
    problem.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    for zone in problem.zones.iter_mut().skip(1) {
        zone.capacity = Some(4);
    }
    let found = solved(&problem, "all zones at their least").unwrap();
    assert_eq!(
        (found.second_order_imbalance, found.switchovers),
        (0, 1),
        "{found}"
    );
    assert_eq!(oracle::better(&problem, found, 10_000_000), Some(None));
}

#[test]
fn random_problems_are_best() {
    compare("random", 3000, |dice| {
        // An oracle with more time takes larger problems.
        let larger = u32::from(steps() > ORACLE_STEPS);
        random(dice, 4 + larger, 4 + 2 * larger, 3)
    });
}

#[test]
fn larger_problems_of_shards_that_are_alike_are_best() {
    compare("larger", 300, |dice| random(dice, 5, 9, 4));
}

#[test]
fn members_that_must_meet_are_placed_best() {
    compare("scarce", 300, |dice| scarce(dice, 4, 7, 3));
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn steps() -> u64 {
    number("ORACLE_MAX").unwrap_or(ORACLE_STEPS)
}

/// Compares with the oracle all problems that it can solve or check; one in two at least.
/// `SEED=7 SEEDS=1` replays one.
fn compare(name: &str, seeds: u64, problem: fn(&mut Dice) -> Problem) {
    let first = number("SEED").unwrap_or(0);
    let seeds = number("SEEDS").unwrap_or(seeds);
    let (mut compared, mut infeasible) = (0, 0);
    let mut wrong = Vec::new();
    for seed in first..first + seeds {
        let problem = problem(&mut Dice(seed));
        let found = solved(&problem, &format!("{name}, seed {seed}"));
        let expected = match found {
            // What is found is verified, so only something better can show that it is wrong.
            Some(score) => oracle::better(&problem, score, steps()).map(|it| it.or(found)),
            None => oracle::best_within(&problem, steps()),
        };
        let Some(expected) = expected else { continue };
        compared += 1;
        infeasible += u32::from(expected.is_none());
        if found != expected {
            wrong.push((seed, found, expected));
        }
    }
    println!(
        "{name}: {compared} of {seeds} compared, {infeasible} infeasible, {} wrong",
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(3)]
    );
    assert!(
        seeds < 100 || compared > seeds / 2,
        "only {compared} were small enough"
    );
}
