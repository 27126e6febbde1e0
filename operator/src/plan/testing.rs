//! Small worlds for the tests of `plan` and `status`.

use jiff::Timestamp;

use crate::model::{
    ClusterView, CurrentEpoch, Engine, Enrolled, HostName, HostView, MemberAnswer, MemberId,
    MemberName, PodPhase, PodUid, PodView, Replication, RunId, ShardId, Version, ZoneName,
};

/// A member on the roster, never seen.
pub(crate) fn enrolled(name: &str, shard: u32, zone: &str) -> Enrolled {
    Enrolled {
        name: MemberName::from(name),
        shard: ShardId(shard),
        zone: ZoneName::from(zone),
        volume: None,
        pod_uid: None,
        member_id: None,
        host: None,
        joined: false,
        silent_since: None,
        surplus: false,
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
        is_leaving: false,
        gate_is_open: false,
        role_label: None,
        volume: None,
        created: Timestamp::UNIX_EPOCH,
    }
}

/// A host that is well.
pub(crate) fn host(name: &str, zone: &str) -> HostView {
    HostView {
        name: HostName::from(name),
        zone: Some(ZoneName::from(zone)),
        is_ready: true,
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
        is_open: false,
        node_timeout_millis: 2000,
        replication: Replication {
            replication_id: "r".to_owned(),
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
