//! sample_rust.sys: a KMDF driver on windows-drivers-rs that logs from a thread, a DPC, an ISR, an IPI and an NMI callback.
//!
//! Its service parameters `Vector` and `Irql` name an interrupt, if it shall connect one: a real driver gets them from the
//! plug and play manager.

#![no_std]

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

use irqlog::{Level, Status, Utf16, blob, debug, info, trace, warn};
use wdk_sys::{
    _EVENT_TYPE::NotificationEvent,
    _KINTERRUPT_MODE::Latched,
    _KWAIT_REASON::Executive,
    _WDF_DRIVER_INIT_FLAGS::WdfDriverInitNonPnpDriver,
    DRIVER_OBJECT, IO_CONNECT_INTERRUPT_PARAMETERS, IO_DISCONNECT_INTERRUPT_PARAMETERS, KDPC, KEVENT, LARGE_INTEGER,
    NT_SUCCESS, NTSTATUS, PCUNICODE_STRING, PKDPC, PKINTERRUPT, PVOID, STATUS_SUCCESS, UNICODE_STRING,
    WDF_DRIVER_CONFIG, WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, WDFKEY, call_unsafe_wdf_function_binding,
    ntddk::{
        IoConnectInterruptEx, IoDisconnectInterruptEx, KeDeregisterNmiCallback, KeFlushQueuedDpcs, KeGetCurrentIrql,
        KeGetCurrentProcessorNumberEx, KeInitializeDpc, KeInitializeEvent, KeInsertQueueDpc, KeIpiGenericCall,
        KeRegisterNmiCallback, KeSetEvent, KeWaitForSingleObject, ObReferenceObjectByHandle, ObfDereferenceObject,
        PsCreateSystemThread, ZwClose,
    },
};

extern crate wdk_panic;

/// KernelMode (wdm.h MODE).
const KERNEL_MODE: i8 = 0;
/// THREAD_ALL_ACCESS (wdm.h).
const THREAD_ALL_ACCESS: u32 = 0x001f_ffff;
/// KEY_READ (wdm.h).
const KEY_READ: u32 = 0x0002_0019;
/// CONNECT_FULLY_SPECIFIED (wdm.h).
const CONNECT_FULLY_SPECIFIED: u32 = 1;

/// An object of the kernel's, which only the kernel changes.
struct Object<T>(core::cell::UnsafeCell<core::mem::MaybeUninit<T>>);

// SAFETY: initialised in DriverEntry, before anyone else knows of it; then only the kernel's routines touch it.
unsafe impl<T> Sync for Object<T> {}

impl<T> Object<T> {
    /// IRQL: any.
    const fn new() -> Self {
        Self(core::cell::UnsafeCell::new(core::mem::MaybeUninit::zeroed()))
    }

    /// IRQL: any.
    const fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}

static STOP: Object<KEVENT> = Object::new();
static DPC: Object<KDPC> = Object::new();
static THREAD: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static NMI: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static INTERRUPT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static INTERRUPTS: AtomicU32 = AtomicU32::new(0);
static NMIS: AtomicU32 = AtomicU32::new(0);

/// The system calls this first.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// Called once by the system, with the driver's object and the path of its service key.
// SAFETY: no other symbol of that name is linked; the framework's entry code calls it with this signature.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> NTSTATUS {
    // A driver never fails to load for want of irqlog.
    let _without = irqlog::connect("sample_rust");
    // SAFETY: the path is the system's, for the duration of the call.
    let path = unsafe { &*registry_path };
    // SAFETY: as above.
    let path = unsafe { Utf16::from_unicode_string(path.Buffer, path.Length) };
    info!("loading from {path}");
    match start(driver, registry_path) {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => {
            warn!("not loaded: {}", Status(status));
            irqlog::disconnect();
            status
        }
    }
}

