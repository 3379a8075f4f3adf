//! The only room that names a database: rows in SQLite or Postgres, blobs in a directory.
//!
//! A blob is written before the row that names it, and a row's commit is the acknowledgement, so
//! that a kill at any moment leaves either nothing or everything. What such a kill leaves behind
//! (temporary files, blobs without a row) is swept by [`Store::open`]. Nothing here decides who
//! may do what; every row has a tenant.

pub mod audit;
mod blobs;
#[cfg(test)]
mod columns;
mod connections;
mod database;
mod error;
pub mod follow;
pub mod generations;
mod grants;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod nodes;
mod notices;
mod plugins;
pub mod runs;
pub mod secrets;
pub mod settings;
mod statement;
mod sweep;
mod transaction;
mod versions;

use std::{
    collections::HashMap,
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{fs::FlockOperation, io::Errno};
use sqlx::AnyPool;

use database::{Database, open_postgres, open_sqlite};
use generations::Topic;
use nodes::Membership;
use notices::Notices;

pub use blobs::{BlobKind, Blobs};
pub use connections::ConnectionRow;
pub use database::DatabaseUrl;
pub use error::StoreError;
pub use grants::{Decision, GrantRow};
pub use notices::RedisUrl;
pub use plugins::PluginRow;
pub use versions::{Activate, NewVersion, VersionRow};

/// Where rows and blobs are. Said once, by the configuration.
#[derive(Debug, Clone)]
pub struct Places {
    /// What is this node's alone, and all that no other place is named for.
    pub data_dir: PathBuf,
    /// A server for the rows.
    pub database: Option<DatabaseUrl>,
    /// A server that tells nodes of one another's changes at once.
    pub redis: Option<RedisUrl>,
}

/// Rows and blobs. Opened once at boot; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    database: Database,
    membership: Arc<Membership>,
    notices: Arc<Notices>,
    redis: Option<RedisUrl>,
    /// Read before anything else was, so that no later change is missed.
    topics: Arc<HashMap<Topic, u64>>,
    blobs: Blobs,
    directory: Arc<Directory>,
}

/// The data directory, locked for as long as the store lives.
#[derive(Debug)]
struct Directory {
    temp: PathBuf,
    /// A second node on the same directory would sweep files that the first one is writing.
    _lock: File,
}

impl Places {
    /// All in one directory.
    pub fn in_directory(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), database: None, redis: None }
    }
}

impl Store {
    /// Opens a data directory: makes what is missing, brings the tables up to date, and removes
    /// what an earlier process left half done.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_at(&Places::in_directory(data_dir)).await
    }

    /// The same, with rows where they are said to be.
    pub async fn open_at(places: &Places) -> Result<Self, StoreError> {
        let prepared = places.data_dir.clone();
        let (directory, blobs) = blobs::off_thread(move || prepare(&prepared)).await?;
        let (pool, database) = match &places.database {
            Some(url) => (open_postgres(url).await?, Database::Postgres),
            None => (open_sqlite(&places.data_dir).await?, Database::Sqlite),
        };
        let membership = Arc::new(Membership::join(&pool, database).await?);
        let (notices, redis) = (Arc::default(), places.redis.clone());
        let topics = Arc::new(generations::topics(&pool).await?.into_iter().collect());
        let directory = Arc::new(directory);
        let store = Self { pool, database, membership, notices, redis, topics, blobs, directory };
        store.sweep().await?;
        Ok(store)
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Where files may be written before they are whole. On the same file system as the blobs,
    /// so that a rename is enough; emptied at each start.
    pub fn temp_dir(&self) -> &Path {
        &self.directory.temp
    }

    /// The connections that this room's own files use.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Whether other nodes may write the same rows.
    pub fn is_shared(&self) -> bool {
        self.database == Database::Postgres
    }

    pub(crate) fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(crate) fn topics_at_opening(&self) -> &HashMap<Topic, u64> {
        &self.topics
    }

    pub(crate) fn redis(&self) -> Option<&RedisUrl> {
        self.redis.as_ref()
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Which database it is, where statements must differ.
    pub(crate) fn database(&self) -> Database {
        self.database
    }
}

fn prepare(data_dir: &Path) -> Result<(Directory, Blobs), StoreError> {
    make_dir(data_dir)?;
    let lock = lock(&data_dir.join("lock"))?;
    let temp = data_dir.join("tmp");
    match std::fs::remove_dir_all(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::directory(&temp, error)),
        _ => make_dir(&temp)?,
    }
    let blobs = Blobs::open(&data_dir.join("blobs"), &temp)?;
    Ok((Directory { temp, _lock: lock }, blobs))
}

pub(crate) fn make_dir(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| StoreError::directory(path, error))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = private_file(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(error) => Err(StoreError::directory(path, error.into())),
    }
}

/// Opens or makes a file that only this user reads.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    let options = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).to_owned();
    options.open(path).map_err(|error| StoreError::directory(path, error))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::columns::{Column, Place};

    #[tokio::test]
    async fn opens_a_fresh_directory_and_opens_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let store = Store::open(&data).await.unwrap();
        std::fs::write(store.temp_dir().join("half"), "x").unwrap();
        drop(store);
        let store = Store::open(&data).await.unwrap();
        assert_eq!(std::fs::read_dir(store.temp_dir()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn refuses_a_directory_that_another_node_uses() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Store::open(dir.path()).await.unwrap();
        assert!(matches!(Store::open(dir.path()).await, Err(StoreError::InUse { .. })));
    }

    #[rstest]
    #[tokio::test]
    async fn every_migration_can_be_taken_back(#[values(Column::Sqlite, Column::Postgres)] column: Column) {
        let place = Place::of(column);
        let store = place.open().await;
        let migrations = store.database().migrations();
        migrations.undo(store.pool(), 0).await.unwrap();
        migrations.run(store.pool()).await.unwrap();
    }
}
