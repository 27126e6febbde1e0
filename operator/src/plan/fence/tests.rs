//! What opens the fence, and what keeps it shut.

use super::*;
use crate::model::{Asked, MemberName, Observation, Share};
use crate::plan::census::Census;
use crate::plan::testing::{desired, formed};

const LOST: [&str; 2] = ["c-0-1", "c-1-3"];

/// The first `count` of them are silent since the beginning, on hosts that Kubernetes does not
/// hear.
fn silent(count: usize) -> Observation {
    let mut seen = formed();
    for name in LOST.into_iter().take(count) {
        seen.members.remove(&MemberName::from(name));
        let mut entries = seen.record.members.iter_mut();
        let entry = entries.find(|it| it.name.as_str() == name).unwrap();
        entry.silent_since = Some(Timestamp::UNIX_EPOCH);
        for asked in seen.members.values_mut() {
            let Asked::Answered(answer) = asked else {
                continue;
            };
            let id = format!("id-{name}");
            let mut entries = answer.view.entries.iter_mut();
            let entry = entries.find(|it| it.id.as_str() == id).unwrap();
            entry.link_up = false;
        }
    }
    for host in &mut seen.hosts {
        host.is_ready = false;
    }
    seen
}

fn fence(seen: &Observation, policy: QuorumLossPolicy, seconds: i64) -> Fence {
    fence_of(3, seen, policy, seconds)
}

fn fence_of(leaders: u32, seen: &Observation, policy: QuorumLossPolicy, seconds: i64) -> Fence {
    let mut wanted = desired(leaders, 1);
    wanted.quorum_loss = policy;
    let census = Census::new(&wanted, seen, &seen.record);
    let round = Round {
        desired: &wanted,
        seen,
        census: &census,
        record: &seen.record,
        now: Timestamp::from_second(seconds).unwrap(),
    };
    let lost: Vec<&Shard<'_>> = census
        .shards
        .iter()
        .filter(|shard| shard.living_leader().is_none())
        .collect();
    of(&round, &lost)
}

#[test]
fn silence_opens_it_for_a_minority_after_the_debounce_and_for_more_by_policy() {
    use QuorumLossPolicy::{Fenced, Manual, Unreachable};
    let table = [
        (1, Fenced, 59, false),
        (1, Fenced, 60, true),
        (2, Fenced, 3600, false),
        (2, Unreachable, 59, false),
        (2, Unreachable, 60, true),
        (1, Manual, 3600, false),
    ];
    for (lost, policy, seconds, is_open) in table {
        let fence = fence(&silent(lost), policy, seconds);
        assert_eq!(
            matches!(fence, Fence::Open(_)),
            is_open,
            "{lost} lost, {policy:?}, after {seconds} s"
        );
    }
}

#[test]
fn a_host_that_kubernetes_hears_and_a_member_that_is_in_touch_keep_it_shut() {
    let is_open =
        |seen: &Observation| matches!(fence(seen, QuorumLossPolicy::Fenced, 100), Fence::Open(_));
    let mut seen = silent(1);
    assert!(is_open(&seen));
    for host in &mut seen.hosts {
        host.is_ready = true;
    }
    assert!(!is_open(&seen));
    let mut seen = silent(1);
    let answer = crate::plan::testing::answer_of(&mut seen, "c-2-5");
    for entry in &mut answer.view.entries {
        entry.link_up = true;
    }
    assert!(!is_open(&seen));
}

#[test]
fn a_leader_whom_nobody_alive_has_heard_of_counts() {
    let mut seen = silent(1);
    let gone = MemberName::from("c-0-1");
    for pod in seen.pods.iter_mut().filter(|pod| pod.name == gone) {
        let reason = "exit code 137".to_owned();
        pod.phase = crate::model::PodPhase::Ended { reason };
    }
    let is_open =
        |seen: &Observation| matches!(fence(seen, QuorumLossPolicy::Fenced, 1), Fence::Open(_));
    assert!(is_open(&seen), "proven dead");
    // shard 1 is unheard, and those that are left have never heard who leads it
    for name in ["c-1-3", "c-1-4"] {
        let silence = crate::model::Silence {
            reason: crate::model::SilenceReason::Timeout,
            millis: 1_000,
            said_goodbye: false,
        };
        seen.members
            .insert(MemberName::from(name), Asked::Silent(silence));
    }
    for asked in seen.members.values_mut() {
        if let Asked::Answered(answer) = asked {
            answer
                .view
                .entries
                .retain(|it| !it.id.as_str().starts_with("id-c-1"));
        }
    }
    assert!(!is_open(&seen), "c-1-3 may serve");
}