/// IRQL: PASSIVE_LEVEL.
fn start(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> Result<(), NTSTATUS> {
    let driver = create_driver(driver, registry_path)?;
    // SAFETY: ours, and nobody knows of it yet.
    unsafe { KeInitializeEvent(STOP.get(), NotificationEvent, 0) };
    // SAFETY: as above; the routine is in this driver, which flushes the queue before it goes.
    unsafe { KeInitializeDpc(DPC.get(), Some(on_dpc), null_mut()) };
    create_thread()?;
    // SAFETY: the routine is in this driver, which deregisters it before it goes.
    let nmi = unsafe { KeRegisterNmiCallback(Some(on_nmi), null_mut()) };
    NMI.store(nmi, Ordering::Relaxed);
    let (vector, irql) = parameters(driver);
    if irql != 0 {
        connect_interrupt(vector, irql);
    }
    Ok(())
}

/// IRQL: PASSIVE_LEVEL.
fn create_driver(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> Result<WDFDRIVER, NTSTATUS> {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size_of::<WDF_DRIVER_CONFIG>() as u32,
        EvtDriverUnload: Some(unload),
        DriverInitFlags: WdfDriverInitNonPnpDriver as u32,
        ..WDF_DRIVER_CONFIG::default()
    };
    let mut handle: WDFDRIVER = null_mut();
    // SAFETY: the object and the path are those that DriverEntry got, the config is initialised with its size, and the
    // handle is written to our stack. PASSIVE_LEVEL.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            &raw mut handle
        )
    };
    if NT_SUCCESS(status) { Ok(handle) } else { Err(status) }
}

/// IRQL: PASSIVE_LEVEL.
fn create_thread() -> Result<(), NTSTATUS> {
    let mut handle = null_mut();
    // SAFETY: the routine is in this driver, which waits for the thread's end before it goes. PASSIVE_LEVEL.
    let status = unsafe {
        PsCreateSystemThread(
            &raw mut handle,
            THREAD_ALL_ACCESS,
            null_mut(),
            null_mut(),
            null_mut(),
            Some(work),
            null_mut(),
        )
    };
    if !NT_SUCCESS(status) {
        return Err(status);
    }
    let mut thread: PVOID = null_mut();
    // SAFETY: a kernel handle with all access, so it does not fail; the object goes to our stack.
    let _status = unsafe {
        ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, null_mut(), KERNEL_MODE, &raw mut thread, null_mut())
    };
    THREAD.store(thread, Ordering::Relaxed);
    // SAFETY: opened above, closed once.
    let _status = unsafe { ZwClose(handle) };
    Ok(())
}

/// `Vector` and `Irql`, 0 if they are not there. IRQL: PASSIVE_LEVEL.
fn parameters(driver: WDFDRIVER) -> (u32, u32) {
    /// UTF-16 of an ASCII name. IRQL: any.
    const fn wide<const N: usize>(name: [u8; N]) -> [u16; N] {
        let mut wide = [0; N];
        let mut at = 0;
        while at < N {
            wide[at] = name[at] as u16;
            at += 1;
        }
        wide
    }
    static VECTOR: [u16; 6] = wide(*b"Vector");
    static IRQL: [u16; 4] = wide(*b"Irql");
    let mut key: WDFKEY = null_mut();
    // SAFETY: the driver object exists, the handle is written to our stack. PASSIVE_LEVEL.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverOpenParametersRegistryKey,
            driver,
            KEY_READ,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut key
        )
    };
    if !NT_SUCCESS(status) {
        return (0, 0);
    }
    let number = |name: &'static [u16]| {
        let bytes = size_of_val(name) as u16;
        let name = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: name.as_ptr().cast_mut() };
        let mut value = 0;
        // SAFETY: the key is open, the name static, the value on our stack. PASSIVE_LEVEL.
        let _status =
            unsafe { call_unsafe_wdf_function_binding!(WdfRegistryQueryULong, key, &raw const name, &raw mut value) };
        value
    };
    let parameters = (number(&VECTOR), number(&IRQL));
    // SAFETY: opened above, closed once. PASSIVE_LEVEL.
    unsafe { call_unsafe_wdf_function_binding!(WdfRegistryClose, key) };
    parameters
}

/// IRQL: PASSIVE_LEVEL.
fn connect_interrupt(vector: u32, irql: u32) {
    let mut interrupt: PKINTERRUPT = null_mut();
    let mut parameters = IO_CONNECT_INTERRUPT_PARAMETERS { Version: CONNECT_FULLY_SPECIFIED, ..Default::default() };
    // SAFETY: the version says that it is this member.
    let specified = unsafe { &mut parameters.__bindgen_anon_1.FullySpecified };
    specified.InterruptObject = &raw mut interrupt;
    specified.ServiceRoutine = Some(on_interrupt);
    specified.SynchronizeIrql = irql as u8;
    specified.Irql = irql as u8;
    specified.Vector = vector;
    specified.InterruptMode = Latched;
    specified.ProcessorEnableMask = u64::MAX;
    // SAFETY: the structure is filled as for its version; the routine is in this driver, which disconnects before it goes.
    let status = unsafe { IoConnectInterruptEx(&raw mut parameters) };
    INTERRUPT.store(interrupt.cast(), Ordering::Relaxed);
    info!("interrupt {vector:#x} at level {irql}: {}", Status(status));
}

