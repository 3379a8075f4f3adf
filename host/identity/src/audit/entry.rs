//! What is recorded, and in which chain.

use std::net::IpAddr;

use jiff::Timestamp;
use sophia_domain::{KeyId, RequestId, TenantId};
use sophia_store::audit::AuditRow;

/// What kind of entry it is. Each class is a chain of its own and is kept for a time of its own, so
/// that forgetting the entries of one never breaks the chain of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody changed something, or tried to.
    Change,
    /// Somebody was refused.
    Refusal,
}

/// How far what is recorded had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was let through and is about to be done. Alone, it says that the node was killed then.
    Asked,
    /// It was done.
    Done,
    /// It was refused, and nothing was changed.
    Refused,
    /// It failed.
    Failed,
    /// Whoever asked went away before the answer: it may have been done.
    Cut,
}

/// Something to be recorded. It holds no secret: no body, no query, no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its chain.
    pub class: Class,
    /// When it happened; of several, the first.
    pub at: Timestamp,
    /// Whose data it was about; none where nobody was recognised.
    pub tenant: Option<TenantId>,
    /// The key that was sent, by its name; none where nobody was recognised.
    pub actor: Option<KeyId>,
    /// The method and the route, such as `PUT /v1/plugins/{name}`.
    pub action: String,
    /// What it was about, such as `/v1/plugins/hello`; none where it stands for several.
    pub resource: Option<String>,
    /// How far it had come.
    pub outcome: Outcome,
    /// The HTTP status of the answer, where there is one.
    pub status: Option<u16>,
    /// How many equal ones it stands for.
    pub count: u64,
    /// The request; of several, the first.
    pub request_id: Option<RequestId>,
    /// Where it came from; none where it stands for several.
    pub peer: Option<IpAddr>,
    /// Why it was not done: the kind of the problem.
    pub detail: Option<String>,
}

/// Longest text of an entry, in bytes. Routes, paths of names and kinds of problems are shorter.
const MAX_TEXT: usize = 512;

impl Class {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Change, Self::Refusal];

    /// The name of its chain.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Refusal => "refusal",
        }
    }

    /// The class of a chain.
    pub fn of(chain: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == chain)
    }
}

impl Outcome {
    /// The word in entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }

    /// What an answer's status says of a change.
    pub fn of_status(status: u16) -> Self {
        match status {
            ..400 => Self::Done,
            400..500 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl Entry {
    /// As it is kept, before it has a place in its chain.
    pub(crate) fn into_row(self) -> AuditRow {
        AuditRow {
            seq: 0,
            at_micros: self.at.as_microsecond(),
            tenant: self.tenant.map(|tenant| tenant.as_str().to_owned()),
            actor: self.actor.map(|actor| bounded(actor.as_str())),
            action: bounded(&self.action),
            resource: self.resource.map(|resource| bounded(&resource)),
            outcome: self.outcome.as_str().to_owned(),
            status: self.status.map(i64::from),
            count: i64::try_from(self.count).unwrap_or(i64::MAX),
            request_id: self.request_id.map(|id| id.to_string()),
            peer: self.peer.map(|peer| peer.to_string()),
            detail: self.detail.map(|detail| bounded(&detail)),
            mac: Vec::new(),
        }
    }
}

/// A text on one line that is no longer than may be: part of it is a caller's.
fn bounded(text: &str) -> String {
    let mut bounded: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    bounded.truncate(bounded.floor_char_boundary(MAX_TEXT));
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_outcomes_are_found_by_their_words() {
        for class in Class::ALL {
            assert_eq!(Class::of(class.as_str()), Some(class));
        }
        assert_eq!(Class::of("secrets"), None);
        for (status, outcome) in [
            (200, Outcome::Done),
            (204, Outcome::Done),
            (403, Outcome::Refused),
            (499, Outcome::Refused),
            (500, Outcome::Failed),
            (503, Outcome::Failed),
        ] {
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn a_callers_text_is_one_line_and_bounded() {
        assert_eq!(bounded("/v1/secrets/a\nb\u{1b}[0m"), "/v1/secrets/a?b?[0m");
        let long = bounded(&"ö".repeat(MAX_TEXT));
        assert_eq!((long.len(), long.chars().count()), (MAX_TEXT, MAX_TEXT / 2));
        assert_eq!(bounded(&format!("a{}", "ö".repeat(MAX_TEXT))).len(), MAX_TEXT - 1);
    }
}