#[test]
fn leaders_that_are_only_wanted_do_not_make_the_lost_a_minority() {
    let mut seen = silent(2);
    let share = |shard: u32| Share {
        shard: crate::model::ShardId(shard),
        slots: crate::model::SlotSet::even_share(shard, 3),
    };
    seen.record.shares = (0..3).map(share).collect();
    let fence = fence_of(6, &seen, QuorumLossPolicy::Fenced, 3600);
    assert!(
        matches!(fence, Fence::Shut(_)),
        "two of three serve, if they live"
    );
}

#[test]
fn who_may_have_been_elected_before_the_dead_were_dead_counts() {
    let seen = |ended_unseen: bool| {
        let mut seen = silent(2);
        let gone = MemberName::from("c-0-1");
        seen.record.members.retain(|entry| entry.name != gone);
        seen.pods.retain(|pod| pod.name != gone);
        seen.record.departed.push(crate::model::Departed {
            member_id: MemberId::from("id-c-0-1"),
            name: gone,
            shard: crate::model::ShardId(0),
            host: None,
            is_proven_dead: true,
            ended_unseen,
            since: Timestamp::UNIX_EPOCH,
        });
        // c-2-5 is left, its follower is on the far side
        let silence = crate::model::Silence {
            reason: crate::model::SilenceReason::Timeout,
            millis: 3_600_000,
            said_goodbye: false,
        };
        let follower = MemberName::from("c-2-6");
        seen.members
            .insert(follower.clone(), Asked::Silent(silence));
        let mut entries = seen.record.members.iter_mut();
        let entry = entries.find(|entry| entry.name == follower);
        entry.unwrap().silent_since = Some(Timestamp::UNIX_EPOCH);
        seen
    };
    let is_open =
        |seen: &Observation| matches!(fence(seen, QuorumLossPolicy::Fenced, 3600), Fence::Open(_));
    assert!(is_open(&seen(false)), "one of three was never a majority");
    assert!(
        !is_open(&seen(true)),
        "c-0-1 and c-1-3 may have elected c-2-6"
    );
}

#[test]
fn who_may_have_been_elected_in_the_moment_before_it_fell_silent_counts() {
    let at = |second| Timestamp::from_second(second).unwrap();
    // c-1-3 is silent, c-0-1 proven dead, and lost at the fifth second; its follower fell silent, too
    let seen = |follower_silent_at: i64| {
        let mut seen = silent(2);
        for pod in &mut seen.pods {
            if pod.name.as_str() == "c-0-1" {
                let reason = "exit code 137".to_owned();
                pod.phase = crate::model::PodPhase::Ended { reason };
            }
        }
        for entry in &mut seen.record.members {
            match entry.name.as_str() {
                "c-0-1" => entry.silent_since = None,
                "c-0-2" => entry.silent_since = Some(at(follower_silent_at)),
                _ => {}
            }
        }
        seen.record
            .clocks
            .leaderless
            .push(crate::model::Leaderless {
                shard: crate::model::ShardId(0),
                since: at(5),
            });
        let silence = crate::model::Silence {
            reason: crate::model::SilenceReason::Timeout,
            millis: 3_600_000,
            said_goodbye: false,
        };
        seen.members
            .insert(MemberName::from("c-0-2"), Asked::Silent(silence));
        fence(&seen, QuorumLossPolicy::Fenced, 3600)
    };
    assert!(matches!(seen(4), Fence::Open(_)), "it was silent before");
    assert!(matches!(seen(5), Fence::Shut(_)));
    assert!(matches!(seen(6), Fence::Shut(_)));
}

