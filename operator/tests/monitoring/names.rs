//! Which figures a query names.

use zoneward_operator::metrics::{CATALOGUE, Kind};

/// Names in this expression that no family has.
pub(super) fn unknown_in(expression: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_word(c));
    let ours = words.filter(|word| word.starts_with("zoneward_"));
    ours.filter(|word| !is_known(word))
        .map(str::to_owned)
        .collect()
}

fn is_known(name: &str) -> bool {
    let mut families = CATALOGUE.iter().flat_map(|section| section.families);
    families.any(|family| match family.kind {
        Kind::Histogram(_) => ["bucket", "sum", "count"]
            .iter()
            .any(|part| name == format!("{}_{part}", family.name)),
        Kind::Counter | Kind::Told | Kind::Gauge => name == family.name,
    })
}

#[test]
fn names_are_found_whole() {
    let query = "sum(rate(zoneward_plan_duration_seconds_bucket[1m])) / zoneward_active_not";
    assert_eq!(unknown_in(query), ["zoneward_active_not"]);
    assert_eq!(unknown_in("zoneward_plan_duration_seconds").len(), 1);
}
