//! Queues: the parallel default queue presents at once, manual queues hold until the driver takes.
//!
//! A held request has a WDM cancel routine. Whoever clears that routine owns the request's end: the driver, by taking it
//! out of the queue, or the canceller. A request whose routine was cleared by the I/O manager stays in the list until
//! the routine has taken it out, and everyone else passes it over.

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::null_mut, sync::atomic::Ordering};

use irqlog_nt::{
    DeviceObject, IRP_MJ_INTERNAL_DEVICE_CONTROL, Irp, NtStatus, STATUS_CANCELLED, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_NO_MORE_ENTRIES, STATUS_NOT_FOUND, STATUS_SUCCESS,
};

use crate::{
    nt,
    object::{self, Attributes, Body, Locked, Object},
    request::{self, Request},
    table::Globals,
};

type DeviceControl = unsafe extern "system" fn(*mut Object, *mut Object, usize, usize, u32);

const PARALLEL: i32 = 2;
const MANUAL: i32 = 3;

/// The fields of WDF_IO_QUEUE_CONFIG.
#[repr(C)]
pub struct QueueConfig {
    size: u32,
    dispatch: i32,
    power_managed: i32,
    allow_zero_length: u8,
    default: u8,
    on_default: *const c_void,
    on_read: *const c_void,
    on_write: *const c_void,
    on_device_control: Option<DeviceControl>,
    on_internal_device_control: Option<DeviceControl>,
    on_stop: *const c_void,
    on_resume: *const c_void,
    on_canceled: Option<unsafe extern "system" fn(*mut Object, *mut Object)>,
    presented: u32,
    driver: *mut c_void,
}

pub struct Queue {
    on_device_control: Option<DeviceControl>,
    on_internal_device_control: Option<DeviceControl>,
    on_canceled: Option<unsafe extern "system" fn(*mut Object, *mut Object)>,
    held: Vec<*mut Object>,
}

pub unsafe extern "system" fn io_queue_create(
    _: *mut Globals,
    device: *mut Object,
    config: *const QueueConfig,
    attributes: *const Attributes,
    out: *mut *mut Object,
) -> NtStatus {
    let config = unsafe { &*config };
    if config.dispatch != PARALLEL && config.dispatch != MANUAL {
        return irqlog_nt::STATUS_INVALID_PARAMETER;
    }
    let queue = Queue {
        on_device_control: config.on_device_control,
        on_internal_device_control: config.on_internal_device_control,
        on_canceled: config.on_canceled,
        held: Vec::new(),
    };
    let queue = object::create(Body::Queue(queue), device, attributes);
    if config.default != 0 {
        object::device(device).default_queue = queue;
    }
    unsafe { *out = queue };
    STATUS_SUCCESS
}

/// Makes a request of an IRP and hands it to the driver.
pub unsafe fn present(device: *mut Object, file: *mut Object, irp: *mut Irp) {
    unsafe {
        let parts = object::device(device);
        let attributes = parts.requests.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
        let request = object::create(Body::Request(Request::new(irp, file)), null_mut(), attributes);
        let location = &*(*irp).CurrentStackLocation;
        let queue = parts.default_queue;
        let callback = match location.MajorFunction {
            IRP_MJ_INTERNAL_DEVICE_CONTROL => object::queue(queue).on_internal_device_control,
            _ => object::queue(queue).on_device_control,
        };
        match callback {
            Some(callback) => {
                let code = location.IoControlCode as u32;
                callback(
                    queue,
                    request,
                    location.OutputBufferLength as u32 as usize,
                    location.InputBufferLength as u32 as usize,
                    code,
                );
            }
            None => request::complete(request, STATUS_INVALID_DEVICE_REQUEST, 0),
        }
    }
}

