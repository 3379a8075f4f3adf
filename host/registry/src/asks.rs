//! Asks and the operator's decisions on them. Pure: no rows, no clock, no guest.
//!
//! An ask is one line of text, the same in the API, the CLI and the rows, so that what was
//! shown is what is granted. A changed credential is another ask and is decided anew.

use std::{collections::BTreeMap, fmt, sync::OnceLock};

use serde::{Deserialize, Serialize};
use sophia_domain::{PluginName, RequestPattern, Scope};
use sophia_store::{Decision, GrantRow};
use sophia_vault::{Algorithm, Injection, Template};

use crate::manifest::{Access, ConfigKey, CredentialAsk, Manifest};

/// How an egress ask begins, in its text.
const EGRESS: &str = "egress ";

/// A capability that a manifest wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask<'m> {
    /// To send requests.
    Egress(&'m RequestPattern),
    /// To have a secret sent with its requests.
    Credential(&'m str, &'m CredentialAsk),
    /// To verify signatures with a secret.
    Verify(&'m str, Algorithm),
    /// To read settings.
    Config(&'m ConfigKey),
    /// To use a class of models.
    Models(&'m str),
    /// To read a namespace of memory.
    MemoryRead(&'m str),
    /// To write a namespace of memory.
    MemoryWrite(&'m str),
    /// To call a connector.
    Connectors(&'m PluginName),
    /// To be called without a key.
    Public,
}

/// What the operator decided for a plugin so far. Read from rows when a decision is due.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    decisions: BTreeMap<String, Decision>,
    /// Granted egress asks, which also decide narrower ones. Read when one is looked for: a
    /// pattern takes a fifth of a millisecond, and mostly every ask is decided by its text.
    egress: OnceLock<Scope>,
}

/// A version's asks beside what was decided, and beside those of the version that answers now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// All that the version asks for.
    pub asks: Vec<String>,
    /// Asks that are not granted: undecided ones and declined ones.
    pub ungranted: Vec<String>,
    /// Asks that nobody has decided. While there are any, the version is pending.
    pub undecided: Vec<String>,
    /// Asks that the running version does not have.
    pub added: Vec<String>,
    /// Asks of the running version that this one does not have.
    pub removed: Vec<String>,
}

impl Manifest {
    /// What it asks for, in the order of its sections.
    pub fn asks(&self) -> Vec<Ask<'_>> {
        let mut asks = Vec::new();
        asks.extend(self.egress.allow.patterns().iter().map(Ask::Egress));
        asks.extend(self.credentials.iter().map(|(name, ask)| Ask::Credential(name, ask)));
        for (name, ask) in &self.signatures {
            asks.extend(ask.algorithms.iter().map(|algorithm| Ask::Verify(name, *algorithm)));
        }
        asks.extend(self.config.keys.iter().map(Ask::Config));
        asks.extend(self.models.classes.iter().map(|class| Ask::Models(class)));
        asks.extend(self.memory.read.iter().map(|namespace| Ask::MemoryRead(namespace)));
        asks.extend(self.memory.write.iter().map(|namespace| Ask::MemoryWrite(namespace)));
        asks.extend(self.connectors.call.iter().map(Ask::Connectors));
        if self.endpoint.access == Access::Public {
            asks.push(Ask::Public);
        }
        asks
    }
}

impl Grants {
    /// From the plugin's rows.
    pub fn from_rows(rows: Vec<GrantRow>) -> Self {
        let decisions = rows.into_iter().map(|row| (row.ask, row.decision)).collect();
        Self { decisions, egress: OnceLock::new() }
    }

    /// What was decided about an ask; none where nobody has. A decision on the very ask comes
    /// before a granted egress pattern that covers it.
    pub fn decision(&self, ask: &Ask<'_>) -> Option<Decision> {
        if let Some(decision) = self.decisions.get(&ask.to_string()) {
            return Some(*decision);
        }
        match ask {
            Ask::Egress(pattern) if self.egress().covers(pattern) => Some(Decision::Granted),
            _ => None,
        }
    }

    /// Whether an ask was granted.
    pub fn has(&self, ask: &Ask<'_>) -> bool {
        self.decision(ask) == Some(Decision::Granted)
    }

    /// Whether nothing stands against the version: every ask is decided.
    pub fn settle(&self, manifest: &Manifest) -> bool {
        manifest.asks().iter().all(|ask| self.decision(ask).is_some())
    }

    fn egress(&self) -> &Scope {
        self.egress.get_or_init(|| {
            let granted = self.decisions.iter().filter(|(_, decision)| **decision == Decision::Granted);
            Scope::new(granted.filter_map(|(ask, _)| ask.strip_prefix(EGRESS)?.parse().ok()).collect())
        })
    }

    /// Compares a version with what was decided, and with the running version if there is one.
    pub fn diff(&self, version: &Manifest, running: Option<&Manifest>) -> Diff {
        let asks = version.asks();
        let texts = |asks: Vec<Ask<'_>>| asks.iter().map(Ask::to_string).collect::<Vec<_>>();
        let before = texts(running.map(Manifest::asks).unwrap_or_default());
        let which = |keep: &dyn Fn(&Ask<'_>) -> bool| {
            asks.iter().filter(|ask| keep(ask)).map(Ask::to_string).collect::<Vec<_>>()
        };
        let now = which(&|_| true);
        Diff {
            ungranted: which(&|ask| !self.has(ask)),
            undecided: which(&|ask| self.decision(ask).is_none()),
            added: now.iter().filter(|ask| !before.contains(ask)).cloned().collect(),
            removed: before.iter().filter(|ask| !now.contains(ask)).cloned().collect(),
            asks: now,
        }
    }
}

/// Decides every ask of a version: granted where `only` names it or nothing is named, declined
/// otherwise. Fails with a named ask that the version does not have.
pub fn decide(manifest: &Manifest, only: Option<&[String]>) -> Result<Vec<GrantRow>, String> {
    let asks: Vec<String> = manifest.asks().iter().map(Ask::to_string).collect();
    if let Some(unknown) = only.and_then(|only| only.iter().find(|ask| !asks.contains(ask))) {
        return Err(unknown.clone());
    }
    let decision = |ask: &String| match only {
        Some(only) if !only.contains(ask) => Decision::Declined,
        _ => Decision::Granted,
    };
    Ok(asks.into_iter().map(|ask| GrantRow { decision: decision(&ask), ask }).collect())
}

impl fmt::Display for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Egress(pattern) => write!(f, "{EGRESS}{pattern}"),
            Self::Credential(name, ask) => {
                let scope: Vec<&str> = ask.scope.patterns().iter().map(RequestPattern::as_str).collect();
                write!(f, "credential {name} {} {}", scope.join(", "), ask.inject)?;
                if let Some(template) = unusual_template(&ask.inject) {
                    write!(f, " {:?}", template.to_string())?;
                }
                f.write_str(if ask.auto { " auto" } else { "" })
            }
            Self::Verify(name, algorithm) => write!(f, "verify {name} {}", algorithm.as_str()),
            Self::Config(key) => write!(f, "config {key}"),
            Self::Models(class) => write!(f, "models {class}"),
            Self::MemoryRead(namespace) => write!(f, "memory read {namespace}"),
            Self::MemoryWrite(namespace) => write!(f, "memory write {namespace}"),
            Self::Connectors(name) => write!(f, "connectors {name}"),
            Self::Public => f.write_str("access public"),
        }
    }
}

/// The template of a header, where it is not what everybody expects of that header.
fn unusual_template(inject: &Injection) -> Option<&Template> {
    let Injection::Header { name, template } = inject else { return None };
    let usual = if name == "authorization" { "Bearer {secret}" } else { "{secret}" };
    (template.to_string() != usual).then_some(template)
}

#[cfg(test)]
mod tests;
