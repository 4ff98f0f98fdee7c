//! The test driver: logs through irqlog's function table from every context that a driver has.
//!
//! It connects as any driver does: by device name, with an internal request, keeping the reference. Then its ISRs, its
//! NMI callback and, once started, its threads with their DPCs and IPIs write records of the storm
//! (`tools/storm`) and count the calls.
//!
//! It is for the rig only, and shows no more of a driver's manners than it needs.

#![no_std]
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "test driver: calls and callbacks of the kernel, one like the other"
)]
#![allow(missing_docs, clippy::missing_safety_doc, reason = "test driver")]

mod locks;

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use irqlog_nt::{
    CONNECT_FULLY_SPECIFIED, DeviceObject, DriverObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IoConnectInterruptParameters, IoStatusBlock, Irp, Kdpc, NtStatus, ProcessorNumber,
    STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, UnicodeString, routines::imports as nt,
};
use irqlog_storm::{
    CONTEXTS, COUNTS, Context, DEVICE_NAME, LEAVE, LOCK_ADDRESS, MAX_BLOB, MAX_TEXT, MISUSE, Misuse, PROVIDER, START,
    Start, WRITERS, blob_byte, blob_length, blob_tag, counts, is_blob, is_event, text, writer,
};
use irqlog_wire::{
    interface::{Interface, WriteResult},
    irql::{DIRQL_MAX, DIRQL_MIN, HIGH_LEVEL},
    record::{Level, MAX_BLOB_PIECE},
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe { nt::KeBugCheckEx(u32::from_be_bytes(*b"STRM"), 0, 0, 0, 0) }
}

/// Device levels, each with an interrupt.
const LINES: usize = (DIRQL_MAX - DIRQL_MIN + 1) as usize;

struct Slot<T>(core::cell::UnsafeCell<T>);
// SAFETY: written in DriverEntry, before anyone else runs, and read afterwards; the DPCs are the kernel's.
unsafe impl<T> Sync for Slot<T> {}

static INTERFACE: Slot<Option<Interface>> = Slot(core::cell::UnsafeCell::new(None));
static DPCS: Slot<[core::mem::MaybeUninit<Kdpc>; 64]> =
    Slot(core::cell::UnsafeCell::new([const { core::mem::MaybeUninit::zeroed() }; 64]));
static LINE_OBJECTS: [AtomicUsize; LINES] = [const { AtomicUsize::new(0) }; LINES];
static DEVICE: AtomicPtr<DeviceObject> = AtomicPtr::new(null_mut());
static PROCESSORS: AtomicU32 = AtomicU32::new(0);
static NMI: AtomicUsize = AtomicUsize::new(0);

static LEFT: AtomicI64 = AtomicI64::new(0);
static RUNNING: AtomicU64 = AtomicU64::new(0);
static CALLED: [AtomicU64; CONTEXTS.len()] = [const { AtomicU64::new(0) }; CONTEXTS.len()];
static DROPPED: AtomicU64 = AtomicU64::new(0);
static NUMBERS: [AtomicU32; WRITERS] = [const { AtomicU32::new(0) }; WRITERS];

