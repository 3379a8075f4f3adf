//! The sandbox: the only crate that names wasmtime.
//!
//! A file becomes a [`Surface`] (what it is, read from outside), then sealed native code
//! (compiled in a child process), then a [`Program`] (linked, one per version), then calls
//! (each in a fresh instance, under limits). What a guest may reach stands in its [`Call`].
//!
//! It decides nothing about who may call what: rights arrive finished.

mod aot;
mod bindings;
mod call;
mod capabilities;
mod compile;
mod describe;
mod endpoint;
mod engine;
mod fault;
mod guest;
mod inspector;
mod leftovers;
mod link;
mod meter;
mod program;
mod run;
mod surface;
mod ticker;
mod values;
mod wasi;

use std::{path::PathBuf, sync::Arc};

use sophia_domain::ByteSize;

pub use aot::SealedAot;
pub use call::{Call, Done, LogLevel, LogLine, LogSink, Ports, SecretNames, Spent};
pub use compile::{CompileError, compile_child};
pub use endpoint::{Ended, EndpointBody};
pub use engine::EngineKind;
pub use inspector::{Inspector, Moment};
pub use link::LoadError;
pub use program::Program;
pub use run::{Agent, AgentOutcome, AgentTool, Answer, HostCall, RunFault, RunPort, SubStep, Usage};
pub use surface::{Hook, NotAPlugin, Surface, inspect};
pub use values::{
    Candidate, Decision, Description, Health, Operation, Outcome, Page, PluginError, RoutingRequest, StreamDescription,
    Task, WebhookOutcome, WebhookRequest,
};

use crate::{aot::Seal, engine::Engines};

/// Built once at boot; cheap to clone. Holds the engines, their linkers and the clock that
/// interrupts guests.
#[derive(Clone)]
pub struct Sandbox {
    engines: Arc<Engines>,
    seal: Arc<Seal>,
    compiler: Arc<PathBuf>,
}

/// What a sandbox needs to know. Read once at boot.
pub struct SandboxConfig {
    /// The program that compiles when run as `PROGRAM compile-child …`: normally `/proc/self/exe`.
    pub compiler: PathBuf,
    /// Key of the MAC on compiled code, so that only this installation's is ever loaded.
    pub aot_key: [u8; 32],
    /// Most calls at a time: sizes the pools. A call beyond it is [`sophia_domain::Fault::Busy`].
    pub max_calls: u32,
    /// The largest linear memory that any guest may have.
    pub max_memory: ByteSize,
    /// The rooms behind the capabilities.
    pub ports: Ports,
    /// Looks at guest memory in the memory proof. Slows everything; none in production.
    pub inspector: Option<Arc<dyn Inspector>>,
}

/// Why the sandbox could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine refused its configuration, or the machine its reservation.
    #[error("the engine could not be set up")]
    Engine(#[source] wasmtime::Error),
    /// The interrupting thread could not be started.
    #[error("the interrupting thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl Sandbox {
    /// Builds both engines and starts the clock.
    ///
    /// # Errors
    /// Where the machine cannot reserve the address space of the pools.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        Ok(Self {
            seal: Arc::new(Seal::new(&config.aot_key)),
            compiler: Arc::new(config.compiler.clone()),
            engines: Arc::new(Engines::new(&config)?),
        })
    }
}
