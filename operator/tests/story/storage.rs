//! Volumes are to be larger, and disks are full.

use zoneward_operator::model::Disk;

use crate::scene::{condition, formed, member, run, settle, waits_for, with_volumes};

#[test]
fn volumes_grow_with_the_spec_and_new_ones_are_as_large() {
    let mut world = formed(with_volumes(3, "Retain"));
    let storage = world.desired.storage.as_mut().unwrap();
    storage.size = "2Gi".to_owned();
    run(&mut world, 500);
    assert!(world.volumes.iter().all(|it| it.size == "2Gi"));
    assert_eq!(world.round().actions, []);
    world.volumes[0].resize_trouble = Some("no room".to_owned());
    run(&mut world, 500);
    assert!(waits_for(&world, "VolumeResize") && condition(&world, "Ready"));
    // another size that is the same
    let storage = world.desired.storage.as_mut().unwrap();
    storage.size = "2048Mi".to_owned();
    assert_eq!(world.round().actions, []);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_started_anew_for_it() {
    let mut world = formed(with_volumes(3, "Retain"));
    let name = member(&world, true);
    let process = world.processes.get_mut(&name).unwrap();
    process.disk = Disk {
        append_fails: true,
        snapshot_fails: false,
    };
    for _ in 0..50 {
        assert_eq!(world.round().actions, []);
        world.pass(100);
    }
    assert!(waits_for(&world, "DiskTrouble") && condition(&world, "Degraded"));
    world.processes.get_mut(&name).unwrap().disk = Disk::default();
    settle(&mut world);
    assert!(!waits_for(&world, "DiskTrouble"));
}
