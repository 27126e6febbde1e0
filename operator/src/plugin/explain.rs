//! `kubectl zoneward explain NAME`: why does nothing happen, and what to do about it.

use std::collections::BTreeSet;

use serde::Serialize;
use terminal::Color;

use super::activity::{Activity, activity};
use super::page::Page;
use super::reach::Reach;
use super::runbook::{NO_OPERATOR, entry};
use super::verdict::{Verdict, lag_of_the_status, verdict};
use super::{Answer, To};
use crate::api::RedisCluster;
use crate::model::ClusterKey;
use crate::status::is_good;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    namespace: String,
    name: String,
    verdict: String,
    operator: Activity,
    findings: Vec<Finding>,
    notes: Vec<String>,
    #[serde(skip)]
    color: Option<Color>,
}

/// Something that stands in the way.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// One stable word, or a heading of the runbook.
    pub reason: String,
    /// Where it stands: a condition, or what is waited for.
    pub told_by: String,
    /// In words.
    pub message: String,
    #[serde(skip)]
    heading: String,
    /// What it means and what to do, in the runbook's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Where the runbook has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub see: Option<String>,
}

/// What is told by what is not there has no reason in a status: its title, and where it stands.
const UNSEEN: (&str, &str) = ("Not looked at yet", "the status");
const CHANGED: (&str, &str) = ("Changed since", "observedGeneration");

impl Finding {
    /// What stands above it.
    pub fn title(&self) -> String {
        format!("{} ({})", self.reason, self.told_by)
    }

    fn new(reason: &str, told_by: &str, message: &str) -> Self {
        Self::with_entry(reason, (reason, told_by), message)
    }

    /// With the runbook's entry of this heading.
    fn with_entry(heading: &str, (reason, told_by): (&str, &str), message: &str) -> Self {
        let entry = entry(heading);
        Self {
            heading: heading.to_owned(),
            reason: reason.to_owned(),
            told_by: told_by.to_owned(),
            message: message.to_owned(),
            advice: entry.as_ref().map(super::runbook::Entry::text),
            see: entry.map(|entry| entry.place),
        }
    }
}

/// All that stands in the way, the first thing first.
pub(super) async fn explain(reach: &Reach, name: &str, to: To) -> anyhow::Result<Answer> {
    let cluster = reach.cluster(name).await?;
    let operator = activity(reach).await;
    let trouble = operator.trouble(reach);
    let mut view = view(&cluster, operator);
    if view.operator.is_inactive() {
        // before all else: without an operator the rest is old
        let told = trouble
            .iter()
            .map(|it| Finding::new(NO_OPERATOR, "the lease", it));
        view.findings.splice(0..0, told);
    } else {
        view.notes.extend(trouble);
    }
    to.answer(&view, true, draw)
}

fn view(cluster: &RedisCluster, operator: Activity) -> View {
    let Verdict { text, color, .. } = verdict(cluster);
    View {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        verdict: text,
        operator,
        findings: findings(cluster),
        notes: Vec::new(),
        color: Some(color),
    }
}

/// What stands in the way of this RedisCluster, as its status tells.
pub fn findings(cluster: &RedisCluster) -> Vec<Finding> {
    let Some(status) = &cluster.status else {
        let message = "it has no status: no operator has looked at it yet";
        return vec![Finding::with_entry(NO_OPERATOR, UNSEEN, message)];
    };
    let mut found: Vec<Finding> = lag_of_the_status(cluster)
        .map(|lag| Finding::with_entry(NO_OPERATOR, CHANGED, &lag))
        .into_iter()
        .collect();
    let bad = status
        .conditions
        .iter()
        .filter(|it| !is_good(&it.type_, &it.status));
    found.extend(bad.map(|it| {
        let told_by = format!("{}={}", it.type_, it.status);
        Finding::new(&it.reason, &told_by, &it.message)
    }));
    found.extend(
        status
            .waiting_on
            .iter()
            .map(|it| Finding::new(&it.reason, "waitingOn", &it.message)),
    );
    let mut known = BTreeSet::new();
    // several conditions tell of one thing
    found.retain(|it| known.insert((it.reason.clone(), it.message.clone())));
    found
}

fn draw(view: &View, page: &mut Page) {
    let View {
        namespace,
        name,
        verdict,
        ..
    } = view;
    let key = ClusterKey {
        namespace: namespace.clone(),
        name: name.clone(),
    };
    page.paragraph_in(
        0,
        &format!("{key}: {verdict}"),
        view.color.unwrap_or(Color::Plain),
    );
    if view.findings.is_empty() {
        page.blank();
        page.line("Nothing stands in the way, and nothing is left to do.");
    }
    let mut advised = BTreeSet::new();
    for finding in &view.findings {
        page.heading(&finding.title());
        page.paragraph(2, &finding.message);
        let Some(entry) = entry(&finding.heading) else {
            continue;
        };
        if advised.insert(&finding.heading) {
            page.blank();
            entry.draw(4, &key, page);
            let place = format!("See {}", entry.place);
            page.paragraph_in(4, &place, Color::Dim);
        }
    }
    page.notes(&view.notes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_is_tame, conditions, drawn, hostile, outage, whole};

    #[test]
    fn each_thing_is_told_once() {
        let mut paused = whole();
        paused.spec.paused = true;
        conditions(&mut paused, &[("Paused", "True", "PausedBySpec", "set")]);
        let mut unseen = whole();
        unseen.status = None;
        let mut changed = whole();
        changed.metadata.generation = Some(9);
        let in_an_outage: &[&str] = &[
            "LossNotSurvived",
            "MemberSilent",
            "MembersMissing",
            "PodStarting",
            "ZoneSilent",
        ];
        let table: [(RedisCluster, &[&str]); 5] = [
            (whole(), &[]),
            (paused, &["PausedBySpec"]),
            (unseen, &["Not looked at yet"]),
            (changed, &["Changed since"]),
            (outage(), in_an_outage),
        ];
        for (cluster, expected) in table {
            let found = findings(&cluster);
            let mut found: Vec<&str> = found.iter().map(|it| it.reason.as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_has_no_reason_in_a_status_has_its_entry() {
        let mut unseen = whole();
        unseen.status = None;
        let text = page_of(&unseen);
        assert!(text.contains("Not looked at yet (the status)"), "{text}");
        assert!(text.contains("watchNamespaces"), "{text}");
        assert!(page_of(&whole()).contains("Nothing stands in the way"));
    }

    fn page_of(cluster: &RedisCluster) -> String {
        let view = view(cluster, Activity::Free);
        drawn(|page| draw(&view, page))
    }

    #[test]
    fn each_comes_with_what_to_do_next() {
        let mut cluster = whole();
        let message = "shard 0: no host in zone-c";
        conditions(
            &mut cluster,
            &[
                ("Degraded", "True", "NoRoom", message),
                ("PlacementSatisfied", "False", "NoRoom", "another"),
            ],
        );
        insta::assert_snapshot!(page_of(&cluster));
    }

    #[test]
    fn no_finding_controls_the_terminal() {
        assert_is_tame(&page_of(&hostile()));
    }
}
