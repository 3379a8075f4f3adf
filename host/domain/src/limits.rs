use serde::{Deserialize, Serialize};

use crate::{ByteSize, Span};

/// What one call may use. Every field is enforced; the sandbox says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sum of all linear memories and tables of the call.
    pub memory: ByteSize,
    /// Time the guest computes, waiting not counted.
    pub cpu: Span,
    /// Time from the first instruction to the last byte of the answer.
    pub wall: Span,
    /// Body of the request that the guest receives, and of each request it sends.
    pub request: ByteSize,
    /// Body of the answer that the guest gives, and of each answer it receives.
    pub response: ByteSize,
    /// Host calls in one call.
    pub host_calls: u32,
    /// Log lines and fields together, per call.
    pub log: ByteSize,
    /// Calls that one instance may serve after its first. 0 is a fresh instance for each.
    pub reuse: u32,
}

impl Default for Limits {
    /// What a plugin gets that asks for nothing. Memory and time follow what the field gives a
    /// request (Fastly Compute: 128 MB, 50 ms CPU, 2 min; Workers: 128 MB); wall is the
    /// shortest that lets a connector page through a slow vendor.
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            cpu: Span::millis(500),
            wall: Span::millis(30_000),
            request: ByteSize::mib(4),
            response: ByteSize::mib(8),
            host_calls: 10_000,
            log: ByteSize(64 << 10),
            reuse: 0,
        }
    }
}

/// Limits that a manifest asks for; what it leaves out is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitAsks {
    /// See [`Limits::memory`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// See [`Limits::cpu`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Span>,
    /// See [`Limits::wall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall: Option<Span>,
    /// See [`Limits::request`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<ByteSize>,
    /// See [`Limits::response`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ByteSize>,
    /// See [`Limits::host_calls`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u32>,
    /// See [`Limits::log`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<ByteSize>,
    /// See [`Limits::reuse`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<u32>,
}

impl LimitAsks {
    /// The limits of a version: what it asks for or the default, and never more than `cap`.
    pub fn under(&self, cap: &Limits) -> Limits {
        let default = Limits::default();
        Limits {
            memory: self.memory.unwrap_or(default.memory).min(cap.memory),
            cpu: self.cpu.unwrap_or(default.cpu).min(cap.cpu),
            wall: self.wall.unwrap_or(default.wall).min(cap.wall),
            request: self.request.unwrap_or(default.request).min(cap.request),
            response: self.response.unwrap_or(default.response).min(cap.response),
            host_calls: self.host_calls.unwrap_or(default.host_calls).min(cap.host_calls),
            log: self.log.unwrap_or(default.log).min(cap.log),
            reuse: self.reuse.unwrap_or(default.reuse).min(cap.reuse),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_narrow_and_never_pass_the_cap() {
        let cap = Limits { memory: ByteSize::mib(100), ..Limits::default() };
        let asks = LimitAsks { memory: Some(ByteSize::mib(512)), cpu: Some(Span::millis(5)), ..LimitAsks::default() };
        let limits = asks.under(&cap);
        assert_eq!(limits.memory, ByteSize::mib(100));
        assert_eq!(limits.cpu, Span::millis(5));
        assert_eq!(limits.wall, Limits::default().wall);
    }
}
