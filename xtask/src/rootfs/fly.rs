use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

/// What `fly.toml` says of the machine, as far as the trial needs it.
pub(super) struct Fly {
    /// The machine's memory.
    pub(super) memory_bytes: u64,
    /// The process's environment.
    pub(super) env: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
struct Raw {
    env: BTreeMap<String, String>,
    vm: Vec<Vm>,
}

#[derive(serde::Deserialize)]
struct Vm {
    memory: String,
}

impl Fly {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not as expected", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let raw: Raw = toml::from_str(text)?;
        let memory = &raw.vm.first().context("no [[vm]]")?.memory;
        Ok(Self { memory_bytes: bytes(memory).with_context(|| format!("`{memory}` is no size"))?, env: raw.env })
    }
}

/// Fly writes `512mb` and `1gb`, and means binary units.
fn bytes(text: &str) -> Option<u64> {
    let (digits, scale) =
        text.strip_suffix("gb").map(|digits| (digits, 30)).or_else(|| Some((text.strip_suffix("mb")?, 20)))?;
    Some(digits.parse::<u64>().ok()? << scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_machine() {
        let fly = Fly::parse("[env]\nA = \"b\"\n[[vm]]\nsize = \"x\"\nmemory = \"512mb\"\n").unwrap();
        assert_eq!((fly.memory_bytes, fly.env["A"].as_str()), (512 << 20, "b"));
        assert_eq!(bytes("1gb"), Some(1 << 30));
        assert_eq!(bytes("1 GiB"), None);
    }

    #[test]
    fn reads_the_one_that_is_deployed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fly.toml");
        assert_eq!(Fly::read(&path).unwrap().env["SOPHIA_ENVIRONMENT"], "production");
    }
}
