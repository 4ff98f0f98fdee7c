//! The writers of the storm: threads, DPCs, ISRs, IPIs and an NMI callback, each of which logs and counts its calls.
//!
//! [`connect`] stores the function table before it connects the first interrupt, and [`disconnect`] removes it after it has
//! disconnected the last one. The threads run only in between: START needs the device, which DriverEntry has created by
//! then, and the rig unloads the driver after `RUNNING` has become zero.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use irqlog_nt::{CONNECT_FULLY_SPECIFIED, IoConnectInterruptParameters, Kdpc, NtStatus, ProcessorNumber};
use irqlog_storm::{
    CONTEXTS, Context, MAX_BLOB, MAX_TEXT, PROVIDER, Start, WRITERS, blob_byte, blob_length, blob_tag, counts, is_blob,
    is_event, text, writer,
};
use irqlog_wire::{
    interface::{Interface, WriteResult},
    irql::{DIRQL_MAX, DIRQL_MIN, HIGH_LEVEL},
    record::{Level, MAX_BLOB_PIECE},
};

use crate::{
    nt,
    system::{at_irql, processor, start_thread},
};

/// Number of device levels; each has an interrupt.
const LINES: usize = (DIRQL_MAX - DIRQL_MIN + 1) as usize;
/// The most processors that get a DPC.
const MOST_DPCS: u32 = 64;
/// ALL_PROCESSOR_GROUPS (wdm.h).
const ALL_PROCESSOR_GROUPS: u16 = 0xffff;

/// A static that the module's protocol guards: see its opening comment.
struct Guarded<T>(UnsafeCell<T>);

// SAFETY: the function table is written while no writer runs, as the module's opening comment says. The DPC objects are
// touched only through the kernel's routines, which synchronize them.
unsafe impl<T> Sync for Guarded<T> {}

static INTERFACE: Guarded<Option<Interface>> = Guarded(UnsafeCell::new(None));
static DPCS: Guarded<[MaybeUninit<Kdpc>; MOST_DPCS as usize]> =
    Guarded(UnsafeCell::new([const { MaybeUninit::zeroed() }; MOST_DPCS as usize]));
static LINE_OBJECTS: [AtomicUsize; LINES] = [const { AtomicUsize::new(0) }; LINES];
/// Processors that have a DPC: those that were active when the driver was loaded.
static PROCESSORS: AtomicU32 = AtomicU32::new(0);
static NMI: AtomicUsize = AtomicUsize::new(0);

/// Log calls that the threads have still to make.
static LEFT: AtomicI64 = AtomicI64::new(0);
/// Threads that have not ended.
static RUNNING: AtomicU64 = AtomicU64::new(0);
static CALLED: [AtomicU64; CONTEXTS.len()] = [const { AtomicU64::new(0) }; CONTEXTS.len()];
static DROPPED: AtomicU64 = AtomicU64::new(0);
/// The number of each writer's next record.
static NUMBERS: [AtomicU32; WRITERS] = [const { AtomicU32::new(0) }; WRITERS];

