//! Stands in for the Redis edge until `wire` is merged: reaches nobody. Delete it then, and let
//! `redis_admin` in main.rs return `Arc::new(RedisWire::new(waker))`.

use std::time::Duration;

use async_trait::async_trait;
use zoneward_operator::model::{ClusterKey, MemberAnswer, PodUid, SilenceReason};
use zoneward_operator::plan::{MemberCommand, MemberRef};
use zoneward_operator::ports::{AskTarget, CommandError, ErrorClass, RedisAdmin};

/// Reaches nobody.
pub(crate) struct Unwired;

#[async_trait]
impl RedisAdmin for Unwired {
    async fn ask(&self, _: &AskTarget, _: Duration) -> Result<MemberAnswer, SilenceReason> {
        Err(SilenceReason::Unreachable)
    }

    async fn command(
        &self,
        _: &AskTarget,
        member: &MemberRef,
        command: &MemberCommand,
    ) -> Result<(), CommandError> {
        Err(CommandError {
            member: member.name.clone(),
            command: command.to_string(),
            class: ErrorClass::Transient,
            source: None,
        })
    }

    fn retain(&self, _: &ClusterKey, _: &[PodUid]) {}
}
