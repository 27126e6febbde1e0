//! Connections to members, one each per lane, and what their answers mean to a client.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind,
};
use tokio::time::timeout;

use super::slots::{Address, ShardSlots, shards};

/// How to log in.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Its password; none where nobody needs one.
    pub password: Option<String>,
}

/// Why a command was not done, as far as a client cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another member leads the shard.
    Moved(Address),
    /// Another member has this key already.
    Ask(Address),
    /// The member answered that it cannot, in this word.
    Answered(String),
    /// No answer in time.
    Timeout,
    /// The connection was refused, or broke.
    Broken,
}

impl Failure {
    /// One word for the tally.
    pub fn word(&self) -> String {
        match self {
            Self::Moved(_) => "MOVED".to_owned(),
            Self::Ask(_) => "ASK".to_owned(),
            Self::Answered(code) => code.clone(),
            Self::Timeout => "timeout".to_owned(),
            Self::Broken => "broken".to_owned(),
        }
    }
}

/// The connections of one lane.
pub struct Links {
    login: Login,
    limit: Duration,
    open: HashMap<Address, MultiplexedConnection>,
}

impl Links {
    /// None yet. Every command, with its connection, has to be done within `limit`.
    pub fn new(login: Login, limit: Duration) -> Self {
        Self {
            login,
            limit,
            open: HashMap::new(),
        }
    }

    /// Sends a command.
    pub async fn send<T: FromRedisValue>(
        &mut self,
        to: &Address,
        command: &Cmd,
    ) -> Result<T, Failure> {
        let sent = timeout(self.limit, async {
            let mut link = self.link(to).await?;
            command.query_async(&mut link).await
        });
        let outcome = sent.await;
        self.settle(to, outcome)
    }

    /// Sends a command to the member that a migrating slot's key is at.
    pub async fn send_asking(&mut self, to: &Address, command: &Cmd) -> Result<(), Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ASKING").ignore();
        pipeline.add_command(command.clone()).ignore();
        let sent = timeout(self.limit, async {
            let mut link = self.link(to).await?;
            pipeline.query_async::<()>(&mut link).await
        });
        let outcome = sent.await;
        self.settle(to, outcome)
    }

    /// Sends a question to a follower, which answers it only to who asks for what may be old.
    pub async fn send_readonly<T: FromRedisValue>(
        &mut self,
        to: &Address,
        question: &Cmd,
    ) -> Result<T, Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("READONLY").ignore();
        pipeline.add_command(question.clone());
        let sent = timeout(self.limit, async {
            let mut link = self.link(to).await?;
            pipeline.query_async::<(T,)>(&mut link).await
        });
        let outcome = sent.await;
        self.settle(to, outcome).map(|(answer,)| answer)
    }

    /// Asks who serves which slots. Others can be asked instead, so this is not waited for long:
    /// the lane stands still meanwhile.
    pub async fn ask_slots(&mut self, whom: &Address) -> Result<Vec<ShardSlots>, Failure> {
        let mut question = Cmd::new();
        question.arg("CLUSTER").arg("SLOTS");
        let answer = timeout(self.limit / 3, self.send::<redis::Value>(whom, &question)).await;
        let answer = answer.unwrap_or(Err(Failure::Timeout))?;
        shards(&answer, whom).map_err(|_| Failure::Answered("unreadable".to_owned()))
    }

    async fn link(&mut self, to: &Address) -> Result<MultiplexedConnection, RedisError> {
        if let Some(link) = self.open.get(to) {
            return Ok(link.clone());
        }
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = &self.login.password {
            settings = settings
                .set_username(&self.login.user)
                .set_password(password);
        }
        let address = ConnectionAddr::Tcp(to.host.clone(), to.port);
        let info = address.into_connection_info()?.set_redis_settings(settings);
        // The limit around the whole attempt is ours; theirs only has to be no shorter.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limit * 2))
            .set_response_timeout(Some(self.limit * 2));
        let link = Client::open(info)?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        self.open.insert(to.clone(), link.clone());
        Ok(link)
    }

    fn settle<T>(
        &mut self,
        to: &Address,
        outcome: Result<Result<T, RedisError>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        let failure = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => failure(&error, to),
            Err(_) => Failure::Timeout,
        };
        // A late answer must not be taken for the next one's, and a broken link does not mend.
        if matches!(failure, Failure::Timeout | Failure::Broken) {
            self.open.remove(to);
        }
        Err(failure)
    }
}

fn failure(error: &RedisError, asked: &Address) -> Failure {
    // the address, and the slot
    if let Some((node, _)) = error.redirect_node() {
        return match redirection(node, asked) {
            // ":0": the bus has lost the leader's address.
            None => Failure::Answered("MOVED-nowhere".to_owned()),
            Some(to) if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) => Failure::Ask(to),
            Some(to) => Failure::Moved(to),
        };
    }
    if error.is_timeout() {
        return Failure::Timeout;
    }
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => Failure::Broken,
        ErrorKind::AuthenticationFailed => Failure::Answered("AUTH".to_owned()),
        _ => Failure::Answered(error.code().unwrap_or("error").to_owned()),
    }
}

/// Where a client is sent. An empty host means the one that was asked.
fn redirection(node: &str, asked: &Address) -> Option<Address> {
    let mut to = Address::parse(node).ok()?;
    if to.host.is_empty() {
        to.host.clone_from(&asked.host);
    }
    (to.port != 0).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lane went nowhere, half a second long, until it asked for all slots: every pause that a
    /// redirection ends was told as one of that length.
    #[test]
    fn a_redirection_leads_to_the_address_that_it_names() {
        let asked = Address::parse("10.0.0.1:6379").unwrap();
        let to = |text: &str| Address::parse(text).unwrap();
        let table = [
            (
                "MOVED 3999 10.0.0.2:6380",
                Failure::Moved(to("10.0.0.2:6380")),
            ),
            (
                "MOVED 3999 fd00::2:6380",
                Failure::Moved(to("fd00::2:6380")),
            ),
            (
                "MOVED 3999 a.example:6380",
                Failure::Moved(to("a.example:6380")),
            ),
            ("MOVED 3999 :6380", Failure::Moved(to("10.0.0.1:6380"))),
            (
                "MOVED 3999 :0",
                Failure::Answered("MOVED-nowhere".to_owned()),
            ),
            ("ASK 3999 10.0.0.2:6380", Failure::Ask(to("10.0.0.2:6380"))),
            (
                "CLUSTERDOWN no",
                Failure::Answered("CLUSTERDOWN".to_owned()),
            ),
        ];
        for (reply, expected) in table {
            let value = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap();
            let error = value.extract_error().unwrap_err();
            assert_eq!(failure(&error, &asked), expected, "{reply}");
        }
    }
}
