//! The queries of the chart's dashboards, with the variables put in as Grafana would.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// What Grafana puts in for all, and for spans of time.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "1m"),
    ("$__range", "5m"),
    ("$namespace", ".+"),
    ("$cluster", ".+"),
    ("$job", ".+"),
];

/// A query, and where it stands.
pub(super) struct Query {
    pub(super) place: String,
    pub(super) text: String,
    /// The labels that its legend shows.
    pub(super) labels: Vec<String>,
}

/// Those of panels, of marks and of variables.
pub(super) fn queries() -> Result<Vec<Query>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/zoneward/dashboards");
    let mut queries = Vec::new();
    for file in fs::read_dir(&folder).context("read the dashboards")? {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let whole: Value = serde_json::from_str(&text)?;
        let name = whole["title"].as_str().unwrap_or_default();
        for panel in list(&whole["panels"]) {
            for target in list(&panel["targets"]) {
                let legend = target["legendFormat"].as_str().unwrap_or_default();
                queries.push(query(name, &panel["title"], &target["expr"], legend)?);
            }
        }
        for mark in list(&whole["annotations"]["list"]) {
            let legend = mark["textFormat"].as_str().unwrap_or_default();
            queries.push(query(name, &mark["name"], &mark["expr"], legend)?);
        }
        for variable in list(&whole["templating"]["list"]) {
            if variable["type"] == "query" {
                let asked = variable["query"]["query"].as_str().unwrap_or_default();
                let series = series_of(asked).with_context(|| format!("read {asked}"))?;
                queries.push(query(name, &variable["name"], &series.into(), "")?);
            }
        }
    }
    Ok(queries)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn query(dashboard: &str, part: &Value, text: &Value, legend: &str) -> Result<Query> {
    let place = format!("{dashboard}: {part}");
    let text = text
        .as_str()
        .with_context(|| format!("{place}: no query"))?;
    let put_in = |text: String, (name, value): &(&str, &str)| text.replace(name, value);
    let text = VARIABLES.iter().fold(text.to_owned(), put_in);
    anyhow::ensure!(!text.contains('$'), "{place}: unknown variable in {text}");
    let labels = legend.split("{{").skip(1);
    let labels = labels.filter_map(|rest| Some(rest.split_once("}}")?.0.to_owned()));
    Ok(Query {
        place,
        text,
        labels: labels.collect(),
    })
}

/// `label_values(SERIES, label)`, which only Grafana knows.
fn series_of(asked: &str) -> Option<&str> {
    let inner = asked.strip_prefix("label_values(")?.strip_suffix(')')?;
    inner.rsplit_once(", ").map(|(series, _)| series)
}
