//! Builds the guests: the official plugins and what the tests upload.
//!
//! Everything lands in `$CARGO_TARGET_DIR/guests/{name}.wasm`; nothing built is checked in. A guest
//! whose sources did not change is not built again, so a second run takes well under a second.

pub(crate) mod apt;
pub(crate) mod embed;
mod js;
mod python;
mod rust;
mod sources;
mod stamp;
mod toolchain;
mod venv;
mod wasi;

use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, ensure};

use crate::{checkout::Checkout, step::Took};

use stamp::Stamp;
pub(crate) use toolchain::Target;
use toolchain::Toolchain;

/// Build the guests: plugins and test components, in every language.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask guests                     all of them
  cargo xtask guests hubspot hello       only these
  cargo xtask guests --list              what would be built, and what is up to date
  cargo xtask guests --toolchain debian  those in Rust again, unless this toolchain built them")]
pub(crate) struct Args {
    /// Only these, by name; all without one.
    names: Vec<String>,
    /// Take this toolchain for Rust instead of choosing one.
    #[arg(long, value_enum)]
    toolchain: Option<toolchain::Kind>,
    /// Say what is there, and build nothing.
    #[arg(long)]
    list: bool,
}

/// What a builder of guests works with. Made once per run.
pub(crate) struct Guests {
    /// The checkout whose guests are built.
    pub(crate) checkout: Checkout,
    /// Where `{name}.wasm` goes.
    pub(crate) out: PathBuf,
    /// For tools and intermediate files that are worth keeping: npm packages, virtual environments.
    pub(crate) cache: PathBuf,
    only: Vec<String>,
    list: bool,
    wanted: Option<toolchain::Kind>,
    toolchains: [OnceCell<Toolchain>; 2],
}

/// One guest: its name, and everything that its bytes depend on.
pub(crate) struct Guest<'a> {
    /// The file's stem, and usually the plugin's name.
    pub(crate) name: &'a str,
    /// Files and folders. Build outputs within (`target`, `node_modules`, `__pycache__`) are passed over.
    pub(crate) sources: &'a [PathBuf],
    /// What Rust builds it for; none in another language.
    pub(crate) target: Option<Target>,
}

pub(crate) fn run(checkout: &Checkout, args: Args) -> Result<()> {
    let mut guests = Guests::new(checkout, args.names);
    (guests.list, guests.wanted) = (args.list, args.toolchain);
    guests.build_all()
}

impl Guests {
    /// Names those that are wanted; with none, all are.
    pub(crate) fn new(checkout: &Checkout, only: Vec<String>) -> Self {
        Self {
            out: checkout.target.join("guests"),
            cache: checkout.target.join("guest-tools"),
            checkout: checkout.clone(),
            only,
            list: false,
            wanted: None,
            toolchains: [OnceCell::new(), OnceCell::new()],
        }
    }

    /// Builds what is wanted and has changed, in every language.
    pub(crate) fn build_all(&self) -> Result<()> {
        rust::build(self)?;
        wasi::build(self)?;
        js::build(self)?;
        python::build(self)?;
        for name in &self.only {
            ensure!(
                self.path(name).is_file() || self.list,
                "there is no guest `{name}`: see `cargo xtask guests --list`"
            );
        }
        Ok(())
    }

    /// Where a guest lies once it is built.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.out.join(format!("{name}.wasm"))
    }

    /// Calls `build` with the path to write, unless the guest is up to date or not wanted.
    /// The file appears under its name only when `build` has finished.
    pub(crate) fn make(&self, guest: &Guest<'_>, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let Guest { name, sources, target } = guest;
        if !self.only.is_empty() && !self.only.iter().any(|wanted| wanted == name) {
            return Ok(());
        }
        let path = self.cache.join("stamps").join(name);
        let mut stamp = Stamp { sources: sources::fingerprint(&self.checkout.root, sources)?, toolchain: None };
        let wanted = target.and(self.wanted);
        let is_fresh = self.path(name).is_file() && Stamp::read(&path).is_some_and(|old| old.serves(&stamp, wanted));
        if self.list {
            println!("{name:<28} {}", if is_fresh { "up to date" } else { "to build" });
            return Ok(());
        }
        if is_fresh {
            return Ok(());
        }
        let start = Instant::now();
        let unfinished = self.cache.join("unfinished").join(format!("{name}.wasm"));
        for folder in [&self.out, &self.cache.join("stamps"), &self.cache.join("unfinished")] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        eprintln!("• guest {name}");
        build(&unfinished).with_context(|| format!("guest `{name}`"))?;
        let bytes = fs::metadata(&unfinished).with_context(|| format!("building `{name}` left no file"))?.len();
        fs::rename(&unfinished, self.path(name))?;
        stamp.toolchain = target.and_then(|target| self.chosen(target).get()).map(Toolchain::kind);
        fs::write(path, stamp.to_string())?;
        eprintln!("✓ guest {name}, {} kB, {}", bytes / 1000, Took(start.elapsed()));
        Ok(())
    }

    /// Cargo that can build for `target`, with its own target folder so that guests and host do
    /// not wait for each other's lock. Ask inside the closure of [`Guests::make`]: choosing takes time.
    pub(crate) fn cargo(&self, target: Target) -> Result<Command> {
        let mut command = Command::new(self.toolchain(target)?.cargo());
        self.prepare(&mut command, target)?;
        Ok(command)
    }

    /// Gives a command that starts cargo itself (`sophia plugin build`) the environment it needs.
    pub(crate) fn prepare(&self, command: &mut Command, target: Target) -> Result<()> {
        self.toolchain(target)?.apply(command, &self.checkout.target.join("guests-build"));
        Ok(())
    }

    /// Decided at the first guest that has to be built, and said aloud then.
    fn toolchain(&self, target: Target) -> Result<&Toolchain> {
        let cell = self.chosen(target);
        if let Some(chosen) = cell.get() {
            return Ok(chosen);
        }
        let chosen = toolchain::choose(target, self.wanted, &self.cache)?;
        eprintln!("  {chosen}");
        Ok(cell.get_or_init(|| chosen))
    }

    /// Where a decision is kept.
    fn chosen(&self, target: Target) -> &OnceCell<Toolchain> {
        let [unknown, wasip2] = &self.toolchains;
        match target {
            Target::Unknown => unknown,
            Target::Wasip2 => wasip2,
        }
    }
}
