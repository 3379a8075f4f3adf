//! Accepting, within bounds.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{connection, service::Service};

/// How long accepting rests when the process has no descriptor left: some connection will end.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// After so long without an acknowledgement the peer is taken for gone, in mid-answer too.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Somebody else is there.
    #[error("{0} is in use: stop the other program, or choose another address with --listen")]
    InUse(SocketAddr),
    /// Ports below 1024 need rights.
    #[error("{0} may not be listened on by this user: choose a port above 1023 with --listen")]
    Denied(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Binds. Connections wait in the kernel's queue until [`run`].
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address),
        io::ErrorKind::PermissionDenied => ListenError::Denied(address),
        _ => ListenError::Other { address, source },
    })
}

/// Accepts until the node drains; every connection is a task of the node.
pub(crate) async fn run(listener: TcpListener, service: Arc<Service>) {
    let places = Arc::new(Semaphore::new(service.node.config.http.max_connections));
    loop {
        let accepted = tokio::select! {
            biased;
            () = service.node.drain.begun() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((place, stream, peer)) = accepted else { continue };
        let serving = connection::serve(stream, peer, service.clone());
        service.node.tasks.spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

/// The next connection, once there is a place for it. Cancel-safe: nothing is taken from the
/// queue before it is returned.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            set_options(&stream);
            Some((place, stream, peer))
        }
        // The peer gave up while it queued.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            None
        }
    }
}

/// Answers are written whole, so waiting for more (Nagle) only delays them.
fn set_options(stream: &TcpStream) {
    let options = stream.set_nodelay(true).and_then(|()| {
        let socket = SockRef::from(stream);
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
    });
    if let Err(error) = options {
        tracing::debug!(%error, "a connection keeps its default options");
    }
}