/// IRQL: the interrupt's device level.
unsafe extern "C" fn on_interrupt(interrupt: PKINTERRUPT, _: PVOID) -> u8 {
    let count = INTERRUPTS.fetch_add(1, Ordering::Relaxed) + 1;
    // SAFETY: any IRQL.
    let irql = unsafe { KeGetCurrentIrql() };
    debug!("interrupt {count} of object {interrupt:p} at level {irql}");
    // SAFETY: initialised in `start`. Any IRQL.
    unsafe { KeInsertQueueDpc(DPC.get(), null_mut(), null_mut()) };
    1
}

/// IRQL: DISPATCH_LEVEL.
unsafe extern "C" fn on_dpc(_: PKDPC, _: PVOID, _: PVOID, _: PVOID) {
    // SAFETY: any IRQL.
    let processor = unsafe { KeGetCurrentProcessorNumberEx(null_mut()) };
    info!("DPC on processor {processor} after {:>4} interrupts", INTERRUPTS.load(Ordering::Relaxed));
}

/// IRQL: IPI_LEVEL, on every processor at once.
unsafe extern "C" fn on_ipi(round: u64) -> u64 {
    trace!("IPI of round {round:#x}");
    0
}

/// IRQL: whatever an NMI interrupts, or HIGH_LEVEL.
unsafe extern "C" fn on_nmi(_: PVOID, handled: u8) -> u8 {
    let count = NMIS.fetch_add(1, Ordering::Relaxed) + 1;
    warn!(never_waits, "NMI {count}, handled: {}", handled != 0);
    // A tag says what the bytes are: here "nmi ", the count and what was handed on.
    blob!(never_waits, Level::Trace, u32::from_le_bytes(*b"nmi "), &[count as u8, handled]);
    handled
}

/// IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn work(_: PVOID) {
    let mut interval = LARGE_INTEGER::default();
    // 2 ms, relative.
    interval.QuadPart = -20_000;
    let mut round = 0_u32;
    loop {
        round += 1;
        info!("round {round} of {}: {:.1} %", "work", f64::from(round % 100) / 3.0);
        // SAFETY: initialised in `start`. Any IRQL.
        unsafe { KeInsertQueueDpc(DPC.get(), null_mut(), null_mut()) };
        // SAFETY: the worker is in this driver; it returns before this does.
        unsafe { KeIpiGenericCall(Some(on_ipi), round.into()) };
        // SAFETY: initialised in `start`; PASSIVE_LEVEL.
        let status = unsafe { KeWaitForSingleObject(STOP.get().cast(), Executive, KERNEL_MODE, 0, &raw mut interval) };
        if status == STATUS_SUCCESS {
            return;
        }
    }
}

/// IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn unload(_: WDFDRIVER) {
    // First everything becomes quiet: that is the contract of `disconnect`.
    // SAFETY: initialised in `start`.
    unsafe { KeSetEvent(STOP.get(), 0, 0) };
    let thread = THREAD.load(Ordering::Relaxed);
    if !thread.is_null() {
        // SAFETY: referenced in `create_thread`. PASSIVE_LEVEL, without a timeout.
        let _status = unsafe { KeWaitForSingleObject(thread, Executive, KERNEL_MODE, 0, null_mut()) };
        // SAFETY: as above, given back once.
        unsafe { ObfDereferenceObject(thread) };
    }
    let interrupt = INTERRUPT.load(Ordering::Relaxed);
    if !interrupt.is_null() {
        let mut parameters =
            IO_DISCONNECT_INTERRUPT_PARAMETERS { Version: CONNECT_FULLY_SPECIFIED, ..Default::default() };
        parameters.ConnectionContext.InterruptObject = interrupt.cast();
        // SAFETY: connected in `connect_interrupt`. PASSIVE_LEVEL.
        unsafe { IoDisconnectInterruptEx(&raw mut parameters) };
    }
    let nmi = NMI.load(Ordering::Relaxed);
    if !nmi.is_null() {
        // SAFETY: registered in `start`.
        let _status = unsafe { KeDeregisterNmiCallback(nmi) };
    }
    // SAFETY: PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
    info!(
        "unloading after {} interrupts and {} NMIs",
        INTERRUPTS.load(Ordering::Relaxed),
        NMIS.load(Ordering::Relaxed)
    );
    irqlog::disconnect();
}