/// Logs the next record of a context on this processor. IRQL: any.
fn log(context: Context, never_waits: bool) {
    let Some(interface) = (unsafe { &*INTERFACE.0.get() }) else { return };
    let writer = writer(context, unsafe { nt::KeGetCurrentProcessorNumberEx(null_mut()) });
    // One in an interrupt may have been taken off a processor meanwhile: the number is whose gets it first.
    let number = NUMBERS[usize::from(writer) % WRITERS].fetch_add(1, Ordering::Relaxed);
    let level = Level::Info.0;
    let (outcome, calls) = if is_blob(number) {
        let tag = blob_tag(writer, number);
        let length = blob_length(tag);
        let mut bytes = [0; MAX_BLOB];
        for (offset, byte) in bytes.iter_mut().enumerate().take(length) {
            *byte = blob_byte(tag, offset);
        }
        let pieces = length.div_ceil(MAX_BLOB_PIECE).max(1) as u64;
        let write = if never_waits { interface.write_blob_never_waits } else { interface.write_blob };
        (unsafe { write(level, tag, bytes.as_ptr(), length) }, pieces)
    } else if is_event(number) {
        (log_event(writer, number, never_waits), 1)
    } else {
        let mut bytes = [0; MAX_TEXT];
        let length = text(writer, number, &mut bytes);
        let write = if never_waits { interface.write_text_never_waits } else { interface.write_text };
        (unsafe { write(level, bytes.as_ptr(), length) }, 1)
    };
    // A call whose level is not enabled is none, neither here nor there.
    if outcome != WriteResult::Filtered.0 {
        CALLED[context as usize].fetch_add(calls, Ordering::Relaxed);
    }
    if outcome == WriteResult::Dropped.0 {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Logs an event. Whether it was dropped only irqlog.sys knows. IRQL: any.
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

unsafe extern "system" fn on_interrupt(_: *mut c_void, _: *mut c_void) -> u8 {
    log(Context::Isr, false);
    1
}

unsafe extern "system" fn on_nmi(_: *mut c_void, handled: u8) -> u8 {
    // The ordinary entry is for callers that see HIGH_LEVEL; some do, and it must be right there too.
    let sees_high_level = unsafe { nt::KeGetCurrentIrql() } == HIGH_LEVEL;
    let processor = unsafe { nt::KeGetCurrentProcessorNumberEx(null_mut()) };
    let turn = NUMBERS[usize::from(writer(Context::Nmi, processor)) % WRITERS].load(Ordering::Relaxed);
    log(Context::Nmi, !(sees_high_level && turn.is_multiple_of(3)));
    handled
}

unsafe extern "system" fn on_dpc(_: *mut Kdpc, _: *mut c_void, _: *mut c_void, _: *mut c_void) {
    log(Context::Dpc, false);
}

unsafe extern "system" fn on_ipi(_: usize) -> usize {
    log(Context::Ipi, false);
    0
}

/// A thread: mostly logs, sometimes raised, sometimes sends a DPC or an IPI.
unsafe extern "system" fn thread(seed: *mut c_void) {
    let mut state = seed as u64 | 1;
    while LEFT.fetch_sub(1, Ordering::Relaxed) > 0 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = (state >> 33) as u32;
        log(Context::Thread, false);
        if dice.is_multiple_of(8) {
            let level = (dice >> 8) as u8 % (HIGH_LEVEL + 1);
            let old = unsafe { nt::KfRaiseIrql(level) };
            log(Context::Raised, false);
            unsafe { nt::KeLowerIrql(old) };
        }
        if dice.is_multiple_of(16) {
            // Those of the start: a processor that came later has no DPC of ours.
            let processors = PROCESSORS.load(Ordering::Relaxed);
            let dpcs = DPCS.0.get().cast::<Kdpc>();
            unsafe {
                nt::KeInsertQueueDpc(dpcs.add((dice >> 12) as usize % processors as usize), null_mut(), null_mut())
            };
        }
        if dice.is_multiple_of(512) {
            unsafe { nt::KeIpiGenericCall(on_ipi, 0) };
        }
    }
    RUNNING.fetch_sub(1, Ordering::SeqCst);
}

fn start(request: Start) -> NtStatus {
    LEFT.store(request.calls as i64, Ordering::SeqCst);
    for index in 0..request.threads {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        let mut handle = null_mut();
        let seed = (index as usize + 1) * 0x9e37_79b9;
        let status = unsafe {
            nt::PsCreateSystemThread(
                &raw mut handle,
                0,
                null_mut(),
                null_mut(),
                null_mut(),
                thread,
                seed as *mut c_void,
            )
        };
        if status < 0 {
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            return status;
        }
    }
    STATUS_SUCCESS
}

unsafe extern "system" fn dispatch(_: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    unsafe {
        let location = &*(*irp).CurrentStackLocation;
        let (status, information) = match location.MajorFunction {
            IRP_MJ_DEVICE_CONTROL => control(irp),
            _ => (STATUS_SUCCESS, 0),
        };
        (*irp).IoStatus = IoStatusBlock { Status: status, Information: information };
        nt::IofCompleteRequest(irp, 0);
        status
    }
}

unsafe fn control(irp: *mut Irp) -> (NtStatus, usize) {
    unsafe {
        let location = &*(*irp).CurrentStackLocation;
        let buffer = (*irp).SystemBuffer;
        match location.IoControlCode as u32 {
            START if location.InputBufferLength == 16 => {
                (start(Start::from_bytes(buffer.cast::<[u8; 16]>().read())), 0)
            }
            COUNTS if location.OutputBufferLength >= counts::WORDS * 8 => {
                let mut words = [0_u64; counts::WORDS];
                words[counts::RUNNING] = RUNNING.load(Ordering::SeqCst);
                words[counts::DROPPED] = DROPPED.load(Ordering::SeqCst);
                for (index, called) in CALLED.iter().enumerate() {
                    let called = called.load(Ordering::SeqCst);
                    words[counts::CALLED] += called;
                    words[counts::BY_CONTEXT + index] = called;
                }
                buffer.cast::<[u64; counts::WORDS]>().write_unaligned(words);
                (STATUS_SUCCESS, counts::WORDS * 8)
            }
            MISUSE if location.InputBufferLength == 16 && location.OutputBufferLength == 8 => {
                let [what, queued] = buffer.cast::<[u64; 2]>().read_unaligned();
                let Some(&what) = Misuse::ALL.get(what as usize) else { return (STATUS_INVALID_DEVICE_REQUEST, 0) };
                let status = locks::misuse(what, queued != 0);
                (status, 0)
            }
            LOCK_ADDRESS if location.InputBufferLength == 8 && location.OutputBufferLength == 8 => {
                let queued = buffer.cast::<u64>().read_unaligned() != 0;
                buffer.cast::<u64>().write_unaligned(locks::address(queued) as u64);
                (STATUS_SUCCESS, 8)
            }
            LEAVE => {
                irqlog_provider_wdk::disconnect();
                (STATUS_SUCCESS, 0)
            }
            START | COUNTS | MISUSE | LOCK_ADDRESS => (STATUS_BUFFER_TOO_SMALL, 0),
            _ => (STATUS_INVALID_DEVICE_REQUEST, 0),
        }
    }
}

/// ASCII to UTF-16, on the stack.
fn wide<const N: usize>(text: &str) -> [u16; N] {
    let mut wide = [0; N];
    for (target, byte) in wide.iter_mut().zip(text.bytes()) {
        *target = byte.into();
    }
    wide
}

fn string(text: &mut [u16]) -> UnicodeString {
    let bytes = size_of_val(text) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: text.as_mut_ptr() }
}

