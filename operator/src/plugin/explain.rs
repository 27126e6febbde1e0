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
use crate::status::is_good;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    namespace: String,
    name: String,
    verdict: String,
    operator: Activity,
    findings: Vec<Finding>,
    #[serde(skip)]
    color: Option<Color>,
}

/// Something that stands in the way.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// One stable word, or a heading of the runbook.
    reason: String,
    /// Where it stands: a condition, or what is waited for.
    told_by: String,
    message: String,
    /// What it means and what to do, in the runbook's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// Where the runbook has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    see: Option<String>,
}

impl Finding {
    fn new(reason: &str, told_by: &str, message: &str) -> Self {
        let entry = entry(reason);
        Self {
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
    let view = view(&cluster, operator, trouble);
    to.answer(&view, true, draw)
}

fn view(cluster: &RedisCluster, operator: Activity, trouble: Option<String>) -> View {
    let Verdict { text, color, .. } = verdict(cluster);
    View {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        verdict: text,
        operator,
        findings: findings(cluster, trouble),
        color: Some(color),
    }
}

fn findings(cluster: &RedisCluster, trouble: Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    // before all else: without an operator the rest is old
    found.extend(trouble.map(|it| Finding::new(NO_OPERATOR, "the lease", &it)));
    if let Some(lag) = lag_of_the_status(cluster) {
        found.push(Finding::new(NO_OPERATOR, "observedGeneration", &lag));
    }
    let Some(status) = &cluster.status else {
        let message = "it has no status: no operator has looked at it yet";
        found.push(Finding::new(NO_OPERATOR, "the status", message));
        return found;
    };
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
    let title = format!("{namespace}/{name}: {verdict}");
    page.paragraph_in(0, &title, view.color.unwrap_or(Color::Plain));
    if view.findings.is_empty() {
        page.blank();
        page.line("Nothing stands in the way, and nothing is left to do.");
        return;
    }
    let mut advised = BTreeSet::new();
    for finding in &view.findings {
        let title = format!("{} ({})", finding.reason, finding.told_by);
        page.heading(&title);
        page.paragraph(2, &finding.message);
        let Some(entry) = entry(&finding.reason) else {
            continue;
        };
        if advised.insert(&finding.reason) {
            page.blank();
            entry.draw(4, name, page);
            let place = format!("See {}", entry.place);
            page.paragraph_in(4, &place, Color::Dim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_is_tame, conditions, drawn, hostile, outage, whole};

    fn reasons_of(cluster: &RedisCluster, trouble: Option<&str>) -> Vec<String> {
        let found = findings(cluster, trouble.map(ToOwned::to_owned));
        found.into_iter().map(|it| it.reason).collect()
    }

    #[test]
    fn each_thing_is_told_once_and_the_operator_first() {
        let mut paused = whole();
        paused.spec.paused = true;
        conditions(&mut paused, &[("Paused", "True", "PausedBySpec", "set")]);
        let mut unseen = whole();
        unseen.status = None;
        let mut changed = whole();
        changed.metadata.generation = Some(9);
        type Case<'a> = (&'a str, RedisCluster, Option<&'a str>, &'a [&'a str]);
        let table: [Case<'_>; 5] = [
            ("whole", whole(), None, &[]),
            ("paused", paused, None, &["PausedBySpec"]),
            ("no operator", unseen, Some("nobody"), &[NO_OPERATOR; 2]),
            ("a new spec", changed, None, &[NO_OPERATOR]),
            (
                "an outage",
                outage(),
                None,
                &[
                    "MembersMissing",
                    "LossNotSurvived",
                    "PodStarting",
                    "ZoneSilent",
                    "MemberSilent",
                ],
            ),
        ];
        for (case, cluster, trouble, expected) in table {
            let mut found = reasons_of(&cluster, trouble);
            let mut expected = expected.to_vec();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{case}");
        }
        assert_eq!(reasons_of(&outage(), Some("nobody"))[0], NO_OPERATOR);
    }

    fn page_of(cluster: &RedisCluster) -> String {
        let view = view(cluster, Activity::Free, None);
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
