//! Logging into irqlog's flight recorder from a kernel driver on windows-drivers-rs: connect once, then log at any IRQL.
//!
//! [`connect`] opens irqlog's device, asks for the function table and registers the driver's log calls. The macros are
//! those of [`irqlog_provider`], which knows no kernel. A whole driver (`examples/minimal.rs`):
//!
//! ```ignore
#![doc = include_str!("../examples/minimal.rs")]
//! ```
//!
//! | Item | IRQL |
//! |---|---|
//! | [`connect`], [`disconnect`] | PASSIVE_LEVEL |
//! | [`error!`], [`warn!`], [`info!`], [`debug!`], [`trace!`], [`event!`] | any; strings are read at the caller's IRQL |
//! | [`blob!`] | any; the bytes are read at the caller's IRQL |
//! | the same with `never_waits,` first | for NMI and machine-check callbacks |
//! | [`is_connected`], [`is_enabled`] | any |
//!
//! The WDK is configured by the driver, in its own `[package.metadata.wdk]`: this crate has none, and works with each
//! kernel-mode driver model (KMDF, WDM). It asks for no feature of wdk-sys. A UMDF driver cannot use it: there wdk-sys
//! has no routine of the kernel.
//!
//! # What it does not do
//!
//! It does not wait for irqlog.sys: a driver that starts first calls [`connect`] again later, or has its service depend
//! on the service `irqlog`. It cannot know whether the driver is quiet when it disconnects; see the contract of
//! [`disconnect`].

#![no_std]

use core::{
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

pub use irqlog_provider::{
    Guid, Interface, Level, Refused, Registered, Status, Utf16, blob, debug, error, event, info, is_connected,
    is_enabled, trace, warn,
};
use irqlog_wire::ioctl;
use wdk_sys::{
    _EVENT_TYPE::NotificationEvent,
    _KWAIT_REASON::Executive,
    DEVICE_OBJECT, FILE_OBJECT, IO_STATUS_BLOCK, IRP, KEVENT, NT_SUCCESS, NTSTATUS, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_PENDING, STATUS_REVISION_MISMATCH, STATUS_UNSUCCESSFUL, UNICODE_STRING,
    ntddk::{
        IoBuildDeviceIoControlRequest, IoGetDeviceObjectPointer, IofCallDriver, KeInitializeEvent,
        KeWaitForSingleObject, ObfDereferenceObject,
    },
};

/// KernelMode (wdm.h MODE).
const KERNEL_MODE: i8 = 0;
/// FILE_READ_DATA | FILE_WRITE_DATA (wdm.h).
const READ_AND_WRITE: u32 = 3;

/// The name of irqlog's device in UTF-16. The system only reads it.
static DEVICE_NAME: [u16; ioctl::DEVICE_NAME.len()] = {
    let name = ioctl::DEVICE_NAME.as_bytes();
    let mut wide = [0; ioctl::DEVICE_NAME.len()];
    let mut at = 0;
    while at < name.len() {
        assert!(name[at].is_ascii(), "a byte is a character only in ASCII");
        wide[at] = name[at] as u16;
        at += 1;
    }
    wide
};

/// The file object through which the driver has connected; null if it is not connected. Its reference keeps irqlog.sys
/// loaded.
static FILE: AtomicPtr<FILE_OBJECT> = AtomicPtr::new(null_mut());

/// Why a driver could not connect. Nothing is logged then, and the driver may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// irqlog's device cannot be opened: STATUS_OBJECT_NAME_NOT_FOUND if irqlog.sys is not running.
    Open(NTSTATUS),
    /// irqlog.sys did not give its function table: STATUS_REVISION_MISMATCH if it is older than events, else the status
    /// of the request.
    Ask(NTSTATUS),
    /// irqlog.sys does not accept the driver's registration, or the driver is connected already.
    Refused(Refused),
}

impl ConnectError {
    /// The status for a driver that shall not load without irqlog. IRQL: any.
    #[must_use]
    pub const fn status(self) -> NTSTATUS {
        match self {
            Self::Open(status) | Self::Ask(status) => status,
            Self::Refused(_) => STATUS_UNSUCCESSFUL,
        }
    }
}

/// Connects to irqlog under a name of at most 64 bytes, and begins to log. Gives irqlog's function table, for a driver that
/// writes text or blobs too.
///
/// IRQL: PASSIVE_LEVEL, with APCs enabled (the request's completion is one; Microsoft Learn,
/// "IoBuildDeviceIoControlRequest"). At most one thread calls this or [`disconnect`] at a time: DriverEntry, or a work
/// item that tries again. A function of the table may be called until [`disconnect`] is.
///
/// # Errors
/// See [`ConnectError`]. A driver normally ignores it, and runs without irqlog.
pub fn connect(name: &str) -> Result<Interface, ConnectError> {
    if is_connected() {
        return Err(ConnectError::Refused(Refused::Connected));
    }
    let (device, file) = open().map_err(ConnectError::Open)?;
    // SAFETY: both are what the system has just given.
    let asked = unsafe { ask(device, file) }.map_err(ConnectError::Ask);
    let connected = asked.and_then(|interface| {
        // SAFETY: the answer of irqlog.sys, whose file object stays referenced until `disconnect`.
        unsafe { irqlog_provider::connect(name, &interface) }.map_err(ConnectError::Refused)?;
        Ok(interface)
    });
    if connected.is_ok() {
        FILE.store(file, Ordering::Relaxed);
    } else {
        // SAFETY: referenced by `open`, and not kept.
        unsafe { ObfDereferenceObject(file.cast()) };
    }
    connected
}

