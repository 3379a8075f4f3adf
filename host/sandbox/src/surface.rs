//! What a file is, read from its outside: which world it implements, what it imports, and the
//! manifest it carries. Linear in the file and without a compiler; the compiling child
//! validates the rest.

use serde::{Deserialize, Serialize};
use sophia_domain::{HttpVersion, World};
use wasmparser::{Encoding, Parser, Payload};

use crate::EngineKind;

/// Name of the custom section that carries the manifest.
const MANIFEST_SECTION: &str = "sophia:manifest";
/// Largest manifest. A long one has some 4 KiB.
const MAX_MANIFEST_BYTES: usize = 64 << 10;
/// Most imports or exports. A Python component has about 60.
const MAX_NAMES: usize = 1_000;
/// The contract's version that this host speaks.
const CONTRACT: &str = "0.1.";

/// What a component offers and needs, as its type says. One per version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surface {
    /// The world it implements.
    pub world: World,
    /// Which `wasi:http` it speaks, where it is an endpoint.
    pub http: Option<HttpVersion>,
    /// The optional interfaces of a policy that it exports.
    pub hooks: Vec<Hook>,
    /// Interfaces it imports, with versions.
    pub imports: Vec<String>,
    /// Interfaces it exports, with versions.
    pub exports: Vec<String>,
    /// The text of its manifest section.
    pub manifest: Option<String>,
}

/// An optional interface of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// `routing`
    Routing,
    /// `admission`
    Admission,
    /// `orchestration`
    Orchestration,
}

/// Why a file is no plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlugin {
    /// It does not begin as WebAssembly does.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// It ends too early.
    #[error("the file is cut off")]
    Truncated,
    /// It is WebAssembly that cannot be read.
    #[error("the file is damaged: {0}")]
    Malformed(String),
    /// A core module instead of a component.
    #[error("the file is a core module, not a component")]
    CoreModule,
    /// A core module for Extism.
    #[error("the file is an Extism plugin")]
    ExtismModule,
    /// A component that implements none of the worlds.
    #[error("the component implements no world that this node knows")]
    UnknownWorld {
        /// What it exports.
        exports: Vec<String>,
    },
    /// More imports or exports than the bound.
    #[error("the component has more than {MAX_NAMES} imports or exports")]
    TooManyNames,
    /// More than one manifest section.
    #[error("the component carries more than one manifest")]
    TwoManifests,
    /// A manifest over the bound.
    #[error("the manifest is larger than {MAX_MANIFEST_BYTES} bytes")]
    ManifestTooLarge,
    /// A manifest that is not UTF-8.
    #[error("the manifest is not UTF-8 text")]
    ManifestNotText,
}

impl Surface {
    /// The engine that runs it: components for WASI 0.3 need the concurrent one.
    pub fn engine(&self) -> EngineKind {
        let is_p3 = |name: &String| name.starts_with("wasi:") && name.contains("@0.3");
        if self.imports.iter().chain(&self.exports).any(is_p3) { EngineKind::Concurrent } else { EngineKind::Plain }
    }
}

/// Reads the outside of a file.
///
/// # Errors
/// Says which way the file is no plugin.
pub fn inspect(bytes: &[u8]) -> Result<Surface, NotAPlugin> {
    if !bytes.starts_with(b"\0asm") {
        return Err(if b"\0asm".starts_with(bytes) && !bytes.is_empty() {
            NotAPlugin::Truncated
        } else {
            NotAPlugin::NotWasm
        });
    }
    let outside = Outside::read(bytes)?;
    let (world, http) =
        world_of(&outside.exports).ok_or_else(|| NotAPlugin::UnknownWorld { exports: outside.exports.clone() })?;
    Ok(Surface {
        world,
        http,
        hooks: hooks_of(&outside.exports),
        imports: outside.imports,
        exports: outside.exports,
        manifest: outside.manifest,
    })
}

/// The names and the manifest, collected in one pass over the sections.
#[derive(Default)]
struct Outside {
    imports: Vec<String>,
    exports: Vec<String>,
    manifest: Option<String>,
    /// Components and modules that have begun and not ended.
    depth: u32,
    is_core: bool,
    is_extism: bool,
}

