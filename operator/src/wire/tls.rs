//! TLS towards members. The chain is checked by the authorities in the Secret, the name by the one that
//! the certificate must carry: a member is dialled by its address, which no certificate can know.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Stream;
use crate::ports::Trust;

/// A stream to a member, plain or sealed.
pub(super) enum Line {
    Plain(Stream),
    Sealed(Box<TlsStream<Stream>>),
}

impl Line {
    /// Shakes hands where members speak TLS.
    pub(super) async fn new(stream: Stream, trust: Option<&Trust>) -> io::Result<Self> {
        let Some(trust) = trust else {
            return Ok(Self::Plain(stream));
        };
        let name = ServerName::try_from(trust.server_name.clone());
        let name = name.map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(config(trust)?));
        let sealed = connector.connect(name, stream).await?;
        Ok(Self::Sealed(Box::new(sealed)))
    }

    /// The SHA-256 of the certificate that the member presented; none on a plain line.
    pub(super) fn fingerprint(&self) -> Option<String> {
        let Self::Sealed(sealed) = self else {
            return None;
        };
        let presented = sealed.get_ref().1.peer_certificates()?.first()?;
        Some(format!("{:x}", Sha256::digest(presented)))
    }
}

fn config(trust: &Trust) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(trust.authorities.as_bytes()) {
        let authority = authority.map_err(io::Error::other)?;
        roots.add(authority).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Sealed(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Sealed(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Sealed(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Sealed(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