pub unsafe extern "system" fn request_forward_to_io_queue(
    _: *mut Globals,
    request: *mut Object,
    queue: *mut Object,
) -> NtStatus {
    let irp = object::request(request).irp;
    let is_cancelled = {
        let _locked = Locked::new();
        object::queue(queue).held.push(request);
        object::request(request).queue = queue;
        unsafe {
            (*irp).DriverContext[0] = request.cast();
            (*irp).CancelRoutine.store(cancel as *mut c_void, Ordering::SeqCst);
            // Cancelled before the routine was there: if we get the routine back, the end is ours.
            (*irp).Cancel.load(Ordering::SeqCst) != 0 && disarm(irp) && {
                object::queue(queue).held.retain(|&held| held != request);
                true
            }
        }
    };
    if is_cancelled {
        request::complete(request, STATUS_CANCELLED, 0);
    }
    STATUS_SUCCESS
}

/// Takes the cancel routine back; false if a canceller has it.
unsafe fn disarm(irp: *mut Irp) -> bool {
    unsafe { !(*irp).CancelRoutine.swap(null_mut(), Ordering::SeqCst).is_null() }
}

unsafe extern "system" fn cancel(_: *mut DeviceObject, irp: *mut Irp) {
    unsafe {
        nt::IoReleaseCancelSpinLock((*irp).CancelIrql);
        let request: *mut Object = (*irp).DriverContext[0].cast();
        let queue = object::request(request).queue;
        {
            let _locked = Locked::new();
            object::queue(queue).held.retain(|&held| held != request);
        }
        match object::queue(queue).on_canceled {
            Some(callback) => callback(queue, request),
            None => request::complete(request, STATUS_CANCELLED, 0),
        }
    }
}

/// Takes the first held request that `is_wanted` and that nobody is cancelling.
fn take(queue: *mut Object, is_wanted: impl Fn(*mut Object) -> bool) -> Option<*mut Object> {
    let _locked = Locked::new();
    let held = &mut object::queue(queue).held;
    let index =
        held.iter().position(|&request| is_wanted(request) && unsafe { disarm(object::request(request).irp) })?;
    let request = held.remove(index);
    object::request(request).queue = null_mut();
    Some(request)
}

unsafe fn give(found: Option<*mut Object>, none: NtStatus, out: *mut *mut Object) -> NtStatus {
    unsafe { *out = found.unwrap_or(null_mut()) };
    if found.is_some() { STATUS_SUCCESS } else { none }
}

pub unsafe extern "system" fn io_queue_retrieve_next_request(
    _: *mut Globals,
    queue: *mut Object,
    out: *mut *mut Object,
) -> NtStatus {
    unsafe { give(take(queue, |_| true), STATUS_NO_MORE_ENTRIES, out) }
}

pub unsafe extern "system" fn io_queue_retrieve_request_by_file_object(
    _: *mut Globals,
    queue: *mut Object,
    file: *mut Object,
    out: *mut *mut Object,
) -> NtStatus {
    unsafe { give(take(queue, |request| object::request(request).file == file), STATUS_NO_MORE_ENTRIES, out) }
}

pub unsafe extern "system" fn io_queue_retrieve_found_request(
    _: *mut Globals,
    queue: *mut Object,
    found: *mut Object,
    out: *mut *mut Object,
) -> NtStatus {
    unsafe { give(take(queue, |request| request == found), STATUS_NOT_FOUND, out) }
}

pub unsafe extern "system" fn io_queue_find_request(
    _: *mut Globals,
    queue: *mut Object,
    after: *mut Object,
    file: *mut Object,
    _parameters: *mut c_void,
    out: *mut *mut Object,
) -> NtStatus {
    let _locked = Locked::new();
    let held = &object::queue(queue).held;
    let start = if after.is_null() {
        0
    } else {
        match held.iter().position(|&request| request == after) {
            Some(index) => index + 1,
            None => return STATUS_NOT_FOUND,
        }
    };
    let found = held[start..].iter().copied().find(|&request| file.is_null() || object::request(request).file == file);
    if let Some(found) = found {
        object::reference(found);
    }
    unsafe { give(found, STATUS_NO_MORE_ENTRIES, out) }
}
