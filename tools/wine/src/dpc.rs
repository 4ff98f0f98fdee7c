//! DPC queues, one for each processor, and timers, whose DPCs go through the queues.
//!
//! Each processor has a thread of its own, which takes the processor at DISPATCH_LEVEL when a DPC or an IPI is there for
//! it. So a DPC runs at DISPATCH_LEVEL on its target processor, and a thread that holds the processor keeps it away. The
//! threads start with the first device, DPC or IPI and end with the last device.

use core::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
};

use irqlog_nt::{DeferredRoutine, Kdpc, Ktimer, NtStatus, ProcessorNumber, STATUS_SUCCESS};

use crate::{
    broadcast, host,
    processor::{self, routines},
    thread::{COUNT, ThreadState},
};

/// Guards the queues. Nothing is called while it is held, so it needs no IRQL.
static LOCK: AtomicBool = AtomicBool::new(false);
/// First and last of each queue.
static FIRST: [AtomicPtr<Kdpc>; COUNT] = [const { AtomicPtr::new(null_mut()) }; COUNT];
static LAST: [AtomicPtr<Kdpc>; COUNT] = [const { AtomicPtr::new(null_mut()) }; COUNT];
/// DPCs queued or running.
static OUTSTANDING: AtomicUsize = AtomicUsize::new(0);

fn locked<T>(work: impl FnOnce() -> T) -> T {
    while LOCK.swap(true, Ordering::Acquire) {
        host::give_way();
    }
    let result = work();
    LOCK.store(false, Ordering::Release);
    result
}

