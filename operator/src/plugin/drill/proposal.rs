//! What a drill would do, and what speaks against it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use serde::Serialize;

use super::super::activity::Activity;
use super::super::verdict::{holds, lag_of_the_status, verdict};
use super::super::zones::{Loss, loss_of};
use super::object::leaks;
use crate::api::{RedisCluster, ShardMemberStatus};
use crate::model::Role;
use crate::plan::validate;
use crate::resources::labels::LABEL_ZONE;

/// What is known beforehand.
pub(super) struct Facts {
    pub(super) cluster: RedisCluster,
    pub(super) operator: Activity,
    /// Why it is not certain that an operator is active.
    pub(super) trouble: Option<String>,
    /// The pods of the RedisCluster.
    pub(super) pods: Vec<Pod>,
    /// Every NetworkPolicy of the namespace.
    pub(super) policies: Vec<NetworkPolicy>,
    /// Objects that another drill has there, or has left.
    pub(super) in_the_way: Vec<String>,
}

/// What would be done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proposal {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) lasts_seconds: u64,
    /// After so long a silence others are built elsewhere; none where the spec cannot work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rehome_after_seconds: Option<u64>,
    /// What the loss of the zone would mean; none where there is no such zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<Loss>,
    /// Who would be cut off.
    pub(super) members: Vec<Cut>,
    /// What speaks against it.
    pub(super) objections: Vec<Objection>,
}

/// One that would be cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cut {
    pub(super) pod: String,
    pub(super) shard: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Role>,
}

/// Something that speaks against a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Objection {
    pub(super) why: String,
    /// Whoever wants it all the same may have it.
    pub(super) can_be_overruled: bool,
}

impl Proposal {
    /// By what is known.
    pub(super) fn new(facts: &Facts, zone: &str, lasts: Duration) -> Self {
        let cluster = &facts.cluster;
        let rehome_millis = validate(cluster).ok().map(|it| it.rehome_after_millis);
        let members = members_in(cluster, zone)
            .map(|(shard, member)| Cut {
                pod: member.pod.clone(),
                shard,
                role: member.role,
            })
            .collect();
        Self {
            namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
            name: cluster.name_any(),
            zone: zone.to_owned(),
            lasts_seconds: lasts.as_secs(),
            rehome_after_seconds: rehome_millis.map(|millis| millis / 1000),
            loss: loss_of(zone, cluster, &facts.operator),
            members,
            objections: objections(facts, zone, lasts),
        }
    }

    /// Whether it may be run.
    pub(super) fn is_allowed(&self, is_overruled: bool) -> bool {
        let mut against = self.objections.iter();
        against.all(|it| it.can_be_overruled && is_overruled)
    }
}

/// The members in a zone, with their shards.
pub(super) fn members_in<'a>(
    cluster: &'a RedisCluster,
    zone: &'a str,
) -> impl Iterator<Item = (u32, &'a ShardMemberStatus)> {
    let shards = cluster.status.iter().flat_map(|status| &status.shards);
    let members = shards.flat_map(|shard| shard.members.iter().map(|it| (shard.shard, it)));
    members.filter(move |(_, member)| member.zone == zone)
}

fn objections(facts: &Facts, zone: &str, lasts: Duration) -> Vec<Objection> {
    let too_short = too_short(&facts.cluster, lasts).into_iter();
    let never = too_short.chain(of_what_cannot_be(facts, zone));
    let else_wise = of_what_would_hurt(facts, zone).into_iter();
    let told = |can_be_overruled| {
        move |why| Objection {
            why,
            can_be_overruled,
        }
    };
    never
        .map(told(false))
        .chain(else_wise.map(told(true)))
        .collect()
}

/// A zone that is heard again before the bus would have acted counts as a false alarm, and has the operator
/// wait twice as long for an hour.
fn too_short(cluster: &RedisCluster, lasts: Duration) -> Option<String> {
    let timeout = Duration::from_millis(cluster.spec.node_timeout_millis);
    (lasts < timeout * 2).then(|| {
        let least = (timeout * 2).as_millis().div_ceil(1000);
        format!(
            "the operator would take it for a false alarm: let it last --duration {least}s or more"
        )
    })
}

/// Nobody's word makes these a drill.
fn of_what_cannot_be(facts: &Facts, zone: &str) -> Vec<String> {
    let cluster = &facts.cluster;
    let name = cluster.name_any();
    let mut all = Vec::new();
    if cluster.metadata.deletion_timestamp.is_some() {
        all.push("it is being deleted".to_owned());
    }
    if facts.operator.is_inactive() {
        all.extend(facts.trouble.clone());
    }
    all.extend(lag_of_the_status(cluster));
    if holds(cluster.status.as_ref(), "ZoneOutage") {
        all.push("a zone is silent already: that is no time for a drill".to_owned());
    }
    if loss_of(zone, cluster, &facts.operator).is_none() || zone.is_empty() {
        let zones = cluster.status.iter().flat_map(|status| &status.zones);
        let zones: Vec<&str> = zones.map(|it| it.zone.as_str()).collect();
        all.push(format!("there is no zone {zone}: {}", listed(&zones)));
    } else if members_in(cluster, zone).next().is_none() {
        all.push(format!("no member is in {zone}: nothing would be cut off"));
    }
    for object in &facts.in_the_way {
        all.push(format!(
            "{object} is there: another drill runs, or was left: kubectl zoneward drill {name} --restore"
        ));
    }
    let leaks = leaks(&facts.policies, &labels_in(&facts.pods, zone));
    if !leaks.is_empty() {
        all.push(format!(
            "other NetworkPolicies let connections to or from these pods through, and a drill cannot forbid what \
             they allow: {}. Take them away for as long as the drill lasts",
            leaks.join(", ")
        ));
    }
    all
}

/// An owner may want to see these all the same.
fn of_what_would_hurt(facts: &Facts, zone: &str) -> Vec<String> {
    let cluster = &facts.cluster;
    let mut all = Vec::new();
    match loss_of(zone, cluster, &facts.operator) {
        Some(Loss::Hurts { why }) => {
            all.push(format!("the loss of {zone} would not be survived: {why}"));
        }
        Some(Loss::Unknown) if !facts.operator.is_inactive() => all.extend(facts.trouble.clone()),
        _ => {}
    }
    let verdict = verdict(cluster);
    if !verdict.is_ready {
        all.push(format!("it is not ready: {}", verdict.text));
    }
    if cluster.spec.paused {
        all.push("it is paused: nothing that is lost would be repaired".to_owned());
    }
    all
}

fn labels_in(pods: &[Pod], zone: &str) -> Vec<BTreeMap<String, String>> {
    let labels = pods.iter().map(|pod| pod.labels().clone());
    let is_there = |it: &BTreeMap<String, String>| it.get(LABEL_ZONE).is_some_and(|at| at == zone);
    labels.filter(is_there).collect()
}

fn listed(zones: &[&str]) -> String {
    if zones.is_empty() {
        "none is known, as no host carries the zone label, or no operator has looked yet".to_owned()
    } else {
        format!("there are {}", zones.join(", "))
    }
}

#[cfg(test)]
mod tests;
