//! `kubectl zoneward status`.

use jiff::Timestamp;
use serde::Serialize;
use terminal::map::{Map, Member, Role, Shard, Zone};
use terminal::{Cell, Color, map};

use super::activity::{Activity, activity};
use super::page::{Page, age, count, titles};
use super::reach::Reach;
use super::verdict::{Verdict, lag_of_the_status, verdict};
use super::{Answer, To};
use crate::api::{RedisCluster, RedisClusterStatus, ShardMemberStatus};
use crate::model::{self, Engine};

/// One RedisCluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    namespace: String,
    name: String,
    verdict: String,
    is_ready: bool,
    operator: Activity,
    notes: Vec<String>,
    status: Option<serde_json::Value>,
    #[serde(skip)]
    cluster: RedisCluster,
    #[serde(skip)]
    now: Timestamp,
}

/// All of them.
#[derive(Serialize)]
struct List {
    items: Vec<Item>,
    notes: Vec<String>,
    #[serde(skip)]
    everywhere: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    namespace: String,
    name: String,
    verdict: String,
    is_ready: bool,
    leaders: u32,
    slots_served: u32,
    zones: usize,
    zones_that_may_be_lost: usize,
    #[serde(skip)]
    color: Option<Color>,
}

/// One, in full.
pub(super) async fn one(reach: &Reach, name: &str, to: To) -> anyhow::Result<Answer> {
    let cluster = reach.cluster(name).await?;
    let operator = activity(reach).await;
    let notes = notes(&cluster, operator.trouble(reach));
    let view = view(cluster, operator, notes, Timestamp::now())?;
    to.answer(&view, view.is_ready, draw)
}

/// What one must know to believe the rest.
pub(super) fn notes(cluster: &RedisCluster, trouble: Option<String>) -> Vec<String> {
    trouble
        .into_iter()
        .chain(lag_of_the_status(cluster))
        .collect()
}

fn view(
    cluster: RedisCluster,
    operator: Activity,
    notes: Vec<String>,
    now: Timestamp,
) -> anyhow::Result<View> {
    let Verdict { text, is_ready, .. } = verdict(&cluster);
    let mut status = serde_json::to_value(&cluster.status)?;
    if let Some(fields) = status.as_object_mut() {
        // the operator's own memory: long, and another thing in each version
        fields.remove("record");
    }
    Ok(View {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        verdict: text,
        is_ready,
        operator,
        notes,
        status: Some(status).filter(|it| !it.is_null()),
        cluster,
        now,
    })
}

fn draw(view: &View, page: &mut Page) {
    let Verdict { text, color, .. } = verdict(&view.cluster);
    let title = format!("{}/{}: {text}", view.namespace, view.name);
    page.paragraph_in(0, &title, color);
    if let Some(status) = &view.cluster.status {
        draw_facts(&view.cluster, status, page);
        page.blank();
        page.map(&map_of(status));
        if !status.shards.is_empty() {
            page.paragraph_in(2, map::legend(), Color::Dim);
        }
        draw_conditions(status, view.now, page);
        draw_waits(status, page);
    }
    page.notes(&view.notes);
}

fn draw_facts(cluster: &RedisCluster, status: &RedisClusterStatus, page: &mut Page) {
    let spec = &cluster.spec;
    let (leaders, each) = (
        count(spec.leaders, "leader"),
        count(spec.followers_per_leader, "follower"),
    );
    let mut facts = format!("{leaders} with {each} each");
    if let (Some(engine), Some(version)) = (status.engine, &status.engine_version) {
        let engine = match engine {
            Engine::Redis => "Redis",
            Engine::Valkey => "Valkey",
        };
        facts = format!("{facts}, {engine} {version}");
    }
    page.paragraph(
        2,
        &format!("{facts}, {} of 16384 slots served", status.slots_served),
    );
}

/// The map of this status.
fn map_of(status: &RedisClusterStatus) -> Map {
    let zones = status.zones.iter().map(|zone| Zone {
        name: zone.zone.clone(),
        state: zone.state.clone(),
        survives_loss: zone.survives_loss,
        why_not: zone.why_not.clone(),
    });
    let shards = status.shards.iter().map(|shard| Shard {
        shard: shard.shard,
        slots: shard.slots.clone(),
        members: shard.members.iter().map(member).collect(),
    });
    Map {
        zones: zones.collect(),
        shards: shards.collect(),
    }
}

fn member(member: &ShardMemberStatus) -> Member {
    Member {
        pod: member.pod.clone(),
        zone: member.zone.clone(),
        role: member.role.map(|role| match role {
            model::Role::Leader => Role::Leader,
            model::Role::Follower => Role::Follower,
        }),
        state: member.state.clone(),
        in_sync: member.in_sync,
        lag_mebibytes: member.lag_mebibytes,
    }
}

fn draw_conditions(status: &RedisClusterStatus, now: Timestamp, page: &mut Page) {
    page.blank();
    let rows = status.conditions.iter().map(|it| {
        let color = if crate::status::is_good(&it.type_, &it.status) {
            Color::Plain
        } else {
            Color::Yellow
        };
        let since = now.duration_since(it.last_transition_time.0).as_secs();
        vec![
            Cell::new(&it.type_, color),
            Cell::new(&it.status, color),
            Cell::plain(age(since)),
            Cell::plain(&it.reason),
            Cell::plain(&it.message),
        ]
    });
    let head = titles(&["CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"]);
    let rows: Vec<Vec<Cell>> = std::iter::once(head).chain(rows).collect();
    page.table(&rows);
}

