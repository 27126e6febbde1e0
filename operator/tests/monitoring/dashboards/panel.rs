//! A panel, and how panels are laid out.

use serde_json::{Value, json};

use super::source;

/// Grafana's grid.
const COLUMNS: u32 = 24;

/// How a panel draws.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Look {
    /// The last value, large.
    Stat,
    /// The legend, large.
    Name,
    /// Lines over time.
    Lines,
    /// Lines over time, on top of each other.
    Stack,
    /// Bars over time.
    Bars,
    /// A coloured band for each series.
    Bands,
    /// The last values' labels.
    Table,
}

impl Look {
    fn is_small(self) -> bool {
        matches!(self, Self::Stat | Self::Name)
    }
}

/// What values mean.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// Nothing but themselves.
    Plain,
    /// 1 is this and good, 0 is that and bad.
    GoodIfOne(&'static str, &'static str),
    /// 1 is this and bad, 0 is that and good.
    BadIfOne(&'static str, &'static str),
    /// Good from here on.
    GoodFrom(u32),
    /// Bad from here on.
    BadFrom(u32),
}

/// One panel.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) unit: &'static str,
    /// Each with its legend.
    pub(super) queries: Vec<(&'static str, &'static str)>,
    look: Look,
    meaning: Meaning,
    width: u32,
}

impl Panel {
    pub(super) fn new(
        look: Look,
        title: &'static str,
        description: &'static str,
        unit: &'static str,
    ) -> Self {
        Self {
            title,
            description,
            unit,
            queries: Vec::new(),
            look,
            meaning: Meaning::Plain,
            width: if look.is_small() { 6 } else { 12 },
        }
    }

    pub(super) fn query(mut self, query: &'static str, legend: &'static str) -> Self {
        self.queries.push((query, legend));
        self
    }

    pub(super) fn meaning(mut self, meaning: Meaning) -> Self {
        self.meaning = meaning;
        self
    }

    /// In columns, of 24.
    pub(super) fn width(mut self, columns: u32) -> Self {
        self.width = columns;
        self
    }

    fn height(&self) -> u32 {
        if self.look.is_small() { 4 } else { 8 }
    }

    fn to_json(&self, id: usize, (x, y): (u32, u32)) -> Value {
        let is_now = self.look.is_small() || self.look == Look::Table;
        let targets = self
            .queries
            .iter()
            .zip('A'..='Z')
            .map(|((query, legend), name)| {
                let mut target = json!({
                    "refId": name, "datasource": source(), "expr": query, "legendFormat": legend,
                    "instant": is_now, "range": !is_now,
                });
                if self.look == Look::Table {
                    target["format"] = json!("table");
                }
                target
            });
        let mut defaults = json!({
            "unit": self.unit, "mappings": mappings(self.meaning),
            "thresholds": thresholds(self.meaning), "custom": self.custom(),
            "color": { "mode": self.colour() },
        });
        if matches!(self.look, Look::Lines | Look::Stack | Look::Bars) {
            defaults["min"] = json!(0);
        }
        json!({
            "id": id, "type": self.kind(), "title": self.title, "description": self.description,
            "gridPos": { "x": x, "y": y, "w": self.width, "h": self.height() },
            "datasource": source(),
            "targets": targets.collect::<Vec<_>>(),
            "fieldConfig": { "defaults": defaults, "overrides": [] },
            "options": self.options(),
            "transformations": self.transformations(),
        })
    }

    fn is_plain(&self) -> bool {
        matches!(self.meaning, Meaning::Plain)
    }

