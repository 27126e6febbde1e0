//! Random histories of zones lost and returned: this solver against the greedy ways of the peers.
//!
//! `WRITE=1 cargo test -p placement --test histories -- --nocapture` rewrites the picture in docs.

#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fmt::Write;

use placement::{CurrentMember, CurrentShard, Mode, Problem, ZoneName, ZoneState, solve};
use support::{Dice, carried_out, fresh};

const ZONES: u32 = 3;
const SHARDS: u32 = 12;
const HISTORIES: u64 = 100;
const LOSSES: usize = 5;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    RoundRobin,
    SpreadOnly,
    Repair,
    RepairAndRebalance,
}

const WAYS: [(Way, &str, &str); 4] = [
    (Way::RoundRobin, "round robin", "#c0392b"),
    (Way::SpreadOnly, "spread constraints only", "#e67e22"),
    (Way::Repair, "repair alone", "#2980b9"),
    (
        Way::RepairAndRebalance,
        "repair, rebalance after each return",
        "#27ae60",
    ),
];

/// What is seen after each loss and each return.
#[derive(Default, Clone, Copy)]
struct Seen {
    /// Leaders of the zone that leads most: what the next loss takes, at worst.
    worst_leaders: u32,
    /// Members of the fullest zone less those of the emptiest one.
    skew: u32,
    /// Members with data that were moved on purpose.
    moved: u64,
}

fn per_zone<'a>(zones: impl Iterator<Item = &'a ZoneName>, problem: &Problem) -> Vec<u32> {
    let all: Vec<&ZoneName> = zones.collect();
    let open = problem
        .zones
        .iter()
        .filter(|zone| zone.state == ZoneState::Open);
    open.map(|zone| all.iter().filter(|at| ***at == zone.name).count() as u32)
        .collect()
}

fn seen(problem: &Problem, moved: u64) -> Seen {
    let leaders = per_zone(
        problem.current.iter().filter_map(|it| it.leader.as_ref()),
        problem,
    );
    let members = per_zone(
        problem
            .current
            .iter()
            .flat_map(|it| it.members.iter().map(|m| &m.zone)),
        problem,
    );
    let (least, most) = (members.iter().min().unwrap(), members.iter().max().unwrap());
    Seen {
        worst_leaders: *leaders.iter().max().unwrap(),
        skew: most - least,
        moved,
    }
}

/// The bus promotes some follower; the lost members are built again the greedy way.
fn greedy(problem: &mut Problem, way: Way, dice: &mut Dice) {
    let open: Vec<ZoneName> = problem
        .zones
        .iter()
        .filter(|zone| zone.state == ZoneState::Open)
        .map(|zone| zone.name.clone())
        .collect();
    for index in 0..problem.current.len() {
        while problem.current[index].members.len() < 2 {
            let held = per_zone(
                problem
                    .current
                    .iter()
                    .flat_map(|it| it.members.iter().map(|m| &m.zone)),
                problem,
            );
            let shard = &problem.current[index];
            let free = |at: &usize| !shard.members.iter().any(|it| it.zone == open[*at]);
            let zone = match way {
                Way::RoundRobin => (0..open.len())
                    .map(|at| (at + index) % open.len())
                    .find(free),
                _ => (0..open.len()).filter(free).min_by_key(|at| held[*at]),
            };
            let member = CurrentMember {
                zone: open[zone.unwrap()].clone(),
                has_data: true,
            };
            problem.current[index].members.push(member);
        }
        if problem.current[index].leader.is_none() {
            // Nobody chooses: whichever follower wins the election.
            let pick = dice.below(problem.current[index].members.len() as u32) as usize;
            let zone = problem.current[index].members[pick].zone.clone();
            problem.current[index].leader = Some(zone);
        }
    }
}

fn solved(problem: &Problem, mode: Mode) -> (Problem, u64) {
    let asked = Problem {
        mode,
        ..problem.clone()
    };
    let placement = solve(&asked).unwrap();
    assert!(placement.optimal);
    (carried_out(problem, &placement), placement.score.data_moves)
}

fn first(way: Way, dice: &mut Dice) -> Problem {
    let mut problem = fresh(ZONES, SHARDS, 2);
    if matches!(way, Way::Repair | Way::RepairAndRebalance) {
        return solved(&problem, Mode::Repair).0;
    }
    for shard in 0..SHARDS {
        let zone = ZoneName::from(support::zone_name(shard % ZONES).as_str());
        let members = vec![CurrentMember {
            zone: zone.clone(),
            has_data: true,
        }];
        problem.current.push(CurrentShard {
            shard,
            members,
            leader: Some(zone),
            pinned: false,
        });
    }
    greedy(&mut problem, way, dice);
    problem
}

