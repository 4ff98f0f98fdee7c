//! Queues: the parallel default queue presents at once, manual queues hold until the driver takes.
//!
//! A held request has a WDM cancel routine. Whoever clears that routine owns the request's end: the driver, by taking it
//! out of the queue, or the canceller. A request whose routine was cleared by the I/O manager stays in the list until
//! the routine has taken it out, and everyone else passes it over.

use alloc::vec::Vec;
use core::{ffi::c_void, mem::MaybeUninit};

use irqlog_nt::{
    DeviceObject, IRP_MJ_INTERNAL_DEVICE_CONTROL, Irp, NtStatus, STATUS_CANCELLED, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_NO_MORE_ENTRIES, STATUS_NOT_FOUND, STATUS_SUCCESS,
};

use crate::{
    device::WdfDevice,
    file::WdfFile,
    irp::{PendingIrp, cancelled_request},
    lock::{Guarded, Locked},
    object::{self, Attributes, Body, Handle, ObjectKind, RawHandle, Reference},
    request::{self, WdfRequest},
};

type DeviceControl = unsafe extern "system" fn(RawHandle, RawHandle, usize, usize, u32);
type Canceled = unsafe extern "system" fn(RawHandle, RawHandle);

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
    on_canceled: Option<Canceled>,
    presented: u32,
    driver: *mut c_void,
}

/// WDFQUEUE.
pub struct WdfQueue {
    on_device_control: Option<DeviceControl>,
    on_internal_device_control: Option<DeviceControl>,
    on_canceled: Option<Canceled>,
    held: Guarded<Vec<Handle<WdfRequest>>>,
}

impl Body for WdfQueue {
    const KIND: ObjectKind = ObjectKind::Queue;
}

pub unsafe extern "system" fn io_queue_create(
    _: *const c_void,
    device: RawHandle,
    config: &QueueConfig,
    attributes: Option<&Attributes>,
    out: Option<&mut MaybeUninit<RawHandle>>,
) -> NtStatus {
    if config.dispatch != PARALLEL && config.dispatch != MANUAL {
        return STATUS_INVALID_PARAMETER;
    }
    let device = device.of::<WdfDevice>();
    let queue = WdfQueue {
        on_device_control: config.on_device_control,
        on_internal_device_control: config.on_internal_device_control,
        on_canceled: config.on_canceled,
        held: Guarded::new(Vec::new()),
    };
    let queue = object::create(queue, Some(device.clone().into_object()), attributes).into_object();
    if let Some(out) = out {
        out.write(queue.raw());
    }
    if config.default != 0 {
        let before = device.default_queue.get(&mut Locked::new()).replace(queue);
        drop(before);
    }
    STATUS_SUCCESS
}

/// Makes a request of an IRP and hands it to the driver.
pub fn present(device: &WdfDevice, file: Handle<WdfFile>, irp: PendingIrp) {
    let queue = device.default_queue.get(&mut Locked::new()).clone().map(Reference::typed::<WdfQueue>);
    let parameters = irp.parameters();
    let callback = queue.as_ref().and_then(|queue| match parameters.major {
        IRP_MJ_INTERNAL_DEVICE_CONTROL => queue.on_internal_device_control,
        _ => queue.on_device_control,
    });
    let request = object::create(WdfRequest::new(irp, file), None, device.requests.as_ref());
    match (callback, queue) {
        (Some(callback), Some(queue)) => {
            let (output, input) = (parameters.output_length, parameters.input_length);
            // SAFETY: EvtIoDeviceControl or EvtIoInternalDeviceControl as the driver gave it; `queue` and `request` keep
            // the objects alive.
            unsafe { callback(queue.raw(), request.raw(), output, input, parameters.code) };
        }
        _ => request::complete(request, STATUS_INVALID_DEVICE_REQUEST, 0),
    }
}

pub unsafe extern "system" fn request_forward_to_io_queue(
    _: *const c_void,
    request: RawHandle,
    queue: RawHandle,
) -> NtStatus {
    let (request, queue) = (request.of::<WdfRequest>(), queue.of::<WdfQueue>());
    let mut locked = Locked::new();
    queue.held.get(&mut locked).push(request.clone());
    *request.queue.get(&mut locked) = Some(queue.clone().into_object());
    let is_cancelled = request.irp.arm(request.raw(), cancel);
    drop(locked);
    if is_cancelled {
        // Cancelled before the routine was there, and we got it back: the end is ours.
        let _held = let_go(&queue, &request);
        request::complete(request, STATUS_CANCELLED, 0);
    }
    STATUS_SUCCESS
}

