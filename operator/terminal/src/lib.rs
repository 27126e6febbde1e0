//! What the programs for people draw: colour, columns, the map of zones. Pure, but for the question whether
//! standard output is a terminal.
//!
//! It knows nothing of Kubernetes and of Redis, and depends on nothing, so that every program of ours can
//! have it. It prints nothing itself. What others wrote goes through [`clean()`] first.

mod clean;
mod columns;
pub mod map;
mod paint;

pub use clean::clean;
pub use columns::{Cell, aligned};
pub use paint::{Color, Paint};
