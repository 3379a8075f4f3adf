//! The two engines, their configuration and their linkers.
//!
//! Concurrency support is fixed per engine and costs every call about 2.5 µs, so components that
//! need it (WASI 0.3) get an engine of their own. One function makes the configuration for the
//! host, the compiling child and the tests; only the allocator differs, because the child runs
//! under an address-space limit that the pools' reservations would break.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sophia_domain::ByteSize;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
    component::Linker,
};

use crate::{Inspector, Ports, SandboxConfig, SandboxError, guest::Guest, leftovers::Leftovers, link, ticker::Ticker};

/// The guest's stack. Rust guests use 64 KiB of shadow stack and little of this; JavaScript and
/// Python engines recurse. A fiber's stack is twice that, so that host calls have room.
const MAX_WASM_STACK: usize = 512 << 10;
const FIBER_STACK: usize = 1 << 20;
/// Memory that a pool slot keeps resident between calls, so that a fresh instance takes no page
/// faults for it. 2 MiB saved about 10 µs a call where the kernel has `PAGEMAP_SCAN`.
const KEEP_RESIDENT: usize = 2 << 20;
/// Core instances in one component: componentize-py makes 14, adapters and shims included.
const CORE_INSTANCES_PER_CALL: u32 = 32;
/// Memories in one component, each a slot of its own in the pool.
const MEMORIES_PER_CALL: u32 = 16;
const TABLES_PER_CALL: u32 = 32;

/// Which engine runs a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Our worlds and WASI 0.2: one call at a time, fastest.
    Plain,
    /// WASI 0.3: calls that run concurrently within an instance.
    Concurrent,
}

/// Both engines with what is linked into them. Built once at boot.
pub(crate) struct Engines {
    plain: EngineAndLinker,
    concurrent: EngineAndLinker,
    pub(crate) ticker: Ticker,
    pub(crate) leftovers: Leftovers,
    pub(crate) ports: Ports,
    pub(crate) inspector: Option<Arc<dyn Inspector>>,
}

/// An engine and the linker with everything any guest could be granted.
pub(crate) struct EngineAndLinker {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Guest>,
}

/// What an engine is built for.
pub(crate) enum Purpose<'a> {
    /// Running guests from pools.
    Serve(&'a SandboxConfig),
    /// Compiling, in the child process.
    Compile {
        /// Whether the code is for the memory proof's engine.
        is_inspected: bool,
    },
}

impl EngineKind {
    /// The word used on the compiling child's command line and in file names.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Concurrent => "concurrent",
        }
    }

    /// Reads [`EngineKind::as_str`]'s words.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Plain, Self::Concurrent].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Engines {
    pub(crate) fn new(config: &SandboxConfig) -> Result<Self, SandboxError> {
        let build = |kind| EngineAndLinker::new(kind, config).map_err(SandboxError::Engine);
        let (plain, concurrent) = (build(EngineKind::Plain)?, build(EngineKind::Concurrent)?);
        let ticker =
            Ticker::start(vec![plain.engine.weak(), concurrent.engine.weak()]).map_err(SandboxError::Thread)?;
        let (ports, inspector) = (config.ports.clone(), config.inspector.clone());
        Ok(Self { plain, concurrent, ticker, leftovers: Leftovers::default(), ports, inspector })
    }

    pub(crate) fn of(&self, kind: EngineKind) -> &EngineAndLinker {
        match kind {
            EngineKind::Plain => &self.plain,
            EngineKind::Concurrent => &self.concurrent,
        }
    }
}

impl EngineAndLinker {
    fn new(kind: EngineKind, config: &SandboxConfig) -> wasmtime::Result<Self> {
        let engine = Engine::new(&engine_config(kind, &Purpose::Serve(config)))?;
        let linker = link::linker(&engine, kind)?;
        Ok(Self { engine, linker })
    }
}

/// The configuration of an engine.
pub(crate) fn engine_config(kind: EngineKind, purpose: &Purpose<'_>) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(kind == EngineKind::Concurrent)
        .wasm_component_model(true)
        .wasm_component_model_async(kind == EngineKind::Concurrent)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false)
        .memory_init_cow(true);
    match purpose {
        Purpose::Serve(serve) => {
            config.guest_debug(serve.inspector.is_some());
            let pools = InstanceAllocationStrategy::Pooling(pools(serve.max_calls, serve.max_memory));
            config.allocation_strategy(pools);
        }
        Purpose::Compile { is_inspected } => {
            config.guest_debug(*is_inspected);
            // On one core a pool of threads only costs its start.
            config.parallel_compilation(std::thread::available_parallelism().is_ok_and(|n| n.get() > 1));
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        }
    }
    config
}

fn pools(max_calls: u32, max_memory: ByteSize) -> PoolingAllocationConfig {
    let mut pools = PoolingAllocationConfig::new();
    pools
        .total_component_instances(max_calls)
        .total_core_instances(max_calls.saturating_mul(4))
        .total_memories(max_calls)
        .total_tables(max_calls.saturating_mul(4))
        .total_stacks(max_calls)
        .max_core_instances_per_component(CORE_INSTANCES_PER_CALL)
        .max_memories_per_component(MEMORIES_PER_CALL)
        .max_tables_per_component(TABLES_PER_CALL)
        .max_memory_size(max_memory.as_usize())
        .table_elements(20_000)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pools
}
