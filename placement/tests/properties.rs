//! What must hold of every answer, on random problems.

mod support;

use placement::{SolveError, solve, verify};
use support::{Dice, random};

#[test]
fn every_answer_is_verified() {
    for seed in 0..3000 {
        let problem = random(&mut Dice(seed), 5, 8, 4);
        match solve(&problem) {
            Ok(placement) => assert_eq!(verify(&problem, &placement), [], "seed {seed}"),
            Err(SolveError::Infeasible(why)) => assert!(!why.reasons.is_empty(), "seed {seed}"),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}
