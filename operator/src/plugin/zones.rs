//! `kubectl zoneward zones`: which zone may be lost now?

use serde::Serialize;
use terminal::{Cell, Color};

use super::activity::{Activity, activity};
use super::page::{Page, titles};
use super::reach::Reach;
use super::status::notes;
use super::verdict::lag_of_the_status;
use super::{Answer, To};
use crate::api::{RedisCluster, ZoneStatus};

/// The state of a zone whose hosts are all silent.
const GONE: &str = "Gone";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    namespace: String,
    name: String,
    /// Also false where it is not known.
    any_one_may_be_lost: bool,
    operator: Activity,
    notes: Vec<String>,
    zones: Vec<ZoneStatus>,
}

/// Each zone, with the verdict on it.
pub(super) async fn zones(reach: &Reach, name: &str, to: To) -> anyhow::Result<Answer> {
    let cluster = reach.cluster(name).await?;
    let operator = activity(reach).await;
    let notes = notes(&cluster, operator.trouble(reach));
    let view = view(&cluster, operator, notes);
    to.answer(&view, view.any_one_may_be_lost, draw)
}

fn view(cluster: &RedisCluster, operator: Activity, mut notes: Vec<String>) -> View {
    let zones: Vec<ZoneStatus> = cluster
        .status
        .iter()
        .flat_map(|status| status.zones.clone())
        .collect();
    if zones.is_empty() {
        let told =
            "no zone is known: the operator has not looked yet, or no host carries the zone label";
        notes.push(told.to_owned());
    }
    let is_known = !zones.is_empty() && is_known(cluster, &operator);
    View {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        any_one_may_be_lost: is_known && zones.iter().all(|zone| zone.survives_loss),
        operator,
        notes,
        zones,
    }
}

/// Whether the verdicts hold: what nobody keeps true any more proves nothing, nor what is about an earlier spec.
fn is_known(cluster: &RedisCluster, operator: &Activity) -> bool {
    let is_kept_true = matches!(operator, Activity::Active { .. });
    is_kept_true && lag_of_the_status(cluster).is_none()
}

/// What the loss of a zone would mean now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub(super) enum Loss {
    /// Every shard has an in-sync member elsewhere, and there is a majority to vote.
    Survived,
    /// It would not be.
    Hurts {
        /// Why.
        why: String,
    },
    /// The zone is lost already.
    Happened,
    /// Nobody keeps the verdict true.
    Unknown,
}

/// The verdict on one zone; none where there is no such zone.
pub(super) fn loss_of(zone: &str, cluster: &RedisCluster, operator: &Activity) -> Option<Loss> {
    let mut zones = cluster.status.iter().flat_map(|status| &status.zones);
    let found = zones.find(|it| it.zone == zone)?;
    Some(if found.state == GONE {
        Loss::Happened
    } else if !is_known(cluster, operator) {
        Loss::Unknown
    } else if found.survives_loss {
        Loss::Survived
    } else {
        let why = found.why_not.clone().unwrap_or_default();
        Loss::Hurts { why }
    })
}

fn draw(view: &View, page: &mut Page) {
    let rows = view.zones.iter().map(|zone| {
        let (may, color) = match (zone.state.as_str(), zone.survives_loss) {
            (GONE, _) => ("is lost", Color::Red),
            (_, true) => ("yes", Color::Green),
            (_, false) => ("no", Color::Yellow),
        };
        vec![
            Cell::plain(&zone.zone),
            Cell::plain(&zone.state),
            Cell::plain(zone.leaders.to_string()),
            Cell::plain(zone.followers.to_string()),
            Cell::new(may, color),
            Cell::plain(zone.why_not.as_deref().unwrap_or_default()),
        ]
    });
    let names = [
        "ZONE",
        "STATE",
        "LEADERS",
        "FOLLOWERS",
        "MAY BE LOST",
        "WHY NOT",
    ];
    if !view.zones.is_empty() {
        let rows: Vec<Vec<Cell>> = std::iter::once(titles(&names)).chain(rows).collect();
        page.table(&rows);
    }
    page.notes(&view.notes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::{assert_is_tame, drawn, hostile, outage, whole};

    fn active() -> Activity {
        Activity::Active {
            holder: "zoneward-1".to_owned(),
        }
    }

    #[test]
    fn yes_is_said_only_where_it_is_known() {
        let mut unseen = whole();
        unseen.status = None;
        let unknown = Activity::Unknown {
            why: "you may not read leases".to_owned(),
        };
        let table = [
            ("whole", whole(), active(), true),
            ("an outage", outage(), active(), false),
            ("no operator", whole(), Activity::Missing, false),
            ("who knows", whole(), unknown, false),
            ("not looked at", unseen, active(), false),
        ];
        for (case, cluster, operator, expected) in table {
            let view = view(&cluster, operator, Vec::new());
            assert_eq!(view.any_one_may_be_lost, expected, "{case}");
        }
    }

    #[test]
    fn each_zone_has_its_verdict() {
        let of = |zone, cluster: &RedisCluster, operator| loss_of(zone, cluster, &operator);
        let (whole, outage) = (whole(), outage());
        assert_eq!(of("zone-a", &whole, active()), Some(Loss::Survived));
        assert_eq!(of("zone-x", &whole, active()), None);
        assert_eq!(of("zone-a", &whole, Activity::Free), Some(Loss::Unknown));
        assert_eq!(of("zone-a", &outage, active()), Some(Loss::Happened));
        let why = "no in-sync member outside it for shard 0".to_owned();
        assert_eq!(of("zone-b", &outage, active()), Some(Loss::Hurts { why }));
    }

    #[test]
    fn an_outage() {
        let view = view(&outage(), active(), Vec::new());
        insta::assert_snapshot!(drawn(|page| draw(&view, page)));
    }

    #[test]
    fn no_zone_controls_the_terminal() {
        let view = view(&hostile(), active(), Vec::new());
        assert_is_tame(&drawn(|page| draw(&view, page)));
    }
}
