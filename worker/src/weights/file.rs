use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::WeightFile;

/// Why a file of a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It is not there.
    #[error("{} is missing: run `sophia-worker pull --models {}`", .path.display(), .models.display())]
    Missing {
        /// Where it should lie.
        path: PathBuf,
        /// The directory of all models.
        models: PathBuf,
    },
    /// It is another file than the one that was measured.
    #[error("{} is damaged ({wrong}): run `sophia-worker pull --models {}`", .path.display(), .models.display())]
    Damaged {
        /// Where it lies.
        path: PathBuf,
        /// The directory of all models.
        models: PathBuf,
        /// In what it differs.
        wrong: String,
    },
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The bytes of a file, once they are known to be the right ones.
pub(crate) fn read(models: &Path, file: &WeightFile) -> Result<Vec<u8>, FileError> {
    let path = models.join(file.name);
    let bytes = read_bounded(&path, file.bytes).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.clone(), models: models.to_owned() },
        _ => FileError::Read { path: path.clone(), source },
    })?;
    match difference(&bytes, file) {
        None => Ok(bytes),
        Some(wrong) => Err(FileError::Damaged { path, models: models.to_owned(), wrong }),
    }
}

/// Whether a file lies there, with the right bytes.
pub(crate) fn is_whole(models: &Path, file: &WeightFile) -> bool {
    read(models, file).is_ok()
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// At most one byte more than expected, so that a file that grew is noticed and not swallowed.
fn read_bounded(path: &Path, expected: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(expected.saturating_add(1)).unwrap_or(0));
    file.take(expected.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn difference(bytes: &[u8], file: &WeightFile) -> Option<String> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > file.bytes {
        return Some(format!("it has more than {} bytes", file.bytes));
    }
    if length < file.bytes {
        return Some(format!("it has {length} of {} bytes", file.bytes));
    }
    let digest = sha256(bytes);
    (digest != file.sha256).then(|| format!("its SHA-256 is {digest}, not {}", file.sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: WeightFile = WeightFile {
        name: "abc",
        inside: "abc",
        bytes: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    fn check(content: Option<&[u8]>, expected: &str) {
        let models = tempfile::tempdir().unwrap();
        if let Some(content) = content {
            std::fs::write(models.path().join("abc"), content).unwrap();
        }
        let told = match read(models.path(), &FILE) {
            Ok(bytes) => format!("{} bytes", bytes.len()),
            Err(error) => error.to_string().replace(&models.path().display().to_string(), "DIR"),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn takes_a_file_only_with_its_digest() {
        check(Some(b"abc"), "3 bytes");
        check(None, "DIR/abc is missing: run `sophia-worker pull --models DIR`");
        check(Some(b"ab"), "DIR/abc is damaged (it has 2 of 3 bytes): run `sophia-worker pull --models DIR`");
        check(Some(b"abcd"), "DIR/abc is damaged (it has more than 3 bytes): run `sophia-worker pull --models DIR`");
        let told = "DIR/abc is damaged (its SHA-256 is a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9, \
                    not ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad): \
                    run `sophia-worker pull --models DIR`";
        check(Some(b"abd"), told);
    }
}
