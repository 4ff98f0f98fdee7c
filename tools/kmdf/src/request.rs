//! Requests: an IRP on its way through the driver.

use core::{
    ffi::c_void,
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, Ordering},
};

use irqlog_nt::{
    IRP_MJ_DEVICE_CONTROL, METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_OUT_DIRECT, NtStatus, STATUS_BUFFER_TOO_SMALL,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, framework::INFORMATION, method,
};

use crate::{
    file::WdfFile,
    irp::PendingIrp,
    lock::{Guarded, Locked},
    object::{self, Body, Handle, ObjectKind, RawHandle, Reference},
    stop::{self, REQUEST_COMPLETED_TWICE},
};

/// The place among the requests that a queue has presented.
pub struct Slot {
    pub queue: Reference,
    /// Gives the place back, without the lock.
    pub free: fn(Reference),
}

/// WDFREQUEST.
pub struct WdfRequest {
    pub irp: PendingIrp,
    pub file: Handle<WdfFile>,
    /// The manual queue that holds it.
    pub queue: Guarded<Option<Reference>>,
    pub slot: Guarded<Option<Slot>>,
    completed: AtomicBool,
}

impl Body for WdfRequest {
    const KIND: ObjectKind = ObjectKind::Request;
}

impl WdfRequest {
    pub const fn new(irp: PendingIrp, file: Handle<WdfFile>) -> Self {
        Self { irp, file, queue: Guarded::new(None), slot: Guarded::new(None), completed: AtomicBool::new(false) }
    }
}

/// KPROCESSOR_MODE of a request that a program made.
const USER_MODE: i8 = 1;

/// Completes the IRP and deletes the request. IRQL: <= DISPATCH_LEVEL.
pub fn complete(request: Handle<WdfRequest>, status: NtStatus, information: usize) {
    if request.completed.swap(true, Ordering::AcqRel) {
        stop::violation(REQUEST_COMPLETED_TWICE, c"request was completed twice", request.raw().as_ptr());
    }
    let parameters = request.irp.parameters();
    let is_checked = parameters.major == IRP_MJ_DEVICE_CONTROL
        && request.irp.requestor_mode() == USER_MODE
        && parameters.output_length > 0
        && status >= 0;
    stop::require(!is_checked || information <= parameters.output_length, &INFORMATION);
    let slot = request.slot.get(&mut Locked::new()).take();
    request.irp.complete(status, information);
    object::delete(&request.into_object());
    if let Some(slot) = slot {
        (slot.free)(slot.queue);
    }
}

pub unsafe extern "system" fn request_complete(_: *const c_void, request: RawHandle, status: NtStatus) {
    let request = request.of::<WdfRequest>();
    let information = request.irp.information();
    complete(request, status, information);
}

pub unsafe extern "system" fn request_complete_with_information(
    _: *const c_void,
    request: RawHandle,
    status: NtStatus,
    information: usize,
) {
    complete(request.of(), status, information);
}

pub unsafe extern "system" fn request_get_file_object(_: *const c_void, request: RawHandle) -> RawHandle {
    request.of::<WdfRequest>().file.raw()
}

pub unsafe extern "system" fn request_get_requestor_mode(_: *const c_void, request: RawHandle) -> i8 {
    request.of::<WdfRequest>().irp.requestor_mode()
}

fn give(
    buffer: *mut c_void,
    length: usize,
    least: usize,
    out: &mut MaybeUninit<*mut c_void>,
    out_length: Option<&mut MaybeUninit<usize>>,
) -> NtStatus {
    // A zero-length buffer is as good as none (DDI: STATUS_BUFFER_TOO_SMALL).
    if length == 0 || length < least {
        return STATUS_BUFFER_TOO_SMALL;
    }
    if buffer.is_null() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    out.write(buffer);
    if let Some(out_length) = out_length {
        out_length.write(length);
    }
    STATUS_SUCCESS
}

pub unsafe extern "system" fn request_retrieve_input_buffer(
    _: *const c_void,
    request: RawHandle,
    least: usize,
    out: &mut MaybeUninit<*mut c_void>,
    out_length: Option<&mut MaybeUninit<usize>>,
) -> NtStatus {
    let request = request.of::<WdfRequest>();
    let parameters = request.irp.parameters();
    match method(parameters.code) {
        METHOD_BUFFERED | METHOD_IN_DIRECT | METHOD_OUT_DIRECT => {
            give(request.irp.system_buffer(), parameters.input_length, least, out, out_length)
        }
        _ => STATUS_INVALID_DEVICE_REQUEST,
    }
}

pub unsafe extern "system" fn request_retrieve_output_buffer(
    _: *const c_void,
    request: RawHandle,
    least: usize,
    out: &mut MaybeUninit<*mut c_void>,
    out_length: Option<&mut MaybeUninit<usize>>,
) -> NtStatus {
    let request = request.of::<WdfRequest>();
    let parameters = request.irp.parameters();
    let buffer = match method(parameters.code) {
        METHOD_BUFFERED => request.irp.system_buffer(),
        METHOD_OUT_DIRECT => request.irp.direct_buffer(),
        _ => return STATUS_INVALID_DEVICE_REQUEST,
    };
    give(buffer, parameters.output_length, least, out, out_length)
}
