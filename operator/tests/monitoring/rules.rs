//! Alert rules: each tells what is, links to an entry of the runbook that is there, and stands in
//! `docs/monitoring.md`.

use std::fs;

use serde_json::Value;

use super::{at, names};

const FOLDER: &str = "charts/zoneward/rules";
const RUNBOOK: &str = "docs/operations.md";
const PAGE: &str = "docs/monitoring.md";

/// All rules, by file.
pub(super) fn rules() -> Vec<Value> {
    let mut rules = Vec::new();
    for file in fs::read_dir(at(FOLDER)).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let file: Value = serde_saphyr::from_str(&text).unwrap();
        for group in file["groups"].as_array().unwrap() {
            rules.extend(group["rules"].as_array().unwrap().iter().cloned());
        }
    }
    assert!(rules.len() > 5, "no rules below {FOLDER}");
    rules
}

/// Headings as anchors.
pub(super) fn anchors() -> Vec<String> {
    let runbook = fs::read_to_string(at(RUNBOOK)).unwrap();
    let headings = runbook.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        heading.replace(' ', "-")
    };
    headings.map(slug).collect()
}

#[test]
fn every_alert_leads_to_an_entry_of_the_runbook() {
    let (anchors, page) = (anchors(), fs::read_to_string(at(PAGE)).unwrap());
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let annotations = &rule["annotations"];
        for part in ["summary", "description"] {
            let text = annotations[part].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no {part}");
        }
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning"].contains(&severity), "{name}");
        let link = annotations["runbook_url"].as_str().unwrap_or_default();
        let anchor = link.strip_prefix("operations.md#").unwrap_or_default();
        assert!(
            anchors.iter().any(|it| it == anchor),
            "{name}: {link:?} is no heading of {RUNBOOK}"
        );
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in {PAGE}"
        );
    }
}

#[test]
fn rules_name_only_figures_that_exist() {
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        let unknown = names::unknown_in(expression);
        assert!(unknown.is_empty(), "{}: {unknown:?}", rule["alert"]);
    }
}
