//! The work item of a queue whose driver wants to be called at PASSIVE_LEVEL, for requests that come above it.

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::NonNull};

use irqlog_nt::{DeviceObject, IoWorkitem};

use crate::{
    device::WdfDevice,
    lock::{Guarded, Locked},
    nt,
    object::{Handle, RawHandle},
    queue::{self, WdfQueue},
    request::WdfRequest,
};

/// `DelayedWorkQueue` of WORK_QUEUE_TYPE.
const DELAYED: u32 = 1;

/// Requests that wait for the work item.
struct Waiting {
    requests: Vec<Handle<WdfRequest>>,
    /// The item is queued, or its routine has not found the requests gone yet.
    is_queued: bool,
}

/// The work item, and what waits for it.
pub struct Deferral {
    item: NonNull<IoWorkitem>,
    waiting: Guarded<Waiting>,
}

impl Deferral {
    /// Makes one; `None` if there is no memory. IRQL: <= DISPATCH_LEVEL.
    pub fn of(device: &WdfDevice) -> Option<Self> {
        // SAFETY: the WDM device lives as long as its object, which outlives its queues.
        let item = NonNull::new(unsafe { nt::IoAllocateWorkItem(device.wdm.as_ptr()) })?;
        Some(Self { item, waiting: Guarded::new(Waiting { requests: Vec::new(), is_queued: false }) })
    }

    /// Lets the work item present a request. IRQL: <= DISPATCH_LEVEL.
    pub fn defer(&self, queue: &Handle<WdfQueue>, request: Handle<WdfRequest>) {
        let mut locked = Locked::new();
        let waiting = self.waiting.get(&mut locked);
        waiting.requests.push(request);
        let is_first = !core::mem::replace(&mut waiting.is_queued, true);
        drop(locked);
        if is_first {
            // The routine drops this reference.
            let queue = queue.clone().keep().as_ptr();
            // SAFETY: the item is not queued, by the flag. The routine gets the queue with a reference.
            unsafe { nt::IoQueueWorkItem(self.item.as_ptr(), present, DELAYED, queue) };
        }
    }

    /// Frees the work item: the queue is deleted, so no request can come. IRQL: <= DISPATCH_LEVEL.
    pub fn free(&self) {
        // SAFETY: IoAllocateWorkItem gave it; a queue is disposed of once, after its requests, so the item is not queued.
        unsafe { nt::IoFreeWorkItem(self.item.as_ptr()) };
    }
}

unsafe extern "system" fn present(_: *mut DeviceObject, queue: *mut c_void) {
    // SAFETY: what `defer` kept alive for this call.
    let raw = unsafe { RawHandle::from_ptr(queue) };
    let queue = raw.of::<WdfQueue>();
    // SAFETY: as above; `defer`'s reference is taken here, once.
    drop(unsafe { raw.take() });
    let Some(deferral) = &queue.deferral else { return };
    loop {
        let mut locked = Locked::new();
        let waiting = deferral.waiting.get(&mut locked);
        if waiting.requests.is_empty() {
            waiting.is_queued = false;
            return;
        }
        let request = waiting.requests.remove(0);
        drop(locked);
        queue::deliver(&queue, request);
    }
}
