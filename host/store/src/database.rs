//! The connections to the rows: SQLite in the data directory, or Postgres.

use std::{fmt, path::Path, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{
    AnyConnection, AnyPool, Executor,
    any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers},
    migrate::Migrator,
};

use crate::{StoreError, private_file};

/// Where the rows of a node that is alone rest, and where those of nodes that share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    /// A file in the data directory.
    Sqlite,
    /// A server.
    Postgres,
}

/// Where a Postgres server is, with its user and password. Its text is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// How long a write waits for another one. Writes take milliseconds; a longer wait means trouble.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One writer at a time is SQLite's nature, so a few connections are enough; each keeps a page cache.
const SQLITE_CONNECTIONS: u32 = 4;

/// A server has 100 by default for all nodes.
const POSTGRES_CONNECTIONS: u32 = 10;

/// How long a request waits for a connection before it is told that the database is not there.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// What stands for itself in the path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

impl DatabaseUrl {
    /// Reads `postgres://…`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        (is_postgres && text.parse::<AnyConnectOptions>().is_ok()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

impl Database {
    /// The database's own clock, in microseconds since 1970: nodes' clocks differ.
    pub(crate) fn now_micros(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    pub(crate) fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &SQLITE,
            Self::Postgres => &POSTGRES,
        }
    }
}

/// Opens the file in a data directory, made where it is missing, with its tables up to date.
pub(crate) async fn open_sqlite(data_dir: &Path) -> Result<AnyPool, StoreError> {
    install_default_drivers();
    let path = data_dir.join("sophia.db");
    // SQLite gives its journal files the mode of the database file.
    drop(private_file(&path)?);
    let path = std::path::absolute(&path).map_err(|error| StoreError::directory(&path, error))?;
    let text = path.to_str().ok_or_else(|| StoreError::directory(&path, std::io::ErrorKind::InvalidFilename.into()))?;
    let url = format!("sqlite://{}", utf8_percent_encode(text, PATH));
    let options = AnyPoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .after_connect(|connection, _| Box::pin(async move { configure_sqlite(connection).await }));
    connect(options, &url, Database::Sqlite).await
}

/// Connects to a server, and brings its tables up to date, one node at a time.
pub(crate) async fn open_postgres(url: &DatabaseUrl) -> Result<AnyPool, StoreError> {
    install_default_drivers();
    let options = AnyPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    connect(options, &url.0, Database::Postgres).await
}

async fn connect(options: AnyPoolOptions, url: &str, database: Database) -> Result<AnyPool, StoreError> {
    let pool = options.connect(url).await.map_err(StoreError::Open)?;
    database.migrations().run(&pool).await.map_err(StoreError::Migrate)?;
    Ok(pool)
}

async fn configure_sqlite(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        BUSY_TIMEOUT.as_millis()
    );
    connection.execute(sqlx::AssertSqlSafe(pragmas)).await?;
    Ok(())
}
