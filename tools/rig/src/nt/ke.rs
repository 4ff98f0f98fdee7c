//! IRQL, spin locks, DPCs, IPIs, NMI callbacks, processors and affinity, bug checks.

use std::{
    ffi::c_void,
    fmt::Write,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use irqlog_nt::irql::{DISPATCH_LEVEL, HIGH_LEVEL};
use irqlog_nt::{GroupAffinity, Kdpc, NtStatus, ProcessorNumber, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use super::{
    exports::routines,
    interrupt::deliver,
    machine::{self, DPC, IPI, NMI, NmiCallback, Processor, ProcessorCallback, current, lock, machine, raise},
    report,
};

/// A wait of this long in a loop of the rig is a deadlock.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The simulated thread that runs: every import has checked that there is one.
pub fn thread() -> &'static machine::Thread {
    current().expect("checked on entry")
}

/// Waits in a loop, letting in what the IRQL allows, until `is_done`; a wait without end is reported as `what`.
pub fn spin_until(what: &str, mut is_done: impl FnMut() -> bool) {
    let mut turns = 0_u32;
    let mut since = None;
    while !is_done() {
        if thread().processor().pending.load(Ordering::Relaxed) != 0 {
            deliver(None);
        }
        turns += 1;
        if turns.is_multiple_of(64) {
            std::thread::yield_now();
            if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                report::broken(&format!("waited {} s for {what}: deadlock?", PATIENCE.as_secs()));
            }
        }
        std::hint::spin_loop();
    }
}

/// The lock word at an address of the driver's.
unsafe fn word<'a>(lock: *mut usize) -> &'a AtomicUsize {
    // SAFETY: the driver gives an aligned KSPIN_LOCK in memory of its own; a bad one faults and is reported.
    unsafe { AtomicUsize::from_ptr(lock) }
}

/// A taken lock holds its owner's processor, plus one.
fn owner() -> usize {
    thread().processor_index() + 1
}

fn acquire(lock: &AtomicUsize) {
    if lock.load(Ordering::Relaxed) == owner() {
        report::broken("a spin lock was acquired by the processor that holds it: it would spin for ever");
    }
    spin_until("a spin lock", || lock.compare_exchange(0, owner(), Ordering::Acquire, Ordering::Relaxed).is_ok());
}

fn release(lock: &AtomicUsize) {
    let found = lock.load(Ordering::Relaxed);
    if found != owner() {
        let by = if found == 0 { "nobody".to_owned() } else { format!("processor {}", found - 1) };
        report::broken(&format!("a spin lock was released that is held by {by}"));
    }
    lock.store(0, Ordering::Release);
}

fn set_irql(new: u8) -> u8 {
    thread().processor().irql.swap(new, Ordering::Relaxed)
}

/// So many tries to take a spin lock fail as if another processor held it.
pub static BUSY_TRIES: AtomicUsize = AtomicUsize::new(0);
/// So many tries to take a spin lock are followed by an NMI, on the way back into the image.
pub static NMI_AFTER_TRY: AtomicUsize = AtomicUsize::new(0);
/// So many looks at the clock are followed by an NMI, likewise.
pub static NMI_AFTER_CLOCK: AtomicUsize = AtomicUsize::new(0);

/// Counts down; whether it was not at zero.
fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
}

/// Lets an NMI come if `counter` says so.
pub fn nmi_after(counter: &AtomicUsize) {
    if take_one(counter) {
        thread().processor().pending.fetch_or(NMI, Ordering::SeqCst);
    }
}

/// The processor, plus one, whose next writer stops between the stamp of its record and the record's publication, until
/// this is zero again.
pub static STOPPED_WRITER: AtomicUsize = AtomicUsize::new(0);

/// Whether that writer has come to where it stops.
pub static HAS_STOPPED: AtomicBool = AtomicBool::new(false);

