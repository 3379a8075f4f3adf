//! What there is to say about a component before anybody uploads it. Pure.

use std::fmt;

use anyhow::Context;
use serde::Serialize;
use sophia_domain::World;
use sophia_registry::{Manifest, ManifestError};
use sophia_sandbox::{Surface, inspect};

/// Something that its author wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli::plugin) struct Finding {
    level: Level,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// A node would refuse it.
    Error,
    /// It would work otherwise than its author may think.
    Warning,
}

impl Finding {
    pub(in crate::cli::plugin) fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    fn error(text: impl Into<String>) -> Self {
        Self { level: Level::Error, text: text.into() }
    }

    fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.is_error() { "error" } else { "warning" };
        write!(f, "{level}: {}", self.text)
    }
}

/// Reads a component as a node would.
///
/// # Errors
/// Where the file is no plugin at all.
pub(in crate::cli::plugin) fn review(component: &[u8]) -> anyhow::Result<Vec<Finding>> {
    let surface = inspect(component).context("this is no plugin: `sophia plugin build` makes one of a crate")?;
    let manifest = surface.manifest.as_deref().map(Manifest::parse);
    Ok(findings(&surface, manifest))
}

fn findings(surface: &Surface, manifest: Option<Result<Manifest, ManifestError>>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = surface.refused_imports().map(|import| refused(surface, import)).collect();
    if surface.world == World::Policy && surface.hooks.is_empty() {
        findings
            .push(Finding::warning("the policy decides nothing: it exports no routing, admission or orchestration"));
    }
    match manifest {
        None => findings.push(Finding::warning(
            "there is no manifest inside: upload one beside the file, or the plugin asks for nothing",
        )),
        Some(Err(error)) => findings.push(Finding::error(format!("the manifest cannot be read: {error}"))),
        Some(Ok(manifest)) => {
            let claimed = manifest.plugin.world;
            if claimed != surface.world {
                findings.push(Finding::error(format!(
                    "the manifest says `world = \"{claimed}\"` and the component is a {}: change one of them",
                    surface.world
                )));
            }
            findings.extend(asks_and_imports(surface, &manifest));
        }
    }
    findings
}

/// An import that the upload would end at, at its step `link`.
fn refused(surface: &Surface, import: &str) -> Finding {
    Finding::error(format!("a {} may not import `{import}`: remove what needs it", surface.world))
}

/// Interfaces, the one that people know first, and whether the manifest asks for something that
/// only they can use.
struct Use {
    interfaces: &'static [&'static str],
    asks: &'static str,
    is_asked: bool,
    /// Whether importing it without asks is of no use at all.
    is_useless_without: bool,
}

fn asks_and_imports(surface: &Surface, manifest: &Manifest) -> Vec<Finding> {
    let is_sending = imports(surface, "sophia:plugin/http")
        || imports(surface, "wasi:http/outgoing-handler")
        || imports(surface, "wasi:http/client");
    let mut findings = Vec::new();
    if is_sending && manifest.egress.allow.is_empty() {
        findings.push(Finding::warning("it sends requests and asks for no `[egress]`: each would be refused"));
    }
    if !is_sending && !manifest.egress.allow.is_empty() {
        findings.push(Finding::warning("it asks for `[egress]` and never sends a request: ask for less"));
    }
    if manifest.egress.allow.is_empty() && !manifest.credentials.is_empty() {
        findings.push(Finding::warning("it asks for a credential and for no `[egress]` to send it with: ask for less"));
    }
    for used in uses(manifest) {
        let is_imported = used.interfaces.iter().any(|interface| imports(surface, interface));
        let name = used.interfaces.first().map_or("", |interface| interface.trim_start_matches("sophia:plugin/"));
        match (is_imported, used.is_asked) {
            (false, true) => findings
                .push(Finding::warning(format!("it asks for `{}` and never uses `{name}`: ask for less", used.asks))),
            (true, false) if used.is_useless_without => findings.push(Finding::warning(format!(
                "it uses `{name}` and asks for no `{}`: there would be nothing for it",
                used.asks
            ))),
            _ => {}
        }
    }
    findings
}

