//! The state behind one store: the call it serves and what it has used so far.

use std::{sync::Arc, time::Instant};

use sophia_domain::LimitKind;
use wasmtime::{ResourceLimiter, Result, Store, UpdateDeadline, component::ResourceTable};

use crate::{Call, LogLevel, LogLine, Spent, engine::Engines, fault::Stop, meter, ticker::Ticking, wasi::Wasi};

/// Handles and host-side objects of one call. A Python component holds about 200.
const MAX_HANDLES: usize = 4_096;
/// Bytes that a table's element is counted as: a function reference with its bookkeeping.
const TABLE_ELEMENT_BYTES: usize = 16;
/// Added to the largest body for what a host call's other arguments need.
const HOSTCALL_SLACK: u64 = 64 << 10;

/// One per store, so one per call.
pub(crate) struct Guest {
    pub(crate) call: Call,
    pub(crate) table: ResourceTable,
    /// Shared by all calls: the rooms that do the work, the inspector.
    pub(crate) engines: Arc<Engines>,
    /// Made when the guest first uses WASI; ours need none.
    pub(crate) wasi: Option<Box<Wasi>>,
    pub(crate) began: Instant,
    /// The limit that was refused; explains a trap that follows.
    hit: Option<LimitKind>,
    memory_bytes: usize,
    n_host_calls: u32,
    log_bytes: u64,
    n_dropped_lines: u64,
    _ticking: Ticking,
}

impl Guest {
    /// A store for one call, with every limit set.
    pub(crate) fn store(engines: &Arc<Engines>, engine: &wasmtime::Engine, call: Call) -> Store<Self> {
        let limits = call.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let guest = Self {
            call,
            table,
            engines: engines.clone(),
            wasi: None,
            began: Instant::now(),
            hit: None,
            memory_bytes: 0,
            n_host_calls: 0,
            log_bytes: 0,
            n_dropped_lines: 0,
            _ticking: engines.ticker.call(),
        };
        let mut store = Store::new(engine, guest);
        let largest = limits.request.0.max(limits.response.0).saturating_add(HOSTCALL_SLACK);
        store.set_hostcall_fuel(usize::try_from(largest).unwrap_or(usize::MAX));
        store.set_max_component_handles(MAX_HANDLES);
        store.limiter(|guest| guest);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| store.data().at_tick());
        store
    }

    /// At each tick that the guest computes through: stops it at its limit, or lets others in.
    fn at_tick(&self) -> Result<UpdateDeadline> {
        if meter::cpu_so_far() > self.call.limits.cpu.0 {
            return Err(Stop::Limit(LimitKind::Cpu).into());
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }

    /// Counts a host call.
    pub(crate) fn host_call(&mut self) -> Result<()> {
        self.n_host_calls += 1;
        if self.n_host_calls > self.call.limits.host_calls {
            return Err(Stop::Limit(LimitKind::HostCalls).into());
        }
        Ok(())
    }

    /// Hands a line to the log, or counts it where the call's volume is used up.
    pub(crate) fn log(&mut self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        let n_bytes = message.len() + fields.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        self.log_bytes = self.log_bytes.saturating_add(u64::try_from(n_bytes).unwrap_or(u64::MAX));
        if self.log_bytes > self.call.limits.log.0 {
            self.n_dropped_lines += 1;
        } else {
            self.write_line(level, message, fields);
        }
    }

    /// Says what the log left out. Called when the call is over; a second time says nothing.
    pub(crate) fn close_log(&mut self) {
        if let Some(wasi) = self.wasi.take() {
            for (level, text) in wasi.into_lines() {
                self.log(level, text, Vec::new());
            }
        }
        let n_dropped = std::mem::take(&mut self.n_dropped_lines);
        if n_dropped > 0 {
            let message = format!("{n_dropped} lines were dropped: the call's log volume is used up");
            self.write_line(LogLevel::Warn, message, Vec::new());
        }
    }

    fn write_line(&self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        self.engines.ports.log.line(LogLine {
            tenant: self.call.tenant.clone(),
            plugin: self.call.plugin.clone(),
            request_id: self.call.request_id,
            level,
            message,
            fields,
            at: std::time::SystemTime::now(),
        });
    }

    /// The limit that was refused, if one was.
    pub(crate) fn limit_hit(&self) -> Option<LimitKind> {
        self.hit
    }

    /// What the call used, but for its CPU time, which the meter knows.
    pub(crate) fn spent(&self) -> Spent {
        Spent {
            wall: self.began.elapsed(),
            host_calls: self.n_host_calls,
            memory: u64::try_from(self.memory_bytes).unwrap_or(u64::MAX),
            ..Spent::default()
        }
    }

    /// Adds to the sum over all memories and tables, which only grows: a failed growth is not
    /// taken back, because wasmtime may report a failure without the growth.
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let grown = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let is_allowed = maximum.is_none_or(|max| desired <= max);
        let fits = grown <= self.call.limits.memory.as_usize();
        if !fits {
            self.hit = Some(LimitKind::Memory);
        }
        if is_allowed && fits {
            self.memory_bytes = grown;
        }
        is_allowed && fits
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(current, desired, maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(bytes(current), bytes(desired), maximum.map(bytes)))
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }
}

/// Core instances, memories and tables of one call. The pools bound them further.
const MAX_INSTANCES: usize = 64;
