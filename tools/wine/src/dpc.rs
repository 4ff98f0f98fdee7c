//! DPC queues, one a processor, and timers, whose DPCs go through them.
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
    host, ipi,
    processor::{self, COUNT, Thread},
    routines,
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
        unsafe { host::SwitchToThread() };
    }
    let result = work();
    LOCK.store(false, Ordering::Release);
    result
}

/// Whether it was not queued already.
unsafe fn insert(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> bool {
    locked(|| unsafe {
        if !(*dpc).DpcData.is_null() {
            return false;
        }
        // `Number` is the target plus one; 0 is the current processor.
        let target = usize::from((*dpc).Number).checked_sub(1).unwrap_or_else(|| {
            let thread = Thread::current();
            thread.processor().unwrap_or_default()
        });
        (*dpc).DpcData = dpc.cast();
        (*dpc).SystemArgument1 = first;
        (*dpc).SystemArgument2 = second;
        (*dpc).DpcListEntry = null_mut();
        match LAST[target].swap(dpc, Ordering::Relaxed) {
            last if last.is_null() => FIRST[target].store(dpc, Ordering::Relaxed),
            last => (*last).DpcListEntry = dpc,
        }
        OUTSTANDING.fetch_add(1, Ordering::Relaxed);
        true
    })
}

/// The next DPC of a processor, with what it is called with: it may be queued again from here on.
fn take(index: usize) -> Option<(*mut Kdpc, Option<DeferredRoutine>, [*mut c_void; 3])> {
    locked(|| unsafe {
        let dpc = FIRST[index].load(Ordering::Relaxed);
        if dpc.is_null() {
            return None;
        }
        let next = (*dpc).DpcListEntry;
        FIRST[index].store(next, Ordering::Relaxed);
        if next.is_null() {
            LAST[index].store(null_mut(), Ordering::Relaxed);
        }
        (*dpc).DpcData = null_mut();
        let arguments = [(*dpc).DeferredContext, (*dpc).SystemArgument1, (*dpc).SystemArgument2];
        Some((dpc, (*dpc).DeferredRoutine, arguments))
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
        let handle = unsafe { host::CreateThread(null(), 0, serve, index as *mut c_void, 0, null_mut()) };
        thread.store(handle, Ordering::Release);
    }
}

/// Ends them.
pub fn stop_threads() {
    const FOR_EVER: u32 = u32::MAX;
    RUNNING.store(false, Ordering::Release);
    for thread in &THREADS {
        let handle = thread.swap(null_mut(), Ordering::AcqRel);
        if !handle.is_null() {
            unsafe {
                host::WaitForSingleObject(handle, FOR_EVER);
                host::CloseHandle(handle);
            }
        }
    }
}

/// The thread of a processor.
unsafe extern "system" fn serve(index: *mut c_void) -> u32 {
    let index = index as usize;
    while RUNNING.load(Ordering::Acquire) {
        if ipi::is_pending(index) || !FIRST[index].load(Ordering::Relaxed).is_null() {
            processor::on(index, || {
                ipi::serve();
                while let Some((dpc, routine, [context, first, second])) = take(index) {
                    if let Some(routine) = routine {
                        unsafe { routine(dpc, context, first, second) };
                    }
                    OUTSTANDING.fetch_sub(1, Ordering::Release);
                    ipi::serve();
                }
            });
        } else {
            // A millisecond at most is no delay that matters here, and an event that code at any level may set would be
            // one more thing to get right.
            unsafe { host::Sleep(1) };
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
    let slot = unsafe { &*context.cast::<Slot>() };
    let target = slot.target.load(Ordering::Acquire);
    if !target.is_null() {
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
        unsafe {
            *dpc = core::mem::zeroed();
            (*dpc).Type = DPC_OBJECT;
            (*dpc).DeferredRoutine = Some(routine);
            (*dpc).DeferredContext = context;
        }
    }

    fn KeSetTargetProcessorDpcEx(dpc: *mut Kdpc, number: *const ProcessorNumber) -> NtStatus {
        unsafe { (*dpc).Number = u16::from((*number).Number) + 1 };
        STATUS_SUCCESS
    }

    fn KeInsertQueueDpc(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> u8 {
        start_threads();
        u8::from(unsafe { insert(dpc, first, second) })
    }

    fn KeFlushQueuedDpcs() {
        while OUTSTANDING.load(Ordering::Acquire) != 0 {
            unsafe { host::Sleep(1) };
        }
    }

    fn KeSetTimerEx(timer: *mut Ktimer, time: i64, period: i32, dpc: *mut Kdpc) -> u8 {
        start_threads();
        let Some(slot) = slot_of(timer) else { processor::broken(c"KeSetTimerEx: too many timers", 0, 0) };
        let own: *mut Kdpc = (&raw const slot.dpc).cast_mut().cast();
        unsafe {
            if slot.target.swap(dpc, Ordering::AcqRel).is_null() {
                host::KeInitializeDpc(own, due, (&raw const *slot).cast_mut().cast());
            }
            host::KeSetTimerEx(timer, time, period, own)
        }
    }

    fn KeCancelTimer(timer: *mut Ktimer) -> u8 {
        unsafe { host::KeCancelTimer(timer) }
    }
}
