//! Reading contacts, companies and deals: first all of them, then what changed.
//!
//! Both are read so that nothing which changes meanwhile is lost. HubSpot's paging cannot do that
//! for a search: its `after` counts results, so that a record which is changed, and with that moves
//! to the end, lets another slip past the reader; and it ends at 10,000 results
//! (docs/api-reference/search/guide, limits). So every page of changes is a search of its own:
//!
//! - **all** (`list`): `GET`, by id. Before the first page one search asks when the newest change
//!   was. Whatever changes later is found from there.
//! - **changes**: changed *after* the last moment that is read whole, in the order of change. A full
//!   page is read up to, and without, its last moment, of which more may follow.
//! - **moment**: where one moment fills a page, as after an import, what was changed *at* it, by
//!   id *above* the last one. This is how more than 10,000 records of one moment are read.
//!
//! The index follows behind: "it may take a few moments" for a change to be found. So a pass over
//! the last minute is made again by the next read, less what it has seen ([`Recent`]).

mod request;

use sophia_sdk::{
    Error, Json, Page,
    http::{Request, Response},
};

use crate::{
    cursor::Cursor,
    object::Object,
    page::{self, Record, Records},
    recent::Recent,
};

/// How far the index may be behind, and the clocks apart.
const SETTLING_MS: u64 = 60_000;

/// Questions in one call, until one yields a record. Only a page whose every record was seen
/// before, or that one moment fills, yields none.
const MAX_QUESTIONS: usize = 4;

/// One call's read.
pub(crate) struct Reading {
    pub(crate) object: Object,
    /// Property names, one list for each request that a page takes.
    pub(crate) properties: Vec<Vec<String>>,
    pub(crate) limit: u32,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
}

/// What a page came to.
struct Turn {
    records: Vec<Record>,
    next: Cursor,
    more: bool,
}

impl Reading {
    /// Reads a page. `send` sends requests at the same time and answers in their order.
    pub(crate) fn read(
        &self,
        cursor: Option<Json>,
        mut send: impl FnMut(Vec<Request>) -> Result<Vec<Response>, Error>,
    ) -> Result<Page, Error> {
        let mut cursor = match cursor {
            Some(cursor) => cursor.parse()?,
            None => self.begin(&mut send)?,
        };
        for _ in 0..MAX_QUESTIONS {
            cursor = self.begun(cursor);
            let answers = send(self.requests(&cursor)?)?;
            let turn = self.turn(cursor, page::read(self.object, &answers)?);
            if !turn.more {
                return Page::last(items(turn.records), &turn.next);
            }
            if !turn.records.is_empty() {
                return Page::followed_by(items(turn.records), &turn.next);
            }
            cursor = turn.next;
        }
        Page::followed_by(Vec::new(), &cursor)
    }

    /// The beginning: asks when the newest change was, before anything is read.
    fn begin(&self, send: &mut impl FnMut(Vec<Request>) -> Result<Vec<Response>, Error>) -> Result<Cursor, Error> {
        let answers = send(vec![self.newest()?])?;
        let newest = page::read(self.object, &answers)?.records.first().map_or(0, |record| record.modified);
        Ok(Cursor::List { after: None, from: newest.min(self.settled()), recent: Recent::default() })
    }

    /// A pass over changes begins now, if it has not.
    fn begun(&self, cursor: Cursor) -> Cursor {
        match cursor {
            Cursor::Changes { from, settled: None, recent } => {
                Cursor::Changes { from, settled: Some(self.settled()), recent }
            }
            other => other,
        }
    }

    fn settled(&self) -> u64 {
        self.now.saturating_sub(SETTLING_MS)
    }

    fn turn(&self, cursor: Cursor, page: Records) -> Turn {
        match cursor {
            Cursor::List { from, recent, .. } => listed(page, from, recent),
            Cursor::Changes { from, settled, recent } => {
                changed(page, from, settled.unwrap_or_else(|| self.settled()), recent)
            }
            Cursor::Moment { at, above, settled, recent } => at_moment(page, at, above, settled, recent),
        }
    }
}

fn listed(page: Records, from: u64, mut recent: Recent) -> Turn {
    page.records.iter().filter(|record| record.modified > from).for_each(|record| recent.add(record));
    recent.keep_after(from);
    match page.after {
        after @ Some(_) => Turn { records: page.records, next: Cursor::List { after, from, recent }, more: true },
        None => Turn { records: page.records, next: Cursor::Changes { from, settled: None, recent }, more: false },
    }
}

fn changed(page: Records, from: u64, settled: u64, recent: Recent) -> Turn {
    let newest = page.records.iter().map(|record| record.modified).max().unwrap_or(from);
    if page.after.is_none() {
        // The pass ends. What the index did not have yet is looked for again.
        let from = newest.min(settled);
        let (records, recent) = unseen(page.records, recent, settled, from);
        return Turn { records, next: Cursor::Changes { from, settled: None, recent }, more: false };
    }
    let whole: Vec<Record> = page.records.into_iter().filter(|record| record.modified < newest).collect();
    let Some(from) = whole.iter().map(|record| record.modified).max() else {
        return Turn { records: whole, next: Cursor::Moment { at: newest, above: 0, settled, recent }, more: true };
    };
    let (records, recent) = unseen(whole, recent, settled, from.min(settled));
    Turn { records, next: Cursor::Changes { from, settled: Some(settled), recent }, more: true }
}

fn at_moment(page: Records, at: u64, above: u64, settled: u64, recent: Recent) -> Turn {
    let above = page.records.iter().map(|record| record.id).max().unwrap_or(above);
    let has_more = page.after.is_some();
    let (records, recent) = unseen(page.records, recent, settled, at.min(settled).saturating_sub(1));
    let next = if has_more {
        Cursor::Moment { at, above, settled, recent }
    } else {
        Cursor::Changes { from: at, settled: Some(settled), recent }
    };
    Turn { records, next, more: true }
}

/// The records that were not read before, and what is to be remembered with them.
fn unseen(records: Vec<Record>, mut recent: Recent, settled: u64, floor: u64) -> (Vec<Record>, Recent) {
    let records: Vec<Record> = records.into_iter().filter(|record| !recent.has(record)).collect();
    records.iter().filter(|record| record.modified > settled).for_each(|record| recent.add(record));
    recent.keep_after(floor);
    (records, recent)
}

fn items(records: Vec<Record>) -> Vec<Json> {
    records.into_iter().map(|record| record.json).collect()
}

#[cfg(test)]
mod portal;
#[cfg(test)]
mod tests;
