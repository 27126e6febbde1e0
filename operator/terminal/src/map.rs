//! The map: zones as columns, shards as rows. Pure.

use std::fmt::Write;

use crate::clean;
use crate::columns::Cell;
use crate::paint::{Color, Paint};

/// Narrower columns look torn.
const WIDTH_MIN: usize = 8;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// The columns. Zones that only a member names are added.
    pub zones: Vec<Zone>,
    /// The rows.
    pub shards: Vec<Shard>,
}

/// A column.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Open, Cordoned or Gone; empty where nobody knows.
    pub state: String,
    /// Whether its loss would be survived.
    pub survives_loss: bool,
    /// Why not.
    pub why_not: Option<String>,
}

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Shard {
    /// Its number.
    pub shard: u32,
    /// Its slots.
    pub slots: String,
    /// Its members.
    pub members: Vec<Member>,
}

/// Something in a row and a column.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Its pod.
    pub pod: String,
    /// Its zone.
    pub zone: String,
    /// What it does; none before it has joined.
    pub role: Option<Role>,
    /// Alive, Closed, Joining, Starting, Silent, Ended or Leaving.
    pub state: String,
    /// Whether its copy is complete and fed.
    pub in_sync: bool,
    /// How far it is behind, where that is known.
    pub lag_mebibytes: Option<u64>,
}

/// What a member does in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Owns the slots.
    Leader,
    /// Copies the leader.
    Follower,
}

impl Member {
    fn leads(&self) -> bool {
        self.role == Some(Role::Leader)
    }

    /// `L` leads, `f` follows, `·` has not joined.
    fn cell(&self) -> Cell {
        let sign = match self.role {
            Some(Role::Leader) => 'L',
            Some(Role::Follower) => 'f',
            None => '·',
        };
        let mut text = format!("{sign} {}", self.pod);
        // Writing to a String cannot fail.
        if self.state != "Alive" {
            let _ = write!(text, " {}", self.state.to_lowercase());
        } else if !self.in_sync {
            text.push_str(" behind");
        } else if let Some(lag) = self.lag_mebibytes.filter(|lag| *lag > 0) {
            let _ = write!(text, " {lag} MiB behind");
        }
        let color = match (self.state.as_str(), self.in_sync) {
            ("Alive", true) if self.leads() => Color::Green,
            ("Alive", true) => Color::Plain,
            ("Silent" | "Ended", _) => Color::Red,
            _ => Color::Yellow,
        };
        Cell::new(text, color)
    }
}

/// Draws it; nothing where there is nothing to draw.
pub fn render(map: &Map, paint: Paint) -> String {
    let columns = columns(map);
    if columns.is_empty() {
        return String::new();
    }
    let rows: Vec<Row> = map
        .shards
        .iter()
        .map(|shard| Row::of(shard, &columns))
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let members = rows.iter().flat_map(|row| row.column(at));
            let widest = members.map(Cell::width).max().unwrap_or(0);
            widest.max(column.title.width()).max(WIDTH_MIN)
        })
        .collect();
    let heads = rows.iter().map(|row| row.head.chars().count());
    let head = heads.max().unwrap_or(0).max(WIDTH_MIN);
    let margin = " ".repeat(head + 3);
    let mut out = format!("{margin}{}\n", rule(&widths, '┌', '┬', '┐'));

    let titles = columns.iter().map(|column| Some(&column.title));
    line(&mut out, &margin, titles, &widths, paint);
    for (index, row) in rows.iter().enumerate() {
        if index == 0 {
            let _ = writeln!(out, "{margin}{}", rule(&widths, '├', '┼', '┤'));
        }
        let start = format!("  {:<head$} ", row.head);
        for depth in 0..row.depth() {
            let start = if depth == 0 { &start } else { &margin };
            let cells = (0..columns.len()).map(|at| row.column(at).nth(depth));
            line(&mut out, start, cells, &widths, paint);
        }
    }
    let _ = writeln!(out, "{margin}{}", rule(&widths, '└', '┴', '┘'));
    let verdicts = columns.iter().map(|column| Some(&column.verdict));
    let verdicts = joined(verdicts, &widths, "   ", paint);
    let _ = writeln!(out, "  {:<head$}   {}", "its loss", verdicts.trim_end());
    for column in &columns {
        if let Some(why) = &column.why_not {
            let _ = writeln!(out, "  loss of {}: {why}", column.title.text());
        }
    }
    out
}

