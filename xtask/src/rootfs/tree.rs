use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::command::Run as _;

/// The image's user: above what distributions give to services, below what they give to people's
/// user namespaces.
pub(super) const UID: u32 = 10_001;

const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Names for the C library and for whoever looks at the machine.
const FILES: [(&str, &str); 3] = [
    ("etc/passwd", "root:x:0:0:root:/:/nonexistent\nsophia:x:10001:10001:sophia:/data:/nonexistent\n"),
    ("etc/group", "root:x:0:\nsophia:x:10001:\n"),
    // Addresses from the machine's own file first, then from DNS; nothing else is linked in.
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// The binary, the libraries it loads, roots of trust, names, and two folders to write to.
pub(super) fn assemble(binary: &Path, root: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("cannot empty {}", root.display()))?;
    }
    copy(binary, &root.join("usr/local/bin/sophia"))?;
    // Line tables are five sixths of the file, and nothing in the image could read them.
    Command::new("strip").arg("--strip-debug").arg(root.join("usr/local/bin/sophia")).run_quietly()?;
    for library in libraries(binary)? {
        copy(&library, &inside(root, &library))?;
    }
    copy(Path::new(CA_BUNDLE), &inside(root, Path::new(CA_BUNDLE)))
        .context("no roots of trust here: install ca-certificates")?;
    for (name, text) in FILES {
        write(&root.join(name), text)?;
    }
    folder(&root.join("tmp"), 0o1777)?;
    folder(&root.join("data"), 0o700)?;
    if rustix::process::geteuid().is_root() {
        chown(root.join("data"), Some(UID), Some(UID))?;
    }
    Ok(())
}

/// What the dynamic linker would load, itself included.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    Ok(paths_of_ldd(&Command::new("ldd").arg(binary).read()?))
}

/// `libc.so.6 => /lib/…/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`; the vdso has no file.
fn paths_of_ldd(text: &str) -> Vec<PathBuf> {
    let words = text.lines().filter_map(|line| line.split_ascii_whitespace().find(|word| word.starts_with('/')));
    words.map(PathBuf::from).collect()
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn folder(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(path)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ldd_says() {
        let text = "\tlinux-vdso.so.1 (0x00007)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x1)\n\t/lib64/ld-linux.so.2 (0x2)\n";
        let expected = ["/lib/x/libm.so.6", "/lib64/ld-linux.so.2"].map(PathBuf::from);
        assert_eq!(paths_of_ldd(text), expected);
    }

    #[test]
    fn holds_the_binary_with_its_libraries_and_nothing_to_run_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        assemble(Path::new("/bin/sh"), &root).unwrap();
        assert!(root.join("usr/local/bin/sophia").is_file() && root.join("data").is_dir());
        assert!(libraries(Path::new("/bin/sh")).unwrap().iter().all(|library| inside(&root, library).is_file()));
        assert!(!root.join("bin").exists() && !root.join("usr/bin").exists());
    }
}
