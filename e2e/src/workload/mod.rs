//! The verifying workload: a writer for each shard, and a reader that afterwards looks for every
//! acknowledged write.
//!
//! It runs *near the pods*, as the program `zoneward-workload` in the container of kind's control
//! plane, because pod addresses cannot be reached from this machine. It speaks JSON lines
//! ([`report::Line`]) on its standard output.
//!
//! Each shard has a *lane*: every 10 ms one SET of a key never used before, in a slot that the
//! shard owned at the start, tried again (300 ms limit, 10 ms between tries) until a member has
//! acknowledged it. So the outage of a shard is the longest time between two acknowledged writes
//! of its lane, whoever leads it by then. A lane counts its writes; as it never leaves one behind,
//! the count is also the list of what has been acknowledged.
//! At the end all of them are read back from the leaders ([`verify`]), and from the followers ([`copies`]).
//! Every other write is followed by WAIT 1, so that those are known which a follower had.
//!
//! Beside the lanes works a normal [`client`], to show what users see.

pub mod client;
pub mod copies;
pub mod gaps;
pub mod lane;
pub mod link;
pub mod report;
pub mod route;
pub mod run;
pub mod slots;
pub mod verify;
