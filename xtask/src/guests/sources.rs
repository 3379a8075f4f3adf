use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Names of folders that hold outputs, never sources.
const OUTPUTS: [&str; 5] = ["target", "node_modules", "__pycache__", ".venv", "dist"];

/// A short text that changes when a name or a byte under `sources` does. The hash is not
/// cryptographic: it guards against stale files, not against an adversary.
pub(crate) fn fingerprint(root: &Path, sources: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in sources {
        add(&mut hasher, root, &root.join(source))?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(hasher: &mut DefaultHasher, root: &Path, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if OUTPUTS.contains(&name.as_ref()) {
        return Ok(());
    }
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| add(hasher, root, entry));
    }
    path.strip_prefix(root).unwrap_or(path).hash(hasher);
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))?.hash(hasher);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_with_a_byte_and_a_name_but_not_with_an_output() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let now = || fingerprint(dir.path(), &[PathBuf::from("src")]).unwrap();
        fs::create_dir_all(at("src/target")).unwrap();
        fs::write(at("src/a.rs"), "1").unwrap();
        let first = now();
        fs::write(at("src/target/x"), "output").unwrap();
        assert_eq!(now(), first);
        fs::write(at("src/a.rs"), "2").unwrap();
        let second = now();
        assert_ne!(second, first);
        fs::rename(at("src/a.rs"), at("src/b.rs")).unwrap();
        assert_ne!(now(), second);
    }

    #[test]
    fn names_the_source_that_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let error = fingerprint(dir.path(), &[PathBuf::from("gone")]).unwrap_err();
        assert!(format!("{error:#}").contains("gone"), "{error:#}");
    }
}
