//! Is an operator active? Told by its lease: without one, a status is what was once.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use serde::Serialize;

use super::page::age;
use super::reach::Reach;
use crate::lease::{LEASE_DURATION, RETRY_PERIOD};

/// Clocks differ: a holder that looks late is given this long to renew before our eyes.
const SECOND_LOOK: Duration = Duration::from_secs(RETRY_PERIOD.as_secs() * 2);

/// What the lease tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "is")]
pub(super) enum Activity {
    /// Held, and renewed of late.
    Active {
        /// By whom.
        holder: String,
    },
    /// Held by one that does not renew it.
    Late {
        /// By whom.
        holder: String,
        /// How long ago it was renewed.
        renewed_seconds: i64,
    },
    /// Held by nobody.
    Free,
    /// There is none.
    Missing,
    /// It could not be read.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Activity {
    /// Why it is not certain that an operator is active, in words; none where one is.
    pub(super) fn trouble(&self, reach: &Reach) -> Option<String> {
        self.trouble_at(reach.operator_lease(), reach.operator_namespace())
    }

    fn trouble_at(&self, lease: &str, namespace: &str) -> Option<String> {
        let lease = format!("the lease {lease} in namespace {namespace}");
        let told = "what is told here is what was once";
        match self {
            Self::Active { .. } => None,
            Self::Late {
                holder,
                renewed_seconds,
            } => Some(format!(
                "no operator is active: {holder} renewed {lease} {} ago and does no more; {told}",
                age(*renewed_seconds)
            )),
            Self::Free => Some(format!(
                "no operator is active: nobody holds {lease}; {told}"
            )),
            Self::Missing => Some(format!(
                "no operator is active: {lease} does not exist. If it is elsewhere, name it with \
                 --operator-namespace and --operator-lease"
            )),
            Self::Unknown { why } => {
                Some(format!("whether an operator is active is not known: {why}"))
            }
        }
    }

    /// Proven that none is.
    pub(super) fn is_inactive(&self) -> bool {
        matches!(self, Self::Late { .. } | Self::Free | Self::Missing)
    }
}

/// Looks at the lease; twice where the holder seems late.
pub(super) async fn activity(reach: &Reach) -> Activity {
    let read = async || match reach.lease().await {
        Ok(lease) => Ok(lease.and_then(|lease: Lease| lease.spec)),
        Err(error) => Err(Activity::Unknown {
            why: crate::telemetry::chain(error.as_ref()),
        }),
    };
    let first = match read().await {
        Ok(first) => first,
        Err(unknown) => return unknown,
    };
    let told = judge(first.as_ref(), Timestamp::now());
    if !matches!(told, Activity::Late { .. }) {
        return told;
    }
    tokio::time::sleep(SECOND_LOOK).await;
    match read().await {
        Ok(second) if is_renewed(first.as_ref(), second.as_ref()) => Activity::Active {
            holder: holder(second.as_ref()).unwrap_or_default(),
        },
        Ok(second) => judge(second.as_ref(), Timestamp::now()),
        Err(unknown) => unknown,
    }
}

fn holder(lease: Option<&LeaseSpec>) -> Option<String> {
    let holder = lease?.holder_identity.clone()?;
    (!holder.is_empty()).then_some(holder)
}

/// By this machine's clock.
fn judge(lease: Option<&LeaseSpec>, now: Timestamp) -> Activity {
    let Some(spec) = lease else {
        return Activity::Missing;
    };
    let Some(holder) = holder(lease) else {
        return Activity::Free;
    };
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    let ago = renewed.map_or(i64::MAX, |time| now.duration_since(time).as_secs());
    if u64::try_from(ago).unwrap_or(0) <= LEASE_DURATION.as_secs() {
        return Activity::Active { holder };
    }
    Activity::Late {
        holder,
        renewed_seconds: ago,
    }
}

fn is_renewed(before: Option<&LeaseSpec>, after: Option<&LeaseSpec>) -> bool {
    let renewed = |lease: Option<&LeaseSpec>| lease.and_then(|spec| spec.renew_time.clone());
    holder(after).is_some() && renewed(before) != renewed(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    fn lease(holder: Option<&str>, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(ToOwned::to_owned),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_tells_whether_an_operator_is_active() {
        let now = Timestamp::from_second(1000).unwrap();
        let holder = || "z-1".to_owned();
        let late = Activity::Late {
            holder: holder(),
            renewed_seconds: 180,
        };
        let table = [
            (None, Activity::Missing),
            (Some(lease(None, 999)), Activity::Free),
            (Some(lease(Some(""), 999)), Activity::Free),
            (
                Some(lease(Some("z-1"), 990)),
                Activity::Active { holder: holder() },
            ),
            // its clock is ahead of ours
            (
                Some(lease(Some("z-1"), 1090)),
                Activity::Active { holder: holder() },
            ),
            (Some(lease(Some("z-1"), 820)), late),
        ];
        for (lease, expected) in table {
            assert_eq!(judge(lease.as_ref(), now), expected);
        }
    }

    #[test]
    fn a_holder_that_renews_before_our_eyes_is_active_whatever_its_clock_says() {
        let (one, other) = (lease(Some("z"), 10), lease(Some("z"), 12));
        assert!(is_renewed(Some(&one), Some(&other)));
        assert!(!is_renewed(Some(&one), Some(&one)));
        assert!(!is_renewed(Some(&one), None));
    }

    #[test]
    fn what_is_missing_is_named() {
        let words = |activity: Activity| activity.trouble_at("zoneward", "zs").unwrap();
        assert!(words(Activity::Missing).contains("lease zoneward in namespace zs"));
        let late = words(Activity::Late {
            holder: "z-1_ab".to_owned(),
            renewed_seconds: 180,
        });
        assert!(
            late.contains("z-1_ab renewed") && late.contains("3m ago"),
            "{late}"
        );
        let active = Activity::Active {
            holder: String::new(),
        };
        assert_eq!(active.trouble_at("z", "n"), None);
    }
}
