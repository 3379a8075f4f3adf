use std::{
    fmt,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use ring::{
    hkdf,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

/// The key under which everything rests. Read or made once at boot, wiped when dropped.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// `SOPHIA_MASTER_KEY` is not 32 bytes in base64.
    #[error("SOPHIA_MASTER_KEY must be 32 bytes in base64")]
    Environment,
    /// The key file is not 32 bytes in base64.
    #[error("`{}` must hold 32 bytes in base64", .0.display())]
    Malformed(PathBuf),
    /// Others than its owner may read the key file.
    #[error("`{}` may be read by others: run `chmod 600` on it", .0.display())]
    Readable(PathBuf),
    /// The key file cannot be read or made.
    #[error("`{}` cannot be read or made", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("the system gave no random bytes")]
    Random,
}

/// With padding or without: both are written by common tools.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// More than 32 bytes take in base64, and a bound on what is read.
const MAX_FILE_BYTES: u64 = 256;

impl MasterKey {
    /// The key from the environment, else from `keys/master.key` in the data directory, which is
    /// made at the first start. Blocks; meant for boot.
    pub fn load_or_create(dir: &Path, from_env: Option<&str>) -> Result<Self, MasterKeyError> {
        if let Some(text) = from_env {
            return Self::parse(text).ok_or(MasterKeyError::Environment);
        }
        let dir = dir.join("keys");
        let path = dir.join("master.key");
        let failed = |source| MasterKeyError::File { path: path.clone(), source };
        match read(&path) {
            Ok(text) => Self::checked(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                create(&dir, &path, &key).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A key for one purpose. Different purposes give unrelated keys, and none gives the master key back.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let info = [purpose.as_bytes()];
        let mut key = Zeroizing::new([0; 32]);
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sophia 1")
            .extract(self.0.as_slice())
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut_slice()));
        #[expect(clippy::expect_used, reason = "HKDF refuses only outputs longer than 255 digests; this is one")]
        derived.expect("one digest of output");
        key
    }

    fn generate() -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| MasterKeyError::Random)?;
        Ok(Self(bytes))
    }

    fn checked(path: &Path, (mode, text): &(u32, Zeroizing<String>)) -> Result<Self, MasterKeyError> {
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Readable(path.to_owned()));
        }
        Self::parse(text).ok_or_else(|| MasterKeyError::Malformed(path.to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let decoded = Zeroizing::new(LENIENT.decode(text.trim()).ok()?);
        Some(Self(Zeroizing::new(decoded.as_slice().try_into().ok()?)))
    }
}

fn read(path: &Path) -> io::Result<(u32, Zeroizing<String>)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok((mode, text))
}

/// Whole or not at all: written aside, then linked to its name, which fails where a key stands
/// already. A key is durable before anything is sealed under it.
fn create(dir: &Path, path: &Path, key: &MasterKey) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    let text = Zeroizing::new(STANDARD.encode(key.0.as_slice()) + "\n");
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    linked?;
    File::open(dir)?.sync_all()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = MasterKey::load_or_create(dir.path(), None).unwrap();
        let again = MasterKey::load_or_create(dir.path(), None).unwrap();
        assert_eq!(*first.0, *again.0);
        let keys = dir.path().join("keys");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&keys.join("master.key"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1);
    }

    #[test]
    fn refuses_a_file_that_others_read_or_that_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        MasterKey::load_or_create(dir.path(), None).unwrap();
        let path = dir.path().join("keys/master.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(MasterKey::load_or_create(dir.path(), None), Err(MasterKeyError::Readable(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "c2hvcnQ=").unwrap();
        assert!(matches!(MasterKey::load_or_create(dir.path(), None), Err(MasterKeyError::Malformed(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c2hvcnQ=");
    }

    #[test]
    fn comes_from_the_environment_with_or_without_padding() {
        let dir = tempfile::tempdir().unwrap();
        let text = STANDARD.encode([9; 32]);
        for text in [text.as_str(), text.trim_end_matches('=')] {
            assert_eq!(*MasterKey::load_or_create(dir.path(), Some(text)).unwrap().0, [9; 32]);
        }
        for text in ["", "x", "c2hvcnQ="] {
            assert!(matches!(MasterKey::load_or_create(dir.path(), Some(text)), Err(MasterKeyError::Environment)));
        }
        assert!(!dir.path().join("keys").exists());
    }

    #[test]
    fn derives_unrelated_keys() {
        let key = MasterKey(Zeroizing::new([9; 32]));
        assert_eq!(*key.derive("a"), *key.derive("a"));
        assert_ne!(*key.derive("a"), *key.derive("b"));
        assert_ne!(*key.derive("a"), [9; 32]);
    }
}
