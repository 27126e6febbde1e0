//! Proof: lower bounds recomputed in whole numbers from any multipliers.
//!
//! Weak duality holds for whatever multipliers floating point came up with, so rounding can make a
//! bound weaker, never wrong.

use crate::model::Pattern;
use crate::solve::program::Program;

/// Fraction bits of fixed-point numbers.
const BITS: i32 = 16;
/// One, in fixed point.
pub(super) const ONE: i128 = 1 << BITS;

/// The value in fixed point, rounded towards zero; numbers too large for it become zero.
pub(super) fn fixed(value: f64) -> i64 {
    let bits = value.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let mantissa = i64::try_from((bits & ((1 << 52) - 1)) | (1 << 52)).unwrap_or(0);
    // value = mantissa * 2^(exponent - 1023 - 52)
    let shift = exponent - 1023 - 52 + BITS;
    let size = match shift {
        i32::MIN..=-54 => 0,
        -53..0 => mantissa >> shift.unsigned_abs(),
        0..=8 => mantissa << shift.unsigned_abs(),
        _ => 0,
    };
    if value < 0.0 { -size } else { size }
}

/// The nearest whole number, and whether the value is (all but) equal to it.
pub(super) fn nearest(value: f64) -> (i32, bool) {
    let scaled = fixed(value);
    let whole = (scaled + (1 << (BITS - 1))) >> BITS;
    let off = (scaled - (whole << BITS)).unsigned_abs();
    (i32::try_from(whole).unwrap_or(i32::MAX), off < 64)
}

/// The largest whole number that is not above the value, but for a hair.
pub(super) fn floor(value: f64) -> i32 {
    let (whole, is_whole) = nearest(value);
    if is_whole {
        return whole;
    }
    i32::try_from(fixed(value) >> BITS).unwrap_or(i32::MAX)
}

/// A lower bound on the objective of `program`, in fixed point, that `multipliers` (one a row)
/// prove. Without `with_cost` the objective is zero: a bound above zero proves that there is no
/// point. `None` where a class has no way left: there is no point either.
pub(super) fn proven(program: &Program, multipliers: &[f64], with_cost: bool) -> Option<i128> {
    let (reduced, mut bound) = reduce(program, multipliers, with_cost);
    let boxes = || reduced.iter().zip(program.lower.iter().zip(&program.upper));
    let mut patterns = 0;
    for (index, (first, list)) in program.classes.iter().enumerate() {
        patterns = first + list.len();
        let size = program.rhs.get(index).copied().unwrap_or(0);
        bound += class_bound(boxes().skip(*first).take(list.len()), size)?;
    }
    for (d, (lower, upper)) in boxes().skip(patterns) {
        bound += (d * i128::from(*lower)).min(d * i128::from(*upper));
    }
    Some(bound)
}

/// The reduced costs of all columns, and the part of the bound that no column shares in.
fn reduce(program: &Program, multipliers: &[f64], with_cost: bool) -> (Vec<i128>, i128) {
    let row: Vec<i64> = multipliers.iter().map(|value| fixed(*value)).collect();
    let priced = program.matrix.price_exactly(&row);
    let reduced = priced
        .iter()
        .zip(&program.cost)
        .map(|(priced, cost)| {
            if with_cost {
                i128::from(*cost) * ONE - priced
            } else {
                -priced
            }
        })
        .collect();
    let mut bound = if with_cost {
        i128::from(program.constant) * ONE
    } else {
        0
    };
    for (dual, rhs) in row.iter().zip(&program.rhs) {
        bound += i128::from(*dual) * i128::from(*rhs);
    }
    (reduced, bound)
}

/// For each class the patterns that a point of at most `most` can use: giving a shard any other
/// one lifts the bound that `multipliers` prove above it.
pub(super) fn useful(program: &Program, multipliers: &[f64], most: i128) -> Vec<Vec<Pattern>> {
    let bound = proven(program, multipliers, true).unwrap_or(i128::MIN / 2);
    let (reduced, _) = reduce(program, multipliers, true);
    let mut kept = Vec::new();
    for (first, patterns) in &program.classes {
        let mine = || patterns.iter().zip(reduced.iter().skip(*first));
        let least = mine().map(|(_, d)| *d).min().unwrap_or(0);
        let is_useful = |d: i128| bound + (d - least) <= most;
        kept.push(
            mine()
                .filter(|(_, d)| is_useful(**d))
                .map(|(pattern, _)| *pattern)
                .collect(),
        );
    }
    kept
}

/// The least that the columns of a class can cost when they must add up to its size.
fn class_bound<'a>(
    columns: impl Iterator<Item = (&'a i128, (&'a i32, &'a i32))>,
    size: i32,
) -> Option<i128> {
    let mut left = i128::from(size);
    let mut bound = 0;
    let mut cheapest: Option<i128> = None;
    for (d, (lower, upper)) in columns {
        left -= i128::from(*lower);
        bound += d * i128::from(*lower);
        if upper > lower {
            cheapest = Some(cheapest.map_or(*d, |known| known.min(*d)));
        }
    }
    match (left, cheapest) {
        (0, _) => Some(bound),
        (1.., Some(cheapest)) => Some(bound + left * cheapest),
        _ => None,
    }
}
