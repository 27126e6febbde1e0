//! What a soak came to.

use std::fmt;

use serde::Serialize;

/// What a deed may cost, by the servers' own rules (docs/failover.md, docs/scaling.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Loss {
    /// Nothing.
    Nothing,
    /// Writes that no follower had when their leader ended: none with `WAIT`.
    NotCopiedYet,
    /// Keys that left their source a moment before the target's leader ended.
    KeysOnTheWay,
}

/// One deed. Times in milliseconds from its beginning.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bout {
    /// The cluster that it was done to.
    pub cluster: String,
    /// What was done.
    pub deed: String,
    /// Until it was done and given back.
    pub done_millis: u128,
    /// Until everything was whole again.
    pub whole_millis: u128,
    /// Operations of clients that were answered.
    pub operations: usize,
    /// The one that took longest, its tries included: the pause that a client saw.
    pub longest_operation_millis: u128,
    /// Reads that gave something older than was acknowledged: of a leader that does not know yet that it
    /// was succeeded, too.
    pub wrong_reads: usize,
    /// Keys that were lost although a follower had acknowledged them.
    pub lost_with_wait: usize,
    /// Keys that were lost on their way to another shard, where the server deletes them too early.
    pub lost_on_the_way: usize,
    /// Other keys that were lost, written without `WAIT`.
    pub lost: usize,
    /// The first of them.
    pub missing: Vec<String>,
    /// Replies that no client should see.
    pub errors: Vec<String>,
    /// What may be lost.
    pub may_lose: Loss,
}

impl Bout {
    /// The promise that it broke, in words.
    pub fn broken(&self) -> Option<&'static str> {
        if self.lost_with_wait > 0 {
            return Some("a write is lost that a follower had acknowledged");
        }
        if self.lost > 0 && self.may_lose == Loss::Nothing {
            return Some("a write is lost although no leader was");
        }
        if !self.errors.is_empty() {
            return Some("a client saw an error that no client should see");
        }
        None
    }
}

impl fmt::Display for Bout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: u128| {
            std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
                .as_secs_f64()
        };
        write!(
            f,
            "{}: {}: whole after {:.1} s, longest operation {:.2} s, {} operations, lost {} with WAIT, {} without, {} on their way",
            self.cluster,
            self.deed,
            seconds(self.whole_millis),
            seconds(self.longest_operation_millis),
            self.operations,
            self.lost_with_wait,
            self.lost,
            self.lost_on_the_way,
        )?;
        match self.broken() {
            Some(why) => write!(f, "  BROKEN: {why}: {:?} {:?}", self.missing, self.errors),
            None => Ok(()),
        }
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What drew the deeds.
    pub seed: u64,
    /// How long it took.
    pub seconds: u64,
    /// Each deed.
    pub bouts: Vec<Bout>,
    /// Why it ended early.
    pub broken: Option<String>,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            seconds: 0,
            bouts: Vec::new(),
            broken: None,
        }
    }

    /// Promises that were broken.
    pub fn broken(&self) -> usize {
        let bouts = self.bouts.iter().filter(|bout| bout.broken().is_some());
        bouts.count() + usize::from(self.broken.is_some())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: &dyn Fn(&Bout) -> usize| self.bouts.iter().map(of).sum::<usize>();
        let worst = |of: &dyn Fn(&Bout) -> u128| self.bouts.iter().map(of).max().unwrap_or(0);
        writeln!(
            f,
            "seed {}, {} s, {} deeds",
            self.seed,
            self.seconds,
            self.bouts.len()
        )?;
        writeln!(f, "operations                 {}", sum(&|it| it.operations))?;
        writeln!(
            f,
            "longest operation          {} ms",
            worst(&|it| it.longest_operation_millis)
        )?;
        writeln!(
            f,
            "longest until whole        {} ms",
            worst(&|it| it.whole_millis)
        )?;
        writeln!(
            f,
            "acknowledged, then lost: with WAIT 1 {}, without {}, on their way to another shard {}",
            sum(&|it| it.lost_with_wait),
            sum(&|it| it.lost),
            sum(&|it| it.lost_on_the_way)
        )?;
        writeln!(f, "promises broken            {}", self.broken())?;
        match &self.broken {
            Some(why) => write!(f, "ended early: {why}"),
            None => Ok(()),
        }
    }
}
