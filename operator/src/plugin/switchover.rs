//! `kubectl zoneward switchover POD`: its owner wants it to lead. The wish is an annotation on the pod, which
//! the operator goes by; nothing is said to a server here.

mod view;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, anyhow};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::time::Instant;

use super::activity::activity;
use super::page::age;
use super::reach::Reach;
use super::{Answer, To};
use crate::api::{RedisCluster, ShardMemberStatus, ShardStatus};
use crate::model::Role;
use crate::resources::labels::{ANNOTATION_LEAD, LABEL_CLUSTER, LEAD_WANTED};
use view::{Outcome, View};

/// How often it is looked whether the pod leads.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was asked of this command.
pub(super) struct Wish {
    /// Who is to lead.
    pub(super) pod: String,
    /// Or need not any more.
    pub(super) release: bool,
    /// How long to wait until it leads; none: not at all.
    pub(super) wait: Option<Duration>,
}

/// Asks that the pod leads, or takes that back.
pub(super) async fn switchover(reach: &Reach, wish: &Wish, to: To) -> anyhow::Result<Answer> {
    let pod = wish.pod.as_str();
    let name = cluster_of(&reach.pod(pod).await?, pod)?;
    let cluster = reach.cluster(&name).await?;
    let pods = reach.pods_of(&name).await?;
    let shard = find(&cluster, pod).map(|(shard, _)| shard);
    let mut view = View {
        namespace: reach.namespace().to_owned(),
        name,
        pod: pod.to_owned(),
        shard: shard.map(|it| it.shard),
        taken_back: Vec::new(),
        outcome: Outcome::Released,
    };
    let is_asked = pods.iter().any(|it| it.name_any() == pod && is_wished(it));
    if wish.release {
        if is_asked {
            reach.annotate(pod, ANNOTATION_LEAD, None).await?;
        } else {
            view.outcome = Outcome::WasNotAsked;
        }
        return view.answer(to);
    }
    let trouble = activity(reach).await;
    let trouble = trouble.trouble(reach).filter(|_| trouble.is_inactive());
    if let Some(why) = refusal(&cluster, pod, trouble) {
        view.outcome = Outcome::Refused { why };
        return view.answer(to);
    }
    let leads_already = find(&cluster, pod).is_some_and(|(_, it)| leads(it));
    if !leads_already && !is_asked {
        let value = Some(LEAD_WANTED);
        reach.annotate(pod, ANNOTATION_LEAD, value).await?;
    }
    // one that leads would keep the lead by its own wish
    for other in others_wished(shard, pod, &pods) {
        reach.annotate(&other, ANNOTATION_LEAD, None).await?;
        view.taken_back.push(other);
    }
    view.outcome = match wish.wait {
        _ if leads_already => Outcome::LedAlready { is_asked },
        None => Outcome::Asked,
        Some(limit) => wait(reach, &view, limit).await?,
    };
    view.answer(to)
}

/// The RedisCluster that it is a pod of.
fn cluster_of(found: &Pod, pod: &str) -> anyhow::Result<String> {
    let label = found.labels().get(LABEL_CLUSTER);
    label.cloned().with_context(|| {
        format!("pod {pod} is no member of a RedisCluster: it has no label {LABEL_CLUSTER}")
    })
}

/// Whether it is to lead.
pub(super) fn is_wished(pod: &Pod) -> bool {
    pod.annotations().get(ANNOTATION_LEAD).map(String::as_str) == Some(LEAD_WANTED)
}

fn find<'a>(
    cluster: &'a RedisCluster,
    pod: &str,
) -> Option<(&'a ShardStatus, &'a ShardMemberStatus)> {
    let shards = cluster.status.iter().flat_map(|status| &status.shards);
    let mut members = shards.flat_map(|shard| shard.members.iter().map(move |it| (shard, it)));
    members.find(|(_, it)| it.pod == pod)
}

