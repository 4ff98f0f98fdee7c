//! How a windows-drivers-rs driver gets irqlog's function table: copy this file.

use core::{
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use irqlog_provider::Interface;
use wdk_sys::{
    _EVENT_TYPE::NotificationEvent,
    _KWAIT_REASON::Executive,
    DEVICE_OBJECT, FILE_OBJECT, IO_STATUS_BLOCK, IRP, KEVENT, NT_SUCCESS, NTSTATUS, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_PENDING, STATUS_UNSUCCESSFUL, UNICODE_STRING,
    ntddk::{
        IoBuildDeviceIoControlRequest, IoGetDeviceObjectPointer, IofCallDriver, KeInitializeEvent,
        KeWaitForSingleObject, ObfDereferenceObject,
    },
};

/// IOCTL_IRQLOG_CONNECT.
const CONNECT: u32 = 0x0022_2200;
/// KernelMode (wdm.h MODE).
const KERNEL_MODE: i8 = 0;

/// `\Device\irqlog` in UTF-16. Not changed by the system.
static DEVICE: [u16; 14] = {
    let name = *b"\\Device\\irqlog";
    let mut wide = [0; 14];
    let mut at = 0;
    while at < name.len() {
        wide[at] = name[at] as u16;
        at += 1;
    }
    wide
};

/// Keeps irqlog.sys loaded.
static FILE: AtomicPtr<FILE_OBJECT> = AtomicPtr::new(null_mut());

/// Connects to irqlog. Without it nothing is logged, and this may be called again. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// STATUS_OBJECT_NAME_NOT_FOUND if it is not loaded, STATUS_UNSUCCESSFUL if it refuses.
pub fn connect(name: &str) -> Result<(), NTSTATUS> {
    let bytes = size_of_val(&DEVICE) as u16;
    let mut device_name = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: DEVICE.as_ptr().cast_mut() };
    let (mut file, mut device) = (null_mut(), null_mut());
    // SAFETY: the name is static, both results go to our stack. PASSIVE_LEVEL. Access: FILE_READ_DATA | FILE_WRITE_DATA.
    check(unsafe { IoGetDeviceObjectPointer(&raw mut device_name, 3, &raw mut file, &raw mut device) })?;
    // SAFETY: both are what the system has just given.
    let connected = unsafe { ask(device, file) }.and_then(|interface| {
        // SAFETY: the answer of irqlog.sys, whose file object we keep until `disconnect`.
        unsafe { irqlog_provider::connect(name, &interface) }.map_err(|_| STATUS_UNSUCCESSFUL)
    });
    if connected.is_ok() {
        FILE.store(file, Ordering::Relaxed);
    } else {
        // SAFETY: referenced by IoGetDeviceObjectPointer, and not kept.
        unsafe { ObfDereferenceObject(file.cast()) };
    }
    connected
}

/// Ends logging, and lets irqlog.sys go. Everything in this driver that logs is quiet. IRQL: PASSIVE_LEVEL.
pub fn disconnect() {
    irqlog_provider::disconnect();
    let file = FILE.swap(null_mut(), Ordering::Relaxed);
    if !file.is_null() {
        // SAFETY: referenced in `connect`.
        unsafe { ObfDereferenceObject(file.cast()) };
    }
}

/// Asks for the function table. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// A device and a file object of it.
unsafe fn ask(device: *mut DEVICE_OBJECT, file: *mut FILE_OBJECT) -> Result<Interface, NTSTATUS> {
    let mut event = KEVENT::default();
    let mut block = IO_STATUS_BLOCK::default();
    let mut interface = MaybeUninit::<Interface>::zeroed();
    // SAFETY: an event on our stack, which stays until it is signalled.
    unsafe { KeInitializeEvent(&raw mut event, NotificationEvent, 0) };
    // SAFETY: a buffered request, whose output, event and status block stay until the event is signalled.
    let irp = unsafe {
        IoBuildDeviceIoControlRequest(
            CONNECT,
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
    // One that is older than events writes less.
    if block.Information < size_of::<Interface>() as u64 {
        return Err(STATUS_UNSUCCESSFUL);
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
