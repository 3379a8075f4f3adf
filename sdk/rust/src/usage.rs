pub use crate::bindings::connector::sophia::plugin::types::{Money, Usage};

impl Usage {
    /// Nothing was used.
    pub const NONE: Self = Self { input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost: Money { micro_usd: 0 } };
}
