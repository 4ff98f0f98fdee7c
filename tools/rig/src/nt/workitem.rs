//! Work items: routines that a system thread runs at PASSIVE_LEVEL.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use irqlog_nt::DeviceObject;

use super::{import::routines, machine::run_thread, report};
use crate::mutex::lock;

/// A work item of a driver.
struct WorkItem {
    handle: usize,
    device: usize,
    is_queued: bool,
}

/// Those that were allocated and not freed.
static ITEMS: Mutex<Vec<WorkItem>> = Mutex::new(Vec::new());
static NEXT: AtomicUsize = AtomicUsize::new(0x6000);

/// Work items that were not freed.
pub fn left() -> usize {
    lock(&ITEMS).len()
}

/// Runs the routine of an item, which may be queued again, or freed, from its start on.
fn run(handle: usize, routine: usize, context: usize) {
    run_thread(4, 0, true, |thread| {
        let device = {
            let mut items = lock(&ITEMS);
            let item = items.iter_mut().find(|item| item.handle == handle);
            let item = item.unwrap_or_else(|| report::broken("a work item was freed while it was queued"));
            item.is_queued = false;
            item.device
        };
        // SAFETY: a routine of a loaded driver, with this signature.
        unsafe {
            let routine: extern "efiapi" fn(usize, usize) = std::mem::transmute(routine);
            routine(device, context);
        }
        let irql = thread.processor().irql.load(Ordering::Relaxed);
        if irql != 0 || thread.critical_regions.get() != 0 {
            report::broken(&format!("the routine of a work item returned at IRQL {irql}, or inside a critical region"));
        }
    });
}

routines! {
    fn IoAllocateWorkItem(device: *mut DeviceObject) -> usize {
        let handle = NEXT.fetch_add(16, Ordering::Relaxed);
        lock(&ITEMS).push(WorkItem { handle, device: device as usize, is_queued: false });
        handle
    }

    fn IoFreeWorkItem(handle: usize) {
        let mut items = lock(&ITEMS);
        match items.iter().position(|item| item.handle == handle) {
            Some(index) if !items[index].is_queued => drop(items.remove(index)),
            Some(_) => report::broken("IoFreeWorkItem of an item that is queued"),
            None => report::broken("IoFreeWorkItem of something that IoAllocateWorkItem did not give"),
        }
    }

    fn IoQueueWorkItem(handle: usize, routine: usize, _kind: u32, context: usize) {
        let mut items = lock(&ITEMS);
        let Some(item) = items.iter_mut().find(|item| item.handle == handle) else {
            report::broken("IoQueueWorkItem of something that IoAllocateWorkItem did not give");
        };
        if std::mem::replace(&mut item.is_queued, true) {
            report::broken("IoQueueWorkItem of an item that is queued");
        }
        drop(items);
        std::thread::spawn(move || run(handle, routine, context));
    }
}
