//! Files that rows name: components and their compiled forms.
//!
//! A blob appears whole or not at all: temporary file, `fsync`, rename, `fsync` of the directory.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::NamedTempFile;

use crate::{StoreError, make_dir};

/// What a blob is. Each kind has its own directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// A component as uploaded, named by its digest's hex digits.
    Wasm,
    /// A compiled component, named `{digest hex}-{compatibility}`. Can be made again.
    Aot,
    /// A sealed part of the audit chain, named `{chain}-{place of its first entry}`.
    Audit,
}

/// A directory of blobs. Cheap to clone; works off the async threads.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<Path>,
    temp: Arc<Path>,
}

impl BlobKind {
    const ALL: [Self; 3] = [Self::Wasm, Self::Aot, Self::Audit];

    fn directory(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Aot => "aot",
            Self::Audit => "audit",
        }
    }
}

impl Blobs {
    pub(crate) fn open(root: &Path, temp: &Path) -> Result<Self, StoreError> {
        for kind in BlobKind::ALL {
            make_dir(&root.join(kind.directory()))?;
        }
        Ok(Self { root: root.into(), temp: temp.into() })
    }

    /// Where a blob is or would be.
    pub fn path(&self, kind: BlobKind, name: &str) -> Result<PathBuf, StoreError> {
        if is_blob_name(name) {
            return Ok(self.root.join(kind.directory()).join(name));
        }
        Err(StoreError::blob(name, io::ErrorKind::InvalidFilename.into()))
    }

    /// Keeps bytes. Durable when it returns; replaces a blob of the same name.
    pub async fn put<B>(&self, kind: BlobKind, name: &str, bytes: B) -> Result<(), StoreError>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let (path, temp, blob) = (self.path(kind, name)?, self.temp.clone(), name.to_owned());
        off_thread(move || {
            let write = || {
                let mut file = NamedTempFile::new_in(temp)?;
                file.write_all(bytes.as_ref())?;
                persist(file, &path)
            };
            write().map_err(|error| StoreError::blob(&blob, error))
        })
        .await
    }

    /// Keeps a temporary file made in [`Store::temp_dir`](crate::Store::temp_dir), without
    /// copying it. Durable when it returns; replaces a blob of the same name.
    pub async fn put_file(&self, kind: BlobKind, name: &str, file: NamedTempFile) -> Result<(), StoreError> {
        let (path, blob) = (self.path(kind, name)?, name.to_owned());
        off_thread(move || persist(file, &path).map_err(|error| StoreError::blob(&blob, error))).await
    }

    /// A blob's bytes; none where there is no such blob.
    pub async fn get(&self, kind: BlobKind, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (path, blob) = (self.path(kind, name)?, name.to_owned());
        off_thread(move || match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::blob(&blob, error)),
        })
        .await
    }

    /// Removes a blob; nothing happens where there is none.
    pub async fn delete(&self, kind: BlobKind, name: &str) -> Result<(), StoreError> {
        let (path, blob) = (self.path(kind, name)?, name.to_owned());
        off_thread(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::blob(&blob, error)),
            _ => Ok(()),
        })
        .await
    }

    /// The names of all blobs of a kind, in no order.
    pub async fn list(&self, kind: BlobKind) -> Result<Vec<String>, StoreError> {
        let directory = self.root.join(kind.directory());
        off_thread(move || {
            let entries = std::fs::read_dir(&directory).map_err(|error| StoreError::directory(&directory, error))?;
            let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
            names.collect::<io::Result<_>>().map_err(|error| StoreError::directory(&directory, error))
        })
        .await
    }
}

/// Runs blocking work. A panic in it becomes the store's error.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(StoreError::blob("", io::Error::other(error))))
}

fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// A blob's name is one path component without surprises.
fn is_blob_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(dir: &Path) -> Blobs {
        Blobs::open(&dir.join("blobs"), dir).unwrap()
    }

    #[tokio::test]
    async fn keeps_replaces_lists_and_forgets() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(dir.path());
        blobs.put(BlobKind::Wasm, "a", b"one".to_vec()).await.unwrap();
        let mut file = NamedTempFile::new_in(dir.path()).unwrap();
        file.write_all(b"two").unwrap();
        blobs.put_file(BlobKind::Wasm, "a", file).await.unwrap();
        assert_eq!(blobs.get(BlobKind::Wasm, "a").await.unwrap(), Some(b"two".to_vec()));
        assert_eq!(blobs.get(BlobKind::Aot, "a").await.unwrap(), None);
        assert_eq!(blobs.list(BlobKind::Wasm).await.unwrap(), ["a"]);
        blobs.delete(BlobKind::Wasm, "a").await.unwrap();
        blobs.delete(BlobKind::Wasm, "a").await.unwrap();
        assert_eq!(blobs.get(BlobKind::Wasm, "a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn takes_no_name_that_is_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(dir.path());
        for name in ["", ".", "..", ".x", "a/b", "../x", "a\0"] {
            assert!(blobs.put(BlobKind::Wasm, name, Vec::new()).await.is_err(), "{name}");
        }
    }
}
