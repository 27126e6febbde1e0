//! The timeline of a drill as a picture that stands in the page. Pure, and every text is escaped; its colours
//! are those of the page.

use maud::{Markup, html};

use super::figures::Figures;
use super::lanes::{Bar, Lane, Mark, Span, lanes};
use super::words;
use crate::drill::measured::{Event, Outcome, Sort};

/// Of the whole picture.
const WIDTH: f64 = 1120.0;
/// Where time begins, and where it ends.
const LEFT: f64 = 150.0;
const RIGHT: f64 = WIDTH - 70.0;
/// Height of a line of what was done and reached.
const LINE: f64 = 17.0;
/// Height of a lane, and of what stands in it.
const LANE: f64 = 20.0;
const BAR: f64 = 13.0;
/// A bar is seen however short it is.
const BAR_WIDTH_MIN: f64 = 2.0;
/// Right of this a text stands left of its line.
const TURN: f64 = WIDTH * 0.55;
const TEXT_LENGTH_MAX: usize = 80;
/// How many ticks the axis has at most.
const TICKS_MAX: f64 = 14.0;
/// Seconds between two ticks.
const STEPS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];

/// The picture. `number` makes its ids its own within the page.
pub(super) fn timeline(outcome: &Outcome, figures: &Figures, number: usize) -> Markup {
    let span = Span::of(outcome);
    let lanes = lanes(outcome, figures, span);
    let told: Vec<&Event> = told(outcome);
    let top = (told.iter().fold(6.0, |y, _| y + LINE)) + 8.0;
    let bottom = lanes.iter().fold(top, |y, _| y + LANE);
    let (title, say) = (format!("timeline-{number}"), format!("telling-{number}"));
    html! {
        svg .timeline viewBox={ "0 0 " (WIDTH) " " (px(bottom + 46.0)) } role="img"
            aria-labelledby={ (title) " " (say) } {
            title id=(title) { "Timeline: " (outcome.title) }
            desc id=(say) { (in_words(outcome, figures)) }
            (axis(span, top, bottom))
            @for (place, event) in told.iter().enumerate() {
                (line(span, event, below(6.0, place, LINE), bottom))
            }
            // above all lines, so that none goes through a word
            @for (place, event) in told.iter().enumerate() {
                (name(span, event, below(6.0, place, LINE)))
            }
            @for (place, it) in lanes.iter().enumerate() {
                (lane(span, it, below(top, place, LANE)))
            }
        }
    }
}

/// What was done and reached: what the status said has a lane.
fn told(outcome: &Outcome) -> Vec<&Event> {
    let each = outcome.events.iter();
    each.filter(|event| event.sort != Sort::Said).collect()
}

/// The picture for who does not see it.
fn in_words(outcome: &Outcome, figures: &Figures) -> String {
    let told = told(outcome);
    let told = told
        .iter()
        .map(|it| format!("after {} {}", words::moment(it.from()), it.text));
    let pauses = figures
        .shards
        .iter()
        .map(|it| format!("{} {}", it.name, words::duration(it.outage)));
    format!(
        "{}. Longest time without writes: {}.",
        told.collect::<Vec<_>>().join("; "),
        pauses.collect::<Vec<_>>().join(", ")
    )
}

/// How far down the row of this number is.
fn below(top: f64, place: usize, height: f64) -> f64 {
    (0..place).fold(top, |y, _| y + height)
}

/// How far to the right a moment is.
fn x(span: Span, at: f64) -> f64 {
    let part = (at - span.from) / (span.to - span.from);
    LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
}

/// A place on paper, to the tenth.
fn px(place: f64) -> String {
    format!("{place:.1}")
}

/// The moments that have a tick.
fn ticks(span: Span) -> Vec<f64> {
    let length = span.to - span.from;
    let longer = std::iter::successors(Some(600.0), |step| Some(step * 2.0));
    let mut steps = STEPS.into_iter().chain(longer);
    let step = steps.find(|step| length / step <= TICKS_MAX);
    let step = step.unwrap_or(length);
    let all = std::iter::successors(Some(0.0), |at| Some(at + step));
    all.take_while(|at| *at <= span.to).collect()
}

fn axis(span: Span, top: f64, bottom: f64) -> Markup {
    let line = px(bottom + 4.0);
    html! {
        @for at in ticks(span) {
            @let x = px(x(span, at));
            line .grid x1=(x) x2=(x) y1=(px(top)) y2=(line) {}
            text .soft x=(x) y=(px(bottom + 19.0)) text-anchor="middle" { (at) }
        }
        line .axis x1=(LEFT) x2=(RIGHT) y1=(line) y2=(line) {}
        text .soft x=(px(f64::midpoint(LEFT, RIGHT))) y=(px(bottom + 38.0)) text-anchor="middle" {
            "seconds from the first fault or change"
        }
        text .soft x=(RIGHT + 6.0) y=(px(top - 4.0)) { "longest" }
    }
}

/// When something was done or reached, down to the axis.
fn line(span: Span, event: &Event, y: f64, bottom: f64) -> Markup {
    let place = px(x(span, event.from()));
    html! {
        line .when .(class(event)) x1=(place) x2=(place) y1=(px(y)) y2=(px(bottom + 4.0)) {}
    }
}

/// What was done or reached, beside its line.
fn name(span: Span, event: &Event, y: f64) -> Markup {
    let place = x(span, event.from());
    let (anchor, away) = if place > TURN {
        ("end", -5.0)
    } else {
        ("start", 5.0)
    };
    let text = format!("{} {}", words::moment(event.from()), event.text);
    html! {
        text .(class(event)) x=(px(place + away)) y=(px(y + 11.0)) text-anchor=(anchor) {
            (words::cut(&text, TEXT_LENGTH_MAX))
        }
    }
}

