//! Reading: entries of one chain after the other, in their order, sealed parts too.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::Serialize;
use sophia_domain::TenantId;
use sophia_store::audit::{AuditPart, AuditRow};

use super::{Audit, AuditError, Class, verify};

/// Which entries are meant: those that have everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this class.
    pub class: Option<Class>,
    /// Happened at or after.
    pub since: Option<Timestamp>,
    /// Happened before.
    pub until: Option<Timestamp>,
    /// Done by this key.
    pub actor: Option<String>,
    /// Whose action begins so, such as `PUT /v1/secrets`.
    pub action: Option<String>,
    /// About this tenant.
    pub tenant: Option<TenantId>,
}

/// How far somebody has read: this class, behind this place. Written `change:123`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    class: Class,
    after: i64,
}

/// Text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what an answer gave as `next`")]
pub struct NoCursor;

/// Some entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// In the order of their chains and places. May be few, or none, and still not the last.
    pub entries: Vec<Shown>,
    /// Where to go on; none where there are no more.
    #[serde(serialize_with = "as_text")]
    pub next: Option<Cursor>,
}

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its class.
    pub class: &'static str,
    /// Its place in its chain.
    pub seq: i64,
    /// When it happened; none where that is no time, which verification says.
    pub at: Option<Timestamp>,
    /// Whose data it was about.
    pub tenant: Option<String>,
    /// The key that was sent.
    pub actor: Option<String>,
    /// The method and the route.
    pub action: String,
    /// What it was about; none where it stands for several.
    pub resource: Option<String>,
    /// `asked`, `done`, `refused`, `failed` or `cut`.
    pub outcome: String,
    /// The HTTP status of the answer.
    pub status: Option<i64>,
    /// How many equal ones it stands for.
    pub count: i64,
    /// The request; of several, the first.
    pub request_id: Option<String>,
    /// Where it came from.
    pub peer: Option<String>,
    /// Why it was not done.
    pub detail: Option<String>,
    /// What links it to the one before: hex digits.
    pub mac: String,
}

/// Most entries of a page.
const MAX_PAGE: usize = 1_000;

/// Parts of chains that are looked through for one page. A sealed part takes some 20 ms.
const MAX_PARTS: usize = 8;

/// Entries that are read at once.
const ROWS: u32 = 1_000;

impl Audit {
    /// Entries behind a cursor, or from the beginning; at most `limit`, and 1,000.
    pub async fn page(&self, filter: &AuditFilter, from: Option<Cursor>, limit: usize) -> Result<Page, AuditError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut entries = Vec::new();
        let first = filter.class.unwrap_or(Class::ALL[0]);
        let mut at = Some(from.unwrap_or(Cursor { class: first, after: 0 }));
        for _ in 0..MAX_PARTS {
            let Some(cursor) = at else { break };
            at = self.read(filter, cursor, limit, &mut entries).await?;
            if entries.len() >= limit {
                break;
            }
        }
        Ok(Page { entries, next: at })
    }

    /// Goes through the part behind a cursor; says where to go on.
    async fn read(
        &self,
        filter: &AuditFilter,
        cursor: Cursor,
        limit: usize,
        entries: &mut Vec<Shown>,
    ) -> Result<Option<Cursor>, AuditError> {
        let Cursor { class, after } = cursor;
        let (rows, end) = match self.0.store.audit_part(class.as_str(), after, ROWS).await? {
            AuditPart::Rows(rows) if rows.is_empty() => return Ok(cursor.next_chain(filter)),
            AuditPart::Rows(rows) => {
                let end = rows.last().map_or(after, |row| row.seq);
                (rows, end)
            }
            AuditPart::Segment(part) => {
                let end = part.last_seq;
                let is_outside = filter.excludes(part.from_micros, part.to_micros);
                let opened = match is_outside {
                    true => None,
                    false => verify::entries(&self.0.store, &self.0.keys, part).await?,
                };
                (opened.unwrap_or_default(), end)
            }
        };
        for row in rows.into_iter().filter(|row| row.seq > after) {
            let seq = row.seq;
            if filter.admits(&row) {
                entries.push(Shown::of(class, row));
            }
            if entries.len() >= limit {
                return Ok(Some(Cursor { class, after: seq }));
            }
        }
        Ok(Some(Cursor { class, after: end }))
    }
}

impl AuditFilter {
    fn admits(&self, row: &AuditRow) -> bool {
        let is_of = |wanted: Option<&str>, has: Option<&str>| wanted.is_none() || wanted == has;
        !self.excludes(row.at_micros, row.at_micros)
            && is_of(self.actor.as_deref(), row.actor.as_deref())
            && is_of(self.tenant.as_ref().map(TenantId::as_str), row.tenant.as_deref())
            && self.action.as_ref().is_none_or(|action| row.action.starts_with(action))
    }

    /// Whether nothing between two times is meant.
    fn excludes(&self, from_micros: i64, to_micros: i64) -> bool {
        self.since.is_some_and(|since| to_micros < since.as_microsecond())
            || self.until.is_some_and(|until| from_micros >= until.as_microsecond())
    }
}

impl Cursor {
    fn next_chain(self, filter: &AuditFilter) -> Option<Self> {
        let mut later = Class::ALL.into_iter().skip_while(|class| *class != self.class).skip(1);
        let class = if filter.class.is_some() { None } else { later.next() };
        class.map(|class| Self { class, after: 0 })
    }
}

impl Shown {
    fn of(class: Class, row: AuditRow) -> Self {
        Self {
            class: class.as_str(),
            seq: row.seq,
            at: Timestamp::from_microsecond(row.at_micros).ok(),
            tenant: row.tenant,
            actor: row.actor,
            action: row.action,
            resource: row.resource,
            outcome: row.outcome,
            status: row.status,
            count: row.count,
            request_id: row.request_id,
            peer: row.peer,
            detail: row.detail,
            mac: hex::encode(row.mac),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.class.as_str(), self.after)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (class, after) = text.split_once(':').ok_or(NoCursor)?;
        let after = after.parse().ok().filter(|after| *after >= 0).ok_or(NoCursor)?;
        Ok(Self { class: Class::of(class).ok_or(NoCursor)?, after })
    }
}

fn as_text<S: serde::Serializer>(next: &Option<Cursor>, serializer: S) -> Result<S::Ok, S::Error> {
    match next {
        Some(cursor) => serializer.collect_str(cursor),
        None => serializer.serialize_none(),
    }
}