#[test]
fn each_follower_that_may_have_been_elected_is_weighed_and_one_of_a_shard_leads() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let hosts = |second_is_ready: bool| {
        let mut seen = silent(2);
        for pod in &mut seen.pods {
            if pod.name.as_str() == "c-0-1" {
                let reason = "exit code 137".to_owned();
                pod.phase = crate::model::PodPhase::Ended { reason };
            }
        }
        let silence = crate::model::Silence {
            reason: crate::model::SilenceReason::Timeout,
            millis: 3_600_000,
            said_goodbye: false,
        };
        let mut second = seen
            .record
            .member(&MemberName::from("c-0-2"))
            .unwrap()
            .clone();
        (second.name, second.host) = (MemberName::from("c-0-7"), Some("hd".into()));
        second.member_id = Some(MemberId::from("id-c-0-7"));
        second.pod_uid = Some("uid-c-0-7".into());
        let mut pod = crate::plan::testing::pod("c-0-7", 0, "d");
        pod.host = Some("hd".into());
        seen.pods.push(pod);
        let mut host = crate::plan::testing::host("hd", "d");
        host.is_ready = second_is_ready;
        seen.hosts.push(host);
        seen.record.members.push(second);
        for name in ["c-0-2", "c-0-7"] {
            seen.members
                .insert(MemberName::from(name), Asked::Silent(silence));
        }
        for entry in &mut seen.record.members {
            if entry.shard.0 == 0 {
                entry.silent_since = Some(at(6));
            }
        }
        let shard = crate::model::ShardId(0);
        let since = at(5);
        let clocks = &mut seen.record.clocks.leaderless;
        clocks.push(crate::model::Leaderless { shard, since });
        for asked in seen.members.values_mut() {
            let Asked::Answered(answer) = asked else {
                continue;
            };
            let mut entries = answer.view.entries.iter_mut();
            let entry = entries.find(|it| it.id.as_str() == "id-c-0-2");
            entry.unwrap().link_up = false;
        }
        // of five leaders, so that two are a minority
        fence_of(5, &seen, QuorumLossPolicy::Fenced, 3600)
    };
    assert!(matches!(hosts(false), Fence::Open(_)), "two shards of five");
    assert!(matches!(hosts(true), Fence::Shut(_)), "c-0-7 may serve");
}

#[test]
fn a_leader_that_knew_of_few_others_does_not_stop() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let is_open = |accepted: Option<i64>| {
        let mut seen = silent(1);
        for entry in &mut seen.record.members {
            entry.silent_since = entry.silent_since.map(|_| at(10));
        }
        for shard in [1, 2] {
            seen.record.losses.push(DataLoss {
                shard: crate::model::ShardId(shard),
                slots: crate::model::SlotSet::even_share(shard, 3),
                older_copy: None,
                noticed: at(1),
                accepted: accepted.map(at),
            });
        }
        matches!(fence(&seen, QuorumLossPolicy::Fenced, 3600), Fence::Open(_))
    };
    assert!(is_open(Some(9)), "it knew of both");
    assert!(
        !is_open(Some(10)) && !is_open(None),
        "it is a majority of one"
    );
}

#[test]
fn silence_counts_only_while_we_listen() {
    use QuorumLossPolicy::Unreachable;
    let opens = |since: Option<i64>| {
        let mut seen = silent(2);
        seen.listening_since = since.map(|at| Timestamp::from_second(at).unwrap());
        matches!(fence(&seen, Unreachable, 3600), Fence::Open(_))
    };
    assert!(opens(None) && opens(Some(3540)));
    assert!(!opens(Some(3541)), "we were cut off ourselves until then");
}

#[test]
fn silence_that_is_on_no_record_begins_now() {
    let mut seen = silent(1);
    for entry in &mut seen.record.members {
        entry.silent_since = None;
    }
    let fence = fence(&seen, QuorumLossPolicy::Fenced, 3600);
    assert!(matches!(fence, Fence::Shut(_)));
}

#[test]
fn who_may_have_been_elected_counts_also_in_the_round_in_which_its_shard_is_led_again() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut seen = silent(1);
    let lost = MemberName::from("c-0-1");
    for pod in seen.pods.iter_mut().filter(|pod| pod.name == lost) {
        let reason = "exit code 137".to_owned();
        pod.phase = crate::model::PodPhase::Ended { reason };
    }
    // nobody of shard 1 was heard for a while; its leader is now
    let silent_heir = MemberName::from("c-1-4");
    let silence = crate::model::Silence {
        reason: crate::model::SilenceReason::Timeout,
        millis: 300,
        said_goodbye: false,
    };
    seen.members
        .insert(silent_heir.clone(), Asked::Silent(silence));
    let mut entries = seen.record.members.iter_mut();
    entries
        .find(|it| it.name == silent_heir)
        .unwrap()
        .silent_since = Some(at(5));
    let opens = |seen: &Observation| {
        let mut wanted = desired(3, 1);
        wanted.quorum_loss = QuorumLossPolicy::Fenced;
        let record = crate::plan::roster::note_facts(&wanted, seen, at(6));
        let census = Census::new(&wanted, seen, &record);
        let round = Round {
            desired: &wanted,
            seen,
            census: &census,
            record: &record,
            now: at(6),
        };
        let mut shards = census.shards.iter();
        let lost: Vec<&Shard<'_>> = shards.by_ref().take(1).collect();
        matches!(of(&round, &lost), Fence::Open(_))
    };
    assert!(opens(&seen), "its shard was led all the time");
    let (shard, since) = (ShardId(1), at(5));
    let clock = crate::model::Leaderless { shard, since };
    seen.record.clocks.leaderless.push(clock);
    assert!(!opens(&seen));
}
