//! Runs as a table for people and as JSON for programs.

use std::fmt;

use serde::Serialize;

use super::run::{Run, Side, What};

/// All runs, and how they were made.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The server.
    pub server: String,
    /// Processors of the machine.
    pub processors: usize,
    /// Each run.
    pub runs: Vec<Run>,
}

/// The runs of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    what: What,
    shape: String,
    node_timeout_millis: u64,
    side: Side,
    runs: usize,
    worst: Spread,
    worst_other: Spread,
    redundant: Option<Spread>,
    outages: Vec<u128>,
    acknowledged: usize,
    lost: usize,
}

/// What became of acknowledged writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// All of them.
    pub acknowledged: usize,
    /// Those that cannot be read back.
    pub lost: usize,
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.lost, self.acknowledged)
    }
}

/// Milliseconds over some runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spread {
    least: u128,
    median: u128,
    most: u128,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = u128>) -> Option<Self> {
        let mut values: Vec<u128> = values.into_iter().collect();
        values.sort_unstable();
        Some(Self {
            least: *values.first()?,
            median: *values.get(values.len() / 2)?,
            most: *values.last()?,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |millis: u128| format!("{}.{:02}", millis / 1000, millis % 1000 / 10);
        let Self {
            least,
            median,
            most,
        } = *self;
        let text = format!("{} ({}-{})", text(median), text(least), text(most));
        f.pad(&text)
    }
}

impl Report {
    /// Runs of one kind together, in the order in which they were made.
    pub fn rows(&self) -> Vec<Row> {
        let key = |run: &Run| {
            (
                run.what,
                run.shape.clone(),
                run.node_timeout_millis,
                run.side,
            )
        };
        let mut keys = Vec::new();
        for run in &self.runs {
            if !keys.contains(&key(run)) {
                keys.push(key(run));
            }
        }
        let rows = keys.into_iter().filter_map(|wanted| {
            let runs: Vec<&Run> = self.runs.iter().filter(|run| key(run) == wanted).collect();
            Row::of(wanted, &runs)
        });
        rows.collect()
    }
}

impl Row {
    /// What was lost.
    pub fn what(&self) -> What {
        self.what
    }

    /// Who was there to help.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The fault, the shape and the timeout, for people.
    pub fn fault(&self) -> String {
        let what = match self.what {
            What::Leader => "a leader's process dies",
            What::Third => "a third of the leaders die at once",
            What::Zone => "a zone falls silent",
            What::Followers => "all followers die at once",
        };
        let (shape, timeout) = (&self.shape, self.node_timeout_millis);
        format!("{what}, {shape}, T = {timeout} ms")
    }

    /// Whether both are about the same fault in the same cluster.
    pub fn is_same_fault(&self, other: &Self) -> bool {
        let fault = |row: &Self| (row.what, row.shape.clone(), row.node_timeout_millis);
        fault(self) == fault(other)
    }

    /// The worst shard's outage of each run, in milliseconds.
    pub fn worst_outages(&self) -> &[u128] {
        &self.outages
    }

    /// Acknowledged writes of all runs, and those of them that cannot be read back.
    pub fn writes(&self) -> Writes {
        Writes {
            acknowledged: self.acknowledged,
            lost: self.lost,
        }
    }

    fn of(
        (what, shape, node_timeout_millis, side): (What, String, u64, Side),
        runs: &[&Run],
    ) -> Option<Self> {
        let worst = |run: &&Run| run.outages.iter().copied().max().unwrap_or(0);
        Some(Self {
            what,
            shape,
            node_timeout_millis,
            side,
            runs: runs.len(),
            worst: Spread::of(runs.iter().map(worst))?,
            worst_other: Spread::of(runs.iter().map(|run| run.worst_other))?,
            outages: runs.iter().map(worst).collect(),
            redundant: Spread::of(runs.iter().filter_map(|run| run.redundant)),
            acknowledged: runs.iter().map(|run| run.acknowledged).sum(),
            lost: runs.iter().map(|run| run.lost).sum(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, {} processors; seconds, median (least-most) over the runs\n",
            self.server, self.processors
        )?;
        writeln!(
            f,
            "{:10} {:6} {:>6} {:9} {:>4} {:>22} {:>22} {:>22} {:>12} {:>5}",
            "lost",
            "shape",
            "T ms",
            "side",
            "runs",
            "outage, worst shard",
            "worst of the others",
            "whole again after",
            "writes",
            "lost"
        )?;
        for row in self.rows() {
            let redundant = row
                .redundant
                .map_or_else(|| "-".to_owned(), |it| it.to_string());
            writeln!(
                f,
                "{:10} {:6} {:>6} {:9} {:>4} {:>22} {:>22} {:>22} {:>12} {:>5}",
                format!("{:?}", row.what).to_lowercase(),
                row.shape,
                row.node_timeout_millis,
                format!("{:?}", row.side).to_lowercase(),
                row.runs,
                row.worst,
                row.worst_other,
                redundant,
                row.acknowledged,
                row.lost
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(side: Side, outages: &[u128]) -> Run {
        Run {
            what: What::Leader,
            shape: "3x1".to_owned(),
            side,
            node_timeout_millis: 5000,
            outages: outages.to_vec(),
            worst_other: 20,
            failovers: Vec::new(),
            redundant: None,
            acknowledged: 100,
            lost: 1,
        }
    }

    #[test]
    fn runs_of_one_kind_are_one_row() {
        let report = Report {
            server: "redis-8".to_owned(),
            processors: 2,
            runs: vec![
                run(Side::Operator, &[300, 200]),
                run(Side::Bus, &[7000]),
                run(Side::Operator, &[500]),
                run(Side::Operator, &[100]),
            ],
        };
        let rows = report.rows();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].worst.to_string(), "0.30 (0.10-0.50)");
        assert_eq!((rows[0].runs, rows[0].lost), (3, 3));
        assert_eq!(rows[1].worst.median, 7000);
        assert!(report.to_string().contains("7.00 (7.00-7.00)"));
    }
}
