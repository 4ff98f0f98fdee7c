//! How interrupts, IPIs, NMIs, DPCs and thread switches come in between any two instructions of a driver.
//!
//! Something becomes pending on a processor and its holder gets a signal. If the signal finds the pc inside an image,
//! the handler takes what the IRQL allows, right there, between two instructions; on return the driver goes on. If it
//! finds the rig's own code, nothing happens: the routine looks at `pending` itself on its way back into the image and
//! in every loop in which it waits. An NMI is taken at any IRQL, but not inside another one.
//!
//! | Pending | Taken if | Runs at |
//! |---|---|---|
//! | NMI | no NMI runs on the processor | the interrupted level or HIGH_LEVEL, by turns: which one a callback sees is not documented |
//! | device interrupt of level L, IPI | IRQL below L, no NMI runs | L |
//! | DPC | IRQL below DISPATCH_LEVEL | DISPATCH_LEVEL |
//! | thread switch | IRQL below DISPATCH_LEVEL | afterwards the thread may hold another processor |

use std::{cell::Cell, sync::atomic::Ordering};

use irqlog_nt::irql::{DISPATCH_LEVEL, HIGH_LEVEL};

use super::{
    ke,
    machine::{self, DPC, IPI, NMI, PREEMPT, Processor, current, lock, machine},
    report,
};
use crate::{arch, images};

const SIGNAL: i32 = libc::SIGUSR1;
/// Room for handlers that interrupt each other: each level, its driver code and the rig's below it.
const STACK: usize = 1 << 20;

thread_local! {
    /// What happens at a planted breakpoint; see [`crate::scenarios`].
    static AT_BREAKPOINT: Cell<Option<fn(usize)>> = const { Cell::new(None) };
}

/// The stack that this thread's handlers run on.
pub struct AlternateStack(Vec<u8>);

impl AlternateStack {
    /// Gives the calling thread one.
    pub fn install() -> Self {
        let mut memory = vec![0_u8; STACK];
        let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
        // SAFETY: the memory lives until `drop` has taken the stack away.
        let result = unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
        assert_eq!(result, 0, "sigaltstack");
        Self(memory)
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        let stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: self.0.len() };
        // SAFETY: no handler runs on it: we do.
        unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
    }
}

/// Sends the signal to a thread of this process.
pub fn signal(host: i32) {
    // SAFETY: a thread that has ended meanwhile is an error that is ignored.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), host, SIGNAL) };
}

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
    if current().is_some_and(machine::Thread::holds_processor) && images::is_code(pc) {
        preserving_errno(|| deliver(Some(pc)));
    }
}

extern "C" fn on_trap(_: i32, _: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: as above.
    let context = unsafe { &mut *context };
    if arch::stepped(|| images::is_irqlog(arch::pc(context))) {
        return;
    }
    let pc = arch::pc_of_breakpoint(context);
    arch::set_pc(context, pc);
    match AT_BREAKPOINT.get() {
        Some(action) => preserving_errno(|| action(pc)),
        None => report::stop("a breakpoint that nobody planted", Some(pc)),
    }
}

extern "C" fn on_fault(number: i32, info: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel gives the handler both.
    let (pc, address) = unsafe { (arch::pc(&*context), (*info).si_addr() as usize) };
    report::fault(number, pc, address);
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

/// What the calling thread does when it meets a planted breakpoint.
pub fn at_breakpoint(action: Option<fn(usize)>) {
    AT_BREAKPOINT.set(action);
}

/// Takes everything that is pending on the current processor and that the IRQL allows, highest first. `pc` is where the
/// driver was interrupted, if it was.
pub fn deliver(pc: Option<usize>) {
    let Some(thread) = current() else { return };
    let saved = arch::import_frame();
    while let Some(bit) = next(thread.processor()) {
        thread.processor().pending.fetch_and(!bit, Ordering::SeqCst);
        count(thread.processor(), bit, pc);
        match bit {
            NMI => nmi(thread.processor()),
            DPC => ke::run_dpcs(thread.processor()),
            PREEMPT => thread.wait(std::thread::yield_now),
            level => interrupt(thread.processor(), level.trailing_zeros() as u8),
        }
    }
    arch::set_import_frame(saved);
}

/// The most urgent thing that may be taken now.
fn next(processor: &Processor) -> Option<u32> {
    let pending = processor.pending.load(Ordering::SeqCst);
    if pending == 0 || processor.in_nmi.load(Ordering::Relaxed) {
        return None;
    }
    if pending & NMI != 0 {
        return Some(NMI);
    }
    let irql = processor.irql.load(Ordering::Relaxed);
    let above = pending & 0xffff & !((2_u32 << irql) - 1);
    if above != 0 {
        return Some(1 << above.ilog2());
    }
    [DPC, PREEMPT].into_iter().find(|&bit| irql < DISPATCH_LEVEL && pending & bit != 0)
}

fn count(processor: &Processor, bit: u32, pc: Option<usize>) {
    let statistics = &machine().statistics;
    if pc.is_some_and(images::is_irqlog) {
        statistics.interrupts_in_driver.fetch_add(1, Ordering::Relaxed);
        if bit == NMI && processor.irql.load(Ordering::Relaxed) == HIGH_LEVEL {
            statistics.nmis_in_write.fetch_add(1, Ordering::Relaxed);
        }
    }
    let counter = match bit {
        NMI => &statistics.nmis,
        IPI => &statistics.ipis,
        DPC | PREEMPT => return,
        _ => &statistics.interrupts,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

fn nmi(processor: &Processor) {
    processor.in_nmi.store(true, Ordering::Relaxed);
    let interrupted = processor.irql.load(Ordering::Relaxed);
    // By turns, so that both answers to an open question are tried.
    if machine().statistics.nmis.load(Ordering::Relaxed).is_multiple_of(2) {
        processor.irql.store(HIGH_LEVEL, Ordering::Relaxed);
    }
    let callbacks = lock(&machine().nmi_callbacks).clone();
    let mut handled = 0;
    for callback in callbacks {
        // SAFETY: registered by a driver that is still loaded, with this signature.
        handled |= unsafe {
            let routine: extern "efiapi" fn(usize, u8) -> u8 = std::mem::transmute(callback.routine);
            routine(callback.context, handled)
        };
    }
    processor.irql.store(interrupted, Ordering::Relaxed);
    processor.in_nmi.store(false, Ordering::Relaxed);
}

fn interrupt(processor: &Processor, level: u8) {
    let interrupted = processor.irql.swap(level, Ordering::Relaxed);
    if level == irqlog_nt::irql::IPI_LEVEL {
        ke::run_broadcast();
    } else {
        let vectors = lock(&machine().vectors).clone();
        for vector in vectors.iter().filter(|vector| vector.irql == level) {
            // SAFETY: connected by a driver that is still loaded, with this signature.
            unsafe {
                let routine: extern "efiapi" fn(usize, usize) -> u8 = std::mem::transmute(vector.routine);
                routine(vector.object, vector.context);
            }
        }
    }
    let after = processor.irql.swap(interrupted, Ordering::Relaxed);
    if after != level {
        report::broken(&format!("an interrupt routine at IRQL {level} returned at IRQL {after}"));
    }
}
