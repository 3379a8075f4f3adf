//! Puts a `plugin.toml` into a component that another toolchain made, where `sophia plugin build`
//! puts it for Rust.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use anyhow::{Context, Result};

const SECTION: &str = "sophia:manifest";
/// The id of a custom section, which any WebAssembly file may carry at its end.
const CUSTOM: u8 = 0;

/// Appends the manifest to the component. Once per component: a second section is refused at upload.
pub(super) fn append(manifest: &Path, component: &Path) -> Result<()> {
    let text = fs::read(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let mut file = OpenOptions::new().append(true).open(component)?;
    file.write_all(&custom_section(SECTION, &text)?).with_context(|| format!("cannot write {}", component.display()))
}

/// A section that an engine passes over. WebAssembly core specification 5.5.3: id, size, then the name with its length, then the bytes.
pub(crate) fn custom_section(name: &str, payload: &[u8]) -> Result<Vec<u8>> {
    let name_size = leb128(name.len())?;
    let size = leb128(name_size.len() + name.len() + payload.len())?;
    Ok([&[CUSTOM], size.as_slice(), &name_size, name.as_bytes(), payload].concat())
}

/// Seven bits a byte, the low ones first; the top bit says that more follow.
fn leb128(value: usize) -> Result<Vec<u8>> {
    let mut rest = u32::try_from(value).context("a section is smaller than 4 GiB")?;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_lengths_as_the_specification_says() {
        for (value, bytes) in [(0, &[0][..]), (127, &[0x7f]), (128, &[0x80, 1]), (624_485, &[0xe5, 0x8e, 0x26])] {
            assert_eq!(leb128(value).unwrap(), bytes, "{value}");
        }
    }

    #[test]
    fn appends_one_section_behind_the_component() {
        let dir = tempfile::tempdir().unwrap();
        let (manifest, component) = (dir.path().join("plugin.toml"), dir.path().join("a.wasm"));
        fs::write(&manifest, "x".repeat(200)).unwrap();
        fs::write(&component, b"\0asm").unwrap();
        append(&manifest, &component).unwrap();
        let expected = [b"\0asm\0\xd8\x01\x0fsophia:manifest".as_slice(), &[b'x'; 200]].concat();
        assert_eq!(fs::read(&component).unwrap(), expected);
    }
}
