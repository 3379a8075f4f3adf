use std::{
    io::{self, Write},
    path::Path,
    pin::pin,
    time::Instant,
};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use ring::digest::{Context, SHA256};
use sophia_domain::{ByteSize, Digest};
use tempfile::NamedTempFile;

use super::{BoxError, UploadError};

/// Bytes gathered before a write goes off the async threads: large enough that the hop between
/// threads does not matter, small enough that many uploads at a time do not.
const BATCH_BYTES: usize = 256 << 10;

/// A file that came in whole. It is removed with this value, unless it is kept.
#[derive(Debug)]
pub struct Received {
    /// Of all its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size_bytes: u64,
    pub(super) file: NamedTempFile,
    pub(super) began: Instant,
}

/// A file on its way in.
struct Incoming {
    file: NamedTempFile,
    hash: Context,
    batch: Vec<u8>,
}

pub(super) async fn receive<S, E>(temp_dir: &Path, max: ByteSize, body: S) -> Result<Received, UploadError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<BoxError>,
{
    let began = Instant::now();
    let file = NamedTempFile::new_in(temp_dir).map_err(UploadError::Temporary)?;
    let mut incoming = Incoming { file, hash: Context::new(&SHA256), batch: Vec::new() };
    let mut size_bytes = 0;
    let mut body = pin!(body);
    while let Some(chunk) = body.try_next().await.map_err(|error| UploadError::Interrupted(error.into()))? {
        size_bytes += chunk.len() as u64;
        if size_bytes > max.0 {
            return Err(UploadError::TooLarge { max });
        }
        incoming.batch.extend_from_slice(&chunk);
        if incoming.batch.len() >= BATCH_BYTES {
            incoming = incoming.write().await.map_err(UploadError::Temporary)?;
        }
    }
    let Incoming { file, hash, .. } = incoming.write().await.map_err(UploadError::Temporary)?;
    Ok(Received { digest: digest(hash), size_bytes, file, began })
}

impl Incoming {
    async fn write(mut self) -> io::Result<Self> {
        let written = tokio::task::spawn_blocking(move || {
            self.hash.update(&self.batch);
            self.file.write_all(&self.batch)?;
            self.batch.clear();
            Ok(self)
        });
        written.await.unwrap_or_else(|join| Err(io::Error::other(join)))
    }
}

fn digest(hash: Context) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    Digest::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    fn chunks(bytes: &[u8]) -> Vec<io::Result<Bytes>> {
        bytes.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
    }

    fn leftovers(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[tokio::test]
    async fn hashes_what_it_writes() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = vec![7; 600_000];
        let max = ByteSize(600_000);
        let received = receive(dir.path(), max, stream::iter(chunks(&bytes))).await.unwrap();
        assert_eq!(received.digest, Digest::of(&bytes));
        assert_eq!(received.size_bytes, 600_000);
        assert!(std::fs::read(received.file.path()).unwrap() == bytes);
        drop(received);
        assert_eq!(leftovers(dir.path()), 0);
    }

    #[tokio::test]
    async fn stops_at_the_bound_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let body = stream::iter(chunks(&[7; 600_001]));
        let refused = receive(dir.path(), ByteSize(600_000), body).await;
        assert!(matches!(refused, Err(UploadError::TooLarge { .. })));
        assert_eq!(leftovers(dir.path()), 0);
    }

    #[tokio::test]
    async fn an_interrupted_upload_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut body = chunks(&[7; 600_000]);
        body.push(Err(io::ErrorKind::UnexpectedEof.into()));
        let refused = receive(dir.path(), ByteSize::mib(1), stream::iter(body)).await;
        assert!(matches!(refused, Err(UploadError::Interrupted(_))));
        assert_eq!(leftovers(dir.path()), 0);
    }

    #[tokio::test]
    async fn a_caller_who_leaves_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let body = stream::iter(chunks(&[7; 300_000])).chain(stream::pending());
        let mut upload = Box::pin(receive(dir.path(), ByteSize::mib(1), body));
        assert!(futures::poll!(&mut upload).is_pending());
        assert_eq!(leftovers(dir.path()), 1);
        drop(upload);
        // The write that was under way owns the file until it ends.
        while leftovers(dir.path()) > 0 {
            tokio::task::yield_now().await;
        }
    }
}
