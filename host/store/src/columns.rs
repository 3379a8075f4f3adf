//! What the tests of this room run on: rows in a file, and rows on a server.

use sophia_servers::Postgres;
use tempfile::TempDir;

use crate::{DatabaseUrl, Places, Store};

/// Where the rows are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    Sqlite,
    Postgres,
}

/// An empty data directory and, where the rows are on a server, that server.
pub(crate) struct Place {
    dir: TempDir,
    server: Option<Postgres>,
}

impl Place {
    pub(crate) fn of(column: Column) -> Self {
        let server = match column {
            Column::Sqlite => None,
            Column::Postgres => Some(Postgres::start()),
        };
        Self { dir: tempfile::tempdir().unwrap(), server }
    }

    /// A store there; again, what it kept.
    pub(crate) async fn open(&self) -> Store {
        let database = self.server.as_ref().map(|server| DatabaseUrl::parse(&server.url()).unwrap());
        Store::open_at(&Places { database, ..Places::in_directory(self.dir.path()) }).await.unwrap()
    }
}
