//! Growth with size as a picture: one panel for each number of zones, one line for each story.

use std::fmt::Write;
use std::time::Duration;

use crate::stories::ZONES;

/// What one case took.
pub(crate) struct Point {
    pub(crate) zones: u32,
    pub(crate) story: &'static str,
    pub(crate) members: u32,
    pub(crate) took: Duration,
}

const COLOURS: [&str; 9] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d1f", "#56b4e9", "#222222", "#999999",
    "#e0a800",
];
/// Left and right edge of the first panel, and how far the next one is.
const PANEL: (f64, f64, f64) = (70.0, 350.0, 340.0);

/// Writes `docs/placement-growth.svg`.
#[allow(clippy::unwrap_used)]
pub(crate) fn write(points: &[Point], caption: &str) {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/placement-growth.svg");
    std::fs::write(path, picture(points, caption).unwrap()).unwrap();
}

fn picture(points: &[Point], caption: &str) -> Result<String, std::fmt::Error> {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1060 500\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"1060\" height=\"500\" fill=\"#ffffff\"/>\n\
         <text x=\"70\" y=\"24\" font-size=\"14\">Time to the best placement and its proof, over \
         members (both axes logarithmic)</text>\n",
    );
    writeln!(
        svg,
        "<text x=\"70\" y=\"44\" fill=\"#555555\">{caption}</text>"
    )?;
    let mut stories: Vec<&str> = Vec::new();
    for point in points {
        if !stories.contains(&point.story) {
            stories.push(point.story);
        }
    }
    let mut shift = 0.0;
    for zones in ZONES {
        axes(&mut svg, shift, zones)?;
        for (story, colour) in stories.iter().zip(COLOURS) {
            let mut line: Vec<&Point> = points
                .iter()
                .filter(|it| it.zones == zones && it.story == *story)
                .collect();
            line.sort_by_key(|it| it.members);
            let at = |it: &&Point| {
                let (x, y) = (x(f64::from(it.members)) + shift, y(it.took.as_secs_f64()));
                format!("{x:.1},{y:.1}")
            };
            let line: Vec<String> = line.iter().map(at).collect();
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                line.join(" ")
            )?;
        }
        shift += PANEL.2;
    }
    for (place, (story, colour)) in stories.iter().zip(COLOURS).enumerate() {
        let (column, row) = (place % 3, place / 3);
        let (x, y) = ([70, 290, 510].get(column).unwrap_or(&0), 430 + 22 * row);
        writeln!(
            svg,
            "<line x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\" \
             stroke-width=\"2\"/><text x=\"{}\" y=\"{}\">{story}</text>",
            x + 24,
            x + 32,
            y + 4
        )?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn axes(svg: &mut String, shift: f64, zones: u32) -> std::fmt::Result {
    let (left, right) = (PANEL.0 + shift, PANEL.1 + shift);
    writeln!(svg, "<text x=\"{left}\" y=\"72\">{zones} zones</text>")?;
    for (took, name) in [
        (1e-6, "1 \u{b5}s"),
        (1e-5, "10 \u{b5}s"),
        (1e-4, "0.1 ms"),
        (1e-3, "1 ms"),
        (1e-2, "10 ms"),
        (1e-1, "0.1 s"),
        (1.0, "1 s"),
        (10.0, "10 s"),
    ] {
        let y = y(took);
        writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            left - 6.0,
            y + 4.0
        )?;
    }
    for members in [6.0, 60.0, 300.0, 1000.0, 3000.0] {
        let x = x(members) + shift;
        writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"80\" y2=\"380\" stroke=\"#eeeeee\"/>\
             <text x=\"{x:.1}\" y=\"398\" text-anchor=\"middle\">{members}</text>"
        )?;
    }
    Ok(())
}

/// 6 to 3000 members.
fn x(members: f64) -> f64 {
    let share = (members / 6.0).ln() / 500_f64.ln();
    PANEL.0 + share * (PANEL.1 - PANEL.0)
}

/// A microsecond to ten seconds.
fn y(took: f64) -> f64 {
    380.0 - (took.max(1e-6).log10() + 6.0) * 42.0
}
