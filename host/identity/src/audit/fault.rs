use std::fmt;

use serde::Serialize;

/// Something in a chain that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The chain.
    pub chain: String,
    /// The place where it begins.
    pub first: i64,
    /// The last place that it is about.
    pub last: i64,
    /// What it is.
    pub what: What,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The entry is another than was written.
    Changed,
    /// Entries are missing between others.
    Removed,
    /// An entry is there that was never written.
    Inserted,
    /// Entries stand at another place than they were written at, by so many.
    Moved(i64),
    /// Entries are missing at the end.
    Truncated,
    /// What says where the chain ends is missing, or not what was written.
    End,
    /// A sealed part is missing or not what was sealed.
    Segment,
    /// The chain had this entry once, as a witness or a checkpoint says, and has it no more.
    RolledBack,
}

/// Faults of a chain in its order, those that are one thing as one.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) list: Vec<Fault>,
    /// Beyond those in the list.
    pub(super) n_more: u64,
}

/// So many are told apart; a chain with more is not read one by one.
const MAX_FAULTS: usize = 100;

impl Faults {
    /// Adds one behind those before.
    pub(super) fn push(&mut self, fault: Fault) {
        if let (What::Moved(by), Some(last)) = (fault.what, self.list.last_mut())
            && last.last == fault.first - 1
        {
            match last.what {
                What::Moved(other) if other == by => {
                    last.last = fault.last;
                    return;
                }
                // What stood here stands behind it now: so it was put in between.
                What::Changed if by == 1 => last.what = What::Inserted,
                // What stood behind stands here now: so the one that was written here is gone.
                What::Changed if by == -1 => last.what = What::Removed,
                _ => {}
            }
        }
        if self.list.len() < MAX_FAULTS { self.list.push(fault) } else { self.n_more += 1 }
    }

    /// Whether something is wrong at a place.
    pub(super) fn is_at(&self, seq: i64) -> bool {
        self.list.iter().any(|fault| (fault.first..=fault.last).contains(&seq)) || self.n_more > 0
    }
}

impl What {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Inserted => "inserted",
            Self::Moved(_) => "moved",
            Self::Truncated => "truncated",
            Self::End => "end",
            Self::Segment => "segment",
            Self::RolledBack => "rolled-back",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, first, last, what } = self;
        match first == last {
            true => write!(f, "{chain} {first}: ")?,
            false => write!(f, "{chain} {first} to {last}: ")?,
        }
        match what {
            What::Changed => f.write_str("is not what was written there"),
            What::Removed => f.write_str("was removed"),
            What::Inserted => f.write_str("was inserted"),
            What::Moved(by) => write!(f, "was written at place {}", first - by),
            What::Truncated => f.write_str("was cut off the end"),
            What::End => f.write_str("what says where the chain ends is missing or was changed"),
            What::Segment => f.write_str("this sealed part is missing or was changed"),
            What::RolledBack => f.write_str("was acknowledged once, and the chain does not have it any more"),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fault = serializer.serialize_struct("Fault", 5)?;
        fault.serialize_field("chain", &self.chain)?;
        fault.serialize_field("first", &self.first)?;
        fault.serialize_field("last", &self.last)?;
        fault.serialize_field("what", self.what.as_str())?;
        fault.serialize_field("said", &self.to_string())?;
        fault.end()
    }
}