/// Stops here if this is the writer that shall stop.
pub fn maybe_stop() {
    let processor = thread().processor();
    let stops =
        || STOPPED_WRITER.load(Ordering::SeqCst) == owner() && processor.irql.load(Ordering::Relaxed) == HIGH_LEVEL;
    while stops() {
        HAS_STOPPED.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// KLOCK_QUEUE_HANDLE: `Next`, `Lock`, `OldIrql`. What the kernel keeps in its spare bits is its own business, and so is
/// what we keep there.
#[repr(C)]
struct QueueHandle {
    next: AtomicUsize,
    lock: AtomicUsize,
    _old_irql: u8,
}

/// In `lock`: its turn has not come.
const WAITS: usize = 1;

/// KE_PROCESSOR_CHANGE_NOTIFY_STATE (wdm.h).
pub const ADD_START: u32 = 0;
/// The processor runs.
pub const ADD_COMPLETE: u32 = 1;
/// KE_PROCESSOR_CHANGE_ADD_EXISTING (wdm.h).
const ADD_EXISTING: u32 = 1;

/// KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT (wdm.h).
#[repr(C)]
struct ProcessorChange {
    state: u32,
    nt_number: u32,
    status: NtStatus,
    number: ProcessorNumber,
}

/// Tells every driver that registered for it of a processor.
pub fn notify_processor(index: usize, state: u32) {
    let callbacks = lock(&machine().processor_callbacks).clone();
    for callback in callbacks {
        let number = ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 };
        let mut change = ProcessorChange { state, nt_number: index as u32, status: STATUS_SUCCESS, number };
        let mut status = STATUS_SUCCESS;
        // SAFETY: a routine of a loaded driver, with this signature.
        let routine: extern "efiapi" fn(usize, *mut ProcessorChange, *mut NtStatus) =
            unsafe { std::mem::transmute(callback.routine) };
        routine(callback.context, &raw mut change, &raw mut status);
        if status != STATUS_SUCCESS {
            report::broken(&format!("a driver does not let processor {index} come: {status:#010x}"));
        }
    }
}

/// The index that the current processor claims to have, if not zero: one that was added later.
pub static CLAIMED_PROCESSOR: AtomicUsize = AtomicUsize::new(0);

/// Puts a DPC into a processor's queue; false if it was in one.
pub fn insert_dpc(dpc: *mut Kdpc, arguments: Option<(*mut c_void, *mut c_void)>) -> bool {
    let machine = machine();
    // SAFETY: an initialised KDPC of the driver's.
    let dpc_ref = unsafe { &mut *dpc };
    let target = match usize::from(dpc_ref.Number) {
        0 => current().map_or(0, machine::Thread::processor_index),
        number => number - 1,
    };
    {
        let mut queue = lock(&machine.processors[target].dpcs);
        if !dpc_ref.DpcData.is_null() {
            return false;
        }
        if let Some((first, second)) = arguments {
            dpc_ref.SystemArgument1 = first;
            dpc_ref.SystemArgument2 = second;
        }
        dpc_ref.DpcData = dpc.cast();
        machine.dpcs_outstanding.fetch_add(1, Ordering::SeqCst);
        queue.push_back(dpc as usize);
    }
    raise(target, DPC);
    true
}

/// Runs a processor's DPCs, each at DISPATCH_LEVEL. The caller holds the processor, below DISPATCH_LEVEL.
pub fn run_dpcs(processor: &Processor) {
    let interrupted = processor.irql.swap(DISPATCH_LEVEL, Ordering::Relaxed);
    loop {
        let Some(dpc) = lock(&processor.dpcs).pop_front() else { break };
        let dpc = dpc as *mut Kdpc;
        // SAFETY: queued by `insert_dpc`; the driver keeps it until it has run.
        let (routine, context, first, second) = unsafe {
            let parts =
                ((*dpc).DeferredRoutine, (*dpc).DeferredContext, (*dpc).SystemArgument1, (*dpc).SystemArgument2);
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
                routine(dpc, context, first, second);
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
        worker(argument);
    }
    broadcast.remaining.fetch_sub(1, Ordering::SeqCst);
}

fn lower(new: u8) {
    let old = thread().processor().irql.load(Ordering::Relaxed);
    if new > old {
        report::broken(&format!("KeLowerIrql from {old} to {new}: it only lowers"));
    }
    set_irql(new);
}

routines! {
    fn KeGetCurrentIrql() -> u8 {
        thread().processor().irql.load(Ordering::Relaxed)
    }

    fn KfRaiseIrql(new: u8) -> u8 {
        let old = thread().processor().irql.load(Ordering::Relaxed);
        if new < old || new > HIGH_LEVEL {
            report::broken(&format!("KfRaiseIrql from {old} to {new}: it only raises"));
        }
        set_irql(new)
    }

    fn KeLowerIrql(new: u8) {
        lower(new);
    }

    /// What KeLowerIrql is on ARM64.
    fn KfLowerIrql(new: u8) {
        lower(new);
    }

    fn KeInitializeSpinLock(lock: *mut usize) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        unsafe { word(lock) }.store(0, Ordering::Release);
    }

    fn KeAcquireSpinLockAtDpcLevel(lock: *mut usize) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        acquire(unsafe { word(lock) });
    }

    fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut usize) -> u8 {
        // SAFETY: a KSPIN_LOCK of the driver's.
        let lock = unsafe { word(lock) };
        nmi_after(&NMI_AFTER_TRY);
        if take_one(&BUSY_TRIES) {
            return 0;
        }
        u8::from(lock.compare_exchange(0, owner(), Ordering::Acquire, Ordering::Relaxed).is_ok())
    }

    fn KeReleaseSpinLockFromDpcLevel(lock: *mut usize) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        release(unsafe { word(lock) });
    }

    fn KeAcquireInStackQueuedSpinLockAtDpcLevel(lock: *mut usize, handle: *mut QueueHandle) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        let tail = unsafe { word(lock) };
        // SAFETY: the driver's handle, which is its place in the queue until it releases.
        let own = unsafe { &*handle };
        own.next.store(0, Ordering::Relaxed);
        own.lock.store(lock as usize | WAITS, Ordering::Relaxed);
        let before = tail.swap(handle as usize, Ordering::AcqRel);
        if before != 0 {
            // SAFETY: the handle of the one before, who waits for us to be linked before he goes.
            unsafe { &*(before as *const QueueHandle) }.next.store(handle as usize, Ordering::Release);
            spin_until("a queued spin lock", || own.lock.load(Ordering::Acquire) & WAITS == 0);
        }
        own.lock.store(lock as usize, Ordering::Relaxed);
    }

    fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut QueueHandle) {
        // SAFETY: the handle of the acquisition.
        let own = unsafe { &*handle };
        let lock = own.lock.load(Ordering::Relaxed);
        if lock == 0 || lock & WAITS != 0 {
            report::broken("a queued spin lock was released by a handle that does not hold one");
        }
        own.lock.store(0, Ordering::Relaxed);
        // SAFETY: the lock that the handle was queued for.
        let tail = unsafe { word(lock as *mut usize) };
        if tail.compare_exchange(handle as usize, 0, Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
        spin_until("the next one in the queue of a spin lock", || own.next.load(Ordering::Acquire) != 0);
        // SAFETY: his handle, until he has the lock and releases it.
        let next = unsafe { &*(own.next.load(Ordering::Acquire) as *const QueueHandle) };
        next.lock.store(lock, Ordering::Release);
    }

    fn KeAcquireSpinLockRaiseToDpc(lock: *mut usize) -> u8 {
        let old = set_irql(DISPATCH_LEVEL);
        // SAFETY: a KSPIN_LOCK of the driver's.
        acquire(unsafe { word(lock) });
        old
    }

    fn KeReleaseSpinLock(lock: *mut usize, old: u8) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        release(unsafe { word(lock) });
        if old > DISPATCH_LEVEL {
            report::broken("KeReleaseSpinLock to a level above DISPATCH_LEVEL");
        }
        set_irql(old);
    }

    fn KeGetCurrentProcessorNumberEx(out: *mut ProcessorNumber) -> u32 {
        let index = match CLAIMED_PROCESSOR.load(Ordering::Relaxed) {
            0 => thread().processor_index(),
            claimed => claimed,
        };
        if !out.is_null() {
            // SAFETY: memory of the driver's.
            unsafe { out.write(ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 }) };
        }
        index as u32
    }

    fn KeQueryActiveProcessorCountEx(_group: u16) -> u32 {
        machine().active() as u32
    }

    fn KeQueryMaximumProcessorCountEx(_group: u16) -> u32 {
        machine().processors.len() as u32
    }

    fn KeGetProcessorNumberFromIndex(index: u32, out: *mut ProcessorNumber) -> NtStatus {
        if index as usize >= machine().active() {
            STATUS_INVALID_PARAMETER
        } else {
            // SAFETY: memory of the driver's.
            unsafe { out.write(ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 }) };
            STATUS_SUCCESS
        }
    }

    fn KeSetSystemGroupAffinityThread(new: *const GroupAffinity, previous: *mut GroupAffinity) {
        let thread = thread();
        // SAFETY: memory of the driver's.
        let mask = unsafe { (*new).Mask } as u64;
        let old = thread.affinity.replace(mask);
        if !previous.is_null() {
            // SAFETY: memory of the driver's.
            unsafe { previous.write(GroupAffinity { Mask: old as usize, Group: 0, Reserved: [0; 3] }) };
        }
        if mask & (1 << thread.processor_index()) == 0 {
            thread.wait(|| {});
        }
    }

    fn KeRevertToUserGroupAffinityThread(previous: *const GroupAffinity) {
        // SAFETY: memory of the driver's.
        thread().affinity.set(unsafe { (*previous).Mask } as u64);
    }

    fn KeInitializeDpc(dpc: *mut Kdpc, routine: irqlog_nt::DeferredRoutine, context: *mut c_void) {
        let new = Kdpc {
            Type: 19,
            Importance: 1,
            Number: 0,
            DpcListEntry: std::ptr::null_mut(),
            ProcessorHistory: 0,
            DeferredRoutine: Some(routine),
            DeferredContext: context,
            SystemArgument1: std::ptr::null_mut(),
            SystemArgument2: std::ptr::null_mut(),
            DpcData: std::ptr::null_mut(),
        };
        // SAFETY: memory of the driver's.
        unsafe { dpc.write(new) };
    }

    fn KeSetTargetProcessorDpcEx(dpc: *mut Kdpc, number: *const ProcessorNumber) -> NtStatus {
        // SAFETY: memory of the driver's.
        let index = unsafe { (*number).Number };
        if usize::from(index) >= machine().active() {
            STATUS_INVALID_PARAMETER
        } else {
            // SAFETY: an initialised DPC.
            unsafe { (*dpc).Number = u16::from(index) + 1 };
            STATUS_SUCCESS
        }
    }

    fn KeInsertQueueDpc(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> u8 {
        u8::from(insert_dpc(dpc, Some((first, second))))
    }

    fn KeFlushQueuedDpcs() {
        spin_until("DPCs to be done", || machine().dpcs_outstanding.load(Ordering::SeqCst) == 0);
    }

    fn KeIpiGenericCall(worker: usize, argument: usize) -> usize {
        let broadcast = &machine().broadcast;
        // Below IPI_LEVEL still, so we take the broadcast of whoever is before us.
        spin_until("another broadcast", || !broadcast.busy.swap(true, Ordering::SeqCst));
        let old = set_irql(irqlog_nt::irql::IPI_LEVEL);
        let own = thread().processor_index();
        broadcast.worker.store(worker, Ordering::SeqCst);
        broadcast.argument.store(argument, Ordering::SeqCst);
        let active = machine().active();
        broadcast.remaining.store(active, Ordering::SeqCst);
        for index in (0..active).filter(|&index| index != own) {
            raise(index, IPI);
        }
        machine().statistics.ipis.fetch_add(1, Ordering::Relaxed);
        run_broadcast();
        let mut turns = 0_u32;
        spin_until("the other processors to take an IPI", || {
            turns += 1;
            // A signal that came at the wrong moment is sent again.
            if turns.is_multiple_of(4096) {
                for index in 0..active {
                    if machine().processors[index].pending.load(Ordering::SeqCst) & IPI != 0 {
                        machine::kick(index);
                    }
                }
            }
            broadcast.remaining.load(Ordering::SeqCst) == 0
        });
        set_irql(old);
        broadcast.busy.store(false, Ordering::SeqCst);
        0
    }

    fn KeRegisterProcessorChangeCallback(routine: usize, context: usize, flags: u32) -> usize {
        let handle = {
            let mut callbacks = lock(&machine().processor_callbacks);
            let handle = callbacks.iter().map(|callback| callback.handle).max().unwrap_or(0x2000) + 1;
            callbacks.push(ProcessorCallback { routine, context, handle });
            handle
        };
        if flags & ADD_EXISTING != 0 {
            for index in 0..machine().active() {
                notify_processor(index, ADD_START);
                notify_processor(index, ADD_COMPLETE);
            }
        }
        handle
    }

    fn KeDeregisterProcessorChangeCallback(handle: usize) {
        lock(&machine().processor_callbacks).retain(|callback| callback.handle != handle);
    }

    fn KeRegisterNmiCallback(routine: usize, context: usize) -> usize {
        let mut callbacks = lock(&machine().nmi_callbacks);
        let handle = callbacks.iter().map(|callback| callback.handle).max().unwrap_or(0x1000) + 1;
        callbacks.push(NmiCallback { routine, context, handle });
        handle
    }

    fn KeDeregisterNmiCallback(handle: usize) -> NtStatus {
        lock(&machine().nmi_callbacks).retain(|callback| callback.handle != handle);
        // "The routine does not return until all callbacks have returned."
        spin_until("NMI callbacks to return", || {
            machine().processors.iter().all(|processor| !processor.in_nmi.load(Ordering::SeqCst))
        });
        STATUS_SUCCESS
    }

    fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) -> usize {
        report::broken(&format!("bug check {code:#x} ({a:#x}, {b:#x}, {c:#x}, {d:#x})"))
    }

    fn DbgPrint(format: *const i8, a: usize, b: usize, c: usize) -> u32 {
        // SAFETY: a C string of the driver's.
        let format = unsafe { std::ffi::CStr::from_ptr(format.cast()) }.to_string_lossy().into_owned();
        eprint!("{}", expand(&format, &[a, b, c]));
        0
    }
}

/// The conversions that the drivers of the rig use: %s, %p, %x, %d, %u.
fn expand(format: &str, arguments: &[usize]) -> String {
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let conversion = characters.next().unwrap_or('%');
        let argument = arguments.next().copied().unwrap_or(0);
        match conversion {
            's' if argument != 0 => {
                // SAFETY: a C string of the driver's, as its format says.
                let part = unsafe { std::ffi::CStr::from_ptr(argument as *const std::ffi::c_char) };
                text.push_str(&part.to_string_lossy());
            }
            'd' => text.push_str(&(argument as i32).to_string()),
            'u' => text.push_str(&(argument as u32).to_string()),
            _ => {
                let _ = write!(text, "{argument:#x}");
            }
        }
    }
    text
}
