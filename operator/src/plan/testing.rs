//! Small worlds for the tests of `plan` and `status`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::{Persistence, PodTemplate, QuorumLossPolicy, ShardLossPolicy, WhenUnsatisfiable};
use crate::model::{
    Access, Address, Asked, Auth, ClusterKey, ClusterView, ConfigEpoch, CurrentEpoch, Desired,
    Disk, Engine, Enrolled, HostName, HostView, MemberAnswer, MemberId, MemberName, Observation,
    PodPhase, PodUid, PodView, Record, Replication, Reshard, Role, Rollout, RunId, SecretsView,
    Serial, ShardId, SlotSet, Traffic, Transfer, UpstreamLink, Version, ViewEntry, ViewFlags,
    ZoneName, Zones,
};

/// A member on the roster, never seen.
pub(crate) fn enrolled(name: &str, shard: u32, zone: &str) -> Enrolled {
    Enrolled {
        name: MemberName::from(name),
        shard: ShardId(shard),
        zone: ZoneName::from(zone),
        volume: None,
        pod_uid: None,
        made_from: None,
        member_id: None,
        host: None,
        joined: false,
        synced_run: None,
        synced_with: None,
        silent_since: None,
        gone_since: None,
        has_ended: false,
        ended_unseen: false,
        address: None,
        surplus: false,
        started_before_config: false,
        restarts: false,
    }
}

/// Its pod, running.
pub(crate) fn pod(name: &str, shard: u32, zone: &str) -> PodView {
    PodView {
        name: MemberName::from(name),
        uid: PodUid::new(format!("uid-{name}")),
        shard: ShardId(shard),
        zone: ZoneName::from(zone),
        host: Some(HostName::from("h")),
        address: None,
        phase: PodPhase::Running,
        end: None,
        is_leaving: false,
        gate_is_open: false,
        is_to_lead: false,
        role_label: None,
        volume: None,
        fingerprint: None,
        created: Timestamp::UNIX_EPOCH,
    }
}

/// A host that is well.
pub(crate) fn host(name: &str, zone: &str) -> HostView {
    HostView {
        name: HostName::from(name),
        zone: Some(ZoneName::from(zone)),
        is_ready: true,
        ready_since: Some(Timestamp::UNIX_EPOCH),
        is_schedulable: true,
        is_out_of_service: false,
    }
}

/// The answer of a new member that knows nobody.
pub(crate) fn answer(id: &str) -> MemberAnswer {
    MemberAnswer {
        id: MemberId::from(id),
        run_id: RunId::new(format!("run-{id}")),
        engine: Engine::Redis,
        version: Version(8, 0, 0),
        uptime_seconds: 1,
        loading: false,
        keys: 0,
        used_memory_bytes: 0,
        connected_clients: 0,
        traffic: Traffic::default(),
        is_open: false,
        is_open_to_followers: false,
        node_timeout_millis: 2000,
        deviations: Vec::new(),
        access: Access::default(),
        disk: Disk::default(),
        replication: Replication {
            replication_id: "r".to_owned(),
            former_id: None,
            former_until: None,
            offset: 0,
            upstream: None,
            followers: Vec::new(),
        },
        view: ClusterView {
            myself: MemberId::from(id),
            says_ok: false,
            current_epoch: CurrentEpoch(0),
            entries: Vec::new(),
        },
    }
}

/// A spec of this many shards, in memory.
pub(crate) fn desired(leaders: u32, followers_per_leader: u32) -> Desired {
    Desired {
        key: ClusterKey {
            namespace: "default".to_owned(),
            name: "c".to_owned(),
        },
        uid: "u".to_owned(),
        generation: 1,
        image: "redis:8".to_owned(),
        leaders,
        followers_per_leader,
        zones: Zones {
            topology_key: "zone".to_owned(),
            allowed: Vec::new(),
            when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        },
        storage: None,
        persistence: Persistence::None,
        node_timeout_millis: 5000,
        config: BTreeMap::new(),
        auth: Auth {
            enabled: true,
            secret_name: None,
            grace_seconds: 3600,
            rotate_internal: None,
        },
        tls: None,
        pod: PodTemplate::default(),
        rollout: Rollout {
            surge: true,
            max_shards_at_once: 15,
        },
        zone_loss_millis: 2000,
        rehome_after_millis: 30_000,
        shard_loss: ShardLossPolicy::AcceptEmpty,
        quorum_loss: QuorumLossPolicy::Fenced,
        debounce_millis: 60_000,
        paused: false,
    }
}

