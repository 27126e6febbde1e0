//! Ranges at once: `CLUSTER MIGRATESLOTS` (Valkey 9). The source streams a copy and all writes to it, and
//! hands the range over as a whole; if either end fails before that, nothing has moved.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::sleep;

use super::super::error::{Unreadable, WireError};
use super::super::link::text;
use super::super::users;
use super::Standing;
use super::ends::{End, Ends};
use crate::model::SlotSet;

/// Slots in one go: clients of the source wait while a range changes hands, the longer the more is in it
/// (REDIS-LAB section 9: 90 ms for 512 slots, 365 ms for 4096).
const SLOTS_AT_ONCE: u16 = 512;
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// Moves what the order says for as long as it stands. A job that runs at its end runs on in the servers.
pub(super) async fn move_slots(ends: &mut Ends, standing: &Standing) -> Result<(), WireError> {
    let outcome = move_ranges(ends, standing).await;
    // a job that runs on, or another source's, needs its rights
    if !is_importing(&mut ends.target).await? {
        let rules = ends.target.usual_rules()?;
        ends.target.ask(redis::pipe().add_command(rules)).await?;
    }
    outcome
}

async fn move_ranges(ends: &mut Ends, standing: &Standing) -> Result<(), WireError> {
    let mut asked_for = None;
    while let Some(order) = standing.now() {
        match last_job(&mut ends.source).await? {
            Some(job) if job.is_running() => {
                sleep(LOOK_EVERY).await;
                continue;
            }
            Some(job) if job.state == "failed" && asked_for.is_some() => {
                return Err(WireError::MoveFailed(job.message));
            }
            _ => {}
        }
        let wanted = order
            .slots
            .intersection(&ends.source.holding().await?.owned);
        if wanted.is_empty() || !order.begins {
            return Ok(());
        }
        let next = wanted.first(SLOTS_AT_ONCE);
        if asked_for.as_ref() == Some(&next) {
            sleep(LOOK_EVERY).await; // done, and the source's table is to follow
            asked_for = None;
            continue;
        }
        let mut letting_in = redis::pipe();
        letting_in.add_command(users::let_slots_in());
        ends.target.ask(&letting_in).await?;
        ends.source
            .ask(redis::pipe().add_command(migrate_slots(&next, ends.target.id.as_str())))
            .await?;
        asked_for = Some(next);
    }
    Ok(())
}

fn migrate_slots(slots: &SlotSet, to: &str) -> Cmd {
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg("MIGRATESLOTS").arg("SLOTSRANGE");
    for range in slots.ranges() {
        cmd.arg(range.start()).arg(range.end());
    }
    cmd.arg("NODE").arg(to);
    cmd
}

/// An entry of `CLUSTER GETSLOTMIGRATIONS`.
struct JobView {
    state: String,
    message: String,
}

impl JobView {
    fn is_running(&self) -> bool {
        !matches!(self.state.as_str(), "success" | "failed" | "cancelled")
    }
}

/// The job that runs on this source, else the last one that it gave.
async fn last_job(source: &mut End) -> Result<Option<JobView>, WireError> {
    newest(source, "EXPORT").await
}

async fn is_importing(target: &mut End) -> Result<bool, WireError> {
    let newest = newest(target, "IMPORT").await?;
    Ok(newest.is_some_and(|job| job.is_running()))
}

/// Of one direction.
async fn newest(end: &mut End, direction: &str) -> Result<Option<JobView>, WireError> {
    let mut question = redis::pipe();
    question.cmd("CLUSTER").arg("GETSLOTMIGRATIONS");
    let reply = end.ask(&question).await?.into_iter().next();
    let bad = || Unreadable::new("slot migrations", "GETSLOTMIGRATIONS");
    let reply = reply.ok_or_else(bad)?;
    let mut last: Option<JobView> = None;
    for job in reply.as_sequence().ok_or_else(bad)? {
        let field = |wanted: &str| -> Result<String, WireError> {
            let mut fields = job.as_map_iter().ok_or_else(bad)?;
            let found = fields.find(|(key, _)| text((*key).clone()).is_ok_and(|it| it == wanted));
            found.map_or(Ok(String::new()), |(_, value)| match value {
                Value::Nil => Ok(String::new()),
                value => text(value.clone()),
            })
        };
        if field("operation")? != direction {
            continue;
        }
        let view = JobView {
            state: field("state")?,
            message: field("message")?,
        };
        if view.is_running() {
            return Ok(Some(view));
        }
        // the newest stands first
        last.get_or_insert(view);
    }
    Ok(last)
}