fn live(way: Way, seed: u64) -> Vec<Seen> {
    let mut dice = Dice(seed);
    let mut elections = Dice(seed + 1_000_000);
    let mut problem = first(way, &mut elections);
    let mut story = vec![seen(&problem, 0)];
    for _ in 0..LOSSES {
        let lost = dice.below(ZONES) as usize;
        let name = problem.zones[lost].name.clone();
        problem.zones[lost].state = ZoneState::Gone;
        for shard in &mut problem.current {
            shard.members.retain(|member| member.zone != name);
            shard.leader = shard.leader.take().filter(|zone| *zone != name);
        }
        let is_greedy = matches!(way, Way::RoundRobin | Way::SpreadOnly);
        let mut moved = 0;
        if is_greedy {
            greedy(&mut problem, way, &mut elections);
        } else {
            (problem, moved) = solved(&problem, Mode::Repair);
        }
        story.push(seen(&problem, moved));
        problem.zones[lost].state = ZoneState::Open;
        moved = 0;
        if !is_greedy {
            let mode = if way == Way::Repair {
                Mode::Repair
            } else {
                Mode::Rebalance
            };
            (problem, moved) = solved(&problem, mode);
        }
        story.push(seen(&problem, moved));
    }
    story
}

#[test]
fn the_next_loss_is_as_harmless_as_the_first() {
    let mut lines = Vec::new();
    for (way, name, _) in WAYS {
        let stories: Vec<Vec<Seen>> = (0..HISTORIES).map(|seed| live(way, seed)).collect();
        let mean = |at: usize, what: fn(&Seen) -> f64| {
            stories.iter().map(|story| what(&story[at])).sum::<f64>() / HISTORIES as f64
        };
        let line: Vec<f64> = (0..=2 * LOSSES)
            .map(|at| mean(at, |seen| f64::from(seen.worst_leaders)))
            .collect();
        let last: Vec<&Seen> = stories.iter().map(|story| &story[2 * LOSSES]).collect();
        let worst = last.iter().map(|seen| seen.worst_leaders).max().unwrap();
        let skew = last.iter().map(|seen| seen.skew).max().unwrap();
        let moved: u64 = stories.iter().flatten().map(|seen| seen.moved).sum();
        let events = HISTORIES * LOSSES as u64;
        println!(
            "{name}: leaders of the fullest zone {line:.2?}; after the last return at worst \
             {worst}, member skew {skew}; {:.2} members moved per loss and return",
            moved as f64 / events as f64
        );
        if way == Way::RepairAndRebalance {
            let all = stories.iter().flat_map(|story| story.iter().step_by(2));
            assert!(all.clone().all(|seen| seen.worst_leaders == SHARDS / ZONES));
            assert!(all.clone().all(|seen| seen.skew <= 1));
        }
        if way == Way::Repair {
            let all = stories.iter().flat_map(|story| story.iter().step_by(2));
            assert!(all.clone().all(|seen| seen.worst_leaders == SHARDS / ZONES));
        }
        lines.push(line);
    }
    if std::env::var_os("WRITE").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/placement-histories.svg");
        std::fs::write(path, picture(&lines)).unwrap();
    }
}

fn picture(lines: &[Vec<f64>]) -> String {
    let (x, y) = (
        |at: usize| 70.0 + 60.0 * at as f64,
        |led: f64| 300.0 - (led - 3.0) * 26.0,
    );
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 440\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"720\" height=\"440\" fill=\"#ffffff\"/>\n\
         <text x=\"70\" y=\"24\" font-size=\"14\">Leaders of the zone that leads most: what the next loss takes (12 shards, 3 zones)</text>\n",
    );
    for led in [4.0, 6.0, 8.0, 10.0, 12.0] {
        let at = y(led);
        writeln!(svg, "<line x1=\"70\" x2=\"670\" y1=\"{at}\" y2=\"{at}\" stroke=\"#dddddd\"/><text x=\"44\" y=\"{}\">{led}</text>", at + 4.0).unwrap();
    }
    for at in 0..=2 * LOSSES {
        let event = match at {
            0 => "new",
            at if at % 2 == 1 => "loss",
            _ => "return",
        };
        writeln!(
            svg,
            "<text x=\"{}\" y=\"320\" text-anchor=\"middle\">{event}</text>",
            x(at)
        )
        .unwrap();
    }
    for (place, (line, (_, name, colour))) in lines.iter().zip(WAYS).enumerate() {
        let points: Vec<String> = line
            .iter()
            .enumerate()
            .map(|(at, led)| format!("{:.1},{:.1}", x(at), y(*led)))
            .collect();
        let dash = if place == 3 {
            " stroke-dasharray=\"7 5\""
        } else {
            ""
        };
        writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"{dash}/>", points.join(" ")).unwrap();
        let at = 350.0 + 22.0 * place as f64;
        writeln!(svg, "<line x1=\"70\" x2=\"100\" y1=\"{at}\" y2=\"{at}\" stroke=\"{colour}\" stroke-width=\"2.5\"{dash}/><text x=\"108\" y=\"{}\">{name}</text>", at + 4.0).unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}
