//! Order within a target, none between targets, and nothing behind the fence.

use super::*;
use crate::fakes::{World, key, objects, pod};
use crate::lease::LeaseGuard;
use crate::model::{Address, MemberId, RunId};
use crate::plan::{Manifest, ManifestKind};
use std::sync::Arc;

fn create(name: &str) -> Action {
    action(Deed::Create(Manifest {
        kind: ManifestKind::Pod,
        name: name.to_owned(),
        body: serde_json::Value::Null,
    }))
}

fn tell(name: &str, command: MemberCommand) -> Action {
    action(Deed::Command {
        member: MemberRef {
            name: MemberName::new(name),
            id: MemberId::new("id"),
            run_id: RunId::new("run"),
            address: Address {
                ip: "127.0.0.1".parse().unwrap(),
                port: 6379,
            },
        },
        command,
    })
}

fn action(deed: Deed) -> Action {
    Action {
        deed,
        why: String::new(),
    }
}

fn seen() -> ClusterObjects {
    let mut seen = objects(&serde_json::json!({ "image": "redis" }));
    seen.pods = ["a", "b"].map(pod).to_vec();
    seen
}

async fn run(world: &Arc<World>, fence: &Fence, actions: &[Action]) -> Vec<Outcome> {
    let hands = Hands {
        objects: world.as_ref(),
        admin: world.as_ref(),
        clock: world.as_ref(),
        fence,
    };
    act(&hands, &key(), &seen(), actions).await
}

fn results(outcomes: &[Outcome]) -> Vec<(&str, &str, Option<ErrorClass>)> {
    let mut results: Vec<_> = outcomes
        .iter()
        .map(|o| {
            let class = o.result.as_ref().err().map(|error| error.class);
            (o.target.as_str(), o.kind, class)
        })
        .collect();
    results.sort_unstable();
    results
}

#[tokio::test]
async fn a_failure_ends_its_targets_row_and_no_other() {
    let world = Arc::new(World::default());
    world.fail("tell a open", ErrorClass::Conflict);
    let actions = [
        tell("a", MemberCommand::Open),
        tell("a", MemberCommand::ReleaseDeparture),
        tell("b", MemberCommand::Open),
        tell("b", MemberCommand::ReleaseDeparture),
        create("c"),
    ];
    let fence = Fence::open(world.clone());
    let outcomes = run(&world, &fence, &actions).await;
    assert_eq!(
        results(&outcomes),
        [
            ("Pod/a", "open", Some(ErrorClass::Conflict)),
            ("Pod/b", "open", None),
            ("Pod/b", "release-departure", None),
            ("Pod/c", "create", None),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_holds_up_only_itself() {
    let world = Arc::new(World::default());
    *world.hanging.lock().unwrap() = Some("tell a");
    let actions = [
        tell("a", MemberCommand::Open),
        tell("b", MemberCommand::Open),
    ];
    let fence = Fence::open(world.clone());
    let outcomes = run(&world, &fence, &actions).await;
    let expected = [
        ("Pod/a", "open", Some(ErrorClass::Transient)),
        ("Pod/b", "open", None),
    ];
    assert_eq!(results(&outcomes), expected);
}

#[tokio::test]
async fn nothing_is_done_when_the_lease_may_end_before_the_call() {
    let world = Arc::new(World::default());
    let clock: Arc<dyn Clock> = world.clone();
    let fence = |until| Fence::by_lease(LeaseGuard::until(until), Arc::clone(&clock));
    let actions = [create("c")];

    let short = fence(CALL_LIMIT.saturating_sub(Duration::from_millis(1)));
    let outcomes = run(&world, &short, &actions).await;
    let refused = [("Pod/c", "create", Some(ErrorClass::NotActive))];
    assert_eq!(results(&outcomes), refused);
    assert!(world.lines().is_empty());

    let outcomes = run(&world, &fence(CALL_LIMIT), &actions).await;
    assert_eq!(results(&outcomes), [("Pod/c", "create", None)]);
}

#[tokio::test]
async fn a_member_that_cannot_be_reached_is_not_told() {
    let world = Arc::new(World::default());
    let fence = Fence::open(world.clone());
    let outcomes = run(&world, &fence, &[tell("unknown", MemberCommand::Open)]).await;
    let expected = [("Pod/unknown", "open", Some(ErrorClass::Bug))];
    assert_eq!(results(&outcomes), expected);
}
