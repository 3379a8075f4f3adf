//! `sophia plugin new`: a folder with a plugin that builds, to go on from.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;
use sophia_domain::PluginName;

use crate::cli::{Failure, show::Show};

/// Where the SDK lies in a checkout of Sophia.
const SDK_IN_CHECKOUT: &str = "sdk/rust";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sophia plugin new acme
  sophia plugin new debate --world pattern
  sophia plugin new greeter --world endpoint")]
pub(crate) struct NewArgs {
    /// The plugin, and the folder that is made for it
    name: PluginName,
    /// What it shall be
    #[arg(long, value_enum, default_value_t = Kind::Connector)]
    world: Kind,
    /// A checkout's sdk/rust; the one this folder lies in, else the released one, where not given
    #[arg(long, value_name = "FOLDER", env = "SOPHIA_SDK")]
    sdk: Option<PathBuf>,
}

/// The worlds that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Reads and acts on somebody's API
    Connector,
    /// Choreographs a swarm of agents
    Pattern,
    /// Decides which model answers
    Policy,
    /// Answers HTTP itself
    Endpoint,
}

pub(super) fn run(args: NewArgs, show: Show) -> Result<(), Failure> {
    let here = env::current_dir()?;
    let folder = here.join(args.name.as_str());
    let sdk = match args.sdk {
        Some(sdk) => Some(sdk.canonicalize().with_context(|| format!("there is no SDK at {}", sdk.display()))?),
        None => sdk_above(&folder),
    };
    write(&folder, &args.name, args.world, sdk.as_deref())?;
    let name = &args.name;
    match show {
        Show::Json => show.json(&json!({ "name": name, "folder": folder })),
        Show::Text => show.done(&format!("{name}/ is there\nnext: sophia plugin build {name}")),
    }
}

/// Writes the template. What is there already stays as it is.
fn write(folder: &Path, name: &PluginName, kind: Kind, sdk: Option<&Path>) -> Result<()> {
    ensure!(!folder.exists(), "{} is there already: choose another name, or remove it", folder.display());
    let sdk = match sdk {
        Some(path) => format!("{{ path = {} }}", json!(path)),
        None => json!(env!("CARGO_PKG_VERSION")).to_string(),
    };
    let fill = |text: &str| text.replace("{{name}}", name.as_str()).replace("{{sdk}}", &sdk);
    fs::create_dir_all(folder.join("src")).with_context(|| format!("cannot make {}", folder.display()))?;
    for (file, text) in kind.files() {
        let path = folder.join(file);
        fs::write(&path, fill(text)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The SDK of the checkout that `folder` lies in, as a path from there.
fn sdk_above(folder: &Path) -> Option<PathBuf> {
    let ups = folder.ancestors().skip(1).position(|above| above.join(SDK_IN_CHECKOUT).join("Cargo.toml").is_file())?;
    let mut path: PathBuf = std::iter::repeat_n("..", ups + 1).collect();
    path.push(SDK_IN_CHECKOUT);
    Some(path)
}

impl Kind {
    fn files(self) -> [(&'static str, &'static str); 4] {
        let (manifest, code, cargo) = match self {
            Self::Connector => (
                include_str!("new/connector.plugin.toml"),
                include_str!("new/connector.rs.txt"),
                include_str!("new/sdk.cargo.toml"),
            ),
            Self::Pattern => (
                include_str!("new/pattern.plugin.toml"),
                include_str!("new/pattern.rs.txt"),
                include_str!("new/sdk.cargo.toml"),
            ),
            Self::Policy => (
                include_str!("new/policy.plugin.toml"),
                include_str!("new/policy.rs.txt"),
                include_str!("new/sdk.cargo.toml"),
            ),
            Self::Endpoint => (
                include_str!("new/endpoint.plugin.toml"),
                include_str!("new/endpoint.rs.txt"),
                include_str!("new/endpoint.cargo.toml"),
            ),
        };
        [("Cargo.toml", cargo), ("plugin.toml", manifest), ("src/lib.rs", code), (".gitignore", "/target\n*.wasm\n")]
    }
}

#[cfg(test)]
mod tests {
    use sophia_registry::Manifest;

    use super::*;

    #[test]
    fn writes_a_plugin_of_each_world() {
        let home = tempfile::tempdir().unwrap();
        for kind in Kind::value_variants() {
            let name: PluginName = format!("a-{kind:?}").to_lowercase().parse().unwrap();
            let folder = home.path().join(name.as_str());
            write(&folder, &name, *kind, Some(Path::new("/x/sdk/rust"))).unwrap();
            let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
            let manifest = Manifest::parse(&read("plugin.toml")).unwrap();
            assert_eq!(manifest.plugin.name, name);
            assert!(read("Cargo.toml").contains("sophia-sdk = { path = \"/x/sdk/rust\" }"));
            assert!(read("Cargo.toml").contains("\n[workspace]\n"), "it is built within another workspace too");
            assert!(!read("Cargo.toml").contains("{{") && !read("src/lib.rs").contains("{{name}}"));
        }
    }

    #[test]
    fn touches_nothing_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let name: PluginName = "acme".parse().unwrap();
        let error = write(home.path(), &name, Kind::Connector, None).unwrap_err();
        assert!(error.to_string().contains("choose another name"), "{error}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn finds_the_sdk_of_the_checkout() {
        let home = tempfile::tempdir().unwrap();
        let sdk = home.path().join(SDK_IN_CHECKOUT);
        fs::create_dir_all(&sdk).unwrap();
        fs::write(sdk.join("Cargo.toml"), "").unwrap();
        assert_eq!(sdk_above(&home.path().join("plugins/x")), Some(PathBuf::from("../../sdk/rust")));
        assert_eq!(sdk_above(Path::new("/x")), None);
    }
}
