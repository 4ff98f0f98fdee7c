//! Queues: the parallel default queue presents at once, manual queues hold until the driver takes.
//!
//! A held request has a WDM cancel routine. Whoever clears that routine owns the request's end: the driver, by taking it
//! out of the queue, or the canceller. A request whose routine was cleared by the I/O manager stays in the list until
//! the routine has taken it out, and everyone else passes it over.

use alloc::vec::Vec;
use core::{ffi::c_void, mem::MaybeUninit};

use irqlog_nt::{
    DeviceObject, IRP_MJ_INTERNAL_DEVICE_CONTROL, Irp, NtStatus, STATUS_CANCELLED, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_NO_MORE_ENTRIES, STATUS_NOT_FOUND, STATUS_SUCCESS,
    framework::{DEFAULT_QUEUE_BEFORE, FIND_IN_MANUAL, MANUAL_QUEUE, ONE_DEFAULT_QUEUE, QUEUE_CALLBACK, QUEUE_HANDLE},
};

use crate::{
    check::{self, CallbackState},
    deferral::Deferral,
    device::WdfDevice,
    file::WdfFile,
    irp::{PendingIrp, cancelled_request},
    lock::{Guarded, Locked},
    nt,
    object::{self, Attributes, Body, Handle, ObjectKind, RawHandle, Reference},
    request::{self, Slot, WdfRequest},
    stop,
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

impl QueueConfig {
    /// Whether the driver gave a callback for I/O.
    const fn calls(&self) -> bool {
        !self.on_default.is_null()
            || !self.on_read.is_null()
            || !self.on_write.is_null()
            || self.on_device_control.is_some()
            || self.on_internal_device_control.is_some()
    }
}

/// WDFQUEUE.
pub struct WdfQueue {
    is_manual: bool,
    /// The driver asked for callbacks at PASSIVE_LEVEL, WdfExecutionLevelPassive: what calls it there.
    pub deferral: Option<Deferral>,
    /// How many requests the driver gets at once, and how many it has; the others wait in `held`.
    most: u32,
    presented: Guarded<u32>,
    on_device_control: Option<DeviceControl>,
    on_internal_device_control: Option<DeviceControl>,
    on_canceled: Option<Canceled>,
    held: Guarded<Vec<Handle<WdfRequest>>>,
}

impl Body for WdfQueue {
    const KIND: ObjectKind = ObjectKind::Queue;

    fn dispose(&self) {
        if let Some(deferral) = &self.deferral {
            deferral.free();
        }
    }
}

pub unsafe extern "system" fn io_queue_create(
    _: *const c_void,
    device: RawHandle,
    config: &QueueConfig,
    attributes: Option<&Attributes>,
    out: Option<&mut MaybeUninit<RawHandle>>,
) -> NtStatus {
    const PASSIVE: i32 = 2;
    check::attributes(attributes, check::OF_QUEUES);
    check::size::<QueueConfig>(config.size);
    stop::require(config.default != 0 || out.is_some(), &QUEUE_HANDLE);
    // The real one has a sequential queue too.
    if config.dispatch != PARALLEL && config.dispatch != MANUAL {
        return STATUS_INVALID_PARAMETER;
    }
    let is_manual = config.dispatch == MANUAL;
    stop::require(!is_manual || (!config.calls() && config.presented == 0), &MANUAL_QUEUE);
    stop::require(is_manual || config.calls(), &QUEUE_CALLBACK);
    let device = device.of::<WdfDevice>();
    if config.default != 0 {
        stop::require(device.is_initializing(), &DEFAULT_QUEUE_BEFORE);
        stop::require(device.default_queue.get(&mut Locked::new()).is_none(), &ONE_DEFAULT_QUEUE);
    }
    let is_passive = attributes.is_some_and(|attributes| attributes.execution_level == PASSIVE);
    let deferral = match is_passive.then(|| Deferral::of(&device)) {
        Some(None) => return STATUS_INSUFFICIENT_RESOURCES,
        deferral => deferral.flatten(),
    };
    let queue = WdfQueue {
        is_manual,
        deferral,
        most: config.presented,
        presented: Guarded::new(0),
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
        *device.default_queue.get(&mut Locked::new()) = Some(queue);
    }
    STATUS_SUCCESS
}

/// Makes a request of an IRP and hands it to the driver. A sequential queue waits until the driver has completed the
/// one before.
pub fn present(device: &WdfDevice, file: Handle<WdfFile>, irp: PendingIrp) {
    let queue = device.default_queue.get(&mut Locked::new()).clone().map(Reference::typed::<WdfQueue>);
    let request = object::create(WdfRequest::new(irp, file), None, device.requests.as_ref());
    let Some(queue) = queue else { return request::complete(request, STATUS_INVALID_DEVICE_REQUEST, 0) };
    let mut locked = Locked::new();
    let presented = queue.presented.get(&mut locked);
    if *presented < queue.most {
        *presented += 1;
        drop(locked);
        return deliver(&queue, request);
    }
    drop(locked);
    hold(&queue, request);
}

/// Calls the driver for a request that was counted as presented.
pub fn deliver(queue: &Handle<WdfQueue>, request: Handle<WdfRequest>) {
    let parameters = request.irp.parameters();
    let callback = match parameters.major {
        IRP_MJ_INTERNAL_DEVICE_CONTROL => queue.on_internal_device_control,
        _ => queue.on_device_control,
    };
    *request.slot.get(&mut Locked::new()) = Some(Slot { queue: queue.clone().into_object(), free: present_next });
    let Some(callback) = callback else { return request::complete(request, STATUS_INVALID_DEVICE_REQUEST, 0) };
    // SAFETY: it takes nothing, at any IRQL.
    let irql = unsafe { nt::KeGetCurrentIrql() };
    if let Some(deferral) = &queue.deferral
        && irql != 0
    {
        if deferral.push(request) {
            // The routine drops this reference.
            let queue = queue.clone().keep().as_ptr();
            // SAFETY: `push` has asked for it; the queue lives by its reference.
            unsafe { deferral.queue(deliver_deferred, queue) };
        }
        return;
    }
    let state = CallbackState::of_caller();
    let (output, input) = (parameters.output_length, parameters.input_length);
    // SAFETY: EvtIoDeviceControl or EvtIoInternalDeviceControl as the driver gave it; `queue` and `request` keep the
    // objects alive.
    unsafe { callback(queue.raw(), request.raw(), output, input, parameters.code) };
    state.compare();
}

/// The routine of a queue's work item: calls the driver for the requests that have waited.
unsafe extern "system" fn deliver_deferred(_: *mut DeviceObject, queue: *mut c_void) {
    // SAFETY: what `deliver` kept alive for this call.
    let raw = unsafe { RawHandle::from_ptr(queue) };
    let queue = raw.of::<WdfQueue>();
    // SAFETY: as above; `deliver`'s reference is taken here, once.
    drop(unsafe { raw.take() });
    let Some(deferral) = &queue.deferral else { return };
    while let Some(request) = deferral.pop() {
        deliver(&queue, request);
    }
}

/// A presented request has left the driver: the next one that waits takes its place.
fn present_next(queue: Reference) {
    let queue = queue.typed::<WdfQueue>();
    let mut locked = Locked::new();
    *queue.presented.get(&mut locked) -= 1;
    drop(locked);
    if queue.is_manual {
        return;
    }
    if let Some(next) = take(queue.raw(), |_| true) {
        *queue.presented.get(&mut Locked::new()) += 1;
        deliver(&queue, next);
    }
}

pub unsafe extern "system" fn request_forward_to_io_queue(
    _: *const c_void,
    request: RawHandle,
    queue: RawHandle,
) -> NtStatus {
    let (request, queue) = (request.of::<WdfRequest>(), queue.of::<WdfQueue>());
    let slot = request.slot.get(&mut Locked::new()).take();
    hold(&queue, request);
    if let Some(slot) = slot {
        (slot.free)(slot.queue);
    }
    STATUS_SUCCESS
}

/// Keeps a request until it is taken out, presented, or cancelled.
fn hold(queue: &Handle<WdfQueue>, request: Handle<WdfRequest>) {
    let mut locked = Locked::new();
    queue.held.get(&mut locked).push(request.clone());
    *request.queue.get(&mut locked) = Some(queue.clone().into_object());
    let is_cancelled = request.irp.arm(request.raw(), cancel);
    drop(locked);
    if is_cancelled {
        // Cancelled before the routine was there, and we got it back: the end is ours.
        let _held = let_go(queue, &request);
        request::complete(request, STATUS_CANCELLED, 0);
    }
}

/// The references that a queue held for a request; the caller drops them without the lock.
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
    let Some(callback) = queue.on_canceled else { return request::complete(request, STATUS_CANCELLED, 0) };
    let state = CallbackState::of_caller();
    // SAFETY: EvtIoCanceledOnQueue as the driver gave it; `queue` and `request` keep the objects alive.
    unsafe { callback(queue.raw(), request.raw()) };
    state.compare();
}

/// Takes the first held request that `is_wanted` and is not being cancelled.
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
    stop::require(queue.of::<WdfQueue>().is_manual, &FIND_IN_MANUAL);
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
    stop::require(queue.is_manual, &FIND_IN_MANUAL);
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
    // The driver gets a reference with it, whose tag is null.
    give(found.map(Handle::leak), STATUS_NO_MORE_ENTRIES, out)
}
