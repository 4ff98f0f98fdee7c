//! The work item of a queue whose driver wants to be called at PASSIVE_LEVEL, for requests that come above it.

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::NonNull};

use irqlog_nt::{IoWorkitem, WorkItemRoutine};

use crate::{
    device::WdfDevice,
    lock::{Guarded, Locked},
    nt,
    object::Handle,
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

    /// Adds a request that waits for the work item. Answers whether the caller has to queue the item. IRQL: <=
    /// DISPATCH_LEVEL.
    pub fn push(&self, request: Handle<WdfRequest>) -> bool {
        let mut locked = Locked::new();
        let waiting = self.waiting.get(&mut locked);
        waiting.requests.push(request);
        !core::mem::replace(&mut waiting.is_queued, true)
    }

    /// Takes the request that has waited longest. Without one the item counts as not queued. IRQL: <= DISPATCH_LEVEL.
    pub fn pop(&self) -> Option<Handle<WdfRequest>> {
        let mut locked = Locked::new();
        let waiting = self.waiting.get(&mut locked);
        waiting.is_queued = !waiting.requests.is_empty();
        waiting.is_queued.then(|| waiting.requests.remove(0))
    }

    /// Queues the item: `routine` gets `context`. IRQL: <= DISPATCH_LEVEL.
    ///
    /// # Safety
    /// [`push`](Self::push) has asked for it, and the context is valid until the routine ends.
    pub unsafe fn queue(&self, routine: WorkItemRoutine, context: *mut c_void) {
        // SAFETY: the item is not queued, as `push` has said; the context is the caller's promise.
        unsafe { nt::IoQueueWorkItem(self.item.as_ptr(), routine, DELAYED, context) };
    }

    /// Frees the work item: the queue is deleted, so no request can come. IRQL: <= DISPATCH_LEVEL.
    pub fn free(&self) {
        // SAFETY: IoAllocateWorkItem gave it; a queue is disposed of once, after its requests, so the item is not queued.
        unsafe { nt::IoFreeWorkItem(self.item.as_ptr()) };
    }
}
