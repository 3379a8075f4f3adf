//! A statement whose clauses depend on what is asked, with the same text for every database.

use std::fmt::Write;

use sqlx::{
    Any, Arguments, AssertSqlSafe, Encode, FromRow, Type,
    any::{AnyArguments, AnyRow},
    query::{Query, QueryAs},
};

use crate::StoreError;

/// Text of ours with numbered places, and the values that stand there. (sqlx's own builder writes
/// `?` for `Any`, which Postgres does not read.)
#[derive(Default)]
pub(crate) struct Statement {
    sql: String,
    values: AnyArguments,
}

impl Statement {
    /// Begins with a text.
    pub(crate) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: AnyArguments::default() }
    }

    /// Adds text. It is never a caller's.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a place, and the value that stands there.
    pub(crate) fn bind<'v, T>(&mut self, value: T) -> Result<&mut Self, StoreError>
    where
        T: Encode<'v, Any> + Type<Any>,
    {
        self.values.add(value).map_err(sqlx::Error::Encode)?;
        // Writing to a string does not fail.
        let _ = write!(self.sql, "${}", self.values.len());
        Ok(self)
    }

    /// To be executed. Its text differs from time to time, so it is not kept prepared.
    pub(crate) fn query(self) -> Query<'static, Any, AnyArguments> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.values).persistent(false)
    }

    /// To be read.
    pub(crate) fn query_as<R>(self) -> QueryAs<'static, Any, R, AnyArguments>
    where
        R: for<'r> FromRow<'r, AnyRow>,
    {
        sqlx::query_as_with(AssertSqlSafe(self.sql), self.values)
    }
}
