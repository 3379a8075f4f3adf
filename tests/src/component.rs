//! Components made from built ones by changing custom sections, so that a test can have another
//! version or another manifest without another build.

/// The section in which a component carries its manifest.
const MANIFEST: &str = "sophia:manifest";

/// Magic, version and layer of a binary.
const PREAMBLE_BYTES: usize = 8;

/// The same component with another digest; each `n` gives its own.
pub fn variant(wasm: &[u8], n: u32) -> Vec<u8> {
    with_section(wasm, "variant", &n.to_le_bytes())
}

/// The component with this manifest in place of its own.
pub fn with_manifest(wasm: &[u8], manifest: &str) -> Vec<u8> {
    with_section(&without_manifest(wasm), MANIFEST, manifest.as_bytes())
}

/// The component as a toolchain leaves it that knows no manifests.
pub fn without_manifest(wasm: &[u8]) -> Vec<u8> {
    let mut kept = wasm[..PREAMBLE_BYTES].to_vec();
    for section in sections(wasm) {
        if custom_name(section) != Some(MANIFEST.as_bytes()) {
            kept.extend_from_slice(section);
        }
    }
    kept
}

fn with_section(wasm: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let mut body = leb128(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(content);
    let mut with = wasm.to_vec();
    with.push(0);
    with.extend(leb128(body.len()));
    with.extend(body);
    with
}

/// The sections at the top, each with its id and length.
fn sections(wasm: &[u8]) -> Vec<&[u8]> {
    let mut rest = &wasm[PREAMBLE_BYTES..];
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let (length, digits) = read_leb128(&rest[1..]);
        let (section, after) = rest.split_at(1 + digits + length);
        sections.push(section);
        rest = after;
    }
    sections
}

/// The name of a section, where it is a custom one.
fn custom_name(section: &[u8]) -> Option<&[u8]> {
    let (_, digits) = read_leb128(&section[1..]);
    let body = &section[1 + digits..];
    let (length, digits) = read_leb128(body);
    (section[0] == 0).then(|| &body[digits..digits + length])
}

fn leb128(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(n & 0x7f).expect("seven bits");
        n >>= 7;
        if n == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A number, and how many bytes it takes.
fn read_leb128(bytes: &[u8]) -> (usize, usize) {
    let digits = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).expect("a number ends");
    let number = bytes[..digits].iter().rev().fold(0, |n, byte| n << 7 | usize::from(byte & 0x7f));
    (number, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_manifest_and_nothing_else() {
        let bare = with_section(b"\0asm\x0d\0\x01\0", "name", &[7; 200]);
        let first = with_manifest(&bare, "a = 1");
        assert_eq!(without_manifest(&first), bare);
        assert_eq!(with_manifest(&first, "b = 2"), with_manifest(&bare, "b = 2"));
        assert_ne!(variant(&first, 1), variant(&first, 2));
    }
}
