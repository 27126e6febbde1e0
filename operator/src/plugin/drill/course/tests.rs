//! What is told in the course of a drill, and when it must end.

use super::*;
use crate::plugin::testing::{conditions, outage, whole};

fn course(may_be_unserved: bool) -> Course {
    Course::new(&whole(), "zone-a", may_be_unserved)
}

/// Zone a is silent, and nothing has followed from that yet.
fn cut() -> RedisCluster {
    let mut cluster = whole();
    let status = cluster.status.as_mut().unwrap();
    for member in status.shards.iter_mut().flat_map(|it| &mut it.members) {
        if member.zone == "zone-a" {
            (member.in_sync, member.state) = (false, "Silent".to_owned());
        }
    }
    cluster
}

fn unserved() -> RedisCluster {
    let mut cluster = cut();
    let told = ("Available", "False", "SlotsUnserved", "0-5460 of shard 0");
    conditions(&mut cluster, &[told]);
    cluster
}

/// The follower of shard 0 leads it, and those that were lost have others in their place.
fn rehomed() -> RedisCluster {
    let mut cluster = cut();
    let shards = &mut cluster.status.as_mut().unwrap().shards;
    for (shard, leader) in [(0, 1), (2, 0)] {
        let members = &mut shards[shard].members;
        members[leader].role = Some(Role::Leader);
        members[1 - leader].role = Some(Role::Follower);
        let mut other = members[leader].clone();
        (other.pod, other.zone) = (format!("cache-{shard}-9"), "zone-c".to_owned());
        other.role = Some(Role::Follower);
        members.push(other);
    }
    cluster
}

#[test]
fn a_drill_is_told_step_by_step() {
    let mut course = course(false);
    assert!(course.during(&whole()).is_empty());
    assert_eq!(course.heard(&whole()), ["cache-0-1", "cache-2-6"]);
    assert!(!course.is_cut());
    let told = course.during(&unserved());
    assert_eq!(
        told,
        [
            "zone-a is silent: cache-0-1, cache-2-6",
            "slots are not served: 0-5460 of shard 0"
        ]
    );
    assert!(course.is_cut() && !course.is_served());
    assert!(course.heard(&unserved()).is_empty());
    let told = course.during(&rehomed());
    assert_eq!(
        told,
        [
            "shard 0: cache-0-2 in zone-b leads",
            "all slots are served again",
            "redundant: every shard has all its members in sync outside zone-a"
        ]
    );
    assert!(
        course.during(&rehomed()).is_empty(),
        "nothing is told twice"
    );

    assert!(course.afterwards(&rehomed()).is_empty());
    assert!(!course.is_home());
    let told = (0..HOME_LOOKS_MIN).flat_map(|_| course.afterwards(&whole()));
    let told: Vec<String> = told.collect();
    assert_eq!(
        told,
        [
            "zone-a is heard again",
            "shard 0: cache-0-1 in zone-a leads",
            "balanced: all is as it was before"
        ]
    );
    assert!(course.is_home());
}

#[test]
fn a_status_that_names_nobody_proves_no_silence() {
    let mut unknown = whole();
    unknown.status.as_mut().unwrap().shards.clear();
    let mut course = course(false);
    course.during(&unknown);
    assert!(!course.is_cut());
}

#[test]
fn it_is_home_when_what_held_before_holds_again_and_no_earlier() {
    let amiss = |kind, state| {
        let mut cluster = whole();
        conditions(&mut cluster, &[(kind, state, "R", "m")]);
        cluster
    };
    for (kind, state) in [
        ("Ready", "False"),
        ("Available", "False"),
        ("ZoneSafe", "False"),
        ("ZoneOutage", "True"),
    ] {
        let mut course = course(false);
        for _ in 0..HOME_LOOKS_MIN {
            course.afterwards(&amiss(kind, state));
        }
        assert!(!course.is_home(), "{kind}");
        course.afterwards(&whole());
        assert!(course.is_home(), "{kind}");
    }
    let mut fragile = Course::new(&amiss("ZoneSafe", "False"), "zone-a", true);
    for look in 0..HOME_LOOKS_MIN {
        assert!(!fragile.is_home(), "after {look} looks");
        fragile.afterwards(&amiss("ZoneSafe", "False"));
    }
    assert!(fragile.is_home(), "it was no better before");
}

#[test]
fn more_than_the_zone_must_not_be_lost() {
    let mut other = cut();
    let status = other.status.as_mut().unwrap();
    status.shards[1].members[0].state = "Silent".to_owned();
    let mut lost = cut();
    conditions(&mut lost, &[("DataLost", "True", "DataLost", "slots 0-9")]);
    for (cluster, expected) in [
        (other, "cache-1-3 in zone-b has fallen silent, too"),
        (lost, "data is lost: slots 0-9"),
    ] {
        let mut course = course(true);
        let mut look = |cluster: &RedisCluster| {
            course.during(cluster);
            course.alarm(cluster)
        };
        assert_eq!(
            [look(&cluster), look(&cluster), look(&cut())],
            [None, None, None]
        );
        assert_eq!(
            [look(&cluster), look(&cluster)],
            [None, None],
            "begins anew"
        );
        assert_eq!(look(&cluster).as_deref(), Some(expected));
    }
}

#[test]
fn slots_must_not_go_unserved_for_long_unless_that_is_wanted() {
    for (may_be_unserved, is_ended) in [(false, true), (true, false)] {
        let mut course = course(may_be_unserved);
        let mut ended = None;
        for _ in 0..=UNSERVED_LOOKS_MAX {
            assert_eq!(ended, None);
            course.during(&unserved());
            ended = course.alarm(&unserved());
        }
        assert_eq!(ended.is_some(), is_ended, "{ended:?}");
    }
}

#[test]
fn an_outage_from_elsewhere_is_an_alarm_too() {
    let mut course = Course::new(&whole(), "zone-b", false);
    let told = (0..LOOKS_MIN).filter_map(|_| {
        course.during(&outage());
        course.alarm(&outage())
    });
    let told: Vec<String> = told.collect();
    assert_eq!(told, ["cache-0-1 in zone-a has fallen silent, too"]);
}
