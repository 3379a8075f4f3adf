use super::*;

/// A component with nothing in it but custom sections.
fn component(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (name, data) in sections {
        let mut body = vec![u8::try_from(name.len()).unwrap()];
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(data);
        bytes.push(0);
        leb128(&mut bytes, body.len());
        bytes.extend(body);
    }
    bytes
}

fn leb128(bytes: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        bytes.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
        n >>= 7;
    }
    bytes.push(u8::try_from(n).unwrap());
}

#[test]
fn says_which_way_a_file_is_no_plugin() {
    let core = b"\0asm\x01\0\0\0".to_vec();
    // (import "extism:host/env" "f" (func)) with its type section.
    let mut extism = core.clone();
    extism.extend_from_slice(b"\x01\x04\x01\x60\0\0\x02\x15\x01\x0fextism:host/env\x01f\0\0");
    let mut cut = component(&[("x", b"0123456789")]);
    cut.truncate(cut.len() - 3);
    for (bytes, expected) in [
        (b"".to_vec(), NotAPlugin::NotWasm),
        (b"GIF89a".to_vec(), NotAPlugin::NotWasm),
        (b"\0as".to_vec(), NotAPlugin::Truncated),
        (b"\0asm\x0d".to_vec(), NotAPlugin::Truncated),
        (cut, NotAPlugin::Truncated),
        (core, NotAPlugin::CoreModule),
        (extism, NotAPlugin::ExtismModule),
        (component(&[]), NotAPlugin::UnknownWorld { exports: vec![] }),
        (component(&[(MANIFEST_SECTION, b"a"), (MANIFEST_SECTION, b"b")]), NotAPlugin::TwoManifests),
        (component(&[(MANIFEST_SECTION, &[b' '; MAX_MANIFEST_BYTES + 1])]), NotAPlugin::ManifestTooLarge),
        (component(&[(MANIFEST_SECTION, b"\xff")]), NotAPlugin::ManifestNotText),
    ] {
        assert_eq!(inspect(&bytes), Err(expected));
    }
}

#[test]
fn finds_the_world_by_its_exports() {
    let world = |name: &str| world_of(&[name.to_owned()]);
    for (export, expected) in [
        ("sophia:plugin/connector-calls@0.1.0", Some((World::Connector, None))),
        ("sophia:plugin/pattern-calls@0.1.0", Some((World::Pattern, None))),
        ("sophia:plugin/about@0.1.7", Some((World::Policy, None))),
        ("wasi:http/incoming-handler@0.2.3", Some((World::Endpoint, Some(HttpVersion::P2)))),
        ("wasi:http/handler@0.3.0", Some((World::Endpoint, Some(HttpVersion::P3)))),
        ("sophia:plugin/connector-calls@0.2.0", None),
        ("wasi:cli/run@0.2.0", None),
    ] {
        assert_eq!(world(export), expected, "{export}");
    }
}
