//! The Grafana dashboards of the chart. Each is a list of panels here; the JSON that Grafana takes is
//! generated, so that all look alike and none forgets its unit, its description or a variable.

mod cluster;
mod loop_of_operator;
mod panel;
mod zones;

use panel::{Panel, laid_out};
use serde_json::{Value, json};

use super::{assert_fresh, names};

const FOLDER: &str = "charts/zoneward/dashboards";
/// Grafana 10 and later.
const SCHEMA_VERSION: u32 = 39;

/// A dashboard.
struct Dashboard {
    /// Its file, and what its address in Grafana ends in.
    name: &'static str,
    title: &'static str,
    description: &'static str,
    variables: Vec<Variable>,
    /// Marks at moments: a name and a query.
    marks: Vec<(&'static str, &'static str)>,
    panels: Vec<Panel>,
}

/// What can be chosen at the top.
struct Variable {
    name: &'static str,
    label: &'static str,
    query: &'static str,
    /// Several at once, and all of them at first.
    is_many: bool,
}

fn dashboards() -> [Dashboard; 3] {
    [
        zones::dashboard(),
        cluster::dashboard(),
        loop_of_operator::dashboard(),
    ]
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

impl Dashboard {
    fn to_json(&self) -> Value {
        let marks = self.marks.iter().map(|(name, query)| mark(name, query));
        let data_source = json!({
            "name": "datasource", "label": "Data source", "type": "datasource",
            "query": "prometheus", "current": {}, "hide": 0,
        });
        let chosen = self.variables.iter().map(Variable::to_json);
        let variables: Vec<Value> = std::iter::once(data_source).chain(chosen).collect();
        json!({
            "uid": format!("zoneward-{}", self.name),
            "title": self.title,
            "description": self.description,
            "tags": ["zoneward"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-3h", "to": "now" },
            "links": [{
                "type": "dashboards", "title": "Zoneward", "tags": ["zoneward"],
                "asDropdown": true, "includeVars": true, "keepTime": true,
            }],
            "templating": { "list": variables },
            "annotations": { "list": marks.collect::<Vec<_>>() },
            "panels": laid_out(&self.panels),
        })
    }
}

impl Variable {
    fn to_json(&self) -> Value {
        let query = json!({ "query": self.query, "refId": self.name });
        let mut variable = json!({
            "name": self.name, "label": self.label, "type": "query", "datasource": source(),
            "query": query, "definition": self.query, "refresh": 2, "sort": 1, "hide": 0,
            "multi": self.is_many, "includeAll": self.is_many,
        });
        if self.is_many {
            variable["current"] = json!({ "text": ["All"], "value": ["$__all"] });
        }
        variable
    }
}

/// A line at each moment when the query has something to say.
fn mark(name: &str, query: &str) -> Value {
    json!({
        "name": name, "datasource": source(), "enable": true, "hide": false, "iconColor": "orange",
        "expr": query, "step": "30s", "titleFormat": format!("{name}: {{{{cause}}}}"),
        "textFormat": "{{namespace}}/{{cluster}}", "tagKeys": "cause",
    })
}

#[test]
fn the_dashboards_are_up_to_date() {
    for dashboard in dashboards() {
        let text = serde_json::to_string_pretty(&dashboard.to_json()).unwrap();
        assert_fresh(&format!("{FOLDER}/{}.json", dashboard.name), &(text + "\n"));
    }
}

#[test]
fn every_panel_says_what_it_shows_and_asks_for_what_exists() {
    for dashboard in dashboards() {
        let filter = if dashboard.name == "operator" {
            r#"job=~"$job""#
        } else {
            r#"cluster=~"$cluster""#
        };
        for panel in &dashboard.panels {
            let place = format!("{}: {}", dashboard.name, panel.title);
            assert!(panel.description.ends_with('.'), "{place}");
            assert!(!panel.unit.is_empty(), "{place}");
            for (query, _) in &panel.queries {
                let unknown = names::unknown_in(query);
                assert!(unknown.is_empty(), "{place}: {unknown:?}");
                // a histogram over all RedisClusters has no labels to choose by
                let is_shared = query.contains("_duration_seconds");
                assert!(query.contains(filter) || is_shared, "{place}: {query}");
            }
        }
        for (name, query) in &dashboard.marks {
            assert!(names::unknown_in(query).is_empty(), "{name}");
        }
    }
}
