use std::{
    io,
    path::{Path, PathBuf},
};

/// How the store failed. The cause is for the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory of the store cannot be made or read.
    #[error("`{}` cannot be used", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another node has the data directory.
    #[error("another node holds `{}`", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Open(#[source] sqlx::Error),
    /// The tables cannot be brought up to date; also when a newer release made them.
    #[error("the database cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement failed. Nothing was changed.
    #[error("the database failed")]
    Query(#[from] sqlx::Error),
    /// A row holds what no release ever wrote.
    #[error("a row holds an unreadable {0}")]
    Unreadable(&'static str),
    /// A blob cannot be written, read or removed.
    #[error("the blob `{name}` failed")]
    Blob {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// This node was silent for so long that others took it for dead. Nothing was changed.
    #[error("this node was taken for dead")]
    Fenced,
    /// A row that must be there is not.
    #[error("there is no such {0}")]
    Missing(&'static str),
}

impl StoreError {
    pub(crate) fn directory(path: &Path, source: io::Error) -> Self {
        Self::Directory { path: path.to_owned(), source }
    }

    pub(crate) fn blob(name: &str, source: io::Error) -> Self {
        Self::Blob { name: name.to_owned(), source }
    }
}
