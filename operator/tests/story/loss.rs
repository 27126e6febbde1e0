//! Every copy of a shard is lost, or seems to be.

use zoneward_operator::api::ShardLossPolicy;
use zoneward_operator::model::{Desired, MemberName, ZoneName};

use crate::scene::{
    assert_promises, condition, formed, mark_out_of_service, members_of, names, run, settle, shape,
    waits_for, with_volumes,
};
use crate::world::World;

fn seizures(world: &World) -> usize {
    world
        .story
        .iter()
        .filter(|deed| deed.contains("begin slots"))
        .count()
}

#[test]
fn a_shard_whose_every_copy_is_lost_is_named_first_and_begun_anew_by_policy() {
    let mut world = formed(shape(3, 1));
    for name in members_of(&world, 1) {
        world.kill(&name);
    }
    world.round();
    assert_eq!(seizures(&world), 0, "first it is named");
    settle(&mut world);
    assert_eq!(seizures(&world), 1);
    assert!(condition(&world, "DataLost"), "it is told for a day");
    assert_promises(&world, 3);
    world.pass(25 * 3_600_000);
    settle(&mut world);
    assert!(!condition(&world, "DataLost"));
}

#[test]
fn a_whole_cluster_whose_every_copy_is_lost_is_begun_anew_shard_by_shard() {
    for leaders in [1, 3] {
        let mut world = formed(shape(leaders, 1));
        for name in names(&world) {
            world.kill(&name);
        }
        settle(&mut world);
        assert_eq!(seizures(&world), usize::try_from(leaders).unwrap());
        assert!(condition(&world, "DataLost"));
        assert_promises(&world, 3);
    }
}

#[test]
fn a_lost_shard_stays_unserved_where_the_policy_is_to_wait() {
    let mut world = formed(shape(3, 1));
    world.desired.shard_loss = ShardLossPolicy::Wait;
    for name in members_of(&world, 1) {
        world.kill(&name);
    }
    run(&mut world, 20_000);
    assert_eq!(seizures(&world), 0);
    assert!(condition(&world, "DataLost") && waits_for(&world, "DataLost"));
    world.desired.shard_loss = ShardLossPolicy::AcceptEmpty;
    settle(&mut world);
    assert_eq!(seizures(&world), 1);
}

#[test]
fn a_shard_that_was_deleted_by_force_is_lost_when_the_kubelets_have_ended_it_and_not_before() {
    let mut world = formed(shape(3, 1));
    for name in members_of(&world, 1) {
        world.delete_pod(&name, true);
    }
    run(&mut world, 50_000);
    assert_eq!(seizures(&world), 0);
    assert!(waits_for(&world, "SlotsUnserved"));
    settle(&mut world);
    assert_eq!(seizures(&world), 1);

    let mut world = formed(shape(3, 1));
    let members = members_of(&world, 1);
    let host = world.pods[&members[0]].host.clone().unwrap();
    world.down.insert(host.clone());
    for name in members {
        world.pods.remove(&name);
    }
    run(&mut world, 600_000);
    assert_eq!(
        seizures(&world),
        0,
        "one of them may live on a host that is silent"
    );
    assert!(waits_for(&world, "SlotsUnserved"));
    mark_out_of_service(&mut world, &host);
    run(&mut world, 60_000);
    assert_eq!(seizures(&world), 1, "a human's word");
}

