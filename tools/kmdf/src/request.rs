//! Requests: an IRP on its way through the driver.

use core::{ffi::c_void, ptr::null_mut};

use irqlog_nt::{
    Irp, MDL_IS_MAPPED, METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_OUT_DIRECT, NtStatus, STATUS_BUFFER_TOO_SMALL,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, method,
};

use crate::{
    nt,
    object::{self, Object},
    table::{Globals, WDF_VIOLATION},
};

pub struct Request {
    pub irp: *mut Irp,
    pub file: *mut Object,
    /// The manual queue that holds it, or null.
    pub queue: *mut Object,
    completed: bool,
}

impl Request {
    pub const fn new(irp: *mut Irp, file: *mut Object) -> Self {
        Self { irp, file, queue: null_mut(), completed: false }
    }
}

pub fn complete(request: *mut Object, status: NtStatus, information: usize) {
    let body = object::request(request);
    if core::mem::replace(&mut body.completed, true) {
        unsafe {
            nt::DbgPrint(c"WDFLDR (test framework): request %p was completed twice\n".as_ptr(), request);
            nt::KeBugCheckEx(WDF_VIOLATION, 4, request as usize, 0, 0)
        }
    }
    unsafe {
        (*body.irp).IoStatus.Status = status;
        (*body.irp).IoStatus.Information = information;
        nt::IofCompleteRequest(body.irp, 0);
    }
    object::delete(request);
}

pub unsafe extern "system" fn request_complete(_: *mut Globals, request: *mut Object, status: NtStatus) {
    let information = unsafe { (*object::request(request).irp).IoStatus.Information };
    complete(request, status, information);
}

pub unsafe extern "system" fn request_complete_with_information(
    _: *mut Globals,
    request: *mut Object,
    status: NtStatus,
    information: usize,
) {
    complete(request, status, information);
}

pub unsafe extern "system" fn request_get_file_object(_: *mut Globals, request: *mut Object) -> *mut Object {
    object::request(request).file
}

pub unsafe extern "system" fn request_get_requestor_mode(_: *mut Globals, request: *mut Object) -> i8 {
    unsafe { (*object::request(request).irp).RequestorMode }
}

unsafe fn give(
    buffer: *mut c_void,
    length: usize,
    least: usize,
    out: *mut *mut c_void,
    out_length: *mut usize,
) -> NtStatus {
    // A zero-length buffer is as good as none (DDI: STATUS_BUFFER_TOO_SMALL).
    if length == 0 || length < least {
        return STATUS_BUFFER_TOO_SMALL;
    }
    if buffer.is_null() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    unsafe {
        *out = buffer;
        if !out_length.is_null() {
            *out_length = length;
        }
    }
    STATUS_SUCCESS
}

pub unsafe extern "system" fn request_retrieve_input_buffer(
    _: *mut Globals,
    request: *mut Object,
    least: usize,
    out: *mut *mut c_void,
    out_length: *mut usize,
) -> NtStatus {
    unsafe {
        let irp = object::request(request).irp;
        let location = &*(*irp).CurrentStackLocation;
        match method(location.IoControlCode as u32) {
            METHOD_BUFFERED | METHOD_IN_DIRECT | METHOD_OUT_DIRECT => {
                give((*irp).SystemBuffer, location.InputBufferLength as u32 as usize, least, out, out_length)
            }
            _ => STATUS_INVALID_DEVICE_REQUEST,
        }
    }
}

pub unsafe extern "system" fn request_retrieve_output_buffer(
    _: *mut Globals,
    request: *mut Object,
    least: usize,
    out: *mut *mut c_void,
    out_length: *mut usize,
) -> NtStatus {
    const NORMAL_PAGE_PRIORITY_NO_EXECUTE: u32 = 16 | 0x4000_0000;
    unsafe {
        let irp = object::request(request).irp;
        let location = &*(*irp).CurrentStackLocation;
        let length = location.OutputBufferLength as u32 as usize;
        let buffer = match method(location.IoControlCode as u32) {
            METHOD_BUFFERED => (*irp).SystemBuffer,
            METHOD_OUT_DIRECT => {
                let mdl = (*irp).MdlAddress;
                if mdl.is_null() {
                    null_mut()
                } else if (*mdl).MdlFlags & MDL_IS_MAPPED != 0 {
                    (*mdl).MappedSystemVa
                } else {
                    nt::MmMapLockedPagesSpecifyCache(mdl, 0, 1, null_mut(), 0, NORMAL_PAGE_PRIORITY_NO_EXECUTE)
                }
            }
            _ => return STATUS_INVALID_DEVICE_REQUEST,
        };
        give(buffer, length, least, out, out_length)
    }
}
