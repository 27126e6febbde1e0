//! What a drill measured: plain data, as it stands in `report.json`. Nothing here judges or draws.
//!
//! All times are seconds from the first deed; what happened before it is negative.

use serde::{Deserialize, Serialize};

use crate::workload::report::Report;

/// What a drill came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outcome {
    /// Which.
    pub drill: String,
    /// For people.
    pub title: String,
    /// How large the `RedisCluster` was, for people.
    pub shape: String,
    /// What its members ran, before the first deed and after the last, where that is another.
    pub engines: Vec<String>,
    /// Where it was played.
    pub setting: Option<Setting>,
    /// Programs that wanted to run on the machine before the first deed, mean of a minute.
    pub load: Option<f64>,
    /// When the first deed was done, milliseconds since 1970. All seconds count from then.
    pub unix_millis: i64,
    /// What was done, reached and said, and when.
    pub events: Vec<Event>,
    /// What held by the status, at the first look and whenever it had changed.
    pub standings: Vec<Standing>,
    /// What Kubernetes' events tell of the operator and the pods.
    pub told: Vec<Told>,
    /// What the writer of each `RedisCluster` saw.
    pub workloads: Vec<Report>,
    /// What went wrong.
    pub error: Option<String>,
    /// The user has had enough: no other drill follows.
    pub interrupted: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When. Of what was done: when it was complete.
    pub at: f64,
    /// When it was begun, of what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<f64>,
    /// Which sort.
    pub sort: Sort,
    /// What.
    pub text: String,
    /// The fault that it begins or ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Edge>,
}

/// Sorts of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sort {
    /// It was done by the drill.
    Done,
    /// It was waited for.
    Reached,
    /// The status said so.
    Said,
}

/// The beginning of a fault, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Which: the same words at both ends.
    pub fault: String,
    /// Whether it ends here.
    pub ends: bool,
}

/// What held at a look at the status. Whatever leans on what a drill took away does not count: a status
/// from before the fault reaches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// When.
    pub at: f64,
    /// How good it was.
    pub level: Level,
}

/// How good things are; each has all that those before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Some slots have no leader that can be reached.
    Unserved,
    /// All slots have one.
    Served,
    /// Each leader has a follower in sync in another zone.
    Redundant,
    /// The loss of any one zone would be survived.
    ZoneSafe,
    /// Leaders are even over the zones, nothing is missing and nothing left over.
    Balanced,
}

/// One of Kubernetes' events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When it was told.
    pub at: f64,
    /// Of whom.
    pub about: About,
    /// In one word.
    pub reason: String,
    /// In a sentence.
    pub text: String,
    /// A change for the worse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_warning: bool,
}

/// Whom one of Kubernetes' events is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    /// The operator says it of a `RedisCluster`.
    Operator,
    /// A pod of a member was made and placed.
    PodMade,
    /// A pod of a member was told to end.
    PodEnded,
}

/// The machine, and the versions of what ran on it. Empty where it could not be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Setting {
    /// Processors, memory and kernel.
    pub machine: String,
    /// The container engine that the testbed's hosts are containers of.
    pub containers: String,
    /// kind.
    pub kind: String,
    /// The image of its hosts, and what it is made of.
    pub node: String,
    /// How many hosts in how many zones.
    pub hosts: String,
    /// Kubernetes.
    pub kubernetes: String,
    /// The commit of the checkout that the operator was built from.
    pub commit: String,
    /// The operator's image.
    pub operator: String,
    /// What it was played on, where that was not kind: then there are no images, and no Kubernetes of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub testbed: String,
}

impl Setting {
    /// What is known, by its name.
    pub fn facts(&self) -> Vec<(&'static str, &str)> {
        let here = [
            ("Testbed", &self.testbed),
            ("Machine", &self.machine),
            ("Hosts", &self.hosts),
            ("Commit", &self.commit),
        ];
        let on_kind = [
            ("Machine", &self.machine),
            ("Container engine", &self.containers),
            ("kind", &self.kind),
            ("Node image", &self.node),
            ("Hosts", &self.hosts),
            ("Kubernetes", &self.kubernetes),
            ("Commit", &self.commit),
            ("Operator's image", &self.operator),
        ];
        let all = if self.testbed.is_empty() {
            on_kind.as_slice()
        } else {
            &here
        };
        let told = all.iter().map(|(name, value)| match value.as_str() {
            "" => (*name, "not known"),
            value => (*name, value),
        });
        told.collect()
    }
}

impl Outcome {
    /// What was done, in order.
    pub fn deeds(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.sort == Sort::Done)
    }
}

impl Event {
    /// When it began.
    pub fn from(&self) -> f64 {
        self.begun.unwrap_or(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_an_older_run_are_read() {
        let text = r#"{"drill": "host", "title": "t", "unixMillis": 5, "workloads": [], "error": null,
            "events": [{"at": 0.5, "sort": "done", "text": "x"}], "interrupted": false}"#;
        let outcome: Outcome = serde_json::from_str(text).unwrap();
        assert_eq!(outcome.deeds().count(), 1);
        assert!((outcome.events[0].from() - 0.5).abs() < 1e-9);
        assert!(outcome.standings.is_empty() && outcome.setting.is_none());
    }

    #[test]
    fn what_is_written_reads_back() {
        let outcome = Outcome {
            drill: "zone-cut".to_owned(),
            setting: Some(Setting::default()),
            load: Some(0.5),
            events: vec![Event {
                at: 0.5,
                begun: Some(0.0),
                sort: Sort::Done,
                text: "zone-a: it is cut off".to_owned(),
                fault: Some(Edge {
                    fault: "zone-a cut off".to_owned(),
                    ends: false,
                }),
            }],
            standings: vec![Standing {
                at: 0.2,
                level: Level::ZoneSafe,
            }],
            told: vec![Told {
                at: 1.0,
                about: About::PodMade,
                reason: "Scheduled".to_owned(),
                text: "bench-0-7".to_owned(),
                is_warning: false,
            }],
            ..Outcome::default()
        };
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
    }
}