/// What the signs mean, in one line.
pub fn legend() -> &'static str {
    "L leads, f follows, · has not joined"
}

struct Column {
    name: String,
    title: Cell,
    verdict: Cell,
    why_not: Option<String>,
}

impl Column {
    fn of(zone: &Zone) -> Self {
        let is_gone = zone.state == "Gone";
        let name = &zone.name;
        let title = match zone.state.as_str() {
            "Open" | "" => name.clone(),
            state => format!("{name} ({})", state.to_lowercase()),
        };
        let verdict = match zone.survives_loss {
            _ if is_gone => Cell::plain("-"),
            true => Cell::new("survived", Color::Green),
            false => Cell::new("hurts", Color::Yellow),
        };
        let why_not = zone.why_not.as_deref().map(clean);
        Self {
            name: zone.name.clone(),
            title: Cell::new(title, if is_gone { Color::Red } else { Color::Bold }),
            verdict,
            why_not: why_not.filter(|_| !zone.survives_loss && !is_gone),
        }
    }

    /// A zone that a member names and nobody else.
    fn named(zone: &str) -> Self {
        let title = if zone.is_empty() { "no zone" } else { zone };
        Self {
            name: zone.to_owned(),
            title: Cell::new(title, Color::Bold),
            verdict: Cell::plain("-"),
            why_not: None,
        }
    }
}

fn columns(map: &Map) -> Vec<Column> {
    let mut columns: Vec<Column> = map.zones.iter().map(Column::of).collect();
    for member in map.shards.iter().flat_map(|shard| &shard.members) {
        if columns.iter().all(|column| column.name != member.zone) {
            columns.push(Column::named(&member.zone));
        }
    }
    columns
}

struct Row {
    head: String,
    /// Cells with their column, the leader before its followers.
    cells: Vec<(usize, Cell)>,
}

impl Row {
    fn of(shard: &Shard, columns: &[Column]) -> Self {
        let mut members: Vec<&Member> = shard.members.iter().collect();
        members.sort_by_key(|member| !member.leads());
        let cells = members.into_iter().filter_map(|member| {
            let at = columns
                .iter()
                .position(|column| column.name == member.zone)?;
            Some((at, member.cell()))
        });
        Self {
            head: format!("shard {}  {}", shard.shard, clean(&shard.slots)),
            cells: cells.collect(),
        }
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &Cell> {
        let cells = self.cells.iter();
        cells
            .filter(move |(at, _)| *at == column)
            .map(|(_, cell)| cell)
    }

    fn depth(&self) -> usize {
        let depths = self.cells.iter().map(|(at, _)| self.column(*at).count());
        depths.max().unwrap_or(0).max(1)
    }
}

fn rule(widths: &[usize], left: char, middle: char, right: char) -> String {
    let bars: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
    format!("{left}{}{right}", bars.join(&middle.to_string()))
}

fn line<'a>(
    out: &mut String,
    start: &str,
    cells: impl Iterator<Item = Option<&'a Cell>>,
    widths: &[usize],
    paint: Paint,
) {
    let _ = writeln!(out, "{start}│ {} │", joined(cells, widths, " │ ", paint));
}

