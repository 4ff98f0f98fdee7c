//! Spin locks: a word that is exchanged. Who waits below IPI_LEVEL serves KeIpiGenericCall, which would interrupt him on
//! a machine.

use core::sync::atomic::{AtomicUsize, Ordering};

use irqlog_nt::irql::{DISPATCH_LEVEL, IPI_LEVEL};

use crate::{
    host, ipi,
    processor::{Thread, lower, raise},
    routines,
};

unsafe fn word<'w>(lock: *mut usize) -> &'w AtomicUsize {
    unsafe { AtomicUsize::from_ptr(lock) }
}

unsafe fn acquire(lock: *mut usize) {
    let word = unsafe { word(lock) };
    while word.swap(1, Ordering::Acquire) != 0 {
        if Thread::current().irql < IPI_LEVEL {
            ipi::serve();
        }
        unsafe { host::SwitchToThread() };
    }
}

unsafe fn release(lock: *mut usize) {
    unsafe { word(lock) }.store(0, Ordering::Release);
}

/// KLOCK_QUEUE_HANDLE.
#[repr(C)]
struct QueueHandle {
    next: usize,
    lock: *mut usize,
    old_irql: u8,
}

routines! {
    fn KeAcquireSpinLockAtDpcLevel(lock: *mut usize) {
        unsafe { acquire(lock) };
    }

    fn KeReleaseSpinLockFromDpcLevel(lock: *mut usize) {
        unsafe { release(lock) };
    }

    fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut usize) -> u8 {
        u8::from(unsafe { word(lock) }.swap(1, Ordering::Acquire) == 0)
    }

    fn KeAcquireSpinLockRaiseToDpc(lock: *mut usize) -> u8 {
        let old = raise(DISPATCH_LEVEL);
        unsafe { acquire(lock) };
        old
    }

    fn KeReleaseSpinLock(lock: *mut usize, old: u8) {
        unsafe { release(lock) };
        lower(old);
    }

    fn KeAcquireInStackQueuedSpinLockAtDpcLevel(lock: *mut usize, handle: *mut QueueHandle) {
        unsafe {
            acquire(lock);
            (*handle).lock = lock;
        }
    }

    fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut QueueHandle) {
        unsafe { release((*handle).lock) };
    }
}
