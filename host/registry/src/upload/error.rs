use std::io;

use sophia_domain::{ByteSize, Fault, PluginName, Problem, ProblemDocument, World};
use sophia_sandbox::{CompileError, LoadError, NotAPlugin};

use super::{BoxError, OfferError, Step};
use crate::{ManifestError, RegistryError};

/// Why a component was not taken. Each knows its step; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// More bytes than a component may have.
    #[error("the upload is larger than {max}")]
    TooLarge {
        /// The bound.
        max: ByteSize,
    },
    /// The body ended early or broke.
    #[error("the upload was interrupted")]
    Interrupted(#[source] BoxError),
    /// The temporary file failed.
    #[error("the upload could not be written")]
    Temporary(#[source] io::Error),
    /// Not a component of a known world.
    #[error(transparent)]
    NotAPlugin(#[from] NotAPlugin),
    /// A manifest that is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A manifest inside and another beside the component.
    #[error("there is a manifest inside and beside the component")]
    ManifestTwice,
    /// The manifest is of another plugin.
    #[error("the manifest is of `{manifest}`, not of `{given}`")]
    AnotherName {
        /// What the manifest says.
        manifest: PluginName,
        /// What it was uploaded as.
        given: PluginName,
    },
    /// The manifest is of another world.
    #[error("the manifest says {manifest}, the component is a {component}")]
    AnotherWorld {
        /// What the manifest says.
        manifest: World,
        /// What the component implements.
        component: World,
    },
    /// The same bytes are kept with another manifest.
    #[error("the same component is kept with another manifest")]
    AnotherManifest,
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It does not link.
    #[error(transparent)]
    Link(#[from] LoadError),
    /// `describe` failed.
    #[error("`describe` failed")]
    Describe(#[source] Fault),
    /// `describe` answered what cannot be believed.
    #[error("`describe` answered badly")]
    Offer(#[from] OfferError),
    /// It could not be kept.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl UploadError {
    /// The step that refused.
    pub fn step(&self) -> Step {
        match self {
            Self::TooLarge { .. } | Self::Interrupted(_) | Self::Temporary(_) => Step::Receive,
            Self::NotAPlugin(NotAPlugin::UnknownWorld { .. } | NotAPlugin::TooManyNames) => Step::World,
            Self::NotAPlugin(NotAPlugin::TwoManifests | NotAPlugin::ManifestTooLarge | NotAPlugin::ManifestNotText) => {
                Step::Manifest
            }
            Self::NotAPlugin(_) => Step::Validate,
            Self::Manifest(_) | Self::ManifestTwice | Self::AnotherName { .. } => Step::Manifest,
            Self::AnotherWorld { .. } | Self::AnotherManifest => Step::Manifest,
            Self::Compile(_) => Step::Compile,
            Self::Link(_) => Step::Link,
            Self::Describe(_) | Self::Offer(_) => Step::Describe,
            Self::Registry(_) => Step::Store,
        }
    }

    /// The public answer: the step, what was wrong, and what to do.
    pub fn problem(&self) -> ProblemDocument {
        let problem = match self {
            Self::NotAPlugin(error) => not_a_plugin(error),
            Self::Compile(error) => not_compiled(error),
            Self::Link(error) => not_linked(error),
            Self::Describe(fault) => describe_failed(fault),
            Self::Registry(error) => error.problem(),
            Self::TooLarge { max } => Problem::caller(
                413,
                "upload-too-large",
                "The upload is too large",
                format!(
                    "This node takes components up to {max}. Strip debug information, or ask the operator for more."
                ),
            ),
            Self::Interrupted(_) => Problem::caller(
                400,
                "upload-interrupted",
                "The upload ended early",
                "The connection broke, or fewer bytes came than were announced. Send it again.",
            ),
            Self::Temporary(_) => Problem::host(
                500,
                "store",
                "The node could not keep the upload",
                "Try again. The node's log has the cause.",
            ),
            Self::Manifest(error) => {
                Problem::plugin(422, "invalid-manifest", "The manifest cannot be read", format!("plugin.toml: {error}"))
            }
            Self::Offer(error) => Problem::plugin(
                422,
                "invalid-description",
                "The plugin's description is not valid",
                format!("Its `describe` answered, but {error}."),
            ),
            Self::ManifestTwice => {
                manifest("The component carries a manifest already: leave the `manifest` part away.")
            }
            Self::AnotherName { manifest: theirs, given } => manifest(format!(
                "The manifest says `{theirs}` and the URL says `{given}`. Upload it to /v1/plugins/{theirs}, or change `[plugin] name`."
            )),
            Self::AnotherWorld { manifest: theirs, component } => manifest(format!(
                "The manifest says `{theirs}` and the component exports the {component} world. Change `[plugin] world`."
            )),
            Self::AnotherManifest => Problem::caller(
                409,
                "manifest-differs",
                "The same component is kept with another manifest",
                "A version is named by its component's digest and has one manifest. Embed it with `sophia plugin build`, \
                 or delete the plugin first.",
            ),
        };
        problem.at(self.step())
    }
}

fn manifest(detail: impl Into<String>) -> Problem {
    Problem::plugin(422, "manifest-mismatch", "The manifest does not fit the upload", detail)
}

fn not_a_plugin(error: &NotAPlugin) -> Problem {
    let (kind, title, what_to_do) = match error {
        NotAPlugin::NotWasm => (
            "not-wasm",
            "The file is not WebAssembly",
            "Upload the `.wasm` that `sophia plugin build` writes.".to_owned(),
        ),
        NotAPlugin::Truncated => {
            ("truncated-wasm", "The file is cut off", "It ends in the middle of a section. Upload it again.".to_owned())
        }
        NotAPlugin::Malformed(reason) => {
            ("malformed-wasm", "The file is damaged", format!("{reason}. Build and upload it again."))
        }
        NotAPlugin::CoreModule => (
            "core-module",
            "The file is a core module, not a component",
            "Build it with `sophia plugin build`, or turn it into a component with `wasm-tools component new`."
                .to_owned(),
        ),
        NotAPlugin::ExtismModule => (
            "extism-not-yet",
            "Extism plugins are not supported yet",
            "The file is an Extism plugin. This node takes components; support for Extism comes later.".to_owned(),
        ),
        NotAPlugin::UnknownWorld { exports } => (
            "unknown-world",
            "The component implements no known world",
            format!(
                "It exports {}. This node knows the worlds connector, pattern and policy of sophia:plugin@0.1, and \
                 wasi:http 0.2 and 0.3 as endpoint.",
                if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") }
            ),
        ),
        NotAPlugin::TooManyNames => (
            "too-many-names",
            "The component has too many imports or exports",
            "Split it, or remove what it does not use.".to_owned(),
        ),
        NotAPlugin::TwoManifests => (
            "two-manifests",
            "The component carries more than one manifest",
            "Build it anew: exactly one `sophia:manifest` section is taken.".to_owned(),
        ),
        NotAPlugin::ManifestTooLarge => {
            ("invalid-manifest", "The manifest is too large", format!("{error}. Shorten it."))
        }
        NotAPlugin::ManifestNotText => ("invalid-manifest", "The manifest is not text", format!("{error}.")),
    };
    Problem::plugin(422, kind, title, what_to_do)
}

fn not_compiled(error: &CompileError) -> Problem {
    match error {
        CompileError::Invalid(reason) => Problem::plugin(
            422,
            "invalid-component",
            "The component is not valid",
            format!("{reason}. Build it with a current toolchain, without threads, 64-bit memories or GC."),
        ),
        CompileError::TooCostly(reason) => Problem::plugin(
            422,
            "compile-too-costly",
            "The component takes too much to compile",
            format!("The compiler was stopped ({reason}). Make the component smaller, or give the node more memory."),
        ),
        CompileError::Child(_) => {
            Problem::host(500, "compiler", "The node could not compile", "Try again. The node's log has the cause.")
        }
    }
}

fn not_linked(error: &LoadError) -> Problem {
    match error {
        LoadError::Import { .. } | LoadError::Link(_) => Problem::plugin(
            422,
            "does-not-link",
            "The component needs what this node does not give it",
            format!("{error}. Remove the import, or build against sophia:plugin@0.1."),
        ),
        LoadError::Seal(_) | LoadError::Deserialize(_) => Problem::host(
            500,
            "compiler",
            "The node could not load what it compiled",
            "Try again. The node's log has the cause.",
        ),
    }
}

fn describe_failed(fault: &Fault) -> Problem {
    let problem = match fault {
        Fault::Busy => Problem::host(503, "busy", "The node is too busy", "Try again in a moment.").retry_after(1),
        Fault::Host(_) | Fault::Cancelled => {
            Problem::host(500, "describe-failed", "The node could not ask the plugin", "Try again.")
        }
        Fault::Trap(_) | Fault::Limit(_) | Fault::Contract(_) => Problem::plugin(
            422,
            "describe-failed",
            "The plugin's `describe` failed",
            format!("{fault}. It must answer without any capability, within a second."),
        ),
    };
    problem.with_fault(fault.kind())
}