/// Logs the next record of a context on this processor. IRQL: any.
fn log(context: Context, never_waits: bool) {
    // SAFETY: while a writer runs, the function table is only read.
    let Some(interface) = (unsafe { &*INTERFACE.0.get() }) else { return };
    let writer = writer(context, processor());
    // Two calls may have the same writer: one that an interrupt stopped between here and the line above, and that went on
    // on another processor. Each takes a number of its own.
    let number = NUMBERS[usize::from(writer) % WRITERS].fetch_add(1, Ordering::Relaxed);
    let (result, calls) = if is_blob(number) {
        log_blob(interface, writer, number, never_waits)
    } else if is_event(number) {
        (log_event(writer, number, never_waits), 1)
    } else {
        (log_text(interface, writer, number, never_waits), 1)
    };
    // A filtered call counts neither here nor in irqlog.sys.
    if result != WriteResult::Filtered.0 {
        CALLED[context as usize].fetch_add(calls, Ordering::Relaxed);
    }
    if result == WriteResult::Dropped.0 {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Logs a text. IRQL: any.
fn log_text(interface: &Interface, writer: u16, number: u32, never_waits: bool) -> u32 {
    let mut bytes = [0; MAX_TEXT];
    let length = text(writer, number, &mut bytes);
    let write = if never_waits { interface.write_text_never_waits } else { interface.write_text };
    // SAFETY: bytes on this stack; irqlog.sys stays loaded while the driver is connected.
    unsafe { write(Level::Info.0, bytes.as_ptr(), length) }
}

/// Logs a blob; gives the number of calls that it counts as, one for each piece. IRQL: any.
fn log_blob(interface: &Interface, writer: u16, number: u32, never_waits: bool) -> (u32, u64) {
    let tag = blob_tag(writer, number);
    let length = blob_length(tag);
    let mut bytes = [0; MAX_BLOB];
    for (offset, byte) in bytes.iter_mut().enumerate().take(length) {
        *byte = blob_byte(tag, offset);
    }
    let pieces = length.div_ceil(MAX_BLOB_PIECE).max(1) as u64;
    let write = if never_waits { interface.write_blob_never_waits } else { interface.write_blob };
    // SAFETY: bytes on this stack; irqlog.sys stays loaded while the driver is connected.
    (unsafe { write(Level::Info.0, tag, bytes.as_ptr(), length) }, pieces)
}

/// Logs an event. Only irqlog.sys knows whether it dropped it. IRQL: any.
fn log_event(writer: u16, number: u32, never_waits: bool) -> u32 {
    if !irqlog_provider_wdk::is_enabled(Level::Info) {
        return WriteResult::Filtered.0;
    }
    let mut bytes = [0; MAX_TEXT];
    let length = text(writer, number, &mut bytes);
    let text = bytes.get(..length).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default();
    if never_waits {
        irqlog_provider_wdk::info!(never_waits, "writer {writer:#x} number {number}: {text}");
    } else {
        irqlog_provider_wdk::info!("writer {writer:#x} number {number}: {text}");
    }
    WriteResult::Written.0
}

/// IRQL: the interrupt's DIRQL.
///
/// # Safety
/// None: it uses no argument. The type of a kernel callback is unsafe.
unsafe extern "system" fn on_interrupt(_: *mut c_void, _: *mut c_void) -> u8 {
    log(Context::Isr, false);
    1
}

/// IRQL: HIGH_LEVEL, or what the NMI interrupted.
///
/// # Safety
/// None: it uses no pointer. The type of a kernel callback is unsafe.
unsafe extern "system" fn on_nmi(_: *mut c_void, handled: u8) -> u8 {
    // A callback that sees HIGH_LEVEL may use the ordinary functions too, and every third record does.
    // SAFETY: callable at any IRQL.
    let sees_high_level = unsafe { nt::KeGetCurrentIrql() } == HIGH_LEVEL;
    let turn = NUMBERS[usize::from(writer(Context::Nmi, processor())) % WRITERS].load(Ordering::Relaxed);
    log(Context::Nmi, !(sees_high_level && turn.is_multiple_of(3)));
    handled
}

/// IRQL: DISPATCH_LEVEL.
///
/// # Safety
/// None: it uses no argument. The type of a kernel callback is unsafe.
unsafe extern "system" fn on_dpc(_: *mut Kdpc, _: *mut c_void, _: *mut c_void, _: *mut c_void) {
    log(Context::Dpc, false);
}

/// IRQL: IPI_LEVEL.
///
/// # Safety
/// None: it uses no argument. The type of a kernel callback is unsafe.
unsafe extern "system" fn on_ipi(_: usize) -> usize {
    log(Context::Ipi, false);
    0
}

/// A thread, which mostly logs, sometimes raised, and sometimes sends a DPC or an IPI. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// None: `seed` is a number. The type of a kernel callback is unsafe.
unsafe extern "system" fn thread(seed: *mut c_void) {
    let mut state = seed.addr() as u64 | 1;
    while LEFT.fetch_sub(1, Ordering::Relaxed) > 0 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = (state >> 33) as u32;
        log(Context::Thread, false);
        if dice.is_multiple_of(8) {
            at_irql((dice >> 8) as u8 % (HIGH_LEVEL + 1), || log(Context::Raised, false));
        }
        if dice.is_multiple_of(16) {
            // SAFETY: one of the DPCs that `prepare_dpcs` has initialized; the arguments are not used.
            unsafe {
                nt::KeInsertQueueDpc(dpc((dice >> 12) % PROCESSORS.load(Ordering::Relaxed)), null_mut(), null_mut())
            };
        }
        if dice.is_multiple_of(512) {
            // SAFETY: a thread is below IPI_LEVEL, and the worker runs at any IRQL and uses no argument.
            unsafe { nt::KeIpiGenericCall(on_ipi, 0) };
        }
    }
    RUNNING.fetch_sub(1, Ordering::SeqCst);
}

/// Starts the threads of a storm. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of the first thread that could not be started.
pub fn start(request: Start) -> Result<(), NtStatus> {
    LEFT.store(request.calls as i64, Ordering::SeqCst);
    for index in 0..request.threads as usize {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        let seed = core::ptr::without_provenance_mut((index + 1) * 0x9e37_79b9);
        start_thread(thread, seed).inspect_err(|_| {
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        })?;
    }
    Ok(())
}

/// The counts of all calls so far, in the order of [`counts`]. IRQL: any.
pub fn counts() -> [u64; counts::WORDS] {
    let mut words = [0; counts::WORDS];
    words[counts::RUNNING] = RUNNING.load(Ordering::SeqCst);
    words[counts::DROPPED] = DROPPED.load(Ordering::SeqCst);
    for (index, called) in CALLED.iter().enumerate() {
        let called = called.load(Ordering::SeqCst);
        words[counts::CALLED] += called;
        words[counts::BY_CONTEXT + index] = called;
    }
    words
}

/// Connects to irqlog, and then the interrupts to their writers. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// The caller is DriverEntry, and calls it once.
///
/// # Errors
/// The status of the routine that failed.
pub unsafe fn connect() -> Result<(), NtStatus> {
    let interface = irqlog_provider_wdk::connect(PROVIDER).map_err(irqlog_provider_wdk::ConnectError::status)?;
    // SAFETY: no writer runs yet, as the caller promises.
    unsafe { *INTERFACE.0.get() = Some(interface) };
    prepare_dpcs();
    // SAFETY: the callback stays until `disconnect` deregisters it, and uses no context.
    let nmi = unsafe { nt::KeRegisterNmiCallback(on_nmi, null_mut()) };
    NMI.store(nmi as usize, Ordering::SeqCst);
    connect_interrupts().inspect_err(|_| {
        // SAFETY: there are no threads yet, and DriverEntry fails, so unload is not called.
        unsafe { disconnect() };
    })
}

/// Disconnects all interrupts, waits for the DPCs, and disconnects from irqlog. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// All threads of the storm have ended, and nobody else calls it.
pub unsafe fn disconnect() {
    for object in &LINE_OBJECTS {
        let object = object.swap(0, Ordering::SeqCst);
        if object == 0 {
            continue;
        }
        let mut parameters = [CONNECT_FULLY_SPECIFIED as usize, object];
        // SAFETY: version and interrupt object, as IO_DISCONNECT_INTERRUPT_PARAMETERS has them; connected once in
        // `connect_interrupts`, disconnected once here.
        unsafe { nt::IoDisconnectInterruptEx(parameters.as_mut_ptr().cast()) };
    }
    // SAFETY: the handle that KeRegisterNmiCallback gave, deregistered once.
    unsafe { nt::KeDeregisterNmiCallback(NMI.load(Ordering::SeqCst) as *mut c_void) };
    // SAFETY: PASSIVE_LEVEL. Afterwards no DPC of the driver runs or waits.
    unsafe { nt::KeFlushQueuedDpcs() };
    // SAFETY: no writer runs any more.
    unsafe { *INTERFACE.0.get() = None };
    irqlog_provider_wdk::disconnect();
}

/// The DPC object of a processor with an index below `MOST_DPCS`.
const fn dpc(index: u32) -> *mut Kdpc {
    DPCS.0.get().cast::<Kdpc>().wrapping_add(index as usize)
}

/// Makes a DPC for each active processor, with that processor as its target. IRQL: PASSIVE_LEVEL.
fn prepare_dpcs() {
    // SAFETY: callable at any IRQL.
    let active = unsafe { nt::KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) }.min(MOST_DPCS);
    for index in 0..active {
        let mut number = ProcessorNumber { Group: 0, Number: 0, Reserved: 0 };
        // SAFETY: room in a static that lasts as long as the driver; nobody has queued it yet. The context is not used.
        unsafe { nt::KeInitializeDpc(dpc(index), on_dpc, null_mut()) };
        // SAFETY: the number goes to this stack.
        let found = unsafe { nt::KeGetProcessorNumberFromIndex(index, &raw mut number) };
        if found >= 0 {
            // SAFETY: the DPC was initialized above, and is not queued.
            unsafe { nt::KeSetTargetProcessorDpcEx(dpc(index), &raw mut number) };
        }
    }
    PROCESSORS.store(active, Ordering::Relaxed);
}

/// Connects an interrupt of each device level. IRQL: PASSIVE_LEVEL.
fn connect_interrupts() -> Result<(), NtStatus> {
    for (line, object) in LINE_OBJECTS.iter().enumerate() {
        let irql = DIRQL_MIN + line as u8;
        let mut out = null_mut();
        let mut parameters = IoConnectInterruptParameters {
            Version: CONNECT_FULLY_SPECIFIED,
            PhysicalDeviceObject: null_mut(),
            InterruptObject: &raw mut out,
            ServiceRoutine: Some(on_interrupt),
            ServiceContext: null_mut(),
            SpinLock: null_mut(),
            SynchronizeIrql: irql,
            FloatingSave: 0,
            ShareVector: 0,
            Vector: u32::from(irql) << 4,
            Irql: irql,
            InterruptMode: 1,
            ProcessorEnableMask: usize::MAX,
            Group: 0,
        };
        // SAFETY: parameters on this stack, with a routine that stays until it is disconnected in `disconnect`.
        let status = unsafe { nt::IoConnectInterruptEx(&raw mut parameters) };
        if status < 0 {
            return Err(status);
        }
        object.store(out as usize, Ordering::SeqCst);
    }
    Ok(())
}
