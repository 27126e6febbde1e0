//! Problem in, best placement out. Pure: no clock, no randomness; the budget is counted in steps.

mod improve;
mod settle;
mod start;
mod tally;

use crate::explain;
use crate::model::Model;
use crate::outcome::{Placement, SolveError};
use crate::problem::Problem;

/// How many comparisons the descent may spend.
const STEPS: u64 = 200_000;

/// The best placement for `problem`, or why there is none.
///
/// Same problem, same answer. The answer says whether it is proven best ([`Placement::optimal`]).
pub fn solve(problem: &Problem) -> Result<Placement, SolveError> {
    problem.check()?;
    let infeasible = || SolveError::Infeasible(explain::infeasible(problem));
    let model = Model::new(problem).ok_or_else(infeasible)?;
    let mut chosen = start::start(&model).ok_or_else(infeasible)?;
    let mut tally = tally::Tally::of(&model, &chosen);
    if tally.overflow(&model) > 0 {
        return Err(infeasible());
    }
    let mut steps = STEPS;
    improve::improve(&model, &mut chosen, &mut tally, &mut steps);
    Ok(model.placement(&chosen, tally.score(&model)))
}