/// Puts a DPC into the queue of its target; gives whether it was not queued already.
///
/// # Safety
/// `dpc` is the address of a KDPC that KeInitializeDpc has filled, and that stays until it has run.
unsafe fn insert(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> bool {
    locked(|| {
        // SAFETY: the caller promises a whole KDPC; its words change under the lock alone once it is filled.
        let entry = unsafe { &mut *dpc };
        if !entry.DpcData.is_null() {
            return false;
        }
        // `Number` is the target plus one; 0 is the current processor.
        let target = usize::from(entry.Number).checked_sub(1).unwrap_or_else(|| {
            let thread = ThreadState::current();
            thread.processor().unwrap_or_default()
        });
        entry.DpcData = dpc.cast();
        entry.SystemArgument1 = first;
        entry.SystemArgument2 = second;
        entry.DpcListEntry = null_mut();
        match LAST[target].swap(dpc, Ordering::Relaxed) {
            last if last.is_null() => FIRST[target].store(dpc, Ordering::Relaxed),
            // SAFETY: what is in a queue has not run, so it is still there; and it is not `entry`, which was in none.
            last => unsafe { (*last).DpcListEntry = dpc },
        }
        OUTSTANDING.fetch_add(1, Ordering::Relaxed);
        true
    })
}

/// The next DPC of a processor, with what it is called with: it may be queued again from here on.
fn take(index: usize) -> Option<(*mut Kdpc, Option<DeferredRoutine>, [*mut c_void; 3])> {
    locked(|| {
        let dpc = FIRST[index].load(Ordering::Relaxed);
        // SAFETY: what is in a queue has not run, so it is still there, and its words change under the lock alone.
        let entry = unsafe { dpc.as_mut() }?;
        let next = entry.DpcListEntry;
        FIRST[index].store(next, Ordering::Relaxed);
        if next.is_null() {
            LAST[index].store(null_mut(), Ordering::Relaxed);
        }
        entry.DpcData = null_mut();
        let arguments = [entry.DeferredContext, entry.SystemArgument1, entry.SystemArgument2];
        Some((dpc, entry.DeferredRoutine, arguments))
    })
}

static RUNNING: AtomicBool = AtomicBool::new(false);
static THREADS: [AtomicPtr<c_void>; COUNT] = [const { AtomicPtr::new(null_mut()) }; COUNT];

/// Starts the processors' threads, if they do not run.
pub fn start_threads() {
    if RUNNING.swap(true, Ordering::AcqRel) {
        return;
    }
    for (index, thread) in THREADS.iter().enumerate() {
        // SAFETY: the routine takes the number of a processor, and uses nothing that ends before it does.
        let handle = unsafe { host::CreateThread(null(), 0, serve, index as *mut c_void, 0, null_mut()) };
        thread.store(handle, Ordering::Release);
    }
}

/// Ends the processors' threads, and waits for that.
pub fn stop_threads() {
    const FOR_EVER: u32 = u32::MAX;
    RUNNING.store(false, Ordering::Release);
    for thread in &THREADS {
        let handle = thread.swap(null_mut(), Ordering::AcqRel);
        if !handle.is_null() {
            // SAFETY: the handle is that of a thread, and nobody else has it after the swap.
            unsafe { host::WaitForSingleObject(handle, FOR_EVER) };
            // SAFETY: as above; it is closed once.
            unsafe { host::CloseHandle(handle) };
        }
    }
}

/// The thread of a processor.
unsafe extern "system" fn serve(index: *mut c_void) -> u32 {
    let index = index as usize;
    while RUNNING.load(Ordering::Acquire) {
        if broadcast::is_pending(index) || !FIRST[index].load(Ordering::Relaxed).is_null() {
            processor::on(index, || {
                broadcast::serve();
                while let Some((dpc, routine, [context, first, second])) = take(index) {
                    if let Some(routine) = routine {
                        // SAFETY: the driver gave the routine to be called with these, at DISPATCH_LEVEL.
                        unsafe { routine(dpc, context, first, second) };
                    }
                    OUTSTANDING.fetch_sub(1, Ordering::Release);
                    broadcast::serve();
                }
            });
        } else {
            // A millisecond at most is no delay that matters here, and an event that code at any level may set would be
            // one more thing to get right.
            host::sleep(1);
        }
    }
    0
}

/// A timer of the driver, and the DPC of Wine's that queues the driver's.
struct Slot {
    timer: AtomicPtr<Ktimer>,
    target: AtomicPtr<Kdpc>,
    /// Room for Wine's KDPC.
    dpc: [AtomicUsize; 8],
}

static SLOTS: [Slot; 16] = [const {
    Slot {
        timer: AtomicPtr::new(null_mut()),
        target: AtomicPtr::new(null_mut()),
        dpc: [const { AtomicUsize::new(0) }; 8],
    }
}; 16];

const _: () = assert!(size_of::<Kdpc>() == size_of::<[AtomicUsize; 8]>());

/// Wine calls it on a thread of its own when a timer is due.
unsafe extern "system" fn due(_: *mut Kdpc, context: *mut c_void, first: *mut c_void, second: *mut c_void) {
    // SAFETY: the context is a slot, which is static.
    let slot = unsafe { &*context.cast::<Slot>() };
    let target = slot.target.load(Ordering::Acquire);
    if !target.is_null() {
        // SAFETY: the driver gave this DPC to KeSetTimerEx, and has not gone: then the slot would be empty.
        unsafe { insert(target, first, second) };
    }
}

fn slot_of(timer: *mut Ktimer) -> Option<&'static Slot> {
    SLOTS.iter().find(|slot| slot.timer.load(Ordering::Acquire) == timer).or_else(|| {
        let claims =
            |slot: &&Slot| slot.timer.compare_exchange(null_mut(), timer, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        SLOTS.iter().find(claims)
    })
}

/// The driver has gone, and its timers with it.
pub fn forget_timers() {
    for slot in &SLOTS {
        slot.target.store(null_mut(), Ordering::Release);
        slot.timer.store(null_mut(), Ordering::Release);
    }
}

routines! {
    fn KeInitializeDpc(dpc: *mut Kdpc, routine: DeferredRoutine, context: *mut c_void) {
        const DPC_OBJECT: u8 = 19;
        let filled = Kdpc {
            Type: DPC_OBJECT,
            Importance: 0,
            Number: 0,
            DpcListEntry: null_mut(),
            ProcessorHistory: 0,
            DeferredRoutine: Some(routine),
            DeferredContext: context,
            SystemArgument1: null_mut(),
            SystemArgument2: null_mut(),
            DpcData: null_mut(),
        };
        // SAFETY: a driver gives room for a KDPC, which it does not use as one yet.
        unsafe { dpc.write(filled) };
    }

    fn KeSetTargetProcessorDpcEx(dpc: *mut Kdpc, number: *const ProcessorNumber) -> NtStatus {
        // SAFETY: a driver gives a whole PROCESSOR_NUMBER.
        let number = unsafe { (*number).Number };
        // SAFETY: a driver gives a KDPC that is filled, and not queued while it changes its target.
        unsafe { (*dpc).Number = u16::from(number) + 1 };
        STATUS_SUCCESS
    }

    fn KeInsertQueueDpc(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> u8 {
        start_threads();
        // SAFETY: a driver gives a KDPC that is filled, and keeps it until it has run.
        u8::from(unsafe { insert(dpc, first, second) })
    }

    fn KeFlushQueuedDpcs() {
        while OUTSTANDING.load(Ordering::Acquire) != 0 {
            host::sleep(1);
        }
    }

    fn KeSetTimerEx(timer: *mut Ktimer, time: i64, period: i32, dpc: *mut Kdpc) -> u8 {
        start_threads();
        let Some(slot) = slot_of(timer) else { processor::broken(c"KeSetTimerEx: too many timers", 0, 0) };
        let own: *mut Kdpc = (&raw const slot.dpc).cast_mut().cast();
        if slot.target.swap(dpc, Ordering::AcqRel).is_null() {
            // SAFETY: the slot has room for a KDPC, which is not used as one yet, and stays for ever.
            unsafe { host::KeInitializeDpc(own, due, (&raw const *slot).cast_mut().cast()) };
        }
        // SAFETY: the timer is the driver's, and the DPC was filled above or by an earlier call.
        unsafe { host::KeSetTimerEx(timer, time, period, own) }
    }

    fn KeCancelTimer(timer: *mut Ktimer) -> u8 {
        // SAFETY: as the driver called it.
        unsafe { host::KeCancelTimer(timer) }
    }
}
