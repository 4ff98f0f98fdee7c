//! WDFLDR.SYS for tests: the part of KMDF that irqlog.sys uses, over WDM calls.
//!
//! The driver binds to it exactly as it binds to Microsoft's: `WdfVersionBind` fills in the function table. What this
//! module does not implement is refused by name, with a bug check. It is never packaged.
//!
//! | Module | What |
//! |---|---|
//! | [`nt`] | the kernel routines it imports, declared here |
//! | [`stop`], [`check`] | bug checks; the framework's rules |
//! | [`lock`] | the one spin lock, and what it guards |
//! | [`object`] | handles, references, parents, contexts |
//! | [`globals`] | the driver that is bound |
//! | [`irp`], [`file`], [`request`] | IRPs, files; requests: buffers, completion |
//! | [`timer`], [`waitlock`], [`registry`] | timers, wait locks, registry keys |
//! | [`device`] | the control device |
//! | [`queue`] | parallel and manual queues, cancellation |
//! | [`dispatch`], [`driver`] | the dispatch routine, and the driver object that has it |
//! | [`table`] | the function table, and the refusals in it |
//!
//! A module uses those above it only. The lock ([`lock::Locked`]) guards all lists; it is never held while a driver's
//! callback runs or a request is completed.

#![no_std]
// The interface is C's: every function of the table is `unsafe extern`, and its caller, the driver, owes what the DDI of
// that name says: pointers that are null or good for the call (`Option<&T>`, `Option<&mut MaybeUninit<T>>`), and handles
// that it got and has not deleted (`object::RawHandle`, which checks what can be checked).
#![allow(clippy::missing_safety_doc, missing_docs, reason = "the names are KMDF's; the contract is stated above")]

extern crate alloc;

mod check;
mod deferral;
mod device;
mod dispatch;
mod driver;
mod file;
mod globals;
mod irp;
mod lock;
mod object;
mod queue;
mod registry;
mod request;
mod stop;
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
        // SAFETY: flags and tag are ones it takes, and no layout here is empty. Null for none is what `alloc` gives, too.
        unsafe { nt::ExAllocatePool2(NON_PAGED, layout.size(), POOL_TAG).cast() }
    }
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller gives what `alloc` gave, once; the tag is the same.
        unsafe { nt::ExFreePoolWithTag(memory.cast(), POOL_TAG) }
    }
}

#[global_allocator]
static POOL: Pool = Pool;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, core::panic::Location::line);
    stop::bug_check(u32::from_be_bytes(*b"KMDF"), line as usize, 0)
}

#[unsafe(no_mangle)]
pub static _fltused: i32 = 0;
