//! A program without the standard library that uses the crate. It cannot be built together with
//! `std`, which has a panic handler too.

#![no_std]

extern crate alloc;

use alloc::sync::Arc;
use core::alloc::{GlobalAlloc, Layout};

use headcount::Gate;

static GATE: Gate = Gate::new(1);

/// An allocator that has nothing to give: what links is what counts.
struct Nothing;

// SAFETY: a null pointer is the allowed answer of an allocator that has no memory.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Nothing = Nothing;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Uses a borrowed and an owned permit, and an error.
#[no_mangle]
pub extern "C" fn head_count() -> u32 {
    let permit = GATE.try_acquire();
    let owned = Arc::new(Gate::new(1)).try_acquire_owned();
    let error: Option<&dyn core::error::Error> = match &owned {
        Ok(_) => None,
        Err(refused) => Some(refused),
    };
    u32::from(permit.is_ok()) + u32::from(error.is_none()) + GATE.occupied()
}
