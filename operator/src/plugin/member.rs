//! `kubectl zoneward explain NAME POD`: why is this member here?

use anyhow::anyhow;
use jiff::Timestamp;
use placement::{
    CurrentMember, CurrentShard, Mode, Problem, WhenUnsatisfiable, Zone, ZoneName, ZoneState,
};
use serde::Serialize;
use terminal::Color;

use super::activity::activity;
use super::page::{Page, age, count};
use super::reach::Reach;
use super::status::notes;
use super::switchover::is_wished;
use super::{Answer, To};
use crate::api::{self, RedisCluster, RedisClusterStatus, ShardMemberStatus, ShardStatus};
use crate::model::{Enrolled, MemberName, Role};
use crate::resources::labels::ANNOTATION_LEAD;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    namespace: String,
    name: String,
    pod: String,
    shard: u32,
    member: ShardMemberStatus,
    /// The others of its shard.
    others: Vec<ShardMemberStatus>,
    /// What the operator's record says, in words.
    record: Vec<String>,
    /// Why its shard has a member there, as the solver sees it now.
    why: String,
    /// What the other zones offer.
    other_zones: Vec<String>,
    notes: Vec<String>,
}

/// Why a member is where it is.
pub(super) async fn explain(
    reach: &Reach,
    name: &str,
    pod: &str,
    to: To,
) -> anyhow::Result<Answer> {
    let cluster = reach.cluster(name).await?;
    let notes = notes(&cluster, activity(reach).await.trouble(reach));
    let mut view = view(&cluster, pod, notes, Timestamp::now())?;
    // status does not tell of wishes; who may not read pods learns the rest all the same
    if reach.pod(pod).await.is_ok_and(|found| is_wished(&found)) {
        view.record.push(format!(
            "its owner wants it to lead, and it does whenever it can (annotation {ANNOTATION_LEAD})"
        ));
    }
    to.answer(&view, true, draw)
}

fn view(
    cluster: &RedisCluster,
    pod: &str,
    notes: Vec<String>,
    now: Timestamp,
) -> anyhow::Result<View> {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let shards = cluster.status.iter().flat_map(|status| &status.shards);
    let find = |shard: &ShardStatus| shard.members.iter().position(|it| it.pod == pod);
    let found = shards
        .clone()
        .find_map(|shard| Some((shard, find(shard)?)))
        .zip(cluster.status.as_ref());
    let Some(((shard, at), status)) = found else {
        let pods: Vec<&str> = shards
            .flat_map(|shard| &shard.members)
            .map(|it| it.pod.as_str())
            .collect();
        return Err(anyhow!(
            "RedisCluster {name} has no member {pod}; its members are {}",
            if pods.is_empty() {
                "not made yet".to_owned()
            } else {
                pods.join(", ")
            }
        ));
    };
    let mut others = shard.members.clone();
    let member = others.remove(at);
    let entry = status.record.member(&MemberName::from(pod));
    Ok(View {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name,
        pod: pod.to_owned(),
        shard: shard.shard,
        record: entry.map_or_else(Vec::new, |entry| on_record(entry, now)),
        why: why(cluster, status, shard, &member),
        other_zones: other_zones(status, shard, &member),
        member,
        others,
        notes,
    })
}

/// What stands on record, in words.
fn on_record(entry: &Enrolled, now: Timestamp) -> Vec<String> {
    let since = |at: Timestamp| age(now.duration_since(at).as_secs());
    let flag = |is: bool, text: &str| is.then(|| text.to_owned());
    let told = [
        entry
            .host
            .as_ref()
            .map(|host| format!("its pod was put on host {host}")),
        entry
            .volume
            .as_ref()
            .map(|it| format!("its data is on volume {it}, which keeps it in its zone")),
        flag(!entry.joined, "it was never seen whole and in sync"),
        entry
            .silent_since
            .map(|at| format!("it is silent for {}", since(at))),
        entry
            .gone_since
            .map(|at| format!("its pod is gone for {}", since(at))),
        flag(entry.has_ended, "its last process has ended"),
        flag(
            entry.restarts,
            "its pod was asked to go so that it starts again on its volume",
        ),
        flag(
            entry.surplus,
            "its place is elsewhere now: it leaves as soon as it is not needed",
        ),
    ];
    told.into_iter().flatten().collect()
}

/// The solver's words about this member, where it would have it stay.
fn why(
    cluster: &RedisCluster,
    status: &RedisClusterStatus,
    shard: &ShardStatus,
    member: &ShardMemberStatus,
) -> String {
    let problem = problem(cluster, status);
    let Ok(placement) = placement::solve(&problem) else {
        return "the solver finds no placement for the cluster as status has it: kubectl zoneward \
                explain tells what the operator says"
            .to_owned();
    };
    let told = placement::explain(&problem, &placement);
    let here = told
        .iter()
        .find(|it| it.shard == shard.shard && it.zone.as_str() == member.zone);
    here.map_or_else(
        || {
            format!(
                "the solver would have it in another zone than {}",
                member.zone
            )
        },
        |it| format!("the solver wants a {} here: {}", it.role, it.why),
    )
}

