//! A panic ends the call, and the host sees only that something unreachable was reached. So its
//! message goes to the log first.

use std::{cell::Cell, panic};

use crate::log;

thread_local! {
    static INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Done on entry to each call: an instance is fresh, and this is a store and a pointer.
pub(crate) fn install() {
    if !INSTALLED.replace(true) {
        panic::set_hook(Box::new(|panic| log::error(&panic.to_string(), &[])));
    }
}