    fn kind(&self) -> &'static str {
        match self.look {
            Look::Stat | Look::Name => "stat",
            Look::Lines | Look::Stack | Look::Bars => "timeseries",
            Look::Bands => "state-timeline",
            Look::Table => "table",
        }
    }

    fn colour(&self) -> &'static str {
        match self.look {
            Look::Stat | Look::Name | Look::Bands => "thresholds",
            Look::Lines | Look::Stack | Look::Bars | Look::Table => "palette-classic",
        }
    }

    fn custom(&self) -> Value {
        match self.look {
            Look::Stat | Look::Name => json!({}),
            Look::Table => json!({ "align": "auto", "filterable": true }),
            Look::Bands => json!({ "fillOpacity": 80, "lineWidth": 0 }),
            Look::Lines => json!({ "drawStyle": "line", "fillOpacity": 5, "showPoints": "never" }),
            Look::Stack => json!({
                "drawStyle": "line", "fillOpacity": 40, "showPoints": "never",
                "stacking": { "mode": "normal", "group": "A" },
            }),
            Look::Bars => json!({
                "drawStyle": "bars", "fillOpacity": 80, "showPoints": "never",
                "stacking": { "mode": "normal", "group": "A" },
            }),
        }
    }

    fn options(&self) -> Value {
        match self.look {
            Look::Stat | Look::Name => json!({
                "colorMode": if self.is_plain() { "none" } else { "background" },
                "textMode": if self.look == Look::Name { "name" } else { "auto" },
                "graphMode": "none",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            }),
            Look::Table => json!({ "showHeader": true }),
            Look::Bands => json!({
                "mergeValues": true, "showValue": "auto", "rowHeight": 0.8,
                "legend": { "showLegend": false, "displayMode": "list", "placement": "bottom" },
            }),
            Look::Lines | Look::Stack | Look::Bars => json!({
                "legend": { "showLegend": true, "displayMode": "list", "placement": "bottom" },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
        }
    }

    /// A table shows labels: what a scrape adds is no news.
    fn transformations(&self) -> Value {
        let hidden = [
            "Time",
            "Value",
            "__name__",
            "container",
            "endpoint",
            "instance",
            "job",
        ];
        let hidden: serde_json::Map<String, Value> = hidden
            .iter()
            .map(|column| ((*column).to_owned(), json!(true)))
            .collect();
        match self.look {
            Look::Table => json!([{ "id": "organize", "options": { "excludeByName": hidden } }]),
            _ => json!([]),
        }
    }
}

fn mappings(meaning: Meaning) -> Value {
    let (one, zero, good) = match meaning {
        Meaning::GoodIfOne(one, zero) => (one, zero, "1"),
        Meaning::BadIfOne(one, zero) => (one, zero, "0"),
        Meaning::Plain | Meaning::GoodFrom(_) | Meaning::BadFrom(_) => return json!([]),
    };
    let colour = |value: &str| if value == good { "green" } else { "red" };
    json!([{ "type": "value", "options": {
        "0": { "text": zero, "color": colour("0"), "index": 0 },
        "1": { "text": one, "color": colour("1"), "index": 1 },
    } }])
}

fn thresholds(meaning: Meaning) -> Value {
    let (below, from, at) = match meaning {
        Meaning::Plain => ("text", None, 0),
        Meaning::GoodIfOne(..) => ("red", Some("green"), 1),
        Meaning::BadIfOne(..) => ("green", Some("red"), 1),
        Meaning::GoodFrom(at) => ("red", Some("green"), at),
        Meaning::BadFrom(at) => ("green", Some("red"), at),
    };
    let mut steps = vec![json!({ "color": below, "value": null })];
    steps.extend(from.map(|colour| json!({ "color": colour, "value": at })));
    json!({ "mode": "absolute", "steps": steps })
}

/// From left to right, and a new row where one is full.
pub(super) fn laid_out(panels: &[Panel]) -> Vec<Value> {
    let (mut x, mut y, mut tallest) = (0, 0, 0);
    let mut placed = Vec::new();
    for (index, panel) in panels.iter().enumerate() {
        if x + panel.width > COLUMNS {
            (x, y, tallest) = (0, y + tallest, 0);
        }
        placed.push(panel.to_json(index + 1, (x, y)));
        x += panel.width;
        tallest = tallest.max(panel.height());
    }
    placed
}
