//! Which reasons there are, and where each can stand: out of the code, by running it where that tells,
//! by reading it where it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::Error as Unknown;
use serde_json::json;
use zoneward_operator::api::{RedisCluster, RedisClusterStatus};
use zoneward_operator::model::{Desired, Observation, Record};
use zoneward_operator::plan::{Plan, Refusal, Rejection, WaitingOn, WaitingReason, validate};
use zoneward_operator::status::{Input, is_good, status};

use super::super::at;

const CONDITIONS: &str = "operator/src/status/conditions.rs";
const CONSTANTS: &str = "operator/src/status/reasons.rs";
const REJECTIONS: &str = "operator/src/plan/validate.rs";

/// A reason that a condition can carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    pub(super) condition: String,
    /// True or False.
    pub(super) is: String,
    pub(super) reason: String,
}

impl Standing {
    pub(super) fn is_good(&self) -> bool {
        is_good(&self.condition, &self.is)
    }
}

/// A RedisCluster that the text of a resource makes; `spec` besides the image.
pub(super) fn cluster(spec: &serde_json::Value) -> RedisCluster {
    let mut resource = json!({
        "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
        "metadata": { "name": "c", "namespace": "d", "uid": "u", "generation": 1 },
        "spec": { "image": "redis:8" },
    });
    for (field, value) in spec.as_object().unwrap() {
        resource["spec"][field] = value.clone();
    }
    serde_json::from_value(resource).unwrap()
}

/// A world without anything in it.
pub(super) fn nothing() -> Observation {
    serde_json::from_value(json!({
        "hosts": [], "pods": [], "volumes": [], "objects": [], "members": {}, "record": Record::default(),
        "secrets": {
            "internalIsPresent": true, "clientIsPresent": true, "clientIsUsable": true,
        },
    }))
    .unwrap()
}

/// Every reason of waiting, in the order of the enum. What cannot be read as one names all of them.
pub(super) fn waits() -> Vec<WaitingReason> {
    let nonsense = serde::de::value::StrDeserializer::<Unknown>::new("?");
    let error = WaitingReason::deserialize(nonsense)
        .unwrap_err()
        .to_string();
    let (_, names) = error.split_once("expected one of").unwrap();
    let names = names.split('`').skip(1).step_by(2);
    let waits: Vec<WaitingReason> = names
        .map(|name| serde_json::from_value(json!(name)).unwrap())
        .collect();
    assert!(waits.len() > 20, "{error}");
    waits
}

/// What specs that cannot work are rejected for.
pub(super) fn rejections() -> Vec<Rejection> {
    let specs = [
        json!({ "config": { "port": "1" } }),
        json!({ "config": { "maxmemory": "1\n2" } }),
        json!({ "persistence": "Aof" }),
        json!({ "leaders": 0 }),
    ];
    let found: Vec<Rejection> = specs
        .iter()
        .map(|spec| validate(&cluster(spec)).unwrap_err())
        .collect();
    let code = read(REJECTIONS);
    let reasons: BTreeSet<&str> = found.iter().map(|it| it.reason).collect();
    let in_code: BTreeSet<&str> = code
        .split("reason: \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(reasons, in_code, "{REJECTIONS}: add a spec for each above");
    found
}

/// Every reason of every condition.
pub(super) fn standings() -> BTreeSet<Standing> {
    let mut found = written();
    let good = cluster(&json!({}));
    let desired = validate(&good).unwrap();
    for wait in waits() {
        found.extend(told(Ok(&desired), &[wait], &[]));
    }
    let refusal = Refusal {
        promise: "I1",
        message: String::new(),
    };
    found.extend(told(Ok(&desired), &[], &[refusal]));
    for rejection in rejections() {
        found.extend(told(Err(&rejection), &[], &[]));
    }
    found
}

/// The conditions of a status that is made from this. No member is there.
fn told(
    desired: Result<&Desired, &Rejection>,
    waits: &[WaitingReason],
    refusals: &[Refusal],
) -> Vec<Standing> {
    let seen = nothing();
    let waiting = |reason: &WaitingReason| WaitingOn::new(*reason, "");
    let plan = Plan {
        waiting_on: waits.iter().map(waiting).collect(),
        ..Plan::default()
    };
    let input = Input {
        generation: 1,
        desired,
        seen: &seen,
        plan: &plan,
        refusals,
        failures: &[],
        now: Timestamp::UNIX_EPOCH,
    };
    let status = status(&RedisClusterStatus::default(), &input);
    let standing = |it: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| Standing {
        condition: it.type_.clone(),
        is: it.status.clone(),
        reason: it.reason.clone(),
    };
    status.conditions.iter().map(standing).collect()
}

/// Those that conditions.rs names by its constants: a function for each condition. `AsWanted` is good,
/// all others are not.
fn written() -> BTreeSet<Standing> {
    let constants = constants();
    let code = read(CONDITIONS);
    let mut found = BTreeSet::new();
    for function in code.split("\nfn ") {
        let named: BTreeSet<&str> = function
            .split("reasons::")
            .skip(1)
            .map(|rest| rest.split(|c: char| !is_of_constant(c)).next().unwrap())
            .collect();
        let kinds: BTreeSet<&str> = function
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|it| it.starts_with(char::is_uppercase) && *it != "True" && *it != "False")
            .collect();
        if named.is_empty() {
            continue;
        }
        assert_eq!(
            kinds.len(),
            1,
            "{CONDITIONS}: of which condition is {function}"
        );
        for (kind, constant) in kinds
            .iter()
            .flat_map(|kind| named.iter().map(move |it| (kind, it)))
        {
            let is = ["True", "False"].into_iter();
            let is_wanted = *constant == "AS_WANTED";
            found.extend(
                is.filter(|is| is_good(kind, is) == is_wanted)
                    .map(|is| Standing {
                        condition: (*kind).to_owned(),
                        is: is.to_owned(),
                        reason: constants[*constant].clone(),
                    }),
            );
        }
    }
    found
}

fn is_of_constant(c: char) -> bool {
    c.is_ascii_uppercase() || c == '_'
}

/// The words of reasons.rs, by their constants.
pub(super) fn constants() -> BTreeMap<String, String> {
    let code = read(CONSTANTS);
    let constants = code.lines().filter_map(|line| {
        let (name, word) = line.strip_prefix("pub const ")?.split_once(": &str = \"")?;
        Some((name.to_owned(), word.trim_end_matches("\";").to_owned()))
    });
    constants.collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap()
}