fn uses(manifest: &Manifest) -> [Use; 5] {
    let memory = &manifest.memory;
    [
        Use {
            interfaces: &["sophia:plugin/config"],
            asks: "[config] keys",
            is_asked: !manifest.config.keys.is_empty(),
            is_useless_without: true,
        },
        Use {
            interfaces: &["sophia:plugin/secrets"],
            asks: "[signatures]",
            is_asked: !manifest.signatures.is_empty(),
            // It may only want to know whether a credential is there.
            is_useless_without: manifest.credentials.is_empty(),
        },
        Use {
            // An agent thinks with a model of these classes too.
            interfaces: &["sophia:plugin/models", "sophia:plugin/agents"],
            asks: "[models] classes",
            is_asked: !manifest.models.classes.is_empty(),
            is_useless_without: true,
        },
        Use {
            interfaces: &["sophia:plugin/memory"],
            asks: "[memory]",
            is_asked: !(memory.read.is_empty() && memory.write.is_empty()),
            is_useless_without: true,
        },
        Use {
            interfaces: &["sophia:plugin/connectors"],
            asks: "[connectors] call",
            is_asked: !manifest.connectors.call.is_empty(),
            is_useless_without: true,
        },
    ]
}

fn imports(surface: &Surface, interface: &str) -> bool {
    surface.imports.iter().any(|import| import.split_once('@').map_or(import.as_str(), |(name, _)| name) == interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str = "[plugin]\nname = \"x\"\nversion = \"1.0.0\"\nworld = \"connector\"\n";

    fn surface(imports: &[&str]) -> Surface {
        Surface {
            world: World::Connector,
            http: None,
            hooks: Vec::new(),
            imports: imports.iter().map(|name| format!("{name}@0.1.0")).collect(),
            exports: Vec::new(),
            manifest: None,
        }
    }

    fn check(imports: &[&str], manifest: &str, expected: &[&str]) {
        let manifest = Manifest::parse(&format!("{ABOUT}{manifest}"));
        let found = findings(&surface(imports), Some(manifest));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, expected) in found.iter().zip(expected) {
            assert!(finding.to_string().contains(expected), "{finding}");
        }
    }

    #[test]
    fn asks_and_uses_agree() {
        const HTTP: &str = "sophia:plugin/http";
        const EGRESS: &str = "[egress]\nallow = [\"GET https://a.example/*\"]\n";
        check(&[], "", &[]);
        check(&[HTTP], EGRESS, &[]);
        check(&["wasi:http/outgoing-handler"], EGRESS, &[]);
        check(&[HTTP], "", &["warning: it sends requests and asks for no"]);
        check(&[], EGRESS, &["warning: it asks for `[egress]` and never sends"]);
        check(&["sophia:plugin/config"], "", &["uses `config` and asks for no `[config] keys`"]);
        check(&[], "[config]\nkeys = [\"a.*\"]\n", &["asks for `[config] keys` and never uses `config`"]);
        check(&["sophia:plugin/secrets"], "[signatures.hook]\nalgorithms = [\"hmac-sha256\"]\n", &[]);
        check(&[], "[models]\nclasses = [\"fast\"]\n", &["never uses `models`"]);
        // Of no use to a connector, but a use.
        check(&["sophia:plugin/agents"], "[models]\nclasses = [\"fast\"]\n", &["may not import"]);
    }

    #[test]
    fn imports_that_a_world_does_not_have_are_refused_as_at_the_upload() {
        let needs = ["sophia:plugin/models", "wasi:nn/graph", "env", "wasi:clocks/wall-clock", "sophia:plugin/log"];
        let found = findings(&surface(&needs), None);
        let errors: Vec<String> = found.iter().filter(|found| found.is_error()).map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "error: a connector may not import `sophia:plugin/models@0.1.0`: remove what needs it",
                "error: a connector may not import `wasi:nn/graph@0.1.0`: remove what needs it",
                "error: a connector may not import `env@0.1.0`: remove what needs it",
            ]
        );
        let pure = Surface { world: World::Policy, ..surface(&["wasi:http/outgoing-handler"]) };
        assert!(findings(&pure, None).iter().any(|found| found.text.contains("a policy may not import")));
    }

    #[test]
    fn says_what_a_node_would_refuse() {
        let other = Manifest::parse(&ABOUT.replace("connector", "policy"));
        let found = findings(&surface(&[]), Some(other));
        assert!(
            found.iter().any(|finding| finding.is_error() && finding.text.contains("the component is a connector"))
        );
        let unreadable = Manifest::parse("[plugin]\nnam = 1\n");
        assert!(findings(&surface(&[]), Some(unreadable)).iter().any(Finding::is_error));
    }

    #[test]
    fn a_silent_component_is_no_mistake() {
        let found = findings(&surface(&[]), None);
        assert!(!found.is_empty() && !found.iter().any(Finding::is_error));
    }

    #[test]
    fn a_policy_should_decide_something() {
        let idle = Surface { world: World::Policy, ..surface(&[]) };
        assert!(findings(&idle, None).iter().any(|finding| finding.text.contains("decides nothing")));
    }
}