fn draw_waits(status: &RedisClusterStatus, page: &mut Page) {
    if status.waiting_on.is_empty() {
        return;
    }
    page.heading("Waits for");
    for wait in &status.waiting_on {
        page.paragraph(2, &format!("{}: {}", wait.reason, wait.message));
    }
}

/// All, a line for each.
pub(super) async fn all(reach: &Reach, everywhere: bool, to: To) -> anyhow::Result<Answer> {
    let clusters = reach.clusters(everywhere).await?;
    let operator = activity(reach).await;
    let mut notes: Vec<String> = operator.trouble(reach).into_iter().collect();
    if clusters.is_empty() {
        let place = if everywhere {
            "any namespace".to_owned()
        } else {
            format!("namespace {}", reach.namespace())
        };
        notes.push(format!("there is no RedisCluster in {place}"));
    }
    let view = List {
        items: clusters.iter().map(item).collect(),
        notes,
        everywhere,
    };
    let all_are_ready = view.items.iter().all(|item| item.is_ready);
    to.answer(&view, all_are_ready, draw_list)
}

fn item(cluster: &RedisCluster) -> Item {
    let verdict = verdict(cluster);
    let zones = cluster.status.iter().flat_map(|status| &status.zones);
    Item {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        verdict: verdict.text,
        is_ready: verdict.is_ready,
        leaders: cluster.spec.leaders,
        slots_served: cluster.status.as_ref().map_or(0, |it| it.slots_served),
        zones: zones.clone().count(),
        zones_that_may_be_lost: zones.filter(|zone| zone.survives_loss).count(),
        color: Some(verdict.color),
    }
}

fn draw_list(list: &List, page: &mut Page) {
    let names = [
        "NAMESPACE",
        "NAME",
        "LEADERS",
        "SLOTS",
        "MAY LOSE",
        "VERDICT",
    ];
    let skipped = usize::from(!list.everywhere);
    let rows = list.items.iter().map(|item| {
        let zones = format!("{} of {} zones", item.zones_that_may_be_lost, item.zones);
        let row = vec![
            Cell::plain(&item.namespace),
            Cell::plain(&item.name),
            Cell::plain(item.leaders.to_string()),
            Cell::plain(item.slots_served.to_string()),
            Cell::plain(zones),
            Cell::new(&item.verdict, item.color.unwrap_or(Color::Plain)),
        ];
        row.into_iter().skip(skipped).collect()
    });
    let head = titles(&names).into_iter().skip(skipped).collect();
    if !list.items.is_empty() {
        let rows: Vec<Vec<Cell>> = std::iter::once(head).chain(rows).collect();
        page.table(&rows);
    }
    page.notes(&list.notes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_is_tame, drawn, hostile, outage, whole};

    fn page_of(cluster: RedisCluster, notes: Vec<String>) -> String {
        let active = Activity::Active {
            holder: "zoneward-1".to_owned(),
        };
        let now = "2026-11-21T14:05:00Z".parse().unwrap();
        let view = view(cluster, active, notes, now).unwrap();
        drawn(|page| draw(&view, page))
    }

    #[test]
    fn a_whole_cluster() {
        insta::assert_snapshot!(page_of(whole(), Vec::new()));
    }

    #[test]
    fn an_outage_that_nobody_looks_at() {
        let mut cluster = outage();
        cluster.metadata.generation = Some(3);
        let notes = notes(&cluster, Some("no operator is active".to_owned()));
        insta::assert_snapshot!(page_of(cluster, notes));
    }

    #[test]
    fn one_that_nobody_has_looked_at_yet() {
        let mut cluster = whole();
        cluster.status = None;
        let text = page_of(cluster, Vec::new());
        assert_eq!(text, "prod/cache: no operator has looked at it yet\n");
    }

    #[test]
    fn a_line_for_each() {
        let mut list = List {
            items: [whole(), outage()].iter().map(item).collect(),
            notes: Vec::new(),
            everywhere: true,
        };
        insta::assert_snapshot!(drawn(|page| draw_list(&list, page)));
        list.everywhere = false;
        assert!(!drawn(|page| draw_list(&list, page)).contains("prod"));
    }

    #[test]
    fn no_message_controls_the_terminal() {
        let cluster = hostile();
        let items = vec![item(&cluster)];
        let list = List {
            items,
            notes: vec!["a\u{1b}[31mb".to_owned()],
            everywhere: true,
        };
        assert_is_tame(&drawn(|page| draw_list(&list, page)));
        assert_is_tame(&page_of(cluster, vec!["\u{9b}2J".to_owned()]));
    }

    #[test]
    fn programs_are_told_no_record() {
        let active = Activity::Free;
        let view = view(whole(), active, Vec::new(), Timestamp::UNIX_EPOCH).unwrap();
        let told = serde_json::to_value(&view).unwrap();
        assert_eq!(told["isReady"], true);
        assert_eq!(told["status"]["slotsServed"], 16384);
        assert_eq!(told["status"].get("record"), None);
        assert_eq!(told["operator"]["is"], "free");
    }
}
