//! The two ends of a move: connections of its own to exactly the processes that were meant.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use redis::{Cmd, Pipeline, Value};
use tokio::time::timeout;

use super::super::cluster_nodes;
use super::super::command::first_error;
use super::super::error::{Unreadable, WireError};
use super::super::link::{Connection, Link, text};
use super::super::users::{self, OPERATOR_USER};
use super::super::wake::Alarm;
use crate::model::{MemberId, OpenSlot, Role, Slot, SlotSet, ViewEntry};
use crate::plan::MemberRef;
use crate::ports::{AskTarget, Credentials};

/// The longest that an exchange may take.
const STEP_LIMIT: Duration = Duration::from_secs(7);

/// A source and a target.
pub(super) struct Ends {
    pub(super) source: End,
    pub(super) target: End,
}

/// One of them.
pub(super) struct End {
    connection: Connection,
    /// More connections, for what blocks the one that it came by.
    lanes: Vec<Connection>,
    link: Link,
    pub(super) id: MemberId,
    pub(super) member: MemberRef,
    password: String,
    credentials: Credentials,
}

/// What a member says of its slots.
pub(super) struct Holding {
    pub(super) owned: SlotSet,
    pub(super) open: SlotSet,
}

impl Ends {
    pub(super) async fn connect(
        target: &AskTarget,
        from: &MemberRef,
        to: &MemberRef,
        alarm: &Alarm,
    ) -> Result<Self, WireError> {
        let end = async |member: &MemberRef| {
            let link = Link::new(target.cluster.clone(), member.address, alarm.clone());
            End::connect(link, member, &target.credentials).await
        };
        Ok(Self {
            source: end(from).await?,
            target: end(to).await?,
        })
    }
}

impl End {
    async fn connect(
        link: Link,
        member: &MemberRef,
        credentials: &Credentials,
    ) -> Result<Self, WireError> {
        let connection = to_run(link.connection(credentials).await?, member)?;
        let password = credentials.operator.as_ref();
        let password = password.ok_or(WireError::MissingPassword {
            user: OPERATOR_USER,
        })?;
        Ok(Self {
            connection,
            lanes: Vec::new(),
            link,
            id: member.id.clone(),
            member: member.clone(),
            password: password.reveal().to_owned(),
            credentials: credentials.clone(),
        })
    }

    /// What servers log in to this one with.
    pub(super) fn login(&self) -> (&'static str, &str) {
        (OPERATOR_USER, &self.password)
    }

    /// Whether it answers `SETSLOT` only when its followers have done the same.
    pub(super) fn waits_for_followers(&self) -> bool {
        self.connection.waits_for_followers()
    }

    /// What followers may do, and no more.
    pub(super) fn usual_rules(&self) -> Result<Cmd, WireError> {
        users::open_replication(&self.credentials)
    }

    /// All replies, errors among them.
    pub(super) async fn exchange(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, WireError> {
        match timeout(STEP_LIMIT, self.connection.exchange(pipeline)).await {
            Ok(replies) => replies,
            Err(_) => Err(WireError::TimedOut(STEP_LIMIT)),
        }
    }

    /// The replies to commands that Valkey answers once its followers have done the same (`SETSLOT`; 10 ms
    /// each, measured on 8.1.1). It takes the next one of a connection only then, so each goes by one of
    /// its own, and one answer of the followers is good for all. Redis answers at once.
    pub(super) async fn side_by_side(&mut self, cmds: &[Cmd]) -> Result<Vec<Value>, WireError> {
        if !self.waits_for_followers() {
            let mut pipeline = Pipeline::new();
            for cmd in cmds {
                pipeline.add_command(cmd.clone());
            }
            return self.exchange(&pipeline).await;
        }
        let lacking = cmds.len().saturating_sub(self.lanes.len());
        let (link, credentials) = (&self.link, &self.credentials);
        let more = (0..lacking).map(|_| link.another(credentials));
        for lane in try_join_all(more).await? {
            self.lanes.push(to_run(lane, &self.member)?);
        }
        let sent = self.lanes.iter_mut().zip(cmds).map(async |(lane, cmd)| {
            let mut pipeline = Pipeline::new();
            pipeline.add_command(cmd.clone());
            let replies = lane.exchange(&pipeline).await?;
            Ok(replies.into_iter().next().unwrap_or(Value::Nil))
        });
        match timeout(STEP_LIMIT, join_all(sent)).await {
            Ok(replies) => replies.into_iter().collect(),
            Err(_) => Err(WireError::TimedOut(STEP_LIMIT)),
        }
    }

    /// All replies, where none is an error.
    pub(super) async fn ask(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, WireError> {
        let replies = self.exchange(pipeline).await?;
        match replies.iter().find_map(first_error) {
            Some(error) => Err(error),
            None => Ok(replies),
        }
    }

    /// Its own line; an error where it does not lead any more.
    pub(super) async fn holding(&mut self) -> Result<Holding, WireError> {
        let mut question = redis::pipe();
        question.cmd("CLUSTER").arg("NODES");
        let reply = self.ask(&question).await?.into_iter().next();
        let lines = cluster_nodes::parse(&text(reply.unwrap_or(Value::Nil))?)?;
        let is_own = |line: &ViewEntry| line.flags.myself;
        let own = lines.into_iter().find(is_own);
        let own = own.ok_or_else(|| Unreadable::new("the member's own line", ""))?;
        if own.role != Role::Leader {
            return Err(WireError::Precondition("both ends lead"));
        }
        Ok(Holding {
            owned: own.slots,
            open: own.open_slots.iter().map(OpenSlot::slot).collect(),
        })
    }

    /// How many keys it has in each of these slots, and that it leads still.
    pub(super) async fn counts(&mut self, slots: &[Slot]) -> Result<Vec<u64>, WireError> {
        let mut questions = redis::pipe();
        for slot in slots {
            let cmd = questions.cmd("CLUSTER").arg("COUNTKEYSINSLOT");
            cmd.arg(slot.number());
        }
        questions.cmd("ROLE");
        let mut replies = self.ask(&questions).await?;
        let role = replies.pop();
        let leads = role.is_some_and(|role| leads(&role));
        if !leads {
            return Err(WireError::Precondition("both ends lead"));
        }
        let number = |reply: Value| {
            let shown = format!("{reply:?}");
            redis::from_redis_value(reply).map_err(|_| Unreadable::new("a number", &shown).into())
        };
        replies.into_iter().map(number).collect()
    }
}

/// The connection, where it leads to the process that was meant.
fn to_run(connection: Connection, member: &MemberRef) -> Result<Connection, WireError> {
    if connection.run_id() == &member.run_id {
        return Ok(connection);
    }
    let found = connection.run_id().clone();
    Err(WireError::AnotherRun { found })
}

fn leads(role: &Value) -> bool {
    let Some([first, ..]) = role.as_sequence() else {
        return false;
    };
    text(first.clone()).is_ok_and(|role| role == "master")
}

/// `CLUSTER SETSLOT slot …`.
pub(super) fn set_slot(slot: Slot, what: &str, id: Option<&MemberId>) -> Cmd {
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg("SETSLOT").arg(slot.number()).arg(what);
    if let Some(id) = id {
        cmd.arg(id.as_str());
    }
    cmd
}
