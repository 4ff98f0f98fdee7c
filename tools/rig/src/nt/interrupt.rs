//! How interrupts, IPIs, NMIs, DPCs and thread switches come in between any two instructions of a driver.
//!
//! The signal handlers are in [`trap`](super::trap).
//!
//! Something becomes pending on a processor and its holder gets a signal. If the signal finds the pc inside an image,
//! the handler takes what the IRQL allows, right there, between two instructions; on return the driver goes on. If it
//! finds the rig's own code, nothing happens: the routine looks at `pending` itself on its way back into the image and
//! in every loop in which it waits. An NMI is taken at any IRQL, but not inside another one.
//!
//! | Pending | Taken if | Runs at |
//! |---|---|---|
//! | freeze | the system crashes: always | never again |
//! | NMI | no NMI runs on the processor | the interrupted level or HIGH_LEVEL, by turns: which one a callback sees is not documented |
//! | device interrupt of level L, IPI | IRQL below L, no NMI runs | L |
//! | DPC | IRQL below DISPATCH_LEVEL | DISPATCH_LEVEL |
//! | thread switch | IRQL below DISPATCH_LEVEL | afterwards the thread may hold another processor |

use std::{ffi::c_void, sync::atomic::Ordering};

use irqlog_nt::Kdpc;
use irqlog_nt::irql::{DISPATCH_LEVEL, HIGH_LEVEL};

use super::{
    freeze,
    machine::{DPC, FREEZE, IPI, NMI, NMI_LEVEL, PREEMPT, Processor, current, machine, thread},
    report, topology,
};
use crate::{arch, images, mutex::lock};

/// Interrupt routines that are connected.
pub fn connected() -> usize {
    lock(&machine().vectors).len()
}

/// Takes everything that is pending on the current processor and that the IRQL allows, highest first. `pc` is where the
/// driver was interrupted, if it was.
pub fn deliver(pc: Option<usize>) {
    let Some(thread) = current() else { return };
    let saved = arch::import_frame();
    if thread.processor().pending.load(Ordering::SeqCst) & FREEZE != 0 {
        freeze::for_ever();
    }
    while let Some(bit) = next(thread.processor()) {
        thread.processor().pending.fetch_and(!bit, Ordering::SeqCst);
        count(thread.processor(), bit, pc);
        let processor = thread.processor();
        match bit {
            NMI => within(processor, NMI_LEVEL, || nmi(processor)),
            DPC => within(processor, DISPATCH_LEVEL, || run_dpcs(processor)),
            PREEMPT => thread.wait(std::thread::yield_now),
            level => {
                let level = level.trailing_zeros() as u8;
                within(processor, level, || interrupt(processor, level));
            }
        }
    }
    arch::set_import_frame(saved);
}

/// Runs code that interrupts at `level`. It ends on the processor on which it began.
fn within(processor: &Processor, level: u8, code: impl FnOnce()) {
    let before = processor.context.swap(level, Ordering::Relaxed);
    code();
    processor.context.store(before, Ordering::Relaxed);
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
        run_broadcast();
    } else {
        // Counted before the list is read: whoever takes a routine off the list and then finds none counted knows that
        // no interrupt will call it any more.
        processor.in_interrupts.fetch_add(1, Ordering::SeqCst);
        let vectors = lock(&machine().vectors).clone();
        for vector in vectors.iter().filter(|vector| vector.irql == level) {
            // SAFETY: connected by a driver that is still loaded, with this signature.
            unsafe {
                let routine: extern "efiapi" fn(usize, usize) -> u8 = std::mem::transmute(vector.routine);
                routine(vector.object, vector.context);
            }
        }
        processor.in_interrupts.fetch_sub(1, Ordering::SeqCst);
    }
    let after = processor.irql.swap(interrupted, Ordering::Relaxed);
    if after != level {
        report::broken(&format!("an interrupt routine at IRQL {level} returned at IRQL {after}"));
    }
}

/// Runs a processor's DPCs, each at DISPATCH_LEVEL. The caller holds the processor, below DISPATCH_LEVEL.
fn run_dpcs(processor: &Processor) {
    let interrupted = processor.irql.swap(DISPATCH_LEVEL, Ordering::Relaxed);
    loop {
        let Some(dpc) = lock(&processor.dpcs).pop_front() else { break };
        let dpc = dpc as *mut Kdpc;
        // SAFETY: queued by `insert_dpc`; the driver keeps it until it has run.
        let (routine, context, first, second, target) = unsafe {
            let parts = (
                (*dpc).DeferredRoutine,
                (*dpc).DeferredContext,
                (*dpc).SystemArgument1,
                (*dpc).SystemArgument2,
                usize::from((*dpc).Number),
            );
            // From here on it may be queued again, also by itself.
            (*dpc).DpcData = std::ptr::null_mut();
            parts
        };
        if let Some(routine) = routine {
            machine().statistics.dpcs.fetch_add(1, Ordering::Relaxed);
            // SAFETY: a routine of a loaded driver, with this signature.
            unsafe {
                let routine: extern "efiapi" fn(*mut Kdpc, *mut c_void, *mut c_void, *mut c_void) =
                    std::mem::transmute(routine);
                match target.checked_sub(1) {
                    Some(target) => topology::as_processor(target, || routine(dpc, context, first, second)),
                    None => routine(dpc, context, first, second),
                }
            }
        }
        machine().dpcs_outstanding.fetch_sub(1, Ordering::SeqCst);
        let after = processor.irql.load(Ordering::Relaxed);
        if after != DISPATCH_LEVEL {
            report::broken(&format!("a DPC routine returned at IRQL {after}"));
        }
    }
    processor.irql.store(interrupted, Ordering::Relaxed);
}

/// Runs the worker of the broadcast that is under way, on the current processor.
pub fn run_broadcast() {
    let broadcast = &machine().broadcast;
    let (worker, argument) = (broadcast.worker.load(Ordering::SeqCst), broadcast.argument.load(Ordering::SeqCst));
    // SAFETY: what the sender gave to KeIpiGenericCall, which waits until we are done.
    unsafe {
        let worker: extern "efiapi" fn(usize) -> usize = std::mem::transmute(worker);
        for index in topology::stood_for(thread().processor_index()) {
            topology::as_processor(index, || worker(argument));
        }
    }
    broadcast.remaining.fetch_sub(1, Ordering::SeqCst);
}
