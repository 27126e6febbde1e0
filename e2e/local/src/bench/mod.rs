//! Measurements: the same fault with the operator and with the bus alone, side by side in one run.
//!
//! Each run builds its cluster anew. The operator brings it up on both sides; for the bus alone it
//! stops before the fault. Outages are what writers see, so they hold whatever detection takes.

mod all;
mod form;
mod page;
mod place;
mod plain;
mod report;
mod reshard;
mod roll;
mod run;
mod sheet;

pub use all::{Extent, Part, all};
pub use form::{Formed, form};
pub use place::{Placed, place};
pub use report::{Report, Row, Writes};
pub use reshard::{Moved, reshard};
pub use roll::{Rolled, roll};
pub use run::{Options, Run, Side, What, measure};
pub use sheet::{Line, Sheet};
