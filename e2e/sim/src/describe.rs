//! How a world stands, in lines for people: each process, each pod without one, the operator's record. Changes nothing.

use crate::world::World;

/// Each process as it is, and what it thinks of the others.
pub(crate) fn describe(world: &World) -> Vec<String> {
    let name_of = |id| {
        let known = world.procs.iter().rev().find(|it| it.table.me == id);
        known.map_or_else(|| format!("{id:x}"), |it| it.pod.clone())
    };
    let line = |process: &crate::redis::Process| {
        let table = &process.table;
        let nodes = table.nodes.iter().map(|(id, node)| {
            let flags = [
                (node.handshake, "handshake"),
                (node.suspected, "suspected"),
                (node.failed, "failed"),
                (node.no_addr, "noaddr"),
                (node.link.is_none(), "no link"),
                (node.leader.is_some(), "f"),
            ];
            let flags: Vec<&str> = flags.iter().filter(|it| it.0).map(|it| it.1).collect();
            format!("{}({})", name_of(*id), flags.join(","))
        });
        let owners = table
            .owners
            .iter()
            .map(|it| it.map_or("-".to_owned(), name_of));
        format!(
            "  {}: {}{}, epoch {}/{}, ok {}, offset {}, owners [{}], {:?}, knows {}",
            process.pod,
            table
                .leader
                .map_or("leads".to_owned(), |id| format!("follows {}", name_of(id))),
            if process.is_open { "" } else { ", closed" },
            table.epoch,
            table.current_epoch,
            table.ok,
            process.data.offset(),
            owners.collect::<Vec<_>>().join(" "),
            process.upstream,
            nodes.collect::<Vec<_>>().join(" "),
        )
    };
    let idle = world.pods.iter().filter(|(_, pod)| {
        let is_alive = |key| world.proc(key).is_alive;
        !pod.proc.is_some_and(is_alive)
    });
    let idle = idle.map(|(name, pod)| {
        let (phase, asked) = (&pod.view.phase, pod.asked_to_go);
        format!(
            "  pod {name} without a process: {phase:?}, asked to go {asked:?}, host {:?}",
            pod.host
        )
    });
    let entry = |entry: &zoneward_operator::model::Enrolled| {
        let silent = entry.silent_since.map(|at| at.to_string());
        format!(
            "  on record: {}, surplus {}, joined {}, volume {:?}, silent since {silent:?}, in sync {:?}",
            entry.name,
            entry.surplus,
            entry.joined,
            entry.volume,
            entry.synced_run.as_ref().zip(entry.synced_with.as_ref()),
        )
    };
    let record = world.status().record;
    world
        .alive()
        .map(line)
        .chain(idle)
        .chain(record.members.iter().map(entry))
        .collect()
}
