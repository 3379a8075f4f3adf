//! What a version says of itself: `plugin.toml`, carried inside the `.wasm`.
//!
//! Every field is known or the manifest is refused, so that a typing error never reads as
//! "asks for nothing". What a manifest asks for is a wish; see `Manifest::asks`.

mod config_key;

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};
use sophia_domain::{LimitAsks, PluginName, Rate, Scope, World};
use sophia_vault::{Algorithm, Injection};

pub use config_key::ConfigKey;

/// Largest manifest. A long one has some 4 KiB.
const MAX_MANIFEST_BYTES: usize = 64 << 10;

/// Longest name of a credential or signature.
const MAX_KEY_LEN: usize = 63;

/// Most credentials and signatures of one plugin: each request is compared with all of them, and a
/// connector speaks to one vendor.
const MAX_KEYS: usize = 32;

/// A manifest that was read. One per version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: About,
    /// Where it wants to send requests.
    #[serde(default)]
    pub egress: EgressAsks,
    /// Secrets it wants sent with its requests, by its own names for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, CredentialAsk>,
    /// Secrets it wants to verify signatures with, by its own names for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<String, SignatureAsk>,
    /// Settings it wants to read.
    #[serde(default)]
    pub config: ConfigAsks,
    /// Model classes it wants to use.
    #[serde(default)]
    pub models: ModelAsks,
    /// Memory it wants to use.
    #[serde(default)]
    pub memory: MemoryAsks,
    /// Connectors it wants to call.
    #[serde(default)]
    pub connectors: ConnectorAsks,
    /// What a call of it needs; capped by the operator.
    #[serde(default)]
    pub limits: LimitAsks,
    /// How often it may use a credential, by the credential's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rate: BTreeMap<String, RateAsk>,
    /// How it is reached, where it is an endpoint.
    #[serde(default)]
    pub endpoint: EndpointAsks,
}

/// `[plugin]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Must be the name it is uploaded under.
    pub name: PluginName,
    /// For people; the digest is what names a version.
    pub version: Version,
    /// Must be the world that the component implements.
    pub world: World,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// An SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// `[egress]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressAsks {
    /// Each pattern is an ask of its own.
    #[serde(default)]
    pub allow: Scope,
}

/// `[credentials.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialAsk {
    /// Where the credential may be sent.
    pub scope: Scope,
    /// How it is put into a request.
    pub inject: Injection,
    /// Whether it goes along wherever the URL is in scope, without being named.
    #[serde(default)]
    pub auto: bool,
}

/// `[signatures.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureAsk {
    /// Each is an ask of its own.
    pub algorithms: Vec<Algorithm>,
}

/// `[config]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigAsks {
    /// Keys, or beginnings of keys with `*`.
    #[serde(default)]
    pub keys: Vec<ConfigKey>,
}

/// `[models]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelAsks {
    /// Such as `fast` or `embed`.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// `[memory]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryAsks {
    /// Namespaces to read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Namespaces to write.
    #[serde(default)]
    pub write: Vec<String>,
}

/// `[connectors]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorAsks {
    /// Connectors to call.
    #[serde(default)]
    pub call: Vec<PluginName>,
}

/// `[rate.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateAsk {
    /// Such as `190/10s`.
    pub requests: Rate,
}

/// `[endpoint]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointAsks {
    /// Who may call it.
    #[serde(default)]
    pub access: Access,
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Whoever has a key of the node.
    #[default]
    Key,
    /// Anybody.
    Public,
}

/// Why text is no manifest. All texts are public: they say what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// More text than any manifest needs.
    #[error("the manifest is larger than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge,
    /// Not TOML, a field that does not exist, a value that is none, a field that is missing.
    #[error("line {line}: {message}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A credential or signature with a name that cannot be one.
    #[error("`{0}` is no name for a credential or signature: use 1 to 63 of a-z, 0-9, `-` and `_`")]
    Key(String),
    /// More credentials and signatures than a request is compared with.
    #[error("{0} credentials and signatures are too many: ask for at most {MAX_KEYS}")]
    TooManyKeys(usize),
    /// One name for two things.
    #[error("`{0}` names both a credential and a signature: give them different names")]
    NamedTwice(String),
    /// A credential that can be sent nowhere.
    #[error("credential `{0}` has an empty scope, which matches nothing: write where it may be sent")]
    EmptyScope(String),
    /// A signature without algorithms.
    #[error("signature `{0}` has no algorithms: write which it is verified with")]
    NoAlgorithms(String),
    /// A rate for a credential that is not asked for.
    #[error("rate `{0}` is for no credential of the manifest")]
    RateOfNothing(String),
    /// A field that only endpoints have.
    #[error("`[endpoint] access` is for the endpoint world, and this is a {0}")]
    NotAnEndpoint(World),
}

impl Manifest {
    /// Reads `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let manifest: Self = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest of a component that came without one: it asks for nothing.
    pub fn of_silent(name: PluginName, world: World) -> Self {
        Self {
            plugin: About { name, version: Version::new(0, 0, 0), world, description: String::new(), licence: None },
            egress: EgressAsks::default(),
            credentials: BTreeMap::new(),
            signatures: BTreeMap::new(),
            config: ConfigAsks::default(),
            models: ModelAsks::default(),
            memory: MemoryAsks::default(),
            connectors: ConnectorAsks::default(),
            limits: LimitAsks::default(),
            rate: BTreeMap::new(),
            endpoint: EndpointAsks::default(),
        }
    }

    fn check(&self) -> Result<(), ManifestError> {
        if let Some(key) = self.credentials.keys().chain(self.signatures.keys()).find(|key| !is_key(key)) {
            return Err(ManifestError::Key(key.chars().filter(|c| !c.is_control()).take(MAX_KEY_LEN).collect()));
        }
        let n_keys = self.credentials.len() + self.signatures.len();
        if n_keys > MAX_KEYS {
            return Err(ManifestError::TooManyKeys(n_keys));
        }
        if let Some(name) = self.credentials.keys().find(|name| self.signatures.contains_key(*name)) {
            return Err(ManifestError::NamedTwice(name.clone()));
        }
        if let Some((name, _)) = self.credentials.iter().find(|(_, ask)| ask.scope.is_empty()) {
            return Err(ManifestError::EmptyScope(name.clone()));
        }
        if let Some((name, _)) = self.signatures.iter().find(|(_, ask)| ask.algorithms.is_empty()) {
            return Err(ManifestError::NoAlgorithms(name.clone()));
        }
        if let Some(name) = self.rate.keys().find(|name| !self.credentials.contains_key(*name)) {
            return Err(ManifestError::RateOfNothing(name.clone()));
        }
        if self.endpoint.access == Access::Public && self.plugin.world != World::Endpoint {
            return Err(ManifestError::NotAnEndpoint(self.plugin.world));
        }
        Ok(())
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_LEN).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

fn unreadable(text: &str, error: &toml::de::Error) -> ManifestError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    ManifestError::Unreadable { line: before.matches('\n').count() + 1, message: error.message().to_owned() }
}

#[cfg(test)]
mod tests;
