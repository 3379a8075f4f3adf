//! Who gives out a guest's memory.
//!
//! A fresh instance serves a call, and each `memory.grow` in it costs the host a system call to
//! map and another to unmap. The standard library's allocator grows before it has given out a
//! byte. This one first takes what the instance starts with, from the end of the statics to the
//! end of the memory, and grows only when that is used up. `sophia plugin build` sets the size
//! of the start so that a typical call never does.
#![expect(unsafe_code, reason = "a source of memory is unsafe by its trait")]

use std::{
    alloc::Layout,
    arch::wasm32::{memory_grow, memory_size},
    ptr::NonNull,
};

use talc::{
    base::{Talc, binning::Binning},
    cell::TalcSyncCell,
    source::Source,
    wasm::WasmBinning,
};

const PAGE: usize = 64 << 10;

#[global_allocator]
static ALLOCATOR: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { end: None });

unsafe extern "C" {
    /// Where statics and stack end; the linker puts it there.
    static __heap_base: u8;
}

/// The instance's linear memory.
#[derive(Debug)]
struct Memory {
    /// The end of what was taken last, none before the first allocation.
    end: Option<NonNull<u8>>,
}

// SAFETY: allocates nothing itself, and hands over only memory that nobody else has.
unsafe impl Source for Memory {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let Some(end) = talc.source.end else {
            let start = &raw const __heap_base as *mut u8;
            let len = (memory_size(0) * PAGE).saturating_sub(start as usize);
            // SAFETY: from the end of the statics on, the memory is nobody's, and this happens once.
            talc.source.end = unsafe { talc.claim(start, len) };
            // A start too small to be of use is as good as none.
            return if talc.source.end.is_some() { Ok(()) } else { grow(talc, layout, None) };
        };
        grow(talc, layout, Some(end))
    }
}

fn grow<B: Binning>(talc: &mut Talc<Memory, B>, layout: Layout, end: Option<NonNull<u8>>) -> Result<(), ()> {
    // Room for the layout at any alignment, and for the allocator's own words.
    let pages = (layout.size() + layout.align().max(PAGE / 2)).div_ceil(PAGE);
    let start = match memory_grow(0, pages) {
        usize::MAX => return Err(()),
        page => (page * PAGE) as *mut u8,
    };
    let new_end = start.wrapping_add(pages * PAGE);
    talc.source.end = match end {
        // SAFETY: `end` is the end of what was claimed, and the grown pages follow it.
        Some(end) if end.as_ptr() == start => Some(unsafe { talc.extend(end, new_end) }),
        // SAFETY: grown a moment ago, so nobody else has it.
        _ => unsafe { talc.claim(start, pages * PAGE) },
    };
    Ok(())
}
