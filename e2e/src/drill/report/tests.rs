//! The report as a whole: that it is well formed and needs nothing else, that nothing from outside becomes
//! markup, and that what was written can be read and drawn again.

use super::*;
use crate::drill::report::samples;

/// Elements of HTML that have no end.
const VOID: [&str; 3] = ["meta", "br", "hr"];

/// Fails where an element is not closed, or another one than was opened, where an attribute's value has no
/// quotes, and where an id stands twice.
pub(super) fn refuse_malformed(markup: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let text = markup.strip_prefix("<!DOCTYPE html>").unwrap_or(markup);
    for piece in text.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').expect("a tag has an end");
        assert!(!after.contains('>'), "a bare > after <{tag}>");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed before its content");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(
            name.chars().all(char::is_alphanumeric) && attributes.matches('"').count() % 2 == 0,
            "<{tag}>"
        );
        if let Some((_, id)) = attributes.split_once("id=\"") {
            let id = id.split('"').next();
            assert!(ids.insert(id), "id {id:?} stands twice");
        }
        if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn drills() -> Vec<Outcome> {
    let mut odd = samples::zone_kill();
    odd.drill = "<script>alert(1)</script>\"&".to_owned();
    odd.error = Some("waited 300 s in vain: \"home\" <b>".to_owned());
    odd.engines.push("<i>".to_owned());
    let mut allowed = samples::zone_kill();
    allowed.drill = "two-zones".to_owned();
    allowed.workloads[0].shards[1].lost = 654;
    vec![samples::zone_kill(), odd, allowed, Outcome::default()]
}

#[test]
fn a_page_is_well_formed_and_needs_nothing_else() {
    for outcomes in [vec![], vec![samples::zone_kill()], drills()] {
        let page = page(&judged(&outcomes));
        refuse_malformed(&page);
        for foreign in ["<script", "src=", "<link", "url(", "@import", "http"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }
}

#[test]
fn names_do_not_become_markup() {
    let page = page(&judged(&drills()));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;"));
    assert!(!page.contains("<b>") && !page.contains("<i>"));
}

#[test]
fn what_missed_its_aim_is_named_at_the_top_and_marked() {
    let page = page(&judged(&drills()));
    let (_, verdict) = page.split_once("What missed its aim").unwrap();
    let (verdict, rest) = verdict.split_once("</section>").unwrap();
    assert_eq!(verdict.matches("<li>").count(), 2, "{verdict}");
    assert!(verdict.contains("a shard took no writes for 3.90 s"));
    assert!(verdict.contains("waited 300 s in vain"));
    assert_eq!(rest.matches("class=\"number missed\"").count(), 1);
    assert!(rest.contains("654 <span class=\"allowed\">"));
}

#[test]
fn a_report_without_a_miss_says_so() {
    let mut fine = samples::zone_kill();
    fine.workloads[0].shards.remove(1);
    let page = page(&judged(&[fine]));
    assert!(page.contains("Nothing: each figure that has an aim met it."));
    assert!(!page.contains("number missed"));
}

#[test]
fn a_report_is_drawn_again_as_it_was() {
    let folder = std::env::temp_dir().join(format!("zoneward-report-{}", std::process::id()));
    let outcomes = drills();
    let first = write(&folder, &judged(&outcomes)).unwrap();
    let first = std::fs::read_to_string(first).unwrap();
    let again = read(&[folder.join("report.json")]).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(again, outcomes);
    assert_eq!(page(&judged(&again)), first);
}

#[test]
fn drills_of_several_files_are_put_together() {
    let folder = std::env::temp_dir().join(format!("zoneward-drills-{}", std::process::id()));
    let mut newer = samples::zone_kill();
    newer.load = Some(9.0);
    let report = write(&folder, &judged(&drills())).unwrap();
    let one = folder.join("drill-zone-kill.json");
    std::fs::write(&one, serde_json::to_string(&newer).unwrap()).unwrap();
    let read = read(&[report.with_extension("json"), one]).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let names = |of: &[Outcome]| of.iter().map(|it| it.drill.clone()).collect::<Vec<_>>();
    assert_eq!(names(&read), names(&drills()), "each in its place");
    assert!(read.contains(&newer), "the last one counts");
}

#[test]
fn what_is_no_report_is_refused() {
    for (text, why) in [
        (r#"{"format": 2, "drills": []}"#, "its format is 2"),
        (r#"{"outage": null}"#, "missing field"),
        ("nothing", "expected"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}