impl Outside {
    fn read(bytes: &[u8]) -> Result<Self, NotAPlugin> {
        let mut outside = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            outside.take(payload.map_err(unreadable)?)?;
        }
        match (outside.is_core, outside.is_extism) {
            (true, true) => Err(NotAPlugin::ExtismModule),
            (true, false) => Err(NotAPlugin::CoreModule),
            (false, _) => Ok(outside),
        }
    }

    fn take(&mut self, payload: Payload<'_>) -> Result<(), NotAPlugin> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.depth += 1;
                self.is_core |= self.depth == 1 && encoding == Encoding::Module;
            }
            Payload::End(_) => self.depth -= 1,
            Payload::ImportSection(section) if self.is_core && self.depth == 1 => {
                for import in section.into_imports() {
                    self.is_extism |= import.map_err(unreadable)?.module == "extism:host/env";
                }
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                for import in section {
                    push_name(&mut self.imports, import.map_err(unreadable)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                for export in section {
                    push_name(&mut self.exports, export.map_err(unreadable)?.name.name)?;
                }
            }
            Payload::CustomSection(section) if self.depth == 1 && section.name() == MANIFEST_SECTION => {
                self.take_manifest(section.data())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_manifest(&mut self, data: &[u8]) -> Result<(), NotAPlugin> {
        if self.manifest.is_some() {
            return Err(NotAPlugin::TwoManifests);
        }
        if data.len() > MAX_MANIFEST_BYTES {
            return Err(NotAPlugin::ManifestTooLarge);
        }
        let text = std::str::from_utf8(data).map_err(|_| NotAPlugin::ManifestNotText)?;
        self.manifest = Some(text.to_owned());
        Ok(())
    }
}

fn push_name(names: &mut Vec<String>, name: &str) -> Result<(), NotAPlugin> {
    if names.len() == MAX_NAMES {
        return Err(NotAPlugin::TooManyNames);
    }
    names.push(name.to_owned());
    Ok(())
}

fn unreadable(error: wasmparser::BinaryReaderError) -> NotAPlugin {
    // The parser says "unexpected end" for a file that was cut off, and nothing more typed.
    if error.message().contains("unexpected end") {
        NotAPlugin::Truncated
    } else {
        NotAPlugin::Malformed(error.message().to_owned())
    }
}

fn world_of(exports: &[String]) -> Option<(World, Option<HttpVersion>)> {
    let exported = |interface| exports.iter().any(|name| is_ours(name, interface));
    let has_prefix = |prefix| exports.iter().any(|name| name.starts_with(prefix));
    if exported("connector-calls") {
        Some((World::Connector, None))
    } else if exported("pattern-calls") {
        Some((World::Pattern, None))
    } else if exported("about") {
        Some((World::Policy, None))
    } else if has_prefix("wasi:http/handler@0.3.") {
        Some((World::Endpoint, Some(HttpVersion::P3)))
    } else if has_prefix("wasi:http/incoming-handler@0.2.") {
        Some((World::Endpoint, Some(HttpVersion::P2)))
    } else {
        None
    }
}

fn hooks_of(exports: &[String]) -> Vec<Hook> {
    [("routing", Hook::Routing), ("admission", Hook::Admission), ("orchestration", Hook::Orchestration)]
        .into_iter()
        .filter(|(interface, _)| exports.iter().any(|name| is_ours(name, interface)))
        .map(|(_, hook)| hook)
        .collect()
}

/// Whether an exported name is this interface of our package, in a version that we speak.
fn is_ours(name: &str, interface: &str) -> bool {
    name.strip_prefix("sophia:plugin/")
        .and_then(|rest| rest.strip_prefix(interface))
        .and_then(|rest| rest.strip_prefix('@'))
        .is_some_and(is_spoken)
}

/// Whether this host speaks that version of the contract.
pub(crate) fn is_spoken(version: &str) -> bool {
    version.starts_with(CONTRACT)
}

#[cfg(test)]
mod tests;