/// Connects as any driver does. IRQL: PASSIVE_LEVEL.
unsafe fn connect() -> NtStatus {
    match irqlog_provider_wdk::connect(PROVIDER) {
        Ok(interface) => {
            unsafe { *INTERFACE.0.get() = Some(interface) };
            STATUS_SUCCESS
        }
        Err(error) => error.status(),
    }
}

unsafe fn connect_interrupts() -> NtStatus {
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
        let status = unsafe { nt::IoConnectInterruptEx(&raw mut parameters) };
        if status < 0 {
            return status;
        }
        object.store(out as usize, Ordering::SeqCst);
    }
    STATUS_SUCCESS
}

unsafe extern "system" fn unload(_: *mut DriverObject) {
    unsafe {
        for object in &LINE_OBJECTS {
            let mut parameters = [CONNECT_FULLY_SPECIFIED as usize, object.load(Ordering::SeqCst)];
            nt::IoDisconnectInterruptEx(parameters.as_mut_ptr().cast());
        }
        nt::KeDeregisterNmiCallback(NMI.load(Ordering::SeqCst) as *mut c_void);
        nt::KeFlushQueuedDpcs();
        // Everyone is quiet: now the reference may go.
        *INTERFACE.0.get() = None;
        irqlog_provider_wdk::disconnect();
        nt::IoDeleteDevice(DEVICE.swap(null_mut(), Ordering::SeqCst));
    }
}

#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: *mut DriverObject, _: *const UnicodeString) -> NtStatus {
    unsafe {
        let mut name: [u16; DEVICE_NAME.len()] = wide(DEVICE_NAME);
        let mut name = string(&mut name);
        let mut device = null_mut();
        let status = nt::IoCreateDevice(driver, 0, &raw mut name, 0x22, 0, 0, &raw mut device);
        if status < 0 {
            return status;
        }
        DEVICE.store(device, Ordering::SeqCst);
        for major in [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_DEVICE_CONTROL] {
            (*driver).MajorFunction[usize::from(major)] = Some(dispatch);
        }
        (*driver).DriverUnload = Some(unload);
        let status = connect();
        if status < 0 {
            nt::IoDeleteDevice(device);
            return status;
        }
        let dpcs = DPCS.0.get().cast::<Kdpc>();
        PROCESSORS.store(nt::KeQueryActiveProcessorCountEx(0xffff).min(64), Ordering::Relaxed);
        for index in 0..PROCESSORS.load(Ordering::Relaxed) {
            let dpc = dpcs.add(index as usize);
            let mut number = ProcessorNumber { Group: 0, Number: 0, Reserved: 0 };
            nt::KeInitializeDpc(dpc, on_dpc, null_mut());
            if nt::KeGetProcessorNumberFromIndex(index, &raw mut number) >= 0 {
                nt::KeSetTargetProcessorDpcEx(dpc, &raw mut number);
            }
        }
        NMI.store(nt::KeRegisterNmiCallback(on_nmi, null_mut()) as usize, Ordering::SeqCst);
        connect_interrupts()
    }
}
