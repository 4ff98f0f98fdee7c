//! The process's signal handlers: a driver was interrupted, met a breakpoint, or faulted.

use std::sync::atomic::Ordering;

use irqlog_nt::irql::HIGH_LEVEL;

use super::{bugcheck, interrupt::deliver, machine::current, report, signal::SIGNAL};
use crate::{arch, images, mutex::lock, planted};

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::ucontext_t);

/// Installs the process's handlers.
pub fn install_handlers() {
    let install = |number, handler: Handler| {
        // SAFETY: all-zero is a valid sigaction.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as usize;
        // Nested signals are wanted: a higher interrupt, or an NMI, comes in while a lower one runs.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESTART;
        // SAFETY: a handler of the right type.
        let result = unsafe { libc::sigaction(number, &raw const action, std::ptr::null_mut()) };
        assert_eq!(result, 0, "sigaction");
    };
    install(SIGNAL, on_signal);
    install(libc::SIGTRAP, on_trap);
    for number in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
        install(number, on_fault);
    }
}

extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel gives the handler the interrupted context.
    let pc = arch::pc(unsafe { &*context });
    if let Some(thread) = current()
        && thread.holds_processor()
        && images::is_code(pc)
    {
        preserving_errno(|| {
            deliver(Some(pc));
            // At HIGH_LEVEL it writes a record, which soon ends, or it waits in the image for another processor, perhaps
            // one whose host thread cannot run because this one does. The loop has nothing that the rig could see.
            if thread.processor().irql.load(Ordering::Relaxed) == HIGH_LEVEL {
                std::thread::yield_now();
            }
        });
    }
}

extern "C" fn on_trap(_: i32, _: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: as above.
    let context = unsafe { &mut *context };
    // In irqlog.sys this thread is in no routine of the rig, so it has none of the rig's locks.
    let holds_lock = || current().is_some_and(|thread| !lock(&thread.processor().held).is_empty());
    let is_counted =
        || images::is_irqlog(arch::pc(context)) && (!planted::STEPS_UNDER_LOCK.load(Ordering::Relaxed) || holds_lock());
    if arch::stepped(is_counted) {
        return;
    }
    let pc = arch::pc_of_breakpoint(context);
    arch::set_pc(context, pc);
    match planted::breakpoint_action() {
        Some(action) => preserving_errno(|| action(pc)),
        None => report::stop("a breakpoint that no scenario planted", Some(pc)),
    }
}

extern "C" fn on_fault(number: i32, info: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel gives the handler both.
    let (context, address) = unsafe { (&*context, (*info).si_addr() as usize) };
    report::fault(number, arch::pc(context), address, arch::is_write(context), bugcheck::crash_by_fault);
}

fn preserving_errno(work: impl FnOnce()) {
    // SAFETY: a pointer to this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    work();
    // SAFETY: as above.
    unsafe { *errno = saved };
}