/// The problem as status tells it. The operator knows more: which zones are full, and whose silence is young.
fn problem(cluster: &RedisCluster, status: &RedisClusterStatus) -> Problem {
    let zones = status.zones.iter().map(|zone| Zone {
        name: ZoneName::from(zone.zone.as_str()),
        capacity: None,
        state: match zone.state.as_str() {
            "Gone" => ZoneState::Gone,
            "Cordoned" => ZoneState::Cordoned,
            _ => ZoneState::Open,
        },
    });
    let zones: Vec<Zone> = zones.collect();
    let is_listed = |zone: &str| zones.iter().any(|it| it.name.as_str() == zone);
    let current = status.shards.iter().map(|shard| {
        let stays = |it: &&ShardMemberStatus| it.state != "Leaving" && is_listed(&it.zone);
        let members = shard.members.iter().filter(stays);
        let leader = members.clone().find(|it| it.role == Some(Role::Leader));
        CurrentShard {
            shard: shard.shard,
            leader: leader.map(|it| ZoneName::from(it.zone.as_str())),
            members: members
                .map(|it| CurrentMember {
                    zone: ZoneName::from(it.zone.as_str()),
                    has_data: it.in_sync,
                })
                .collect(),
            pinned: false,
        }
    });
    let current = current.collect();
    Problem {
        zones,
        shards: cluster.spec.leaders,
        members_per_shard: cluster.spec.followers_per_leader + 1,
        when_unsatisfiable: match cluster.spec.zones.when_unsatisfiable {
            api::WhenUnsatisfiable::DoNotSchedule => WhenUnsatisfiable::DoNotSchedule,
            api::WhenUnsatisfiable::ScheduleAnyway => WhenUnsatisfiable::ScheduleAnyway,
        },
        mode: Mode::Repair,
        current,
    }
}

/// What speaks for and against each other zone.
fn other_zones(
    status: &RedisClusterStatus,
    shard: &ShardStatus,
    member: &ShardMemberStatus,
) -> Vec<String> {
    let others = status.zones.iter().filter(|zone| zone.zone != member.zone);
    others
        .map(|zone| {
            let all = status.shards.iter().flat_map(|shard| &shard.members);
            let held = all.filter(|it| it.zone == zone.zone).count();
            let held = count(u32::try_from(held).unwrap_or(u32::MAX), "member");
            let own = shard.members.iter().find(|it| it.zone == zone.zone);
            let state = zone.state.to_lowercase();
            let own = own.map_or_else(
                || format!("none of shard {}", shard.shard),
                |it| format!("{} of this shard among them", it.pod),
            );
            format!("{} is {state} and has {held}, {own}", zone.zone)
        })
        .collect()
}

fn draw(view: &View, page: &mut Page) {
    let View {
        namespace,
        name,
        pod,
        shard,
        ..
    } = view;
    page.painted(
        &format!("{pod} of {namespace}/{name}, shard {shard}"),
        Color::Bold,
    );
    page.paragraph(2, &format!("it {}", told(&view.member)));
    for line in &view.record {
        page.paragraph(2, line);
    }
    page.heading("Its shard's other members");
    if view.others.is_empty() {
        page.line("  none");
    }
    for other in &view.others {
        page.paragraph(2, &format!("{} {}", other.pod, told(other)));
    }
    page.heading("Why here");
    page.paragraph(2, &view.why);
    page.heading("Other zones");
    if view.other_zones.is_empty() {
        page.line("  none is known");
    }
    for zone in &view.other_zones {
        page.paragraph(2, zone);
    }
    page.notes(&view.notes);
}

/// `leads in zone-a, alive, in sync`.
fn told(member: &ShardMemberStatus) -> String {
    let does = match member.role {
        Some(Role::Leader) => "leads",
        Some(Role::Follower) => "follows",
        None => "has not joined",
    };
    let zone = if member.zone.is_empty() {
        "no zone".to_owned()
    } else {
        member.zone.clone()
    };
    let sync = if member.in_sync {
        "in sync"
    } else {
        "not in sync"
    };
    let lag = match member.lag_mebibytes {
        Some(lag) if lag > 0 => format!(", {lag} MiB behind"),
        _ => String::new(),
    };
    format!(
        "{does} in {zone}, {}, {sync}{lag}",
        member.state.to_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::enrolled;
    use crate::plugin::testing::{assert_is_tame, drawn, hostile, outage, whole};

    fn page_of(cluster: &RedisCluster, pod: &str) -> String {
        let now = Timestamp::from_second(1000).unwrap();
        let view = view(cluster, pod, Vec::new(), now).unwrap();
        drawn(|page| draw(&view, page))
    }

    #[test]
    fn a_follower_is_explained() {
        insta::assert_snapshot!(page_of(&whole(), "cache-0-2"));
    }

    #[test]
    fn a_lost_leader_is_explained_with_what_is_on_record() {
        let mut cluster = outage();
        let mut entry = enrolled("cache-0-1", 0, "zone-a");
        entry.joined = true;
        entry.host = Some("host-3".into());
        entry.silent_since = Some(Timestamp::from_second(959).unwrap());
        entry.surplus = true;
        cluster.status.as_mut().unwrap().record.members = vec![entry];
        insta::assert_snapshot!(page_of(&cluster, "cache-0-1"));
    }

    #[test]
    fn who_is_no_member_is_told_who_is() {
        let error = view(&whole(), "cache-9-9", Vec::new(), Timestamp::UNIX_EPOCH);
        let told = error.err().unwrap().to_string();
        assert!(told.contains("no member cache-9-9"), "{told}");
        assert!(told.contains("cache-2-6"), "{told}");
        let mut unseen = whole();
        unseen.status = None;
        let error = view(&unseen, "x", Vec::new(), Timestamp::UNIX_EPOCH);
        assert!(error.err().unwrap().to_string().contains("not made yet"));
    }

    #[test]
    fn no_member_controls_the_terminal() {
        let cluster = hostile();
        let pod = cluster.status.as_ref().unwrap().shards[0].members[0]
            .pod
            .clone();
        assert_is_tame(&page_of(&cluster, &pod));
    }
}
