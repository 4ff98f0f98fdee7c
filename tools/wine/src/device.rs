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

use crate::{dpc, host, routines};

/// The driver of the filters; null while there is none.
static FILTER_DRIVER: AtomicPtr<DriverObject> = AtomicPtr::new(null_mut());
/// Devices that there are.
static DEVICES: AtomicUsize = AtomicUsize::new(0);

/// What a filter knows.
#[repr(C)]
struct Filter {
    lower: *mut DeviceObject,
}

unsafe extern "system" fn filter_entry(driver: *mut DriverObject, _: *const UnicodeString) -> NtStatus {
    unsafe {
        for major in [IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_CLEANUP] {
            (*driver).MajorFunction[usize::from(major)] = Some(pass);
        }
        for major in [IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL] {
            (*driver).MajorFunction[usize::from(major)] = Some(pass_later);
        }
    }
    FILTER_DRIVER.store(driver, Ordering::Release);
    STATUS_SUCCESS
}

/// To the device below, which sees the same stack location (IoSkipCurrentIrpStackLocation).
unsafe extern "system" fn pass(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    unsafe {
        let lower = (*(*device).DeviceExtension.cast::<Filter>()).lower;
        (*irp).CurrentLocation += 1;
        (*irp).CurrentStackLocation = (*irp).CurrentStackLocation.add(1);
        host::IofCallDriver(lower, irp)
    }
}

unsafe extern "system" fn pass_later(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    unsafe {
        let item = host::IoAllocateWorkItem(device);
        if item.is_null() {
            return pass(device, irp);
        }
        // IoMarkIrpPending.
        (*(*irp).CurrentStackLocation).Control |= SL_PENDING_RETURNED;
        // The item is freed by the worker, which finds it here: the driver below may use these words only later.
        (*irp).DriverContext[0] = item;
        host::IoQueueWorkItem(item, worker, DELAYED_WORK_QUEUE, irp.cast());
    }
    STATUS_PENDING
}

/// WORK_QUEUE_TYPE.
const DELAYED_WORK_QUEUE: u32 = 1;

unsafe extern "system" fn worker(device: *mut DeviceObject, irp: *mut c_void) {
    let irp = irp.cast::<Irp>();
    unsafe {
        host::IoFreeWorkItem((*irp).DriverContext[0]);
        pass(device, irp);
    }
}

fn filter_driver() -> *mut DriverObject {
    let known = FILTER_DRIVER.load(Ordering::Acquire);
    if known.is_null() {
        let name = wide(r"\Driver\irqlogfl");
        let name = UnicodeString { Length: 32, MaximumLength: 32, Buffer: (&raw const name).cast_mut().cast() };
        unsafe { host::IoCreateDriver(&raw const name, filter_entry) };
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
unsafe fn lay_filter(device: *mut DeviceObject) {
    let driver = filter_driver();
    if driver.is_null() {
        return;
    }
    unsafe {
        let mut filter: *mut DeviceObject = null_mut();
        let kind = (*device).DeviceType;
        let size = size_of::<Filter>() as u32;
        if host::IoCreateDevice(driver, size, core::ptr::null(), kind, 0, 0, &raw mut filter) < 0 {
            return;
        }
        let extension = (*filter).DeviceExtension.cast::<Filter>();
        (*extension).lower = device;
        (*filter).Flags |= (*device).Flags & !DO_DEVICE_INITIALIZING;
        host::IoAttachDeviceToDeviceStack(filter, device);
        (*filter).Flags &= !DO_DEVICE_INITIALIZING;
    }
}

routines! {
    /// Wine ignores who may open a device, with and without this.
    fn IoCreateDeviceSecure(
        driver: *mut DriverObject,
        extension: u32,
        name: *const UnicodeString,
        kind: u32,
        characteristics: u32,
        exclusive: u8,
        _sddl: *const UnicodeString,
        _class: *const c_void,
        device: *mut *mut DeviceObject,
    ) -> NtStatus {
        unsafe {
            let status = host::IoCreateDevice(driver, extension, name, kind, characteristics, exclusive, device);
            if status >= 0 {
                DEVICES.fetch_add(1, Ordering::AcqRel);
                dpc::start_threads();
                lay_filter(*device);
            }
            status
        }
    }

    fn IoDeleteDevice(device: *mut DeviceObject) {
        unsafe {
            let filter = (*device).AttachedDevice;
            if !filter.is_null() {
                host::IoDetachDevice(device);
                host::IoDeleteDevice(filter);
            }
            host::IoDeleteDevice(device);
            if DEVICES.fetch_sub(1, Ordering::AcqRel) == 1 {
                dpc::stop_threads();
                dpc::forget_timers();
                let driver = FILTER_DRIVER.swap(null_mut(), Ordering::AcqRel);
                if !driver.is_null() {
                    host::IoDeleteDriver(driver);
                }
            }
        }
    }
}
