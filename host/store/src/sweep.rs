use std::collections::HashSet;

use crate::{BlobKind, Store, StoreError};

impl Store {
    /// Removes blobs that no row names: what a process was writing when it was killed.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let digests: Vec<(String,)> =
            sqlx::query_as("SELECT DISTINCT digest FROM versions").fetch_all(self.pool()).await?;
        let digests: HashSet<String> = digests.into_iter().map(|(digest,)| digest).collect();
        for kind in [BlobKind::Wasm, BlobKind::Aot] {
            for name in self.blobs().list(kind).await? {
                let digest = name.split_once('-').map_or(name.as_str(), |(digest, _)| digest);
                if !digests.contains(digest) {
                    tracing::info!(?kind, name, "removing a blob that no version names");
                    self.blobs().delete(kind, &name).await?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sophia_domain::{Digest, TenantId};

    use super::*;
    use crate::{Activate, versions::tests::version};

    #[tokio::test]
    async fn keeps_blobs_with_a_row_and_sweeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let digest = Digest::of(b"kept");
        let (kept, orphan) = (digest.hex(), Digest::of(b"orphan").hex());
        for name in [&kept, &orphan] {
            store.blobs().put(BlobKind::Wasm, name, *b"x").await.unwrap();
            store.blobs().put(BlobKind::Aot, &format!("{name}-abc"), *b"x").await.unwrap();
        }
        store
            .add_version(&TenantId::main(), &"hello".parse().unwrap(), &version(b"kept"), Activate::Now)
            .await
            .unwrap();
        drop(store);
        let store = Store::open(dir.path()).await.unwrap();
        assert_eq!(store.blobs().list(BlobKind::Wasm).await.unwrap(), std::slice::from_ref(&kept));
        assert_eq!(store.blobs().list(BlobKind::Aot).await.unwrap(), [format!("{kept}-abc")]);
        assert_eq!(store.plugins(&TenantId::main()).await.unwrap().len(), 1, "the acknowledged row is there");
    }
}
