//! Linking: everything that could be granted stands in the linker, and a world's component may
//! import only what its world has.

use sophia_domain::World;
use wasmtime::{
    Engine, Result,
    component::{HasSelf, Linker},
};

use crate::{
    EngineKind, Surface,
    aot::BrokenSeal,
    bindings::sophia::plugin::{
        agents, budget, clock, config, connectors, http, log, memory, models, random, secrets, timeline,
    },
    guest::Guest,
    surface::is_spoken,
};

/// Why compiled code could not become a program.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The code was not made by this installation, or was changed.
    #[error(transparent)]
    Seal(#[from] BrokenSeal),
    /// The engine does not take the code: another version or configuration made it.
    #[error("the compiled code does not fit this engine")]
    Deserialize(#[source] wasmtime::Error),
    /// Its world may not import this.
    #[error("a {world} may not import `{import}`")]
    Import {
        /// The component's world.
        world: World,
        /// The interface.
        import: String,
    },
    /// It imports something that this host does not have, or in another shape.
    #[error("the component does not link: {0}")]
    Link(String),
}

/// A linker with every interface that an engine offers. Built once per engine.
pub(crate) fn linker(engine: &Engine, kind: EngineKind) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    add_contract(&mut linker)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

fn add_contract(linker: &mut Linker<Guest>) -> Result<()> {
    http::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    secrets::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    config::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    log::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    clock::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    random::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    models::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    agents::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    connectors::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    memory::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    timeline::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    budget::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl Surface {
    /// Imports that its world may not have. The component does not load while there is one.
    ///
    /// Where there is none it may still not link: a function may be missing from an interface, or
    /// have another shape. That shows at the upload only.
    pub fn refused_imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str).filter(|import| !may_import(self.world, import))
    }
}

/// Whether a component imports only what its world may.
pub(crate) fn check_imports(surface: &Surface) -> Result<(), LoadError> {
    match surface.refused_imports().next() {
        None => Ok(()),
        Some(import) => Err(LoadError::Import { world: surface.world, import: import.to_owned() }),
    }
}

/// The worlds of `wit/worlds.wit`, and the WASI that each may add: a virtual one without files,
/// sockets or environment, whose HTTP is egress. Policies are pure, and patterns are replayed
/// from their journal, so neither may send requests.
fn may_import(world: World, import: &str) -> bool {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(interface) = name.strip_prefix("sophia:plugin/") {
        return is_spoken(version) && may_import_ours(world, interface);
    }
    let is_http_client = matches!(name, "wasi:http/outgoing-handler" | "wasi:http/client");
    is_virtual(name) && (!is_http_client || matches!(world, World::Connector | World::Endpoint))
}

/// The packages of WASI that are there, virtual.
fn is_virtual(name: &str) -> bool {
    const PACKAGES: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];
    let package = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    package.is_some_and(|(package, _)| PACKAGES.contains(&package))
}

fn may_import_ours(world: World, interface: &str) -> bool {
    const POLICY: &[&str] = &["types", "config", "log"];
    const CONNECTOR: &[&str] = &["http", "secrets", "clock", "random"];
    const PATTERN: &[&str] = &["models", "agents", "connectors", "memory", "timeline", "budget", "clock", "random"];
    // Types of exported interfaces are imported by name too: they carry no function.
    const TYPES: &[&str] = &["about", "routing", "admission", "orchestration"];
    POLICY.contains(&interface)
        || TYPES.contains(&interface)
        || match world {
            World::Policy => false,
            World::Connector => CONNECTOR.contains(&interface),
            World::Pattern => PATTERN.contains(&interface),
            World::Endpoint => CONNECTOR.contains(&interface) || PATTERN.contains(&interface),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_imports_only_what_it_has() {
        for (world, import, expected) in [
            (World::Connector, "sophia:plugin/http@0.1.0", true),
            (World::Connector, "sophia:plugin/models@0.1.0", false),
            (World::Connector, "wasi:http/outgoing-handler@0.2.3", true),
            (World::Policy, "sophia:plugin/log@0.1.0", true),
            (World::Policy, "sophia:plugin/http@0.1.0", false),
            (World::Policy, "wasi:http/outgoing-handler@0.2.0", false),
            (World::Policy, "wasi:clocks/wall-clock@0.2.0", true),
            (World::Pattern, "sophia:plugin/agents@0.1.0", true),
            (World::Pattern, "wasi:http/client@0.3.0", false),
            (World::Endpoint, "sophia:plugin/models@0.1.0", true),
            (World::Endpoint, "wasi:http/client@0.3.0", true),
            (World::Endpoint, "evil:plugin/http@0.1.0", false),
            (World::Connector, "sophia:plugin/http@0.2.0", false),
            (World::Connector, "sophia:plugin/http", false),
            (World::Connector, "sophia:plugin/files@0.1.0", false),
            (World::Endpoint, "wasi:filesystem/types@0.2.0", true),
            (World::Endpoint, "wasi:nn/graph@0.2.0-rc-2024-10-28", false),
            (World::Endpoint, "environment", false),
        ] {
            assert_eq!(may_import(world, import), expected, "{world} {import}");
        }
    }
}