fn leads(member: &ShardMemberStatus) -> bool {
    member.role == Some(Role::Leader)
}

/// Others of the shard that are to lead it, by name.
fn others_wished(shard: Option<&ShardStatus>, pod: &str, pods: &[Pod]) -> Vec<String> {
    let members = shard.iter().flat_map(|shard| &shard.members);
    let others = members.map(|it| &it.pod).filter(|it| *it != pod);
    let is_wished = |name: &&String| {
        pods.iter()
            .any(|it| it.name_any() == **name && is_wished(it))
    };
    others.filter(is_wished).cloned().collect()
}

/// Why it is not asked at all.
fn refusal(cluster: &RedisCluster, pod: &str, trouble: Option<String>) -> Option<String> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    if cluster.metadata.deletion_timestamp.is_some() {
        return Some(format!("RedisCluster {name} is being deleted"));
    }
    if cluster.spec.paused {
        return Some(format!(
            "RedisCluster {name} is paused, and the operator touches nothing: kubectl zoneward resume {name}"
        ));
    }
    if trouble.is_some() {
        return trouble;
    }
    let Some((shard, member)) = find(cluster, pod) else {
        return Some(format!(
            "it is no member of RedisCluster {name}, or not yet; its members are in kubectl zoneward status {name}"
        ));
    };
    let others = shard.members.iter().filter(|it| it.pod != pod);
    let others: Vec<&str> = others.map(|it| it.pod.as_str()).collect();
    let leaves = member.state == "Leaving" || member.state == "Ended";
    leaves.then(|| {
        let others = others.join(", ");
        format!("its place is taken by another pod; the others of its shard are {others}")
    })
}

/// Looks until it leads, and tells meanwhile what is waited for.
async fn wait(reach: &Reach, view: &View, limit: Duration) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let mut told = Vec::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let cluster = reach.cluster(&view.name).await?;
        let Some((_, member)) = find(&cluster, &view.pod) else {
            return Ok(Outcome::Gone);
        };
        if leads(member) {
            let seconds = begin.elapsed().as_secs();
            return Ok(Outcome::Leads { seconds });
        }
        let waits = waits_of(&cluster, &view.pod);
        if waits != told {
            tell(&waits);
            told = waits;
        }
        if begin.elapsed() >= limit {
            let operator = activity(reach).await.trouble(reach);
            let waits_for = operator.into_iter().chain(told).collect();
            let seconds = begin.elapsed().as_secs();
            return Ok(Outcome::LeadsNotYet { seconds, waits_for });
        }
    }
}

/// What is waited for with this pod's name in it; where nothing is, whatever is waited for.
fn waits_of(cluster: &RedisCluster, pod: &str) -> Vec<String> {
    let all = cluster.status.iter().flat_map(|status| &status.waiting_on);
    let told = |named: bool| -> Vec<String> {
        let some = all.clone().filter(|it| !named || names(&it.message, pod));
        some.map(|it| format!("{}: {}", it.reason, it.message))
            .collect()
    };
    let own = told(true);
    if own.is_empty() { told(false) } else { own }
}

/// Whether the text has the name as a word: `cache-0-2` is not in `cache-0-21`.
fn names(text: &str, name: &str) -> bool {
    let is_other = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    text.split(is_other).any(|word| word == name)
}

/// Beside the answer, so that a program can read that.
fn tell(waits: &[String]) {
    let mut to = std::io::stderr().lock();
    for wait in waits {
        // whoever closed it wants no progress
        let _ = writeln!(to, "waits for {}", terminal::clean(wait));
    }
}

/// `90s`, `5m`, `1h30m`.
pub(super) fn duration(text: &str) -> anyhow::Result<Duration> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .with_context(|| format!("{text} is no duration, such as 90s or 5m"))?;
    Duration::try_from(parsed).map_err(|_| anyhow!("{text} is less than nothing"))
}

/// How long, as people say it.
pub(super) fn lasting(seconds: u64) -> String {
    age(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
