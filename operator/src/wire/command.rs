//! Carries out one [`MemberCommand`], after looking again at what it builds on.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use super::error::{Unreadable, WireError};
use super::info::Info;
use super::link::{Connection, text};
use super::{cluster_nodes, settings, users};
use crate::model::{Address, MemberId, Role, SlotSet, UpstreamLink, ViewEntry};
use crate::plan::{FED_SECONDS, FailoverMode, MemberCommand};
use crate::ports::Credentials;

/// What others may log in with.
pub(super) struct Keyring<'a> {
    /// What the Secrets say.
    pub(super) credentials: &'a Credentials,
    /// Hashes of what clients use at other members besides.
    pub(super) former: BTreeSet<String>,
}

/// How long a command may take, its preconditions' check included. Past it nobody knows whether
/// it was done: a later round looks.
pub(super) fn time_limit(command: &MemberCommand) -> Duration {
    match command {
        // The server drops its old data before it answers.
        MemberCommand::Replicate { .. } => Duration::from_secs(10),
        // Hundreds of commands in one pipeline.
        MemberCommand::Meet(_) => Duration::from_secs(5),
        _ => Duration::from_secs(2),
    }
}

/// Sends it over a connection to the process that was meant.
pub(super) async fn carry_out(
    connection: &mut Connection,
    keys: &Keyring<'_>,
    command: &MemberCommand,
) -> Result<(), WireError> {
    if let MemberCommand::Failover { mode, of } = command {
        check_failover(connection, *mode, of).await?;
    }
    if matches!(command, MemberCommand::HoldWrites { .. }) {
        check_leads(connection).await?;
    }
    let pipeline = match command {
        MemberCommand::SeizeSlots { slots, of } => seize(connection, slots, of.as_ref()).await?,
        MemberCommand::DisownSlots { slots, of } => disown(connection, slots, of).await?,
        _ => pipeline(connection, keys, command).await?,
    };
    let replies = connection.exchange(&pipeline).await?;
    match replies.iter().find_map(first_error) {
        Some(error) if is_content(command, &error) => Ok(()),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// FAILOVER answers OK with the replication link down, and the leader then blocks its writes for
/// 5 s for nothing (REDIS-LAB section 4). And a member that follows another leader by now would
/// take over from the wrong one.
async fn check_failover(
    connection: &mut Connection,
    mode: FailoverMode,
    of: &MemberId,
) -> Result<(), WireError> {
    let mut questions = redis::pipe();
    questions.cmd("CLUSTER").arg("NODES");
    questions.cmd("INFO").arg("replication");
    let replies = connection.exchange(&questions).await?;
    if let Some(error) = replies.iter().find_map(first_error) {
        return Err(error);
    }
    let mut replies = replies.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let nodes = cluster_nodes::parse(&text(next())?)?;
    let own = nodes.iter().find(|entry| entry.flags.myself);
    let own = own.ok_or_else(|| Unreadable::new("the member's own line", ""))?;
    if own.role != Role::Follower || own.leader.as_ref() != Some(of) {
        return Err(WireError::Precondition("it follows that leader"));
    }
    let info = text(next())?;
    let link = Info::parse(&info).replication()?.upstream;
    let is_fed = |link: &UpstreamLink| {
        let heard = link.last_io_seconds.is_some_and(|age| age < FED_SECONDS);
        link.is_up && heard
    };
    match mode {
        FailoverMode::Graceful => {
            let in_sync = link.is_some_and(|link| link.is_up && !link.is_syncing);
            let what = "its replication link is up and in sync";
            in_sync.then_some(()).ok_or(WireError::Precondition(what))
        }
        // the leader came back since it was looked at: what its clients write would be lost
        FailoverMode::Force | FailoverMode::Takeover => {
            let lost = link.is_none_or(|link| !is_fed(&link));
            let what = "its leader feeds it no more";
            lost.then_some(()).ok_or(WireError::Precondition(what))
        }
    }
}

/// A follower that holds writes holds those of its leader, too.
async fn check_leads(connection: &mut Connection) -> Result<(), WireError> {
    let mut question = redis::pipe();
    question.cmd("INFO").arg("replication");
    let replies = connection.exchange(&question).await?;
    if let Some(error) = replies.iter().find_map(first_error) {
        return Err(error);
    }
    let info = text(replies.into_iter().next().unwrap_or(Value::Nil))?;
    let leads = Info::parse(&info).replication()?.upstream.is_none();
    leads
        .then_some(())
        .ok_or(WireError::Precondition("it leads"))
}

/// What has to be sent to a member so that it owns these slots: its table must give them up before it
/// can take them, and the others believe a claim with a higher epoch only. What an earlier try has
/// done already is left out.
async fn seize(
    connection: &mut Connection,
    slots: &SlotSet,
    of: Option<&MemberId>,
) -> Result<Pipeline, WireError> {
    let mut questions = redis::pipe();
    questions.cmd("CLUSTER").arg("NODES");
    questions.cmd("DBSIZE");
    let mut replies = connection.exchange(&questions).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let nodes = cluster_nodes::parse(&text(next())?)?;
    let is_empty = next() == Value::Int(0);
    let leads = |entry: &ViewEntry| entry.flags.myself && !entry.slots.is_empty();
    if !is_empty && !nodes.iter().any(leads) {
        return Err(WireError::Precondition("it is empty, or leads slots"));
    }
    let mut own = SlotSet::empty();
    let mut given_up = SlotSet::empty();
    for entry in &nodes {
        let wanted = entry.slots.difference(&entry.slots.difference(slots));
        if entry.flags.myself {
            if entry.role != Role::Leader {
                return Err(WireError::Precondition("it follows nobody"));
            }
            own = wanted;
        } else if Some(&entry.id) == of {
            given_up = given_up.union(&wanted);
        } else if !wanted.is_empty() {
            return Err(WireError::Precondition("the slots have no other owner"));
        }
    }
    let mut pipeline = redis::pipe();
    if !given_up.is_empty() {
        pipeline.add_command(with_slots("DELSLOTSRANGE", &given_up));
    }
    let missing = slots.difference(&own);
    if !missing.is_empty() {
        pipeline.add_command(with_slots("ADDSLOTSRANGE", &missing));
    }
    pipeline.cmd("CLUSTER").arg("BUMPEPOCH");
    Ok(pipeline)
}

/// The slots that its table gives to that one are given to nobody; others have been heard of meanwhile.
async fn disown(
    connection: &mut Connection,
    slots: &SlotSet,
    of: &MemberId,
) -> Result<Pipeline, WireError> {
    let mut question = redis::pipe();
    question.cmd("CLUSTER").arg("NODES");
    let replies = connection.exchange(&question).await?;
    let nodes = cluster_nodes::parse(&text(replies.into_iter().next().unwrap_or(Value::Nil))?)?;
    let lost = nodes.iter().find(|entry| &entry.id == of);
    let its = lost.map(|lost| lost.slots.intersection(slots));
    let its = its.filter(|its| !its.is_empty());
    let what = "its table gives them to that one";
    let its = its.ok_or(WireError::Precondition(what))?;
    let mut pipeline = redis::pipe();
    pipeline.add_command(with_slots("DELSLOTSRANGE", &its));
    Ok(pipeline)
}

async fn pipeline(
    connection: &mut Connection,
    keys: &Keyring<'_>,
    command: &MemberCommand,
) -> Result<Pipeline, WireError> {
    let mut pipeline = redis::pipe();
    match command {
        MemberCommand::CloseSlots(slots) => {
            for slot in slots.iter() {
                let cmd = pipeline.cmd("CLUSTER").arg("SETSLOT");
                cmd.arg(slot.number()).arg("STABLE");
            }
        }
        MemberCommand::Meet(addresses) => {
            for address in addresses {
                pipeline.add_command(meet(*address));
            }
        }
        MemberCommand::OpenToFollowers => {
            pipeline.add_command(users::open_replication(keys.credentials)?);
        }
        MemberCommand::Open => {
            // Together, so that nobody finds the one open and the other closed.
            pipeline.cmd("MULTI");
            pipeline.add_command(users::open_replication(keys.credentials)?);
            pipeline.add_command(users::open_to_clients(keys.credentials, &keys.former)?);
            pipeline.cmd("EXEC");
        }
        MemberCommand::ReloadCertificate => {
            // said again to the same files, it reads them again
            let files = ["tls-cert-file", "tls-key-file", "tls-ca-cert-file"];
            pipeline.add_command(again(connection, &files).await?);
        }
        MemberCommand::Passwords(step) => {
            for cmd in users::step(keys.credentials, *step)? {
                pipeline.add_command(cmd);
            }
        }
        _ => {
            pipeline.add_command(single(command)?);
        }
    }
    Ok(pipeline)
}

/// Sets directives to what they are: one that is about a file has it read again.
async fn again(connection: &mut Connection, names: &[&str]) -> Result<Cmd, WireError> {
    let mut question = redis::pipe();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    question.add_command(settings::question(&names));
    let reply = connection.exchange(&question).await?.into_iter().next();
    let in_force = settings::read(reply.unwrap_or(Value::Nil))?;
    let mut cmd = redis::cmd("CONFIG");
    cmd.arg("SET");
    for (name, value) in &in_force {
        cmd.arg(name).arg(value);
    }
    Ok(cmd)
}

/// The commands that are one command to the server, too.
fn single(command: &MemberCommand) -> Result<Cmd, WireError> {
    let mut cmd = redis::cmd("CLUSTER");
    match command {
        MemberCommand::SetConfigEpoch(epoch) => cmd.arg("SET-CONFIG-EPOCH").arg(epoch.0),
        MemberCommand::AddSlots(slots) => return Ok(with_slots("ADDSLOTSRANGE", slots)),
        MemberCommand::Replicate { leader } => cmd.arg("REPLICATE").arg(leader.as_str()),
        MemberCommand::Forget(id) => cmd.arg("FORGET").arg(id.as_str()),
        MemberCommand::Failover { mode, .. } => {
            cmd.arg("FAILOVER");
            match mode {
                FailoverMode::Graceful => &mut cmd,
                FailoverMode::Force => cmd.arg("FORCE"),
                FailoverMode::Takeover => cmd.arg("TAKEOVER"),
            }
        }
        MemberCommand::SetNodeTimeout { millis } => {
            cmd = redis::cmd("CONFIG");
            cmd.arg("SET").arg("cluster-node-timeout").arg(*millis)
        }
        MemberCommand::HoldWrites { millis } => {
            cmd = redis::cmd("CLIENT");
            cmd.arg("PAUSE").arg(*millis).arg("WRITE")
        }
        MemberCommand::AcknowledgeDeparture => return Ok(users::acknowledge_departure()),
        MemberCommand::ReleaseDeparture => return Ok(users::release_departure()),
        MemberCommand::Meet(_)
        | MemberCommand::OpenToFollowers
        | MemberCommand::Open
        | MemberCommand::Configure(_)
        | MemberCommand::Passwords(_)
        | MemberCommand::ReloadCertificate
        | MemberCommand::SeizeSlots { .. }
        | MemberCommand::DisownSlots { .. }
        | MemberCommand::MoveSlots { .. }
        | MemberCommand::CloseSlots(_) => {
            return Err(WireError::Precondition("it is one command"));
        }
    };
    Ok(cmd)
}

/// The bus port is the client port + 10000, as everywhere in Zoneward, so it need not be told.
fn meet(address: Address) -> Cmd {
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg("MEET")
        .arg(address.ip.to_string())
        .arg(address.port);
    cmd
}

fn with_slots(subcommand: &str, slots: &SlotSet) -> Cmd {
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg(subcommand);
    for range in slots.ranges() {
        cmd.arg(range.start()).arg(range.end());
    }
    cmd
}

/// Errors that say that the command's end is reached already.
fn is_content(command: &MemberCommand, error: &WireError) -> bool {
    match (command, error) {
        (MemberCommand::Forget(_), WireError::Declined(error)) => error
            .details()
            .is_some_and(|details| details.starts_with("Unknown node")),
        _ => false,
    }
}

/// The first error in a reply; EXEC's is a list of replies.
pub(super) fn first_error(reply: &Value) -> Option<WireError> {
    match reply {
        Value::ServerError(error) => Some(WireError::Declined(error.clone())),
        Value::Array(replies) => replies.iter().find_map(first_error),
        _ => None,
    }
}
