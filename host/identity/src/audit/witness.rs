//! What this node knows of the chains' ends without the database: how far it had acknowledged.
//!
//! A database that is set back to an earlier state, entries and ends alike, is whole in itself. The
//! witness, a small file in the data directory, is not set back with it. It is written after each
//! commit and not flushed: a kill leaves it as it was written, a power cut at most older, and it is
//! never ahead of what is durable. Whoever can set back the whole directory is found by what an
//! export printed (`--checkpoint`), or not at all.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Mark, keys::AuditKeys};

/// The file. Opened once at boot; written by the writer alone.
#[derive(Debug)]
pub(crate) struct Witness {
    file: File,
    marks: BTreeMap<String, Mark>,
    /// How often it was written; the larger of the two places counts.
    n_written: u64,
}

/// What an earlier process left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// No file: a new installation, or somebody removed it.
    Nothing,
    /// A file that was not written here.
    Damaged,
    /// How far each chain had come.
    Marks(Vec<Mark>),
}

#[derive(Serialize, Deserialize)]
struct Written {
    n_written: u64,
    marks: Vec<Mark>,
}

const NAME: &str = "audit.witness";

/// Two places take turns, so that one which was half written leaves the other. In bytes.
const PLACE: usize = 2_048;

impl Witness {
    /// Opens the file in a data directory, made where it is missing, and says what it holds. Blocks.
    pub(crate) fn open(dir: &Path, keys: &AuditKeys) -> io::Result<(Self, Found)> {
        let path = dir.join(NAME);
        let (found, n_written) = read(&path, keys)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        let marks = match &found {
            Found::Marks(marks) => marks.iter().map(|mark| (mark.chain.clone(), mark.clone())).collect(),
            Found::Nothing | Found::Damaged => BTreeMap::new(),
        };
        Ok((Self { file, marks, n_written }, found))
    }

    /// What an earlier process left, or this one has written.
    pub(crate) fn found(dir: &Path, keys: &AuditKeys) -> io::Result<Found> {
        Ok(read(&dir.join(NAME), keys)?.0)
    }

    /// Notes how far chains have come. Blocks for a write to the page cache.
    pub(crate) fn note(&mut self, keys: &AuditKeys, marks: Vec<Mark>) -> io::Result<()> {
        self.marks.extend(marks.into_iter().map(|mark| (mark.chain.clone(), mark)));
        self.n_written += 1;
        let written = Written { n_written: self.n_written, marks: self.marks.values().cloned().collect() };
        let text = serde_json::to_vec(&written).map_err(io::Error::other)?;
        let mut place = [hex::encode(keys.witness(&text)).as_bytes(), b" ", &text, b"\n"].concat();
        if place.len() > PLACE {
            return Err(io::Error::other("the witness has no room for so many chains"));
        }
        place.resize(PLACE, b' ');
        self.file.write_all_at(&place, (self.n_written % 2) * PLACE as u64)
    }
}

fn read(path: &PathBuf, keys: &AuditKeys) -> io::Result<(Found, u64)> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Found::Nothing, 0)),
        Err(error) => return Err(error),
    };
    let newest = bytes.chunks(PLACE).filter_map(|place| read_place(place, keys)).max_by_key(|found| found.n_written);
    Ok(match newest {
        Some(written) => (Found::Marks(written.marks), written.n_written),
        // A process that was killed before its first word made the file and wrote nothing.
        None if bytes.is_empty() => (Found::Nothing, 0),
        None => (Found::Damaged, 0),
    })
}

fn read_place(place: &[u8], keys: &AuditKeys) -> Option<Written> {
    let (mac, text) = place.trim_ascii_end().split_at_checked(64)?;
    let text = text.strip_prefix(b" ")?;
    let is_ours = hex::decode(mac).ok()?.as_slice() == keys.witness(text).as_slice();
    is_ours.then(|| serde_json::from_slice(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::{super::keys::tests::keys, *};

    fn mark(chain: &str, seq: i64) -> Mark {
        Mark { chain: chain.into(), seq, mac: [7; 32] }
    }

    #[test]
    fn remembers_the_last_of_each_chain_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut witness, found) = Witness::open(dir.path(), &keys()).unwrap();
        assert_eq!(found, Found::Nothing);
        for seq in 1..=5 {
            witness.note(&keys(), vec![mark("change", seq)]).unwrap();
        }
        witness.note(&keys(), vec![mark("refusal", 1)]).unwrap();
        let expected = Found::Marks(vec![mark("change", 5), mark("refusal", 1)]);
        assert_eq!(Witness::found(dir.path(), &keys()).unwrap(), expected);
        let (mut witness, found) = Witness::open(dir.path(), &keys()).unwrap();
        assert_eq!(found, expected);
        witness.note(&keys(), vec![mark("refusal", 2)]).unwrap();
        assert_eq!(
            Witness::found(dir.path(), &keys()).unwrap(),
            Found::Marks(vec![mark("change", 5), mark("refusal", 2)])
        );
    }

    #[test]
    fn a_place_half_written_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let (mut witness, _) = Witness::open(dir.path(), &keys()).unwrap();
        for seq in 1..=4 {
            witness.note(&keys(), vec![mark("change", seq)]).unwrap();
        }
        let path = dir.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        // The fourth stands in the first place.
        bytes[100] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Witness::found(dir.path(), &keys()).unwrap(), Found::Marks(vec![mark("change", 3)]));
        bytes[PLACE + 100] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Witness::found(dir.path(), &keys()).unwrap(), Found::Damaged);
    }

    #[test]
    fn another_installations_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (mut witness, _) = Witness::open(dir.path(), &keys()).unwrap();
        witness.note(&keys(), vec![mark("change", 1)]).unwrap();
        let other = AuditKeys::new(&[8; 32], &[2; 32]);
        assert_eq!(Witness::found(dir.path(), &other).unwrap(), Found::Damaged);
    }
}
