//! The users of a member, and what each may do.
//!
//! Every process starts closed: its config file defines `default` and `replication` as off (see
//! `resources`), so nobody can read from it, write to it or copy it until the operator says so.
//! ACL users belong to one process: they are neither replicated nor, here, saved, so a new process
//! is closed again. The same makes them good marks for the preStop hook, which polls for them.

use std::collections::BTreeSet;

use redis::Cmd;

use super::access::{UPSTREAM_PASSWORD, hash};
use super::error::WireError;
use crate::plan::PasswordStep;
use crate::ports::{Credentials, Password};

/// The operator's own user.
pub const OPERATOR_USER: &str = "zoneward";
/// Everybody else's.
pub const CLIENT_USER: &str = "default";
/// What followers log in as to copy (`masteruser`).
pub const REPLICATION_USER: &str = "replication";
/// Exists when the operator has taken note of the departure of this process.
pub const DEPARTURE_ACKNOWLEDGED: &str = "zoneward-departure-acknowledged";
/// Exists when this process may go.
pub const DEPARTURE_RELEASED: &str = "zoneward-departure-released";

/// What `default` may do, in this order, and why. All rules are known to redis 7.0 to 8.0 and
/// valkey 8.0 to 9.1 alike (`ACL SETUSER` refuses the whole user for one unknown rule); what
/// client libraries need of `CLUSTER` to find their way (NODES, SLOTS, SHARDS, INFO, KEYSLOT, …)
/// is in no dangerous category and needs no rule.
const CLIENT_RULES: &[(&str, &str)] = &[
    ("~*", "all keys"),
    ("&*", "all channels"),
    ("+@all", "whatever commands a version adds"),
    (
        "-@dangerous",
        "those that rule the server (@admin is part of it): the operator does that",
    ),
    ("+info", "libraries and monitoring ask for it at connect"),
    ("+role", "libraries ask whom they talk to"),
    ("+cluster|replicas", "libraries find followers to read from"),
    ("+cluster|slaves", "the same, under its old name"),
    ("+module|list", "libraries ask what is there"),
    ("+client|list", "queues and pools count their workers by it"),
    ("+client|unblock", "libraries end blocking calls by it"),
    ("+keys", "slow, but their own keys"),
    ("+sort", "their own keys"),
    ("+sort_ro", "their own keys"),
    ("+flushdb", "caches are emptied so; their own keys"),
    ("+flushall", "the same: a cluster has one database"),
    ("+restore", "imports write so; the counterpart of DUMP"),
    ("+slowlog|get", "monitoring reads it"),
    ("+slowlog|len", "monitoring reads it"),
    ("+latency|latest", "monitoring reads it"),
    ("+latency|history", "monitoring reads it"),
    ("+latency|histogram", "monitoring reads it"),
    ("+lastsave", "monitoring reads it"),
];

// Not given back, on purpose: CONFIG GET shows `masterauth`, the password of `replication`;
// CLIENT KILL and PAUSE hit the operator's and the followers' connections; MONITOR shows others'
// data; MIGRATE moves keys past the operator and blocks the server; SAVE and BGSAVE fork it.

/// What a follower needs of its leader. SYNC is how valkey's followers with
/// `dual-channel-replication-enabled` fetch the full copy over their second connection.
const REPLICATION_RULES: &[&str] = &["-@all", "+psync", "+sync", "+replconf", "+ping"];

/// Switches `default` on. From scratch (`reset`), so that it says all there is to say, whatever
/// was before; connections that are logged in stay so.
///
/// `former`: hashes of passwords that other members take still, so that who has not moved to a new
/// one yet is let in here as well.
pub(super) fn open_to_clients(
    credentials: &Credentials,
    former: &BTreeSet<String>,
) -> Result<Cmd, WireError> {
    let mut cmd = set_user(CLIENT_USER);
    cmd.arg("reset").arg("on");
    if credentials.client_needs_password {
        cmd.arg(hashes_of(credentials.client_passwords(), CLIENT_USER)?);
        for hash in former {
            cmd.arg(format!("#{hash}"));
        }
    } else {
        cmd.arg("nopass");
    }
    for (rule, _) in CLIENT_RULES {
        cmd.arg(*rule);
    }
    Ok(cmd)
}

