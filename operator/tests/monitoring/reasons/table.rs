//! The rows, and the page.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::LazyLock;

use zoneward_operator::plugin::Finding;

use super::alerts::{Alert, Series, alerts, named};
use super::known::{Standing, standings, waits};
use super::{COMES_TO, UNREADABLE, WAKES_NOBODY, rules, shown};

const HEAD: &str = "\
# Reasons

Where each reason that can stand in the status of a `RedisCluster` is seen, from the event to the alert. What it means and what to do is in its
entry of the [runbook](operations.md), to which the reason leads; `kubectl zoneward explain` shows that entry.

Events come when a condition changes; an alert comes when it lasts ([monitoring](monitoring.md#alerts) says how long). Of a family of [metrics](metrics.md) the labels
`namespace` and `cluster` are left out. For what `kubectl zoneward status` says above all, each condition that takes the reason on has it, and
all others are good; `…` is the message.

This page is generated: `UPDATE_DOCS=1 cargo test -p zoneward-operator --test monitoring`. The same test fails where a reason has a gap.
";

const CONDITIONS: &str = "
## Reasons of conditions

`Progressing` also carries every [reason of waiting](#reasons-of-waiting), that of what is waited for first: without an event or an alert of its own. Those have no row here.

| condition | reason | event | metric | alert | `kubectl zoneward status` | `explain` |
| --- | --- | --- | --- | --- | --- | --- |
";

const WAITS: &str = "
## Reasons of waiting

`kubectl zoneward status` lists them, with their messages, below *Waits for*. An event comes with the condition that takes the reason on.

| reason | event, with | metric | alert | `explain` |
| --- | --- | --- | --- | --- |
";

const NO_STATUS: &str = "
## Without a status

| reason | event | metric | alert | `kubectl zoneward` |
| --- | --- | --- | --- | --- |
";

/// A reason, where it stands, and where it is seen.
pub(super) struct Row {
    pub(super) reason: String,
    /// None of what is waited for, and of what has no status.
    standing: Option<Standing>,
    event: Option<String>,
    figures: Vec<String>,
    /// Alerts that choose what this row is about.
    pub(super) own_alerts: BTreeSet<String>,
    /// Those, and what fires on the same reason elsewhere, or on what it comes to.
    alerts: BTreeSet<String>,
    explained: Option<Finding>,
}

/// Made once: each figure is one that a registry of its own renders.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rules = alerts();
    let mut rows: Vec<Row> = standings()
        .into_iter()
        .filter(|it| !is_of_what_is_waited_for_first(it))
        .map(|it| of_condition(it, &rules))
        .collect();
    rows.extend(waits().into_iter().map(|reason| {
        let (name, figures) = (reason.to_string(), shown::figures_of_wait(reason));
        let explained = shown::explained_wait(reason);
        row(name, None, None, &figures, explained, &rules)
    }));
    rows.push(of_what_has_no_status(&rules));
    let own: Vec<(String, BTreeSet<String>)> = rows
        .iter()
        .map(|row| (row.reason.clone(), row.own_alerts.clone()))
        .collect();
    for row in rows.iter_mut().filter(|row| !row.is_good()) {
        let comes_to = COMES_TO.iter().find(|(from, _)| *from == row.reason);
        let mut same = vec![row.reason.as_str()];
        same.extend(comes_to.map(|(_, to)| *to));
        let elsewhere = own
            .iter()
            .filter(|(reason, _)| same.contains(&reason.as_str()));
        row.alerts = elsewhere.flat_map(|(_, alerts)| alerts.clone()).collect();
    }
    rows
});

pub(super) fn rows() -> &'static [Row] {
    &ROWS
}

/// `Progressing` with one of the many that say no more than what is waited for.
fn is_of_what_is_waited_for_first(it: &Standing) -> bool {
    let is_wait = waits().iter().any(|wait| wait.to_string() == it.reason);
    it.condition == "Progressing" && is_wait && !it.is_good() && shown::event(it).is_none()
}

fn of_condition(it: Standing, rules: &[Alert]) -> Row {
    let (event, figures) = (shown::event(&it), shown::figures(&it));
    let explained = shown::explained(&it);
    row(
        it.reason.clone(),
        Some(it),
        event,
        &figures,
        explained,
        rules,
    )
}

fn row(
    reason: String,
    standing: Option<Standing>,
    event: Option<String>,
    figures: &[Series],
    explained: Option<Finding>,
    rules: &[Alert],
) -> Row {
    let is_good = standing.as_ref().is_some_and(Standing::is_good) && reason == "AsWanted";
    let leads_here = |alert: &Alert| !is_good && alert.anchor == reason.to_lowercase();
    let fires = |alert: &Alert| figures.iter().any(|series| alert.fires_on(series));
    let own = rules.iter().filter(|it| leads_here(it) || fires(it));
    let more = rules
        .iter()
        .filter(|it| leads_here(it))
        .flat_map(Alert::asked);
    let mut names: Vec<String> = figures.iter().map(drawn).collect();
    for name in more {
        if !names.iter().any(|it| it.starts_with(&name)) {
            names.push(name);
        }
    }
    let own_alerts: BTreeSet<String> = own.map(|it| it.name.clone()).collect();
    Row {
        reason,
        standing,
        event,
        figures: names,
        alerts: own_alerts.clone(),
        own_alerts,
        explained,
    }
}