/// Ends logging, and drops the reference that keeps irqlog.sys loaded. Does nothing if the driver is not connected.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Contract
/// The driver's ISRs, DPCs, timers, threads and callbacks are quiet, so that none of them is in the middle of a log call:
/// it would execute code of irqlog.sys, which may be unloaded as soon as the reference is gone.
pub fn disconnect() {
    irqlog_provider::disconnect();
    let file = FILE.swap(null_mut(), Ordering::Relaxed);
    if !file.is_null() {
        // SAFETY: referenced in `connect`.
        unsafe { ObfDereferenceObject(file.cast()) };
    }
}

/// Opens irqlog's device; the file object is referenced. IRQL: PASSIVE_LEVEL.
fn open() -> Result<(*mut DEVICE_OBJECT, *mut FILE_OBJECT), NTSTATUS> {
    let bytes = size_of_val(&DEVICE_NAME) as u16;
    let buffer = DEVICE_NAME.as_ptr().cast_mut();
    let mut name = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: buffer };
    let (mut file, mut device) = (null_mut(), null_mut());
    // SAFETY: the name is static, both results go to our stack. PASSIVE_LEVEL.
    check(unsafe { IoGetDeviceObjectPointer(&raw mut name, READ_AND_WRITE, &raw mut file, &raw mut device) })?;
    Ok((device, file))
}

/// Asks for the function table. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// `device` is what `file`, a referenced file object, was opened on.
unsafe fn ask(device: *mut DEVICE_OBJECT, file: *mut FILE_OBJECT) -> Result<Interface, NTSTATUS> {
    let mut event = KEVENT::default();
    let mut block = IO_STATUS_BLOCK::default();
    let mut interface = MaybeUninit::<Interface>::zeroed();
    // SAFETY: an event on our stack, which stays until it is signalled.
    unsafe { KeInitializeEvent(&raw mut event, NotificationEvent, 0) };
    // SAFETY: a buffered request, whose output, event and status block stay until the event is signalled.
    let irp = unsafe {
        IoBuildDeviceIoControlRequest(
            ioctl::CONNECT,
            device,
            null_mut(),
            0,
            interface.as_mut_ptr().cast(),
            size_of::<Interface>() as u32,
            1,
            &raw mut event,
            &raw mut block,
        )
    };
    if irp.is_null() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    // SAFETY: a new IRP, which is ours until it is sent.
    unsafe { belong_to(irp, file) };
    // SAFETY: the IRP is ready; it is the system's from here on.
    let mut status = unsafe { IofCallDriver(device, irp) };
    if status == STATUS_PENDING {
        // SAFETY: signalled when the request is completed. Without a timeout.
        let _status = unsafe { KeWaitForSingleObject((&raw mut event).cast(), Executive, KERNEL_MODE, 0, null_mut()) };
        // SAFETY: the status, which the completion has written.
        status = unsafe { block.__bindgen_anon_1.Status };
    }
    check(status)?;
    // An irqlog.sys that is older than events writes less.
    if block.Information < size_of::<Interface>() as u64 {
        return Err(STATUS_REVISION_MISMATCH);
    }
    // SAFETY: written whole, as was just checked.
    Ok(unsafe { interface.assume_init() })
}

/// Stores the file to which a request belongs, as `IoGetNextIrpStackLocation(Irp)->FileObject = File` does in C. A
/// request from user mode has a file too. KMDF does not ask for one (`fxpkgio.cpp`). IRQL: any.
///
/// # Safety
/// An IRP that was not sent yet, with a stack location below the current one.
unsafe fn belong_to(irp: *mut IRP, file: *mut FILE_OBJECT) {
    // SAFETY: as the caller promises.
    let tail = unsafe { &(*irp).Tail };
    // SAFETY: every IRP of the I/O manager's has this member of the union.
    let overlay = unsafe { &tail.Overlay };
    // SAFETY: as above; the other member is for packets that are no requests.
    let current = unsafe { overlay.__bindgen_anon_2.__bindgen_anon_1.CurrentStackLocation };
    let next = current.wrapping_sub(1);
    // SAFETY: as the caller promises.
    unsafe { (*next).FileObject = file };
}

/// IRQL: any.
const fn check(status: NTSTATUS) -> Result<(), NTSTATUS> {
    if NT_SUCCESS(status) { Ok(()) } else { Err(status) }
}
