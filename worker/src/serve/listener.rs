//! Accepting, within bounds.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connection;

/// More than wait in all queues together: the rest learn soon that those are full.
const MAX_CONNECTIONS: usize = 512;
/// How long accepting rests when the process has no descriptor left: some connection will end.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
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
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address),
        io::ErrorKind::PermissionDenied => ListenError::Denied(address),
        _ => ListenError::Other { address, source },
    })
}

/// Accepts until `end`; every connection is one of `tasks`. A draining worker still accepts, to
/// refuse in words.
pub(super) async fn run(listener: TcpListener, router: Router, tasks: TaskTracker, end: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = end.cancelled() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((place, stream)) = accepted else { continue };
        let serving = connection::serve(stream, router.clone(), end.clone());
        tasks.spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

/// The next connection, once there is a place for it. Cancel-safe: nothing is taken from the
/// queue before it is returned.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(OwnedSemaphorePermit, TcpStream)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Pieces of an answer are small, and each is awaited: waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            Some((place, stream))
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
