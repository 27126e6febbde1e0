//! A drill of the table on the local testbed, from its bring-up to its report: real servers, and the writer that kind's
//! drills have.

#![cfg(test)]

use std::time::Duration;

use e2e::drill::measured::{About, Setting, Sort};
use e2e::drill::named;
use e2e::drill::report::{judged, read, write};
use e2e::show::Screen;
use terminal::Paint;
use zoneward_local::drill::{Options, drill, drills};

fn options() -> Options {
    let name = format!("zoneward-drill-{}", std::process::id());
    Options {
        limit: Duration::from_secs(180),
        folder: std::env::temp_dir().join(name),
        setting: Setting::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_followers_crash_and_no_acknowledged_write_is_lost() {
    let options = options();
    let followers = named("followers").unwrap();
    let outcome = drill(followers, &options, Screen::new(Paint::plain())).await;
    assert_eq!(outcome.error, None);
    let [report] = outcome.workloads.as_slice() else {
        panic!("one workload: {:?}", outcome.workloads);
    };
    assert!(report.acknowledged() > 300, "{report:?}");
    assert_eq!((report.lost(), report.unverified()), (0, 0), "{report:?}");
    let of = |sort| outcome.events.iter().filter(move |it| it.sort == sort);
    assert_eq!(of(Sort::Done).count(), 1, "{:?}", outcome.events);
    assert_eq!(of(Sort::Reached).count(), 2, "{:?}", outcome.events);
    let made = outcome.told.iter().filter(|it| it.about == About::PodMade);
    assert_eq!(made.count(), 3, "{:?}", outcome.told);
    assert!(
        outcome.engines[0].starts_with("Redis 8"),
        "{:?}",
        outcome.engines
    );

    write(&options.folder, &judged(std::slice::from_ref(&outcome))).unwrap();
    let back = read(&[options.folder.join("report.json")]).unwrap();
    std::fs::remove_dir_all(&options.folder).unwrap();
    assert_eq!(back, [outcome]);
}

/// Addresses change under the drill's readers: the copies that are asked at the end are those that there are then.
#[tokio::test(flavor = "multi_thread")]
async fn all_pods_are_made_anew_and_every_copy_has_what_was_acknowledged() {
    let options = options();
    let outcome = drill(
        named("roll").unwrap(),
        &options,
        Screen::new(Paint::plain()),
    )
    .await;
    assert_eq!(outcome.error, None);
    for report in &outcome.workloads {
        assert!(report.acknowledged() > 300, "{report:?}");
        assert_eq!((report.lost(), report.unverified()), (0, 0), "{report:?}");
    }
    let made = outcome.told.iter().filter(|it| it.about == About::PodMade);
    assert!(made.count() >= 6, "{:?}", outcome.told);
}

#[tokio::test]
async fn what_cannot_be_played_here_is_refused_with_its_reason() {
    let screen = Screen::new(Paint::plain());
    for (name, why) in [
        ("zone-cut", "is played on kind only: a zone is cut off"),
        (
            "power",
            "is played on kind only: it has several RedisClusters",
        ),
        ("storm", "there is no drill storm"),
    ] {
        let refused = drills(&[name.to_owned()], &options(), screen).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}
