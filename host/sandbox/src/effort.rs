use std::time::Duration;

use wasmtime::OptLevel;

/// How much is done for a component's code, and whether somebody waits for it.
///
/// What the code computes is the same with each, and each is loaded by the same engine: the
/// optimiser's level is no part of what wasmtime holds code to be compatible by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Code that is there in four fifths of the time and runs slower. Somebody waits for it.
    Quick,
    /// Optimised code that somebody waits for.
    Full,
    /// Optimised code that nobody waits for: made with what everything else leaves.
    Idle,
}

/// Longest compilation that somebody waits for. 18 MB of Python take 3.6 s on two cores; a busy
/// node may take ten times as long.
const AWAITED: Duration = Duration::from_secs(120);
/// Longest one that nobody waits for. The same Python gets done where calls leave it 1 % of a core;
/// how much it may compute is the child's own limit.
const NOT_AWAITED: Duration = Duration::from_secs(20 * 60);

impl Effort {
    pub(crate) const ALL: [Self; 3] = [Self::Quick, Self::Full, Self::Idle];

    /// The word used on the compiling child's command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
            Self::Idle => "idle",
        }
    }

    /// Reads [`Effort::as_str`]'s words.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == text)
    }

    /// How far code is optimised. Registers are allocated the same way throughout: wasmtime's
    /// single-pass allocator would halve the time, but it is not ready for production, and its
    /// faults get no security advisories (`wasmtime::RegallocAlgorithm::SinglePass`).
    pub(crate) fn opt_level(self) -> OptLevel {
        match self {
            Self::Quick => OptLevel::None,
            Self::Full | Self::Idle => OptLevel::Speed,
        }
    }

    /// The child's nice value: calls come first, then what somebody waits for.
    pub(crate) fn niceness(self) -> i32 {
        match self {
            Self::Quick | Self::Full => 10,
            Self::Idle => 19,
        }
    }

    /// When a compilation is given up.
    pub(crate) fn timeout(self) -> Duration {
        match self {
            Self::Quick | Self::Full => AWAITED,
            Self::Idle => NOT_AWAITED,
        }
    }
}