#[test]
fn a_volume_that_no_host_can_use_is_named_with_the_way_to_give_it_up() {
    let mut world = formed(with_volumes(3, "Retain"));
    world.desired.shard_loss = ShardLossPolicy::AcceptEmpty;
    let members = members_of(&world, 1);
    world.full_zones = ["a", "b", "c"].map(ZoneName::from).into();
    for name in &members {
        world.kill(name);
    }
    run(&mut world, 600_000);
    assert_eq!(seizures(&world), 0);
    let mut waits = world.status.waiting_on.iter();
    let wait = waits.find(|it| it.reason == "SlotsUnserved").unwrap();
    let stranded = members_of(&world, 1);
    let volume = world.pods[&stranded[0]].volume.clone().unwrap();
    let command = format!(
        "kubectl delete pvc {volume} --wait=false && kubectl delete pod {}",
        stranded[0]
    );
    assert!(wait.message.contains(&command), "{}", wait.message);
    // the human gives both up, and the hosts take pods again
    for name in stranded {
        let volume = world.pods[&name].volume.clone().unwrap();
        world.volumes.retain(|it| it.name != volume);
        world.bodies.remove(&volume);
        world.pods.remove(&name);
    }
    world.full_zones.clear();
    settle(&mut world);
    assert_eq!(seizures(&world), 1);
    assert!(condition(&world, "DataLost"));
    assert_promises(&world, 3);
}

#[test]
fn nothing_is_begun_anew_while_a_copy_may_live_or_come_back() {
    type Fault = fn(&mut World, &MemberName);
    let faults: [(&str, Desired, Fault); 3] = [
        ("a silent host", shape(3, 1), |world, name| {
            let host = world.pods[name].host.clone().unwrap();
            world.down.insert(host);
        }),
        ("a pod that is merely gone", shape(3, 1), |world, name| {
            let host = world.pods[name].host.clone().unwrap();
            world.down.insert(host);
            world.pods.remove(name);
        }),
        ("bodies", with_volumes(3, "Retain"), |world, name| {
            let volume = world.pods[name].volume.clone().unwrap();
            world.broken.insert(volume);
            world.kill(name);
        }),
    ];
    for (what, spec, fault) in faults {
        let mut world = formed(spec);
        world.desired.shard_loss = ShardLossPolicy::AcceptEmpty;
        let members = members_of(&world, 1);
        world.kill(&members[0]);
        fault(&mut world, &members[1]);
        run(&mut world, 120_000);
        assert_eq!(seizures(&world), 0, "{what}");
    }
}

/// The shard's follower was cut off from its leader, then that was killed.
fn only_an_older_copy(leaders: u32, policy: ShardLossPolicy) -> (World, MemberName) {
    let mut world = formed(shape(leaders, 1));
    world.desired.shard_loss = policy;
    let members = members_of(&world, 0);
    let leads = |name: &MemberName| world.processes[name].leader.is_none();
    let (leader, follower) = if leads(&members[0]) {
        (members[0].clone(), members[1].clone())
    } else {
        (members[1].clone(), members[0].clone())
    };
    world.cut_off.insert(follower.clone());
    run(&mut world, 3_000);
    world.kill(&leader);
    (world, follower)
}

#[test]
fn an_older_copy_leads_once_it_is_told_where_the_policy_lets_it() {
    for leaders in [1, 3] {
        let (mut world, follower) = only_an_older_copy(leaders, ShardLossPolicy::AcceptEmpty);
        run(&mut world, 100);
        assert!(!condition(&world, "Available"));
        run(&mut world, 90_000);
        assert_eq!(seizures(&world), 0, "{leaders}: an old copy beats none");
        let told = world
            .status
            .conditions
            .iter()
            .find(|it| it.type_ == "DataLost");
        let words = &told.unwrap().message;
        assert!(
            words.contains(follower.as_str()) && words.contains("older"),
            "{leaders}: {words}"
        );
        world.cut_off.clear();
        let led_on = format!("tell {follower}: take over from");
        assert!(world.story.iter().any(|deed| deed.starts_with(&led_on)));
        settle(&mut world);
        assert_promises(&world, 3);
    }
}

#[test]
fn an_older_copy_waits_for_the_owners_word_where_the_policy_is_to_wait() {
    let (mut world, follower) = only_an_older_copy(3, ShardLossPolicy::Wait);
    run(&mut world, 90_000);
    assert!(!condition(&world, "Available") && waits_for(&world, "DataLost"));
    assert!(world.processes[&follower].leader.is_some());
    world.cut_off.clear();
    world.desired.shard_loss = ShardLossPolicy::AcceptEmpty;
    run(&mut world, 1_000);
    assert!(world.processes[&follower].leader.is_none());
    settle(&mut world);
}