fn of_what_has_no_status(rules: &[Alert]) -> Row {
    let (reason, family, figure) = UNREADABLE;
    let series = Series {
        family: family.to_owned(),
        labels: vec![("outcome".to_owned(), "invalid".to_owned())],
        value: 1.0,
    };
    let mut row = row(reason.to_owned(), None, None, &[], None, rules);
    row.event = Some(format!("Warning `{reason}`"));
    let asks = |it: &&Alert| it.asks_for(&series);
    row.own_alerts
        .extend(rules.iter().filter(asks).map(|it| it.name.clone()));
    row.figures = vec![format!("`{figure}`")];
    row
}

/// As a query names it; of a condition, with the value that it then has.
fn drawn(series: &Series) -> String {
    let name = named(&series.family, &series.labels);
    if series.family == "zoneward_condition" {
        return format!("{name} {}", series.value);
    }
    name
}

impl Row {
    fn is_good(&self) -> bool {
        self.standing.as_ref().is_some_and(Standing::is_good) && self.reason == "AsWanted"
    }

    /// What is missing, in words.
    pub(super) fn gaps(&self) -> Vec<String> {
        let (mut gaps, place) = (Vec::new(), self.place());
        let anchor = self.reason.to_lowercase();
        if !rules::anchors().contains(&anchor) {
            gaps.push(format!("{place}: the runbook has no entry"));
        }
        if self.figures.is_empty() {
            gaps.push(format!("{place}: no figure shows it"));
        }
        if self.is_good() {
            return gaps;
        }
        if self.alerts.is_empty() && self.wakes_nobody().is_none() {
            gaps.push(format!(
                "{place}: no alert fires on it: add a rule, or to WAKES_NOBODY why not"
            ));
        }
        // what is well is no finding, and what has no status none either
        let is_told = self.standing.as_ref().is_none_or(|it| !it.is_good());
        let see = self.explained.as_ref().and_then(|it| it.see.clone());
        let wanted = format!("docs/operations.md#{anchor}");
        if is_told && self.reason != UNREADABLE.0 && see != Some(wanted) {
            gaps.push(format!(
                "{place}: kubectl zoneward explain leads to {see:?}"
            ));
        }
        gaps
    }

    fn place(&self) -> String {
        match &self.standing {
            Some(it) => format!("{}={} {}", it.condition, it.is, it.reason),
            None => format!("waitingOn {}", self.reason),
        }
    }

    fn wakes_nobody(&self) -> Option<&'static str> {
        let why = WAKES_NOBODY
            .iter()
            .find(|(reason, _)| *reason == self.reason);
        why.map(|(_, why)| *why)
    }

    fn link(&self) -> String {
        format!(
            "[{}](operations.md#{})",
            self.reason,
            self.reason.to_lowercase()
        )
    }

    fn alert(&self) -> String {
        if self.is_good() {
            return "none: it is good".to_owned();
        }
        let names: Vec<String> = self.alerts.iter().map(|it| format!("`{it}`")).collect();
        let comes_to = COMES_TO.iter().find(|(reason, _)| *reason == self.reason);
        match (names.is_empty(), comes_to) {
            (true, _) => {
                let why = self.wakes_nobody().unwrap_or("a gap");
                format!("none, on purpose: {why}")
            }
            (false, Some((_, to))) => format!(
                "as [{to}](operations.md#{}): {}",
                to.to_lowercase(),
                names.join(", ")
            ),
            (false, None) => names.join(", "),
        }
    }

    fn title(&self) -> String {
        match &self.explained {
            Some(told) => format!("`{}`", told.title()),
            None if self.is_good() => "not told: it is good".to_owned(),
            None => format!(
                "with {}",
                carriers(&self.reason, |it| it.explained.is_some())
            ),
        }
    }
}

/// The conditions that carry this reason so.
fn carriers(reason: &str, is_so: impl Fn(&Row) -> bool) -> String {
    let carried = rows().iter().filter(|it| it.reason == reason && is_so(it));
    let conditions: Vec<String> = carried
        .filter_map(|it| it.standing.as_ref())
        .map(|it| format!("`{}`", it.condition))
        .collect();
    if conditions.is_empty() {
        return "none".to_owned();
    }
    conditions.join(", ")
}

/// All of it.
pub(super) fn page() -> String {
    let (mut page, all) = (HEAD.to_owned() + CONDITIONS, standings());
    for row in rows() {
        let Some(standing) = &row.standing else {
            continue;
        };
        let Standing { condition, is, .. } = standing;
        let event = row.event.as_deref().unwrap_or("none");
        let (figures, verdict) = (row.figures.join(", "), shown::verdict(standing, &all));
        let (link, alert, title) = (row.link(), row.alert(), row.title());
        writeln!(
            page,
            "| `{condition}` {is} | {link} | {event} | {figures} | {alert} | {verdict} | {title} |"
        )
        .unwrap();
    }
    page.push_str(WAITS);
    for row in rows()
        .iter()
        .filter(|it| it.standing.is_none() && it.explained.is_some())
    {
        let event = carriers(&row.reason, |it| it.event.is_some());
        let (link, figures, alert, title) =
            (row.link(), row.figures.join(", "), row.alert(), row.title());
        writeln!(page, "| {link} | {event} | {figures} | {alert} | {title} |").unwrap();
    }
    page.push_str(NO_STATUS);
    for row in rows().iter().filter(|it| it.reason == UNREADABLE.0) {
        let (link, event, figures, alert) = (
            row.link(),
            row.event.as_deref().unwrap_or("none"),
            row.figures.join(", "),
            row.alert(),
        );
        writeln!(
            page,
            "| {link} | {event} | {figures} | {alert} | ends with an error that names the field, and leads there |"
        )
        .unwrap();
    }
    page
}
