//! ntosshim.sys: the NT kernel that irqlog.sys needs and Wine's lacks or fakes.
//!
//! Wine's driver host runs kernel drivers as a user process. It has an I/O manager, a service manager and a registry that
//! are not ours, which is what makes it worth testing in; but it has no IRQL, no processors, no DPC queue and no IPI. A
//! copy of irqlog.sys in whose import table `ntoskrnl.exe` reads `ntosshim.sys` gets those from here, and everything else
//! by forwarders from Wine (the rows of `tools/nt`). It is for tests and is never packaged.
//!
//! | Module | What |
//! |---|---|
//! | [`host`] | what it imports of Wine itself |
//! | [`thread`] | simulated processors, and what is known of a thread: its IRQL, its processor |
//! | [`broadcast`] | the call of KeIpiGenericCall that is under way |
//! | [`processor`] | raising and lowering, and the rules of `tools/nt` |
//! | [`lock`] | spin locks |
//! | [`dpc`] | DPC queues and timers |
//! | [`ipi`] | KeIpiGenericCall |
//! | [`device`] | devices whose requests are dispatched side by side |
//! | [`memory`], [`misc`] | pool, and what is small |
//!
//! A simulated processor is a token. A thread takes one when it raises to DISPATCH_LEVEL or above, and gives it back when
//! it lowers below; so at most one thread at a time is at such a level on it, which is what code at raised IRQL relies on.
//! Nothing interrupts it there: interrupts between two instructions are the rig's matter, not Wine's.
//!
//! A routine believes the pointers that a driver passes, as a kernel does. Its SAFETY comments say what the documentation
//! of the routine demands of the driver.

#![no_std]
#![allow(clippy::missing_safety_doc, missing_docs, non_snake_case, reason = "the names are the kernel's")]

mod broadcast;
mod device;
mod dpc;
mod host;
mod ipi;
mod lock;
mod memory;
mod misc;
mod processor;
mod thread;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    processor::broken(c"the shim panicked", 0, 0)
}

#[unsafe(no_mangle)]
static _fltused: i32 = 0;
