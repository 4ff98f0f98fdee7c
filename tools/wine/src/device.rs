//! Devices whose requests are dispatched side by side.
//!
//! Wine dispatches the requests of a driver host one after another on one thread, Windows on the threads that make them.
//! So above each device lies a filter: it marks a control request pending and passes it down from a worker thread.
//! Opens and closes are passed down as they come.

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use irqlog_nt::{
    DO_DEVICE_INITIALIZING, DeviceObject, DriverObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, Irp, NtStatus, SL_PENDING_RETURNED, STATUS_PENDING,
    STATUS_SUCCESS, UnicodeString,
};

use crate::{dpc, host, processor::routines};

/// The driver of the filters; null while there is none.
static FILTER_DRIVER: AtomicPtr<DriverObject> = AtomicPtr::new(null_mut());
/// Devices that there are.
static DEVICES: AtomicUsize = AtomicUsize::new(0);

/// The extension of a filter's device.
#[repr(C)]
struct Filter {
    lower: *mut DeviceObject,
}

unsafe extern "system" fn filter_entry(driver: *mut DriverObject, _: *const UnicodeString) -> NtStatus {
    // SAFETY: Wine gives the filter's own driver object, which nobody else uses before this returns.
    let functions = unsafe { &mut (*driver).MajorFunction };
    for major in [IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_CLEANUP] {
        functions[usize::from(major)] = Some(pass);
    }
    for major in [IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL] {
        functions[usize::from(major)] = Some(pass_later);
    }
    FILTER_DRIVER.store(driver, Ordering::Release);
    STATUS_SUCCESS
}

/// Passes a request to the device below, which sees the same stack location (IoSkipCurrentIrpStackLocation).
unsafe extern "system" fn pass(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    // SAFETY: Wine dispatches to a device of the filter's.
    let extension = unsafe { (*device).DeviceExtension };
    // SAFETY: `lay_filter` has filled the extension before the device was attached.
    let lower = unsafe { (*extension.cast::<Filter>()).lower };
    // SAFETY: the request is the filter's until it passes it on.
    let request = unsafe { &mut *irp };
    request.CurrentLocation += 1;
    request.CurrentStackLocation = request.CurrentStackLocation.wrapping_add(1);
    // SAFETY: the device below stays while the filter is attached, and gets a request that has a location for it.
    unsafe { host::IofCallDriver(lower, irp) }
}

unsafe extern "system" fn pass_later(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    // SAFETY: the device is the filter's own.
    let item = unsafe { host::IoAllocateWorkItem(device) };
    if item.is_null() {
        // SAFETY: as Wine called this.
        return unsafe { pass(device, irp) };
    }
    // SAFETY: the request is the filter's until it passes it on.
    let request = unsafe { &mut *irp };
    // The item is freed by the worker, which finds it here: the driver below may use these words only later.
    request.DriverContext[0] = item;
    // SAFETY: the filter's stack location, which Wine has filled. This is IoMarkIrpPending.
    unsafe { (*request.CurrentStackLocation).Control |= SL_PENDING_RETURNED };
    // SAFETY: the item is new; the worker gets the request, which is touched no more here.
    unsafe { host::IoQueueWorkItem(item, worker, DELAYED_WORK_QUEUE, irp.cast()) };
    STATUS_PENDING
}

/// WORK_QUEUE_TYPE.
const DELAYED_WORK_QUEUE: u32 = 1;

unsafe extern "system" fn worker(device: *mut DeviceObject, irp: *mut c_void) {
    let irp = irp.cast::<Irp>();
    // SAFETY: `pass_later` gave the request to this worker alone.
    let item = unsafe { (*irp).DriverContext[0] };
    // SAFETY: the item that `pass_later` allocated; it is not queued any more.
    unsafe { host::IoFreeWorkItem(item) };
    // SAFETY: the device and the request of `pass_later`.
    unsafe { pass(device, irp) };
}

