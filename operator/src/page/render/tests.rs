//! What a page says of each scene, and that nothing from outside becomes markup.

use super::*;
use crate::fakes;
use crate::page::scenes;
use crate::rounds::What;

/// The parts' text, as one page has it.
fn text(parts: &[Part]) -> String {
    parts.iter().map(|part| part.markup.0.as_str()).collect()
}

fn shown(resource: &RedisCluster, happenings: &[Happening], is_active: bool) -> String {
    let now = scenes::now();
    text(&parts(&Look {
        key: &fakes::key(),
        resource,
        happenings,
        seen: is_active.then_some(now),
        now,
    }))
}

/// Each scene, and what its page must say, and must not.
#[test]
fn each_scene_says_what_is() {
    type Scene = (
        &'static str,
        RedisCluster,
        &'static [&'static str],
        &'static [&'static str],
    );
    let table: [Scene; 6] = [
        (
            "unseen",
            scenes::unseen(),
            &[
                "Not looked at yet",
                "No zone and no shard is known yet",
                "0 of 16384",
                "0 of 6",
            ],
            &["<table class=\"map\""],
        ),
        (
            "forming",
            scenes::forming(),
            &[
                "Being formed",
                "1 of 6 pods run",
                "/runbook#podstarting",
                "starting",
                "no slots",
            ],
            &["may be lost now"],
        ),
        (
            "whole",
            scenes::whole(),
            &[
                "Any one zone may be lost now",
                "6 of 6",
                "Redis 8.0.2",
                "10923-16383",
                "leads",
            ],
            &["must not be lost", "silent"],
        ),
        (
            "a zone lost",
            scenes::zone_lost(),
            &[
                "Zone a is lost",
                "must not be lost",
                "silent",
                "not in sync",
                "/runbook#membersilent",
            ],
            &["Any one zone"],
        ),
        (
            "copying",
            scenes::copying(),
            &[
                "Zones a and b must not be lost now",
                "joining",
                "not in sync",
            ],
            &["Any one zone"],
        ),
        (
            "unserved",
            scenes::unserved(),
            &["Slots are not served", "slots 0-5460."],
            &[],
        ),
    ];
    for (name, resource, says, says_not) in table {
        let page = shown(&resource, &[], true);
        for words in says {
            assert!(page.contains(words), "{name} says {words}: {page}");
        }
        for words in says_not {
            assert!(!page.contains(words), "{name} does not say {words}: {page}");
        }
    }
}

const EVIL: &str = "<script>alert('x')</script>\" onload=\"x";

#[test]
fn nothing_from_outside_becomes_markup() {
    let resource = scenes::with(scenes::zone_lost(), |status| {
        for at in [
            "/conditions/0/message",
            "/conditions/0/reason",
            "/conditions/0/type",
            "/zones/0/zone",
            "/zones/1/whyNot",
            "/shards/0/slots",
            "/shards/0/members/0/pod",
            "/shards/0/members/0/zone",
            "/shards/0/members/1/state",
            "/waitingOn/0/reason",
            "/waitingOn/0/message",
            "/engineVersion",
        ] {
            *status.pointer_mut(at).unwrap() = EVIL.into();
        }
    });
    let key = ClusterKey {
        namespace: EVIL.to_owned(),
        name: EVIL.to_owned(),
    };
    let mut happening = scenes::happening(1, What::Action, EVIL);
    happening.why = EVIL.to_owned();
    let now = scenes::now();
    let look = Look {
        key: &key,
        resource: &resource,
        happenings: &[happening],
        seen: None,
        now,
    };
    let listed = |resource| Listed {
        key: key.clone(),
        resource,
    };
    let list = [listed(Ok(&resource)), listed(Err(EVIL))];
    let pages = [
        page(EVIL, "cluster", Some(EVIL), &parts(&look)).0,
        page(EVIL, "cluster", None, &gone(&key)).0,
        page(EVIL, "cluster", None, &unreadable(&key, EVIL)).0,
        page(EVIL, "list", None, &clusters(&list, Some(EVIL), now)).0,
    ];
    for page in pages {
        assert!(page.contains("&lt;script&gt;alert"), "{page}");
        assert!(!page.to_lowercase().contains("<script>"), "{page}");
        assert!(!page.contains("\" onload"), "{page}");
        // what is ours has a source, and no style or handler stands in the markup
        assert!(!page.contains(" style="), "{page}");
    }
}

#[test]
fn a_standby_shows_what_status_has_and_says_what_it_lacks() {
    let page = shown(&scenes::whole(), &[], false);
    assert!(page.contains("Any one zone may be lost now"));
    assert!(page.contains("stands by, or has just started"), "{page}");
    assert!(page.contains("has made no round"), "{page}");
    let active = shown(&scenes::whole(), &[], true);
    assert!(active.contains("Nothing happened in the last hour"));
}

#[test]
fn happenings_are_told_with_the_newest_first_and_the_rest_folded() {
    let some: Vec<_> = (0..40)
        .map(|n| scenes::happening(400 - n, What::Action, &format!("deed {n}.")))
        .collect();
    let page = shown(&scenes::whole(), &some, true);
    let at = |words: &str| page.find(words).unwrap();
    assert!(at("deed 39.") < at("deed 10."));
    assert!(at("deed 10.") < at("<details"));
    assert!(at("<details") < at("deed 9."));
}

#[test]
fn moving_slots_stand_with_both_shards() {
    let resource = scenes::with(scenes::whole(), |status| {
        status["record"]["reshard"] = serde_json::json!({ "total": 100, "leaders": 3,
            "transfers": [{ "from": 0, "to": 2, "slots": "0-49" }] });
    });
    let page = shown(&resource, &[], true);
    assert!(page.contains("50 slots move to shard 2"), "{page}");
    assert!(page.contains("50 slots move from shard 0"), "{page}");
}

#[test]
fn those_that_need_somebody_stand_first_in_the_list() {
    let resources = [scenes::whole(), scenes::unserved(), scenes::forming()];
    let listed: Vec<_> = ["whole", "unserved", "forming"]
        .iter()
        .zip(&resources)
        .map(|(name, resource)| Listed {
            key: ClusterKey {
                namespace: "ns".to_owned(),
                name: (*name).to_owned(),
            },
            resource: Ok(resource),
        })
        .collect();
    let page = text(&clusters(&listed, None, scenes::now()));
    let at = |name: &str| page.find(&format!("ns/{name}\"")).unwrap();
    assert!(
        at("unserved") < at("forming") && at("forming") < at("whole"),
        "{page}"
    );
    let none = text(&clusters(&[], None, scenes::now()));
    assert!(none.contains("There is none"));
}