/// Three shards over the zones a, b and c, whole and quiet: `c-<shard>-<serial>`, the leader of
/// shard s in zone s with serial 2s+1, its follower in the next zone with serial 2s+2. Ids are the
/// names with `id-` before them.
pub(crate) fn formed() -> Observation {
    let zones = ["a", "b", "c"];
    let mut seen = Observation {
        hosts: zones
            .iter()
            .map(|zone| host(&format!("h{zone}"), zone))
            .collect(),
        pods: Vec::new(),
        volumes: Vec::new(),
        objects: Vec::new(),
        secrets: SecretsView {
            internal_is_present: true,
            former_is_present: false,
            client_is_present: true,
            client_is_usable: true,
            certificate: None,
        },
        neighbours: BTreeMap::new(),
        listening_since: None,
        last_words: BTreeMap::new(),
        members: BTreeMap::new(),
        record: Record {
            next_serial: Serial(7),
            formed: true,
            ..Record::default()
        },
    };
    let entries = formed_entries();
    for (index, entry) in entries.iter().enumerate() {
        let (shard, follows) = (index / 2, index % 2);
        let zone = zones[(shard + follows) % 3];
        let name = entry.id.as_str().trim_start_matches("id-").to_owned();
        let shard_id = u32::try_from(shard).unwrap();
        let mut pod = pod(&name, shard_id, zone);
        pod.host = Some(HostName::new(format!("h{zone}")));
        pod.address = entry.address.map(|address| address.ip);
        pod.gate_is_open = true;
        pod.role_label = Some(entry.role);
        let mut enrolled = enrolled(&name, shard_id, zone);
        enrolled.pod_uid = Some(pod.uid.clone());
        enrolled.member_id = Some(entry.id.clone());
        enrolled.host.clone_from(&pod.host);
        enrolled.joined = true;
        seen.record.members.push(enrolled);
        seen.pods.push(pod);
        let asked = Asked::Answered(Box::new(formed_answer(entry, &entries)));
        seen.members.insert(MemberName::new(name), asked);
    }
    seen
}

fn formed_entries() -> Vec<ViewEntry> {
    (0..6_u8)
        .map(|index| {
            let shard = u32::from(index / 2);
            let leads = index % 2 == 0;
            let leader = MemberId::new(format!("id-c-{shard}-{}", 2 * shard + 1));
            ViewEntry {
                id: MemberId::new(format!("id-c-{shard}-{}", index + 1)),
                address: Some(Address {
                    ip: [10, 0, 0, index + 1].into(),
                    port: 6379,
                }),
                role: if leads { Role::Leader } else { Role::Follower },
                leader: (!leads).then_some(leader),
                flags: ViewFlags::default(),
                config_epoch: ConfigEpoch(u64::from(shard) + 1),
                link_up: true,
                slots: if leads {
                    SlotSet::even_share(shard, 3)
                } else {
                    SlotSet::empty()
                },
                open_slots: Vec::new(),
            }
        })
        .collect()
}

fn formed_answer(own: &ViewEntry, entries: &[ViewEntry]) -> MemberAnswer {
    let mut answer = answer(own.id.as_str());
    answer.keys = 100;
    (answer.is_open, answer.is_open_to_followers) = (true, true);
    answer.node_timeout_millis = 5000;
    answer.replication.offset = 1000;
    answer.replication.upstream = own.leader.as_ref().map(|leader| {
        let at = entries
            .iter()
            .find(|entry| &entry.id == leader)
            .and_then(|entry| entry.address);
        UpstreamLink {
            host: at.map(|address| address.ip.to_string()).unwrap_or_default(),
            port: 6379,
            is_up: true,
            is_syncing: false,
            last_io_seconds: Some(0),
            down_seconds: None,
        }
    });
    answer.view.says_ok = true;
    answer.view.entries = entries.to_vec();
    for entry in &mut answer.view.entries {
        entry.flags.myself = entry.id == own.id;
    }
    answer
}

/// The first ten slots of this shard are on the way from shard 0 to shard 1; the last one arrived then.
/// Gives them, too.
pub(crate) fn reshard(seen: &mut Observation, of: u32, moved: Option<Timestamp>) -> SlotSet {
    let slots = SlotSet::even_share(of, 3).first(10);
    seen.record.reshard = Some(Reshard {
        total: 10,
        leaders: 3,
        moved,
        transfers: vec![Transfer {
            from: ShardId(0),
            to: ShardId(1),
            slots: slots.clone(),
        }],
    });
    slots
}

/// The answer of this member, to be changed.
pub(crate) fn answer_of<'a>(seen: &'a mut Observation, name: &str) -> &'a mut MemberAnswer {
    match seen.members.get_mut(&MemberName::from(name)) {
        Some(Asked::Answered(answer)) => answer,
        other => panic!("{name} did not answer: {other:?}"),
    }
}