fn joined<'a>(
    cells: impl Iterator<Item = Option<&'a Cell>>,
    widths: &[usize],
    between: &str,
    paint: Paint,
) -> String {
    let padded: Vec<String> = cells
        .zip(widths)
        .map(|(cell, width)| {
            cell.map_or_else(|| " ".repeat(*width), |cell| cell.padded(*width, paint))
        })
        .collect();
    padded.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3×1 over three zones, whole: shard i leads in zone i and follows in the next.
    fn whole() -> Map {
        let zones = ["zone-a", "zone-b", "zone-c"];
        let slots = ["0-5460", "5461-10922", "10923-16383"];
        let member = |shard: usize, place: usize, role: Role| Member {
            pod: format!("demo-{shard}-{}", 2 * shard + place + 1),
            zone: zones[(shard + place) % 3].to_owned(),
            role: Some(role),
            state: "Alive".to_owned(),
            in_sync: true,
            lag_mebibytes: None,
        };
        let shards = (0..).zip(slots).enumerate();
        let shards = shards.map(|(at, (shard, slots))| Shard {
            shard,
            slots: slots.to_owned(),
            members: vec![member(at, 1, Role::Follower), member(at, 0, Role::Leader)],
        });
        let zones = zones.iter().map(|name| Zone {
            name: (*name).to_owned(),
            state: "Open".to_owned(),
            survives_loss: true,
            why_not: None,
        });
        Map {
            zones: zones.collect(),
            shards: shards.collect(),
        }
    }

    #[test]
    fn a_whole_cluster() {
        insta::assert_snapshot!(render(&whole(), Paint::plain()), @r"
                             ┌────────────┬────────────┬────────────┐
                             │ zone-a     │ zone-b     │ zone-c     │
                             ├────────────┼────────────┼────────────┤
        shard 0  0-5460      │ L demo-0-1 │ f demo-0-2 │            │
        shard 1  5461-10922  │            │ L demo-1-3 │ f demo-1-4 │
        shard 2  10923-16383 │ f demo-2-6 │            │ L demo-2-5 │
                             └────────────┴────────────┴────────────┘
        its loss               survived     survived     survived
        ");
    }

    #[test]
    fn an_outage_with_a_member_rebuilt_one_without_a_role_and_one_behind() {
        let mut map = whole();
        map.zones[0].state = "Gone".to_owned();
        map.zones[2].survives_loss = false;
        map.zones[2].why_not = Some("it holds 2 of 3 leaders".to_owned());
        map.shards[1].members[0].lag_mebibytes = Some(12);
        let shard = &mut map.shards[0];
        shard.members[0].role = Some(Role::Leader);
        shard.members[1].state = "Silent".to_owned();
        shard.members[1].role = Some(Role::Follower);
        let coming = |pod: &str, role, state: &str| Member {
            pod: pod.to_owned(),
            zone: "zone-c".to_owned(),
            role,
            state: state.to_owned(),
            ..Member::default()
        };
        shard.members.push(coming("demo-0-7", None, "Starting"));
        let behind = coming("demo-0-8", Some(Role::Follower), "Alive");
        shard.members.push(behind);
        insta::assert_snapshot!(render(&map, Paint::plain()), @r"
                             ┌───────────────────┬────────────┬──────────────────────────┐
                             │ zone-a (gone)     │ zone-b     │ zone-c                   │
                             ├───────────────────┼────────────┼──────────────────────────┤
        shard 0  0-5460      │ f demo-0-1 silent │ L demo-0-2 │ · demo-0-7 starting      │
                             │                   │            │ f demo-0-8 behind        │
        shard 1  5461-10922  │                   │ L demo-1-3 │ f demo-1-4 12 MiB behind │
        shard 2  10923-16383 │ f demo-2-6        │            │ L demo-2-5               │
                             └───────────────────┴────────────┴──────────────────────────┘
        its loss               -                   survived     hurts
        loss of zone-c: it holds 2 of 3 leaders
        ");
    }

    #[test]
    fn what_has_no_zone_and_what_nobody_knows_is_drawn() {
        let mut map = whole();
        map.zones.clear();
        map.shards.truncate(1);
        map.shards[0].members[0].zone = String::new();
        map.shards[0].members[0].pod = "demo\u{1b}[31m-0-2\n".to_owned();
        insta::assert_snapshot!(render(&map, Paint::plain()), @r"
                        ┌─────────────┬────────────┐
                        │ no zone     │ zone-a     │
                        ├─────────────┼────────────┤
        shard 0  0-5460 │ f demo-0-2  │ L demo-0-1 │
                        └─────────────┴────────────┘
        its loss          -             -
        ");
        assert_eq!(render(&Map::default(), Paint::plain()), "");
    }

    #[test]
    fn colour_changes_no_letter() {
        let painted = render(&whole(), Paint::colored());
        let stripped: Vec<String> = painted.lines().map(clean).collect();
        assert!(painted.contains('\u{1b}'));
        assert_eq!(stripped.join("\n") + "\n", render(&whole(), Paint::plain()));
    }
}
