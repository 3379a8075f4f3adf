use anyhow::{Context, Result};

/// The section that a manifest is embedded in, and how its text says the version.
const SECTION: &[u8] = b"sophia:manifest";
const VERSION: &[u8] = b"version = \"";

/// A second version of a component: the same code, and the next patch level in its manifest. One
/// digit changes, so that no length does.
pub(super) fn version(component: &[u8]) -> Result<Vec<u8>> {
    let section = find(component, SECTION, 0).context("the component has no manifest")?;
    let start = find(component, VERSION, section).context("the manifest says no version")? + VERSION.len();
    let end = find(component, b"\"", start).context("the version does not end")?;
    let mut second = component.to_owned();
    let digit = second.get_mut(end - 1).context("the version is empty")?;
    *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
    Ok(second)
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_one_digit_of_the_manifest() {
        let component = b"code version = \"0.0.0\" sophia:manifest[plugin]\nversion = \"0.1.0\"\nend";
        let second = version(component).unwrap();
        assert_eq!(second, b"code version = \"0.0.0\" sophia:manifest[plugin]\nversion = \"0.1.1\"\nend");
    }

    #[test]
    fn needs_a_manifest() {
        assert!(version(b"no manifest").is_err());
        assert!(version(b"sophia:manifest nothing").is_err());
    }
}
