//! The zone map: zones as columns, shards as rows. Pure.

use std::fmt::Write;

use crate::objects::{Member, RedisCluster, Shard};
use crate::paint::{Color, Paint};

/// Draws the map of a `RedisCluster`.
pub fn render(cluster: &RedisCluster, paint: Paint) -> String {
    let zones = zones(cluster);
    let rows: Vec<Row> = cluster
        .status
        .shards
        .iter()
        .map(|s| Row::of(s, &zones))
        .collect();
    let widths: Vec<usize> = zones
        .iter()
        .enumerate()
        .map(|(column, zone)| {
            let members = rows.iter().flat_map(|row| row.column(column));
            let widest = members.map(|cell| width(&cell.text)).max().unwrap_or(0);
            widest.max(width(&zone.title)).max(8)
        })
        .collect();
    let head = rows
        .iter()
        .map(|row| width(&row.head))
        .max()
        .unwrap_or(0)
        .max(8);
    let margin = " ".repeat(head + 3);
    let mut out = String::new();

    // Writing to a String cannot fail.
    let _ = writeln!(out, "{margin}{}", rule(&widths, '┌', '┬', '┐'));
    let titles = zones
        .iter()
        .map(|z| Cell::new(z.title.clone(), z.color))
        .collect::<Vec<_>>();
    line(&mut out, &margin, titles.iter().map(Some), &widths, paint);
    for (index, row) in rows.iter().enumerate() {
        if index == 0 {
            let _ = writeln!(out, "{margin}{}", rule(&widths, '├', '┼', '┤'));
        }
        let start = format!("  {:<head$} ", row.head);
        for depth in 0..row.depth() {
            let start = if depth == 0 { &start } else { &margin };
            let cells = (0..zones.len()).map(|column| row.column(column).nth(depth));
            line(&mut out, start, cells, &widths, paint);
        }
    }
    let _ = writeln!(out, "{margin}{}", rule(&widths, '└', '┴', '┘'));
    let verdicts: Vec<Cell> = zones.iter().map(ZoneColumn::verdict).collect();
    let start = format!("  {:<head$}  ", "its loss");
    let _ = writeln!(
        out,
        "{start} {}",
        joined(verdicts.iter().map(Some), &widths, "   ", paint).trim_end()
    );
    for zone in &zones {
        if let Some(why) = &zone.why_not {
            let _ = writeln!(out, "  loss of {}: {why}", zone.title);
        }
    }
    out
}

struct ZoneColumn {
    name: String,
    title: String,
    color: Color,
    survives: Option<bool>,
    why_not: Option<String>,
}

impl ZoneColumn {
    fn verdict(&self) -> Cell {
        match self.survives {
            Some(true) => Cell::new("survived".to_owned(), Color::Green),
            Some(false) => Cell::new("hurts".to_owned(), Color::Yellow),
            None => Cell::new("-".to_owned(), Color::Plain),
        }
    }
}

/// The zones of the status, and those that only a member names.
fn zones(cluster: &RedisCluster) -> Vec<ZoneColumn> {
    let mut columns: Vec<ZoneColumn> = cluster
        .status
        .zones
        .iter()
        .map(|zone| ZoneColumn {
            name: zone.zone.clone(),
            title: match zone.state.as_str() {
                "Open" | "" => zone.zone.clone(),
                state => format!("{} ({})", zone.zone, state.to_lowercase()),
            },
            color: if zone.state == "Gone" {
                Color::Red
            } else {
                Color::Bold
            },
            survives: (zone.state != "Gone").then_some(zone.survives_loss),
            why_not: zone
                .why_not
                .clone()
                .filter(|_| !zone.survives_loss && zone.state != "Gone"),
        })
        .collect();
    for member in cluster.members() {
        if columns.iter().all(|column| column.name != member.zone) {
            columns.push(ZoneColumn {
                name: member.zone.clone(),
                title: if member.zone.is_empty() {
                    "no zone"
                } else {
                    &member.zone
                }
                .to_owned(),
                color: Color::Bold,
                survives: None,
                why_not: None,
            });
        }
    }
    columns
}

struct Cell {
    text: String,
    color: Color,
}

impl Cell {
    fn new(text: String, color: Color) -> Self {
        Self { text, color }
    }

