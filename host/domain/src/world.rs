use std::fmt;

use serde::{Deserialize, Serialize};

/// Which WIT world a version implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Reads and acts on somebody's API.
    Connector,
    /// Choreographs a swarm.
    Pattern,
    /// Decides where a request goes.
    Policy,
    /// Answers HTTP itself.
    Endpoint,
}

/// Which `wasi:http` an endpoint speaks. Chooses the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `wasi:http/incoming-handler@0.2`.
    #[serde(rename = "0.2")]
    P2,
    /// `wasi:http/handler@0.3`.
    #[serde(rename = "0.3")]
    P3,
}

impl World {
    /// The word used in manifests, the API and the CLI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Pattern => "pattern",
            Self::Policy => "policy",
            Self::Endpoint => "endpoint",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
