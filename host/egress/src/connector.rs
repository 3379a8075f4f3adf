//! Opening connections. The one place of the node's data path that resolves names and dials.
//!
//! A name is resolved once, its addresses are vetted, and the connection goes to one of the
//! vetted addresses, never to the name: an answer that changes in between (DNS rebinding) has no
//! second chance. Connections are pooled by scheme, host and port, which are also all that the
//! route depends on, so a pooled connection always leads where a new one would.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    address::is_public,
    routes::{Route, Routes},
};

/// Opens the connections of one [`crate::Egress`]. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    routes: Arc<Routes>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("`{host}` is not on the public internet")]
    PrivateAddress { host: String },
    #[error("the name cannot be resolved")]
    Resolve(#[source] io::Error),
    #[error("the host cannot be connected to")]
    Connect(#[source] io::Error),
}

/// For all addresses of a host together. The exchange's own limit is usually shorter; this bounds
/// a connection that the pool opens in the background.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses tried, in the order of RFC 6724.
const MAX_ADDRESSES: usize = 4;

impl Dialer {
    pub(crate) fn new(routes: Routes) -> Self {
        Self { routes: Arc::new(routes) }
    }

    /// Refuses a host that is written as an address and not allowed, before a secret is armed for it.
    pub(crate) fn vet_literal(&self, host: &str, port: u16) -> Result<(), DialError> {
        match literal(host) {
            Some(address) if self.routes.route(host, port) == Route::Public && !is_public(address) => {
                Err(DialError::PrivateAddress { host: host.to_owned() })
            }
            _ => Ok(()),
        }
    }

    async fn dial(&self, uri: Uri) -> Result<TokioIo<TcpStream>, DialError> {
        let host = uri.host().unwrap_or_default();
        let default_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        let addresses = match self.routes.route(host, port) {
            Route::To(address) => vec![address],
            Route::Named => resolve(host, port).await?,
            Route::Public => public_only(host, resolve(host, port).await?)?,
        };
        connect(&addresses).await.map(TokioIo::new).map_err(DialError::Connect)
    }
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(uri).await })
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    if let Some(address) = literal(host) {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok(lookup_host((host, port)).await.map_err(DialError::Resolve)?.collect())
}

fn public_only(host: &str, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, DialError> {
    addresses.retain(|address| is_public(address.ip()));
    if addresses.is_empty() { Err(DialError::PrivateAddress { host: host.to_owned() }) } else { Ok(addresses) }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let tried = addresses.len().clamp(1, MAX_ADDRESSES);
    let share = CONNECT_TIMEOUT / u32::try_from(tried).unwrap_or(1);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter().take(tried) {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// A host that is written as an address, IPv6 in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_vetted_addresses_are_connected_to() {
        let mixed = addresses(&["127.0.0.1:443", "8.8.8.8:443", "[fdaa::3]:443"]);
        assert_eq!(public_only("h", mixed).unwrap(), addresses(&["8.8.8.8:443"]));
        let hidden = addresses(&["10.0.0.1:443", "[::1]:443"]);
        assert!(matches!(public_only("h", hidden), Err(DialError::PrivateAddress { .. })));
        assert!(matches!(public_only("h", Vec::new()), Err(DialError::PrivateAddress { .. })));
    }
}
