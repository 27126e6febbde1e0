//! Which writes a process holds, without their content.
//!
//! Each time that somebody begins to lead, a *reign* begins: a history of writes of its own, as
//! Redis draws a new replication id. What a process holds is a path through reigns, each up to
//! some write. Two paths that part never hold the same again, short of a full copy.

/// One leader's history of writes, from when it began to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reign(pub u32);

/// The writes that a process (or its volume) holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    path: Vec<(Reign, u64)>,
}

impl Data {
    /// How many writes it holds: the replication offset.
    pub fn offset(&self) -> u64 {
        self.path.iter().map(|(_, upto)| upto).sum()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.offset() == 0
    }

    /// The reign that its last writes come from: the replication id.
    pub fn reign(&self) -> Option<Reign> {
        self.path.last().map(|(reign, _)| *reign)
    }

    /// How many writes of this reign it holds.
    pub fn upto(&self, reign: Reign) -> u64 {
        let at = self.path.iter().find(|(other, _)| *other == reign);
        at.map_or(0, |(_, upto)| *upto)
    }

    /// Whether it came by this reign, be it without a write: else it left that line before.
    pub fn came_by(&self, reign: Reign) -> bool {
        self.path.iter().any(|(other, _)| *other == reign)
    }

    /// The reigns that it holds writes of, and how many of each.
    pub fn parts(&self) -> impl Iterator<Item = (Reign, u64)> + '_ {
        self.path.iter().copied()
    }

    /// A leader's reign begins here.
    pub fn begin(&mut self, reign: Reign) {
        self.path.push((reign, 0));
    }

    /// One more write.
    pub fn write(&mut self) {
        if let Some((_, upto)) = self.path.last_mut() {
            *upto += 1;
        }
    }

    /// Whether what it holds is a beginning of what the other holds: it can go on from there
    /// without a full copy.
    pub fn is_beginning_of(&self, other: &Self) -> bool {
        let Some(((reign, upto), before)) = self.path.split_last() else {
            return false;
        };
        let Some(at) = other.path.get(before.len()) else {
            return false;
        };
        other.path.get(..before.len()) == Some(before) && at.0 == *reign && at.1 >= *upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(path: &[(u32, u64)]) -> Data {
        Data {
            path: path.iter().map(|(r, n)| (Reign(*r), *n)).collect(),
        }
    }

    #[test]
    fn a_copy_goes_on_only_from_a_point_on_the_others_path() {
        let leader = data(&[(1, 50), (2, 7)]);
        for (copy, goes_on) in [
            (data(&[]), false),
            (data(&[(1, 40)]), true),
            (data(&[(1, 50)]), true),
            (data(&[(1, 51)]), false),
            (data(&[(1, 50), (2, 7)]), true),
            (data(&[(1, 50), (2, 8)]), false),
            (data(&[(1, 49), (2, 1)]), false),
            (data(&[(1, 50), (3, 0)]), false),
            (data(&[(1, 50), (2, 7), (4, 0)]), false),
        ] {
            assert_eq!(copy.is_beginning_of(&leader), goes_on, "{copy:?}");
        }
    }

    #[test]
    fn who_left_the_line_did_not_come_by_its_last_reign() {
        let deposed = data(&[(1, 60)]);
        assert!(deposed.came_by(Reign(1)) && !deposed.came_by(Reign(2)));
        assert!(data(&[(1, 50), (2, 0)]).came_by(Reign(2)));
    }

    #[test]
    fn offsets_count_all_writes() {
        let mut copy = data(&[(1, 50)]);
        copy.begin(Reign(9));
        copy.write();
        assert_eq!((copy.offset(), copy.upto(Reign(9))), (51, 1));
        assert_eq!(copy.reign(), Some(Reign(9)));
    }
}