/// What a queue kept of a request, to be dropped without the lock.
type Held = (Option<Handle<WdfRequest>>, Option<Reference>);

/// Takes a request out of the list whose end is already the caller's.
fn let_go(queue: &WdfQueue, request: &Handle<WdfRequest>) -> Held {
    let mut locked = Locked::new();
    let held = queue.held.get(&mut locked);
    let own = held.iter().position(|held| held.raw() == request.raw()).map(|index| held.remove(index));
    (own, request.queue.get(&mut locked).take())
}

unsafe extern "system" fn cancel(_: *mut DeviceObject, irp: *mut Irp) {
    // SAFETY: the kernel calls this routine, which `arm` set, with the IRP; nothing was done before.
    let request = unsafe { cancelled_request(irp) }.of::<WdfRequest>();
    let queue = request.queue.get(&mut Locked::new()).clone();
    let Some(queue) = queue.map(Reference::typed::<WdfQueue>) else {
        return request::complete(request, STATUS_CANCELLED, 0);
    };
    let _held = let_go(&queue, &request);
    match queue.on_canceled {
        // SAFETY: EvtIoCanceledOnQueue as the driver gave it; `queue` and `request` keep the objects alive.
        Some(callback) => unsafe { callback(queue.raw(), request.raw()) },
        None => request::complete(request, STATUS_CANCELLED, 0),
    }
}

/// Takes the first held request that `is_wanted` and that nobody is cancelling.
fn take(queue: RawHandle, is_wanted: impl Fn(&Handle<WdfRequest>) -> bool) -> Option<Handle<WdfRequest>> {
    let queue = queue.of::<WdfQueue>();
    let mut locked = Locked::new();
    let held = queue.held.get(&mut locked);
    let index = held.iter().position(|request| is_wanted(request) && request.irp.disarm())?;
    let request = held.remove(index);
    let reference = request.queue.get(&mut locked).take();
    drop(locked);
    drop(reference);
    Some(request)
}

fn give(found: Option<RawHandle>, none: NtStatus, out: &mut MaybeUninit<RawHandle>) -> NtStatus {
    out.write(found.unwrap_or(RawHandle::NULL));
    if found.is_some() { STATUS_SUCCESS } else { none }
}

pub unsafe extern "system" fn io_queue_retrieve_next_request(
    _: *const c_void,
    queue: RawHandle,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    give(take(queue, |_| true).map(|request| request.raw()), STATUS_NO_MORE_ENTRIES, out)
}

pub unsafe extern "system" fn io_queue_retrieve_request_by_file_object(
    _: *const c_void,
    queue: RawHandle,
    file: RawHandle,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    let found = take(queue, |request| request.file.raw() == file);
    give(found.map(|request| request.raw()), STATUS_NO_MORE_ENTRIES, out)
}

pub unsafe extern "system" fn io_queue_retrieve_found_request(
    _: *const c_void,
    queue: RawHandle,
    found: RawHandle,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    give(take(queue, |request| request.raw() == found).map(|request| request.raw()), STATUS_NOT_FOUND, out)
}

pub unsafe extern "system" fn io_queue_find_request(
    _: *const c_void,
    queue: RawHandle,
    after: RawHandle,
    file: RawHandle,
    _parameters: *mut c_void,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    let queue = queue.of::<WdfQueue>();
    let mut locked = Locked::new();
    let held = queue.held.get(&mut locked);
    let start = if after.is_null() {
        0
    } else {
        match held.iter().position(|request| request.raw() == after) {
            Some(index) => index + 1,
            None => return STATUS_NOT_FOUND,
        }
    };
    let found = held.iter().skip(start).find(|request| file.is_null() || request.file.raw() == file).cloned();
    drop(locked);
    // The driver gets a reference with it.
    give(found.map(Handle::leak), STATUS_NO_MORE_ENTRIES, out)
}
