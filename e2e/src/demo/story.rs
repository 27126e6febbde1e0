//! What happened, for `target/e2e/demo.json`. Times are seconds.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bed::Fault;
use crate::bring_up::BringUp;
use crate::timeline::Phase;
use crate::workload::report::Report;

/// The whole demo.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// From apply to redundant.
    pub bring_up: Option<BringUp>,
    /// From the stop of the zone.
    pub outage: Option<Outage>,
    /// From the return of the zone.
    pub back: Option<Return>,
    /// What the writer saw.
    pub workload: Option<Report>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A zone was stopped. Seconds from just before.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outage {
    /// The zone.
    pub zone: String,
    /// When, milliseconds since 1970.
    pub unix_millis: i64,
    /// How.
    pub fault: Fault,
    /// Its hosts were lost.
    pub hosts_lost: f64,
    /// What the status reached, and when. A phase that was not reached is not there.
    pub phases: BTreeMap<Phase, f64>,
    /// check-cluster has confirmed that it is redundant.
    pub confirmed: Option<f64>,
}

/// The zone was started again. Seconds from just before.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Return {
    /// The hosts were back.
    pub hosts_back: f64,
    /// All members are there and in sync, none too many, leaders even.
    pub home: f64,
    /// check-cluster has confirmed it.
    pub confirmed: f64,
}
