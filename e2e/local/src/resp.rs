//! A raw connection of a client: as little between the server and the clock as can be.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use zoneward_operator::model::CLIENT_PORT;

/// A reply. Only what the commands in use are answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status or an error, with its first character.
    Line(String),
    /// A value; none where there is no such key.
    Value(Option<Vec<u8>>),
}

/// Logged in as a client.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) async fn open(ip: IpAddr, password: Option<&str>) -> Result<Self> {
        let connected = TcpStream::connect((ip, CLIENT_PORT)).await;
        let stream = connected.with_context(|| format!("connect to {ip}"))?;
        stream
            .set_nodelay(true)
            .with_context(|| format!("connect to {ip}"))?;
        let mut connection = Self {
            stream: BufReader::new(stream),
        };
        if let Some(password) = password {
            connection.send(&[&["AUTH", password]]).await?;
            let reply = connection.reply().await?;
            ensure!(reply.is_ok(), "log in to {ip}: {reply:?}");
        }
        Ok(connection)
    }

    /// Sends commands in one go. Each has its reply, in order.
    pub(crate) async fn send<const N: usize>(&mut self, commands: &[&[&str; N]]) -> Result<()> {
        // writing to a String cannot fail
        let mut text = String::new();
        for command in commands {
            let _ = write!(text, "*{N}\r\n");
            for word in *command {
                let _ = write!(text, "${}\r\n{word}\r\n", word.len());
            }
        }
        self.stream
            .write_all(text.as_bytes())
            .await
            .context("send commands")
    }

    pub(crate) async fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        let read = self
            .stream
            .read_line(&mut line)
            .await
            .context("read a reply")?;
        ensure!(read > 0, "read a reply: the server closed the connection");
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$') else {
            if line.starts_with(['+', '-', ':']) {
                return Ok(Reply::Line(line.to_owned()));
            }
            bail!("read a reply: {line}");
        };
        let Ok(length) = length.parse::<usize>() else {
            return Ok(Reply::Value(None));
        };
        let mut value = vec![0; length + 2];
        self.stream
            .read_exact(&mut value)
            .await
            .context("read a value")?;
        value.truncate(length);
        Ok(Reply::Value(Some(value)))
    }
}

impl Reply {
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Line(line) if line == "+OK")
    }
}