/// Switches `replication` on.
pub(super) fn open_replication(credentials: &Credentials) -> Result<Cmd, WireError> {
    let mut cmd = set_user(REPLICATION_USER);
    cmd.arg("reset").arg("on");
    cmd.arg(hashes_of(
        credentials.follower_passwords(),
        REPLICATION_USER,
    )?);
    cmd.arg("resetchannels").arg(REPLICATION_RULES);
    Ok(cmd)
}

/// What another leader needs that hands a range of slots over (`CLUSTER MIGRATESLOTS`): it logs in as a
/// follower does, and what it streams is checked against that user's rules (measured, Valkey 9.1.2: NOPERM
/// for SELECT). Only servers that have the command know the first rule.
const SLOT_RULES: &[&str] = &[
    "+cluster|syncslots",
    "~*",
    "+select",
    "+@write",
    "+@transaction",
];

/// Lets other leaders hand slots over, until [`open_replication`] is said again.
pub(super) fn let_slots_in() -> Cmd {
    let mut cmd = set_user(REPLICATION_USER);
    cmd.arg(SLOT_RULES);
    cmd
}

/// Tells the preStop hook that its process' departure is being seen to.
pub(super) fn acknowledge_departure() -> Cmd {
    mark(DEPARTURE_ACKNOWLEDGED)
}

/// Tells the preStop hook that its process may go.
pub(super) fn release_departure() -> Cmd {
    mark(DEPARTURE_RELEASED)
}

/// A user that can do nothing: its being there is the message.
fn mark(user: &str) -> Cmd {
    let mut cmd = set_user(user);
    cmd.arg("off");
    cmd
}

fn set_user(user: &str) -> Cmd {
    let mut cmd = redis::cmd("ACL");
    cmd.arg("SETUSER").arg(user);
    cmd
}

/// The commands of a step of a change of passwords.
pub(super) fn step(credentials: &Credentials, step: PasswordStep) -> Result<Vec<Cmd>, WireError> {
    let of_clients = || hashes_of(credentials.client_passwords(), CLIENT_USER);
    let of_followers = || hashes_of(credentials.follower_passwords(), REPLICATION_USER);
    let of_operator = || hashes_of(credentials.operator_passwords(), OPERATOR_USER);
    let change = |user: &str, before: &[&str], hashes: Vec<String>| {
        let mut cmd = set_user(user);
        cmd.arg(before).arg(hashes);
        cmd
    };
    Ok(match step {
        PasswordStep::AdmitClients if !credentials.client_needs_password => {
            vec![open_to_clients(credentials, &BTreeSet::new())?]
        }
        PasswordStep::AdmitClients => vec![change(CLIENT_USER, &[], of_clients()?)],
        PasswordStep::RetireFormerOfClients => {
            vec![open_to_clients(credentials, &BTreeSet::new())?]
        }
        PasswordStep::AdmitOwn => vec![
            change(OPERATOR_USER, &[], of_operator()?),
            change(REPLICATION_USER, &[], of_followers()?),
        ],
        PasswordStep::FollowWithNew => {
            let password = credentials.replication.as_ref();
            let password = password.ok_or(WireError::MissingPassword {
                user: REPLICATION_USER,
            })?;
            let mut cmd = redis::cmd("CONFIG");
            cmd.arg("SET").arg(UPSTREAM_PASSWORD).arg(password.reveal());
            vec![cmd]
        }
        PasswordStep::RetireFormerOwn => vec![
            change(OPERATOR_USER, &["resetpass"], of_operator()?),
            change(REPLICATION_USER, &["resetpass"], of_followers()?),
        ],
    })
}

/// `#hash`, as config files say it: the password itself is in no server's slow log.
fn hashes_of<'a>(
    passwords: impl Iterator<Item = &'a Password>,
    user: &'static str,
) -> Result<Vec<String>, WireError> {
    let hashes: Vec<String> = passwords.map(|it| format!("#{}", hash(it))).collect();
    if hashes.is_empty() {
        return Err(WireError::MissingPassword { user });
    }
    Ok(hashes)
}
