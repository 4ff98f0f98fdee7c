//! WDFLDR.SYS for tests: the part of KMDF that irqlog.sys uses, over WDM calls.
//!
//! The driver binds to it exactly as it binds to Microsoft's: `WdfVersionBind` fills in the function table. What this
//! module does not implement is refused by name, with a bug check. It is never packaged.
//!
//! | Module | What |
//! |---|---|
//! | [`nt`] | the kernel routines it imports, declared here |
//! | [`table`] | the function table, and the refusals in it |
//! | [`object`] | handles, references, parents, contexts |
//! | [`device`] | driver, control device, files |
//! | [`queue`] | parallel and manual queues, cancellation |
//! | [`request`] | requests: buffers, completion |
//! | [`timer`], [`waitlock`], [`registry`] | timers, wait locks, registry keys |
//!
//! One spin lock ([`object::Locked`]) guards all of its lists; it is never held while a driver's callback runs or a
//! request is completed.

#![no_std]
// The interface is C's: every function takes raw handles that a driver got from us, and trusting them is the contract
// of the framework. `object::body` checks the handle's type; that is the only check there can be.
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "test framework, see above"
)]
#![allow(clippy::not_unsafe_ptr_arg_deref, clippy::missing_safety_doc, missing_docs, reason = "the names are KMDF's")]

extern crate alloc;

mod device;
mod object;
mod queue;
mod registry;
mod request;
mod table;
mod timer;
mod waitlock;

use core::alloc::{GlobalAlloc, Layout};

use irqlog_nt::routines::imports as nt;

const POOL_TAG: u32 = u32::from_le_bytes(*b"KmdF");

struct Pool;

// SAFETY: ExAllocatePool2 gives 16-byte aligned memory, which is as much as any type here asks for.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        const NON_PAGED: u64 = 0x40;
        unsafe { nt::ExAllocatePool2(NON_PAGED, layout.size(), POOL_TAG).cast() }
    }
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        unsafe { nt::ExFreePoolWithTag(memory.cast(), POOL_TAG) }
    }
}

#[global_allocator]
static POOL: Pool = Pool;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, core::panic::Location::line);
    unsafe { nt::KeBugCheckEx(u32::from_be_bytes(*b"KMDF"), line as usize, 0, 0, 0) }
}

#[unsafe(no_mangle)]
pub static _fltused: i32 = 0;