    /// `L` leads, `f` follows, `·` has not joined.
    fn of(member: &Member) -> Self {
        let sign = match member.role.as_deref() {
            Some("leader") => 'L',
            Some(_) => 'f',
            None => '·',
        };
        let mut text = format!("{sign} {}", member.pod);
        if member.state != "Alive" {
            let _ = write!(text, " {}", member.state.to_lowercase());
        } else if !member.in_sync {
            text.push_str(" behind");
        }
        let color = match (member.state.as_str(), member.in_sync) {
            ("Alive", true) if member.leads() => Color::Green,
            ("Alive", true) => Color::Plain,
            ("Silent" | "Ended", _) => Color::Red,
            _ => Color::Yellow,
        };
        Self { text, color }
    }
}

struct Row {
    head: String,
    /// Cells with their column, the leader before its followers.
    cells: Vec<(usize, Cell)>,
}

impl Row {
    fn of(shard: &Shard, zones: &[ZoneColumn]) -> Self {
        let mut members: Vec<&Member> = shard.members.iter().collect();
        members.sort_by_key(|member| !member.leads());
        let cells = members.into_iter().filter_map(|member| {
            let column = zones.iter().position(|zone| zone.name == member.zone)?;
            Some((column, Cell::of(member)))
        });
        Self {
            head: format!("shard {}  {}", shard.shard, shard.slots),
            cells: cells.collect(),
        }
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &Cell> {
        self.cells
            .iter()
            .filter(move |(at, _)| *at == column)
            .map(|(_, cell)| cell)
    }

    fn depth(&self) -> usize {
        let depths = self
            .cells
            .iter()
            .map(|(column, _)| self.column(*column).count());
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
        .map(|(cell, wide)| match cell {
            // Colour takes no room: pad by what is seen.
            Some(cell) => {
                let room = " ".repeat(wide.saturating_sub(width(&cell.text)));
                format!("{}{room}", paint.text(cell.color, &cell.text))
            }
            None => " ".repeat(*wide),
        })
        .collect();
    padded.join(between)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples;

    #[test]
    fn a_whole_cluster() {
        insta::assert_snapshot!(render(&samples::whole(), Paint::plain()), @r"
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
    fn an_outage_with_a_member_rebuilt_and_one_without_a_role() {
        let mut cluster = samples::whole();
        cluster.status.zones[0].state = "Gone".to_owned();
        cluster.status.zones[2].survives_loss = false;
        cluster.status.zones[2].why_not = Some("it holds 2 of 3 leaders".to_owned());
        let shard = &mut cluster.status.shards[0];
        shard.members[0].state = "Silent".to_owned();
        shard.members[0].role = Some("follower".to_owned());
        shard.members[1].role = Some("leader".to_owned());
        shard.members.push(Member {
            pod: "demo-0-7".to_owned(),
            zone: "zone-c".to_owned(),
            state: "Starting".to_owned(),
            ..Member::default()
        });
        shard.members.push(Member {
            pod: "demo-0-8".to_owned(),
            zone: "zone-c".to_owned(),
            role: Some("follower".to_owned()),
            state: "Alive".to_owned(),
            ..Member::default()
        });
        insta::assert_snapshot!(render(&cluster, Paint::plain()), @r"
                             ┌───────────────────┬────────────┬─────────────────────┐
                             │ zone-a (gone)     │ zone-b     │ zone-c              │
                             ├───────────────────┼────────────┼─────────────────────┤
        shard 0  0-5460      │ f demo-0-1 silent │ L demo-0-2 │ · demo-0-7 starting │
                             │                   │            │ f demo-0-8 behind   │
        shard 1  5461-10922  │                   │ L demo-1-3 │ f demo-1-4          │
        shard 2  10923-16383 │ f demo-2-6        │            │ L demo-2-5          │
                             └───────────────────┴────────────┴─────────────────────┘
        its loss               -                   survived     hurts
        loss of zone-c: it holds 2 of 3 leaders
        ");
    }

    #[test]
    fn colour_changes_no_letter() {
        let cluster = samples::whole();
        let mut colored = render(&cluster, Paint::colored());
        while let Some(start) = colored.find('\u{1b}') {
            let end = start + colored[start..].find('m').unwrap();
            colored.replace_range(start..=end, "");
        }
        assert_eq!(colored, render(&cluster, Paint::plain()));
    }
}
