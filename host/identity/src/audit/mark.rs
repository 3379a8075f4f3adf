use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sophia_store::audit::AuditHeadRow;

use super::keys::Mac;

/// That a chain once had this entry: what a witness holds, and what an export prints so that it can
/// be kept elsewhere. Written `change:123:HEX`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mark {
    /// The chain.
    pub chain: String,
    /// The entry's place.
    pub seq: i64,
    /// Its MAC.
    pub mac: Mac,
}

/// Text that is no mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is written `CHAIN:NUMBER:HEX`, as `sophia audit export` prints it")]
pub struct NoMark;

impl Mark {
    /// Of a chain's end; none where its MAC is no MAC.
    pub(crate) fn of(head: &AuditHeadRow) -> Option<Self> {
        Some(Self { chain: head.chain.clone(), seq: head.seq, mac: head.mac.as_slice().try_into().ok()? })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.chain, self.seq, hex::encode(self.mac))
    }
}

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let (chain, rest) = text.split_once(':').ok_or(NoMark)?;
        let (seq, digits) = rest.split_once(':').ok_or(NoMark)?;
        let mut mac = [0; 32];
        hex::decode_to_slice(digits, &mut mac).map_err(|_| NoMark)?;
        let seq = seq.parse().ok().filter(|seq| *seq > 0).ok_or(NoMark)?;
        Ok(Self { chain: chain.to_owned(), seq, mac })
    }
}

impl TryFrom<String> for Mark {
    type Error = NoMark;

    fn try_from(text: String) -> Result<Self, NoMark> {
        text.parse()
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        mark.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let mark = Mark { chain: "change".into(), seq: 12, mac: [0xab; 32] };
        assert_eq!(mark.to_string().parse(), Ok(mark.clone()));
        let text = mark.to_string();
        for wrong in
            ["", "change", "change:1", "change:0:00", "change:x:00", &text[..text.len() - 1], &text.replace("12", "-1")]
        {
            assert_eq!(wrong.parse::<Mark>(), Err(NoMark), "{wrong}");
        }
    }
}
