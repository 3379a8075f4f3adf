//! From a core module and a manifest to the one file that is uploaded.

use wit_component::ComponentEncoder;

/// Where a component carries its manifest (`sophia_registry` reads it there).
const MANIFEST_SECTION: &str = "sophia:manifest";

/// Why a core module cannot become a plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    /// Not wasm, or a module that no `sophia_sdk` macro or other bindings ever exported from.
    #[error(
        "the module cannot be made a component: does the crate export its plugin, say with `sophia_sdk::connector!`?"
    )]
    Componentise(#[source] anyhow::Error),
}

/// Makes a component of what cargo built, and puts the manifest's text into it.
pub(crate) fn package(module: &[u8], manifest: &str) -> Result<Vec<u8>, PackageError> {
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(PackageError::Componentise)?;
    append_section(&mut component, MANIFEST_SECTION, manifest.as_bytes());
    Ok(component)
}

/// A custom section: id 0, the length of the rest, the name with its length, the bytes
/// (WebAssembly core specification, 5.5.3; the same in a component).
fn append_section(component: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let mut rest = Vec::with_capacity(name.len() + bytes.len() + 5);
    push_leb128(&mut rest, name.len());
    rest.extend_from_slice(name.as_bytes());
    rest.extend_from_slice(bytes);
    component.push(0);
    push_leb128(component, rest.len());
    component.append(&mut rest);
}

fn push_leb128(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_framed_as_the_specification_says() {
        let mut out = Vec::new();
        append_section(&mut out, "ab", &[7; 200]);
        // 1 (name length) + 2 + 200 = 203 = 0b1_1001011.
        assert_eq!(out.get(..6), Some([0, 0xcb, 0x01, 2, b'a', b'b'].as_slice()));
        assert_eq!(out.len(), 3 + 203);
    }

    #[test]
    fn what_exports_nothing_is_no_plugin() {
        assert!(package(b"not wasm", "").is_err());
    }
}
