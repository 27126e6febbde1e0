//! The plan in the making, with the limits that all steps share.

use super::{Action, Deed, MemberCommand, MemberRef, Plan, WaitingOn, WaitingReason};
use crate::model::{MemberName, Record};

/// What the steps add to.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    actions: Vec<Action>,
    waiting_on: Vec<WaitingOn>,
    /// The record as it shall be kept.
    pub(crate) record: Record,
}

impl Draft {
    /// Starts from the record with this round's facts in it.
    pub(crate) fn new(record: Record) -> Self {
        Self {
            record,
            ..Self::default()
        }
    }

    /// Do this, for this reason.
    pub(crate) fn act(&mut self, deed: Deed, why: impl Into<String>) {
        self.actions.push(Action {
            deed,
            why: why.into(),
        });
    }

    /// Tell this member that, for this reason.
    pub(crate) fn tell(
        &mut self,
        member: MemberRef,
        command: MemberCommand,
        why: impl Into<String>,
    ) {
        self.act(Deed::Command { member, command }, why);
    }

    /// Wait for this.
    pub(crate) fn wait(&mut self, reason: WaitingReason, message: impl Into<String>) {
        self.waiting_on.push(WaitingOn::new(reason, message));
    }

    /// Whether this is waited for already.
    pub(crate) fn waits_for(&self, reason: WaitingReason) -> bool {
        self.waiting_on.iter().any(|wait| wait.reason == reason)
    }

    /// Whether a failover of any kind is asked for already.
    pub(crate) fn asks_for_failover(&self) -> bool {
        self.actions.iter().any(|action| {
            matches!(
                action.deed,
                Deed::Command {
                    command: MemberCommand::Failover { .. },
                    ..
                }
            )
        })
    }

    /// Whether a failover is asked of this member.
    pub(crate) fn asks_for_failover_by(&self, name: &MemberName) -> bool {
        self.actions.iter().any(|action| {
            matches!(
                &action.deed,
                Deed::Command {
                    member,
                    command: MemberCommand::Failover { .. },
                } if &member.name == name
            )
        })
    }

    /// The plan.
    pub(crate) fn finish(self) -> Plan {
        let mut waiting_on = self.waiting_on;
        waiting_on.sort();
        waiting_on.dedup();
        Plan {
            actions: self.actions,
            record: self.record,
            waiting_on,
        }
    }
}
