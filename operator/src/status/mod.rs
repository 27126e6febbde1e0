//! Tells. Observation and Plan in, status out: pure.
//!
//! Status is what people, alerts and other programs act on, so it says what is and not what was
//! hoped for; a value that changes at each look (an offset, a time) has no place in it.

mod conditions;
mod facts;
pub mod reasons;
mod verdict;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{RedisClusterStatus, WaitingStatus};
use crate::model::{Desired, Observation};
use crate::plan::{
    Census, Plan, Refusal, Rejection, Shard, WaitingReason, in_service, zone_states,
};
use crate::resources;
use facts::Facts;

/// The reason of `Progressing` while members are replaced.
const UPDATE: &str = "RollingUpdate";
/// How many things waited for are listed; the conditions tell of the most important one.
const WAITING_LISTED_MAX: usize = 30;

/// What a status is made of.
#[derive(Debug)]
pub struct Input<'a> {
    /// The spec's generation.
    pub generation: i64,
    /// The spec as validated, or why it cannot work.
    pub desired: Result<&'a Desired, &'a Rejection>,
    /// What was seen.
    pub seen: &'a Observation,
    /// What was decided.
    pub plan: &'a Plan,
    /// Why the plan was refused.
    pub refusals: &'a [Refusal],
    /// What failed of the last round's actions, in words.
    pub failures: &'a [String],
    /// Now.
    pub now: Timestamp,
}

/// The status to be written. Equal to `previous` where nothing has changed.
pub fn status(previous: &RedisClusterStatus, input: &Input<'_>) -> RedisClusterStatus {
    let mut next = previous.clone();
    next.observed_generation = input.generation;
    let desired = match input.desired {
        Ok(desired) => desired,
        Err(rejection) => {
            let findings = conditions::rejected(rejection.reason, &rejection.message);
            next.conditions = conditions::merge(input, &previous.conditions, findings);
            return next;
        }
    };
    // A refused plan's record is not kept: nothing of it happens.
    let record = if input.refusals.is_empty() {
        &input.plan.record
    } else {
        &input.seen.record
    };
    next.record = record.clone();
    let census = Census::new(desired, input.seen, record);
    let states = zone_states(desired, input.seen, &census);
    let facts = Facts {
        desired,
        census: &census,
        served: facts::taking_writes(&census, &in_service(&census, record)),
        zones: verdict::zones(&census, &states, record.formed, desired.quorum_loss),
        states,
        formed: record.formed,
        losses: &record.losses,
    };
    let leads = |shard: &&Shard<'_>| !shard.slots.is_empty() && shard.living_leader().is_some();
    let leaders = census.shards.iter().filter(leads).count();
    next.leaders = u32::try_from(leaders).unwrap_or(u32::MAX);
    next.selector = resources::labels::leader_selector(&desired.key.name);
    next.slots_served = u32::from(facts.served.count());
    if let Some((engine, version)) = census
        .living()
        .map(|(_, answer)| (answer.engine, answer.version))
        .min_by_key(|(_, v)| *v)
    {
        next.engine = Some(engine);
        next.engine_version = Some(version.to_string());
    }
    next.shards = facts.shards();
    next.waiting_on = waiting(input);
    next.conditions = conditions::merge(
        input,
        &previous.conditions,
        conditions::findings(input, &facts),
    );
    next.zones = facts.zones;
    next
}

/// A refused plan holds all of it up.
fn waiting(input: &Input<'_>) -> Vec<WaitingStatus> {
    let refused = input.refusals.iter().map(|refusal| WaitingStatus {
        reason: WaitingReason::PlanRefused.to_string(),
        message: format!(
            "nothing is done while a plan is refused, promise {}: {}",
            refusal.promise, refusal.message
        ),
    });
    let waits = input.plan.waiting_on.iter().map(|wait| WaitingStatus {
        reason: wait.reason.to_string(),
        message: wait.message.clone(),
    });
    refused.chain(waits).take(WAITING_LISTED_MAX).collect()
}

/// A condition that flipped, for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The condition and its new status, such as `ZoneSafe=False`: distinct per event.
    pub action: String,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub message: String,
    /// Whether it is a change for the worse.
    pub is_warning: bool,
}

/// What flipped between two statuses. A condition that first appears with what every new cluster
/// has is no news.
pub fn transitions(before: &RedisClusterStatus, after: &RedisClusterStatus) -> Vec<Transition> {
    after
        .conditions
        .iter()
        .filter_map(|new| {
            let is_good = is_good(&new.type_, &new.status);
            let old = before.conditions.iter().find(|old| old.type_ == new.type_);
            let flipped = match old {
                Some(old) => old.status != new.status || (!is_good && old.reason != new.reason),
                None => !is_good && new.type_ == "Degraded",
            };
            // an update begins and ends by the owner's hand: he is told
            let is_update = |it: &Condition| it.reason == UPDATE && it.status == "True";
            let is_news = is_update(new) || old.is_some_and(is_update) && is_good;
            let is_noise = new.type_ == "Progressing" && !is_news || new.reason == reasons::FORMING;
            (flipped && !is_noise).then(|| Transition {
                action: format!("{}={}", new.type_, new.status),
                reason: new.reason.clone(),
                message: new.message.clone(),
                is_warning: !is_good && new.type_ != "Progressing",
            })
        })
        .collect()
}

/// Whether a condition of this type is well with this status.
pub fn is_good(kind: &str, status: &str) -> bool {
    let wanted = match kind {
        "Degraded" | "ZoneOutage" | "Paused" | "DataLost" | "Progressing" => "False",
        _ => "True",
    };
    status == wanted
}
