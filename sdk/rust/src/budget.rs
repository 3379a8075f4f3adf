//! Money that this run may still use.

use crate::{Error, Money, bindings::pattern::sophia::plugin::budget};

/// What is left at this moment, holds taken off.
pub fn remaining() -> Result<Money, Error> {
    budget::remaining()
}