fn filter_driver() -> *mut DriverObject {
    let known = FILTER_DRIVER.load(Ordering::Acquire);
    if known.is_null() {
        let name = wide(r"\Driver\irqlogfl");
        let mut name = UnicodeString { Length: 32, MaximumLength: 32, Buffer: (&raw const name).cast_mut().cast() };
        // SAFETY: the name lives until the call returns, and Wine copies it.
        unsafe { host::IoCreateDriver(&raw mut name, filter_entry) };
    }
    FILTER_DRIVER.load(Ordering::Acquire)
}

const fn wide(text: &str) -> [u16; 16] {
    let bytes = text.as_bytes();
    let mut wide = [0; 16];
    let mut index = 0;
    while index < bytes.len() {
        wide[index] = bytes[index] as u16;
        index += 1;
    }
    wide
}

/// Lays a filter above a device. Without one the device works, one request after another.
///
/// # Safety
/// The device is new, and nobody else uses it yet.
unsafe fn lay_filter(device: *mut DeviceObject) {
    let driver = filter_driver();
    if driver.is_null() {
        return;
    }
    // SAFETY: the caller promises a device that nobody else uses.
    let lower = unsafe { &*device };
    let (kind, flags) = (lower.DeviceType, lower.Flags);
    let mut filter: *mut DeviceObject = null_mut();
    let size = size_of::<Filter>() as u32;
    // SAFETY: the driver is the filter's own, and the device has no name.
    if unsafe { host::IoCreateDevice(driver, size, null_mut(), kind, 0, 0, &raw mut filter) } < 0 {
        return;
    }
    // SAFETY: the device is new, so nobody else uses it.
    let upper = unsafe { &mut *filter };
    // SAFETY: its extension has the size that was asked for.
    unsafe { upper.DeviceExtension.cast::<Filter>().write(Filter { lower: device }) };
    upper.Flags |= flags & !DO_DEVICE_INITIALIZING;
    // SAFETY: both devices are whole, and neither is attached.
    unsafe { host::IoAttachDeviceToDeviceStack(filter, device) };
    // SAFETY: Wine has the device now, but looks at this flag only in an open, which waits for it.
    unsafe { (*filter).Flags &= !DO_DEVICE_INITIALIZING };
}

routines! {
    /// Wine ignores who may open a device, with and without this.
    fn IoCreateDeviceSecure(
        driver: *mut DriverObject,
        extension: u32,
        name: *mut UnicodeString,
        kind: u32,
        characteristics: u32,
        exclusive: u8,
        _sddl: *const UnicodeString,
        _class: *const c_void,
        device: *mut *mut DeviceObject,
    ) -> NtStatus {
        // SAFETY: as the driver called it.
        let status = unsafe { host::IoCreateDevice(driver, extension, name, kind, characteristics, exclusive, device) };
        if status >= 0 {
            DEVICES.fetch_add(1, Ordering::AcqRel);
            dpc::start_threads();
            // SAFETY: Wine has stored the new device here.
            let created = unsafe { *device };
            // SAFETY: the driver gets the device only when this returns.
            unsafe { lay_filter(created) };
        }
        status
    }

    fn IoDeleteDevice(device: *mut DeviceObject) {
        // SAFETY: a driver deletes a device of its own, which is there until this returns.
        let filter = unsafe { (*device).AttachedDevice };
        if !filter.is_null() {
            // SAFETY: the filter is attached to the device.
            unsafe { host::IoDetachDevice(device) };
            // SAFETY: nothing is attached to the filter, and the device below no longer leads to it.
            unsafe { host::IoDeleteDevice(filter) };
        }
        // SAFETY: as the driver called it.
        unsafe { host::IoDeleteDevice(device) };
        if DEVICES.fetch_sub(1, Ordering::AcqRel) == 1 {
            dpc::stop_threads();
            dpc::forget_timers();
            let driver = FILTER_DRIVER.swap(null_mut(), Ordering::AcqRel);
            if !driver.is_null() {
                // SAFETY: IoCreateDriver made it; its last device has gone, and nobody else has it after the swap.
                unsafe { host::IoDeleteDriver(driver) };
            }
        }
    }
}
