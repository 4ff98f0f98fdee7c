//! The driver's dispatch routine: opens, closes, and requests on their way to the default queue.

use core::ptr::NonNull;

use irqlog_nt::{
    DeviceObject, FileObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, Irp, NtStatus,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_PENDING, STATUS_SUCCESS,
};

use crate::{
    device::{self, WdfDevice},
    file::WdfFile,
    irp::PendingIrp,
    nt,
    object::{self, Callback, Handle},
    queue,
};

pub unsafe extern "system" fn dispatch(wdm: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    let Some(irp) = NonNull::new(irp) else { return STATUS_INVALID_DEVICE_REQUEST };
    // SAFETY: the kernel calls a dispatch routine with an IRP that is the routine's until it completes it.
    let irp = unsafe { PendingIrp::new(irp) };
    // SAFETY: the kernel calls it with a device of this driver.
    let device = unsafe { device::of_wdm(wdm) };
    let file = irp.file();
    match irp.parameters().major {
        IRP_MJ_CREATE => {
            let parent = Some(device.clone().into_object());
            device.add_file(object::create(WdfFile { wdm: file }, parent, device.of_files.as_ref()));
        }
        IRP_MJ_CLEANUP => call(device.files.and_then(|files| files.cleanup), device.file(file).as_ref()),
        IRP_MJ_CLOSE => close(&device, file),
        _ => return in_critical_region(|| present(&device, irp)),
    }
    irp.complete(STATUS_SUCCESS, 0);
    STATUS_SUCCESS
}

/// Runs `work` in a critical region, if the IRQL allows one: the thread is not suspended while it has a request.
fn in_critical_region<T>(work: impl FnOnce() -> T) -> T {
    /// APC_LEVEL.
    const MOST: u8 = 1;
    // SAFETY: it takes nothing, at any IRQL.
    if unsafe { nt::KeGetCurrentIrql() } > MOST {
        return work();
    }
    // SAFETY: at IRQL <= APC_LEVEL.
    unsafe { nt::KeEnterCriticalRegion() };
    let result = work();
    // SAFETY: the region that was entered; what is presented returns at the IRQL at which it was called.
    unsafe { nt::KeLeaveCriticalRegion() };
    result
}

fn close(device: &Handle<WdfDevice>, wdm: *mut FileObject) {
    call(device.files.and_then(|files| files.close), device.file(wdm).as_ref());
    if let Some(file) = device.remove_file(wdm) {
        object::delete(&file.into_object());
    }
}

/// Calls back for a file.
fn call(callback: Option<Callback>, file: Option<&Handle<WdfFile>>) {
    if let (Some(callback), Some(file)) = (callback, file) {
        // SAFETY: EvtFileCleanup or EvtFileClose as the driver gave it; `file` keeps the object alive.
        unsafe { callback(file.raw()) };
    }
}

fn present(device: &Handle<WdfDevice>, irp: PendingIrp) -> NtStatus {
    // Stricter than the real framework, which presents a request without a file object (fxpkgio.cpp, DispatchStep1 and
    // DispatchStep2): by it irqlog.sys knows which client closes. A request that IoBuildDeviceIoControlRequest made has none
    // until its sender stores one.
    let file = if irp.file().is_null() { None } else { device.file(irp.file()) };
    let Some(file) = file else {
        irp.complete(STATUS_INVALID_DEVICE_REQUEST, 0);
        return STATUS_INVALID_DEVICE_REQUEST;
    };
    irp.mark_pending();
    queue::present(device, file, irp);
    STATUS_PENDING
}
