//! A connection's stream, which notes each sign of life in passing, and how it ended.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use redis::io::tcp::socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::heard::{Heard, probes};
use crate::model::Address;

/// The stream to one member.
pub(super) struct Stream {
    inner: TcpStream,
    heard: Arc<Heard>,
}

impl Stream {
    /// Connects, with small messages sent at once and probes while nothing is sent.
    pub(super) async fn connect(address: Address, heard: Arc<Heard>) -> io::Result<Self> {
        let ip: IpAddr = address.ip;
        let inner = TcpStream::connect(SocketAddr::new(ip, address.port)).await?;
        inner.set_nodelay(true)?;
        SockRef::from(&inner).set_tcp_keepalive(&probes())?;
        Ok(Self { inner, heard })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let outcome = ready!(Pin::new(&mut this.inner).poll_read(context, buffer));
        match &outcome {
            Ok(()) if buffer.filled().len() > before => this.heard.sign(),
            Err(error) if is_silence(error) => this.heard.fade(),
            Ok(()) if room == 0 => {}
            // an end, or a reset: somebody there said so
            Ok(()) | Err(_) => this.heard.goodbye(),
        }
        Poll::Ready(outcome)
    }
}

/// What the kernel says when its probes were not answered, or the way there is gone.
fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::TimedOut | Kind::HostUnreachable | Kind::NetworkUnreachable
    )
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
