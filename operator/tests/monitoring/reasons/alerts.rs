//! Which alert fires on which figure, as the rules say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::rules::rules;

/// Names and values.
pub(super) type Labels = Vec<(String, String)>;

/// One series and its value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) struct Series {
    pub(super) family: String,
    /// Without those that say of which RedisCluster.
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// `family{label="value"}`.
pub(super) fn named(family: &str, labels: &Labels) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    if labels.is_empty() {
        return format!("`{family}`");
    }
    format!("`{family}{{{}}}`", labels.join(","))
}

/// A rule.
pub(super) struct Alert {
    pub(super) name: String,
    /// The entry of the runbook that it leads to.
    pub(super) anchor: String,
    choices: Vec<Choice>,
}

/// What a rule chooses: a family, matchers, and a comparison.
struct Choice {
    family: String,
    /// A label and the values that match.
    matchers: Vec<(String, BTreeSet<String>)>,
    /// An operator and a number; none where the expression goes on otherwise.
    compares: Option<(String, f64)>,
}

pub(super) fn alerts() -> Vec<Alert> {
    let text = |rule: &Value, path: &str| rule.pointer(path).unwrap().as_str().unwrap().to_owned();
    let alert = |rule: Value| Alert {
        name: text(&rule, "/alert"),
        anchor: text(&rule, "/annotations/runbook_url").replace("operations.md#", ""),
        choices: choices(&text(&rule, "/expr")),
    };
    rules().into_iter().map(alert).collect()
}

impl Alert {
    /// Whether it fires on this, in time.
    pub(super) fn fires_on(&self, series: &Series) -> bool {
        self.choices.iter().any(|choice| choice.takes(series))
    }

    /// Whether it asks for this, whatever it then makes of it.
    pub(super) fn asks_for(&self, series: &Series) -> bool {
        self.choices.iter().any(|choice| choice.chooses(series))
    }

    /// What it asks for, as a query names it.
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.choices.iter().map(Choice::drawn).collect()
    }
}

impl Choice {
    fn drawn(&self) -> String {
        let labels = self.matchers.iter().filter_map(|(label, values)| {
            let is_one = values.len() == 1;
            is_one.then(|| values.first().map(|value| (label.clone(), value.clone())))?
        });
        let labels = labels.collect();
        named(&self.family, &labels)
    }

    /// Without a matcher it is about no reason of its own.
    fn chooses(&self, series: &Series) -> bool {
        let matches = |(label, values): &(String, BTreeSet<String>)| {
            let mut labels = series.labels.iter();
            labels.any(|(name, value)| name == label && values.contains(value))
        };
        let is_chosen = !self.matchers.is_empty() && self.matchers.iter().all(matches);
        self.family == series.family && is_chosen
    }

    fn takes(&self, series: &Series) -> bool {
        let holds = self
            .compares
            .as_ref()
            .is_some_and(|(sign, number)| match sign.as_str() {
                "==" => (series.value - number).abs() < f64::EPSILON,
                ">" => series.value > *number,
                _ => false,
            });
        self.chooses(series) && holds
    }
}

fn choices(expression: &str) -> Vec<Choice> {
    let starts = expression
        .match_indices("zoneward_")
        .map(|(at, _)| &expression[at..]);
    starts.map(choice).collect()
}

fn choice(from: &str) -> Choice {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let family: String = from.chars().take_while(|c| is_name(*c)).collect();
    let rest = &from[family.len()..];
    let (inner, rest) = match rest.strip_prefix('{').and_then(|it| it.split_once('}')) {
        Some((inner, rest)) => (inner, rest),
        None => ("", rest),
    };
    let matcher = |text: &str| {
        let (label, values) = text.split_once('=').unwrap();
        let values = values.trim_start_matches('~').trim_matches('"').split('|');
        (label.trim().to_owned(), values.map(str::to_owned).collect())
    };
    let mut words = rest.split_whitespace();
    let compares = words.next().zip(words.next()).and_then(|(sign, number)| {
        let number = number.parse().ok()?;
        Some((sign.to_owned(), number))
    });
    let matchers = inner.split(',').filter(|it| !it.is_empty()).map(matcher);
    Choice {
        matchers: matchers.collect(),
        family,
        compares,
    }
}

#[test]
fn a_rule_fires_on_what_it_chooses_alone() {
    let series = |reason: &str, value| Series {
        family: "zoneward_waiting".to_owned(),
        labels: vec![("reason".to_owned(), reason.to_owned())],
        value,
    };
    let fires = |expression: &str, series: &Series| {
        let alert = Alert {
            name: String::new(),
            anchor: String::new(),
            choices: choices(expression),
        };
        alert.fires_on(series)
    };
    let one = r#"zoneward_waiting{reason="RollStuck"} > 0"#;
    let two = r#"x - time() and on (a) zoneward_waiting{reason=~"RollStuck|NoRoom"} > 0"#;
    let table = [
        (one, series("RollStuck", 1.0), true),
        (one, series("RollStuck", 0.0), false),
        (one, series("NoRoom", 1.0), false),
        (two, series("NoRoom", 1.0), true),
        ("zoneward_waiting > 0", series("NoRoom", 1.0), false),
        (
            r#"zoneward_condition{reason="NoRoom"} > 0"#,
            series("NoRoom", 1.0),
            false,
        ),
    ];
    for (expression, series, expected) in table {
        assert_eq!(
            fires(expression, &series),
            expected,
            "{expression} {series:?}"
        );
    }
}
