//! Asks a member everything, in one round trip.

use redis::{Pipeline, Value};

use super::access::{UPSTREAM_PASSWORD, Users};
use super::error::{Unreadable, WireError};
use super::info::Info;
use super::link::{Connection, Link, text};
use super::settings;
use super::users::{CLIENT_USER, OPERATOR_USER, REPLICATION_USER};
use super::{acl, cluster_nodes};
use crate::model::{
    Access, ClusterView, CurrentEpoch, Disk, MemberAnswer, Replication, Role, Settings, Traffic,
    UpstreamLink, ViewEntry,
};
use crate::ports::AskTarget;

const NODE_TIMEOUT: &str = "cluster-node-timeout";

/// Asks, and puts the replies together.
///
/// While a server reads its data from disk, redis (7.0, 8.0) declines `CLUSTER` with `LOADING`,
/// so there is no answer to give; valkey (8.1, 9.1) answers everything, and `loading` tells.
pub(super) async fn ask(
    connection: &mut Connection,
    target: &AskTarget,
    link: &Link,
) -> Result<MemberAnswer, WireError> {
    let (wanted, credentials) = (target.settings.as_ref(), target.credentials.as_ref());
    let replies = connection.exchange(&questions(wanted)).await?;
    let mut replies = replies.into_iter();
    let mut next = || match replies.next() {
        Some(Value::ServerError(error)) => Err(WireError::Declined(error)),
        Some(reply) => Ok(reply),
        None => Err(Unreadable::new("a reply", "").into()),
    };
    // In the order of the questions.
    let nodes = text(next()?)?;
    let cluster_info = text(next()?)?;
    let info = text(next()?)?;
    let users = Users {
        clients: acl::user(&next()?)?,
        followers: acl::user(&next()?)?,
        operator: acl::user(&next()?)?,
    };
    link.note_former(users.former_of_clients(credentials));
    let in_force = settings::read(next()?)?;
    let node_timeout_millis = node_timeout(&in_force)?;

    let info = Info::parse(&info);
    let view = view(&nodes, &Info::parse(&cluster_info))?;
    let (engine, version) = info.server()?;
    let run_id = info.run_id()?;
    Ok(MemberAnswer {
        id: view.myself.clone(),
        deviations: link.tried().deviations(&run_id, wanted, &in_force),
        access: Access {
            presents_former: connection.presents_former(credentials.trust.as_ref()),
            ..users.access(credentials, &in_force)
        },
        run_id,
        engine,
        version,
        uptime_seconds: info.number("uptime_in_seconds")?,
        loading: info.is_set("loading") || info.is_set("async_loading"),
        keys: info.keys(),
        used_memory_bytes: info.number("used_memory")?,
        connected_clients: info.number("connected_clients")?,
        traffic: Traffic {
            commands: info.number("total_commands_processed")?,
            hits: info.number("keyspace_hits")?,
            misses: info.number("keyspace_misses")?,
        },
        disk: Disk {
            append_fails: info.says("aof_last_write_status", "err"),
            snapshot_fails: info.says("rdb_last_bgsave_status", "err"),
        },
        is_open: users.are_let_in(),
        is_open_to_followers: users.followers_are_let_in(),
        node_timeout_millis,
        replication: with_upstream(info.replication()?, view.own_entry()),
        view,
    })
}

fn questions(wanted: &Settings) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLUSTER").arg("NODES");
    pipeline.cmd("CLUSTER").arg("INFO");
    pipeline.cmd("INFO").arg(&[
        "server",
        "clients",
        "memory",
        "persistence",
        "replication",
        // 1.3 to 2 kB and 3 to 9 us more of an answer (the four engines)
        "stats",
        "keyspace",
    ]);
    pipeline.cmd("ACL").arg("GETUSER").arg(CLIENT_USER);
    pipeline.cmd("ACL").arg("GETUSER").arg(REPLICATION_USER);
    pipeline.cmd("ACL").arg("GETUSER").arg(OPERATOR_USER);
    let own = [NODE_TIMEOUT, UPSTREAM_PASSWORD].map(str::to_owned);
    pipeline.add_command(settings::question(wanted.keys().chain(&own)));
    pipeline
}

fn view(nodes: &str, info: &Info<'_>) -> Result<ClusterView, Unreadable> {
    let entries = cluster_nodes::parse(nodes)?;
    let own = entries.iter().find(|entry| entry.flags.myself);
    let myself = own.map(|entry| entry.id.clone());
    Ok(ClusterView {
        myself: myself.ok_or_else(|| Unreadable::new("the member's own line", nodes))?,
        says_ok: info.text("cluster_state")? == "ok",
        current_epoch: CurrentEpoch(info.number("cluster_current_epoch")?),
        entries,
    })
}

/// A follower started over a table that flags its leader `noaddr` copies from nobody, and INFO
/// then says `role:master` (all four engines). Its own line in the table tells what it is.
fn with_upstream(mut replication: Replication, own: Option<&ViewEntry>) -> Replication {
    if replication.upstream.is_none() && own.is_some_and(|own| own.role == Role::Follower) {
        replication.upstream = Some(UpstreamLink {
            host: String::new(),
            port: 0,
            is_up: false,
            is_syncing: false,
            last_io_seconds: None,
            down_seconds: None,
        });
    }
    replication
}

fn node_timeout(in_force: &Settings) -> Result<u64, Unreadable> {
    let bad = || Unreadable::new(NODE_TIMEOUT, "CONFIG GET without it");
    let text = in_force.get(NODE_TIMEOUT).ok_or_else(bad)?;
    text.parse()
        .map_err(|_| Unreadable::new(NODE_TIMEOUT, text))
}
