//! A plain client: one connection, one command, as any user.

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult, Value};
use zoneward_operator::model::Address;

use crate::redis_cluster::CLIENT_PASSWORD;
use crate::redis_server::{HOOK_PASSWORD, OPERATOR_PASSWORD, REPLICATION_PASSWORD};

/// Logs in as this user; as nobody where there is none.
pub(crate) async fn login(
    address: Address,
    user: Option<(&str, &str)>,
) -> RedisResult<redis::aio::MultiplexedConnection> {
    let mut login = RedisConnectionInfo::default();
    if let Some((user, password)) = user {
        login = login.set_username(user).set_password(password);
    }
    let info = ConnectionAddr::Tcp(address.ip.to_string(), address.port)
        .into_connection_info()?
        .set_redis_settings(login);
    let client = redis::Client::open(info)?;
    client.get_multiplexed_async_connection().await
}

/// One command in words, as this user.
pub(crate) async fn say(
    address: Address,
    user: Option<(&str, &str)>,
    words: &str,
) -> RedisResult<Value> {
    let mut connection = login(address, user).await?;
    let mut words = words.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    cmd.arg(words.collect::<Vec<_>>());
    cmd.query_async(&mut connection).await
}

/// The users that are not the operator, and the operator.
pub(crate) const CLIENT: Option<(&str, &str)> = Some(("default", CLIENT_PASSWORD));
pub(crate) const HOOK: Option<(&str, &str)> = Some(("hook", HOOK_PASSWORD));
pub(crate) const FOLLOWER: Option<(&str, &str)> = Some(("replication", REPLICATION_PASSWORD));
pub(crate) const OPERATOR: Option<(&str, &str)> = Some(("zoneward", OPERATOR_PASSWORD));

/// The code of the error, or `OK`.
pub(crate) fn code(outcome: &RedisResult<Value>) -> &str {
    match outcome {
        Ok(_) => "OK",
        Err(error) => error.code().unwrap_or("other"),
    }
}
