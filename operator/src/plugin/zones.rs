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
    // what nobody keeps true any more proves nothing, nor what is about an earlier spec
    let is_kept_true = matches!(operator, Activity::Active { .. });
    let is_known = !zones.is_empty() && is_kept_true && lag_of_the_status(cluster).is_none();
    View {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
        any_one_may_be_lost: is_known && zones.iter().all(|zone| zone.survives_loss),
        operator,
        notes,
        zones,
    }
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