fn class(event: &Event) -> &'static str {
    match event.sort {
        Sort::Done => "deed",
        Sort::Reached | Sort::Said => "reached",
    }
}

fn lane(span: Span, lane: &Lane, y: f64) -> Markup {
    let base = px(y + 11.0);
    html! {
        text .label x=(px(LEFT - 10.0)) y=(base) text-anchor="end" { (words::cut(&lane.label, 22)) }
        line .ground x1=(LEFT) x2=(RIGHT) y1=(px(y + BAR / 2.0)) y2=(px(y + BAR / 2.0)) {}
        @for bar in &lane.bars { (drawn_bar(span, bar, y)) }
        @for mark in &lane.marks { (drawn_mark(span, mark, y)) }
        @if !lane.note.is_empty() { text .label x=(px(RIGHT + 6.0)) y=(base) { (lane.note) } }
    }
}

fn drawn_bar(span: Span, bar: &Bar, y: f64) -> Markup {
    let (left, right) = (x(span, bar.from), x(span, bar.to));
    html! {
        rect .(bar.class) x=(px(left)) y=(px(y)) width=(px((right - left).max(BAR_WIDTH_MIN))) height=(BAR) {
            title { (bar.text) }
        }
    }
}

/// Signs differ in shape, too.
fn drawn_mark(span: Span, mark: &Mark, y: f64) -> Markup {
    let (place, middle) = (x(span, mark.at), y + BAR / 2.0);
    let corners = match mark.class {
        "worse" | "ended" => [(-5.0, -5.0), (5.0, -5.0), (0.0, 5.0)],
        "better" | "made" => [(-5.0, 5.0), (5.0, 5.0), (0.0, -5.0)],
        _ => {
            return html! {
                circle .(mark.class) cx=(px(place)) cy=(px(middle)) r="4.5" { title { (mark.text) } }
            };
        }
    };
    let points = corners.map(|(dx, dy)| format!("{},{}", px(place + dx), px(middle + dy)));
    html! {
        polygon .(mark.class) points=(points.join(" ")) { title { (mark.text) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::figures::figures;
    use crate::drill::report::samples;
    use crate::drill::report::tests::refuse_malformed;

    fn drawn(outcome: &Outcome) -> String {
        let svg = timeline(outcome, &figures(outcome), 7).into_string();
        refuse_malformed(&svg);
        svg
    }

    /// The number that follows `name="` in each element of this class.
    fn numbers(svg: &str, class: &str, name: &str) -> Vec<f64> {
        let elements = svg.split('<').filter(|it| it.contains(class));
        let value = |element: &str| {
            let (_, rest) = element.split_once(&format!(" {name}=\""))?;
            rest.split('"').next()?.parse().ok()
        };
        elements.filter_map(value).collect()
    }

    /// However many pauses there are, each is one bar within the picture.
    #[test]
    fn each_pause_is_a_bar() {
        for pauses in [0, 1, 50] {
            let mut outcome = samples::zone_kill();
            let gaps: Vec<(u64, u64)> = (0..pauses).map(|n| (n * 900, 100 + n)).collect();
            outcome.workloads[0].shards = vec![samples::lane(&gaps)];
            let svg = drawn(&outcome);
            let (lefts, widths) = (
                numbers(&svg, "class=\"gap\"", "x"),
                numbers(&svg, "class=\"gap\"", "width"),
            );
            assert_eq!(lefts.len(), gaps.len());
            assert!(lefts.is_sorted());
            for (left, width) in lefts.iter().zip(widths) {
                assert!(
                    (LEFT..=RIGHT).contains(left),
                    "{left} is outside of the picture"
                );
                assert!(width >= BAR_WIDTH_MIN && left + width <= RIGHT + BAR_WIDTH_MIN);
            }
        }
    }

    #[test]
    fn a_picture_is_told_in_words_as_well() {
        let svg = drawn(&samples::zone_kill());
        assert!(svg.contains(r#"aria-labelledby="timeline-7 telling-7""#));
        let (_, told) = svg.split_once("<desc id=\"telling-7\">").unwrap();
        let (told, _) = told.split_once("</desc>").unwrap();
        assert_eq!(
            told,
            "after 0.0 s zone-b: its hosts are dead; after 34.0 s redundant; after 35.0 s zone-b: its \
             hosts are started; after 43.0 s home. Longest time without writes: shard 0 0.02 s, shard 1 \
             3.90 s, shard 2 0.30 s."
        );
    }

    #[test]
    fn a_drill_without_anything_has_a_picture() {
        let svg = drawn(&Outcome::default());
        assert!(svg.contains("seconds from the first fault or change"));
    }

    #[test]
    fn an_axis_has_as_many_ticks_as_can_be_read() {
        for (to, count, last) in [
            (1.0, 2, 1.0),
            (12.5, 7, 12.0),
            (61.0, 13, 60.0),
            (400.0, 14, 390.0),
            (90_000.0, 10, 86_400.0),
        ] {
            let ticks = ticks(Span { from: -2.0, to });
            assert_eq!(ticks.len(), count, "{to}");
            assert_eq!(ticks.last(), Some(&last), "{to}");
        }
    }

    #[test]
    fn names_do_not_become_markup() {
        let mut outcome = samples::zone_kill();
        outcome.title = "<b>&\"".to_owned();
        outcome.events[0].text = "<script>".to_owned();
        outcome.told[0].text = "</svg>".to_owned();
        let svg = drawn(&outcome);
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
        assert_eq!(svg.matches("</svg>").count(), 1);
    }
}
