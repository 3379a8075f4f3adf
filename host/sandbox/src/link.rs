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

/// Whether a component imports only what its world may.
pub(crate) fn check_imports(surface: &Surface) -> Result<(), LoadError> {
    match surface.imports.iter().find(|import| !may_import(surface.world, import)) {
        None => Ok(()),
        Some(import) => Err(LoadError::Import { world: surface.world, import: import.clone() }),
    }
}

/// The worlds of `wit/worlds.wit`, and the WASI that each may add: a virtual one without files,
/// sockets or environment, whose HTTP is egress. Policies are pure, and patterns are replayed
/// from their journal, so neither may send requests.
fn may_import(world: World, import: &str) -> bool {
    let name = import.split_once('@').map_or(import, |(name, _)| name);
    if let Some(interface) = name.strip_prefix("sophia:plugin/") {
        return may_import_ours(world, interface);
    }
    let is_http_client = matches!(name, "wasi:http/outgoing-handler" | "wasi:http/client");
    name.starts_with("wasi:") && (!is_http_client || matches!(world, World::Connector | World::Endpoint))
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
        ] {
            assert_eq!(may_import(world, import), expected, "{world} {import}");
        }
    }
}
