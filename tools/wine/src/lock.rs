//! Spin locks: a word that is exchanged.
//!
//! A waiter below IPI_LEVEL serves calls of KeIpiGenericCall, which would interrupt it on a machine.

use core::sync::atomic::{AtomicUsize, Ordering};

use irqlog_nt::{
    KlockQueueHandle,
    irql::{DISPATCH_LEVEL, IPI_LEVEL},
};

use crate::{
    broadcast, host,
    processor::{lower, raise, routines},
    thread::ThreadState,
};

/// The word of a driver's lock.
///
/// # Safety
/// `lock` is the address of a KSPIN_LOCK that outlives `'w` and is used through the routines of this module alone.
unsafe fn word<'w>(lock: *mut usize) -> &'w AtomicUsize {
    // SAFETY: the caller promises an aligned word that nobody accesses without atomic operations.
    unsafe { AtomicUsize::from_ptr(lock) }
}

fn acquire(word: &AtomicUsize) {
    while word.swap(1, Ordering::Acquire) != 0 {
        if ThreadState::current().irql < IPI_LEVEL {
            broadcast::serve();
        }
        host::give_way();
    }
}

fn release(word: &AtomicUsize) {
    word.store(0, Ordering::Release);
}

routines! {
    fn KeAcquireSpinLockAtDpcLevel(lock: *mut usize) {
        // SAFETY: a driver gives the address of its lock.
        acquire(unsafe { word(lock) });
    }

    fn KeReleaseSpinLockFromDpcLevel(lock: *mut usize) {
        // SAFETY: a driver gives the address of its lock.
        release(unsafe { word(lock) });
    }

    fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut usize) -> u8 {
        // SAFETY: a driver gives the address of its lock.
        u8::from(unsafe { word(lock) }.swap(1, Ordering::Acquire) == 0)
    }

    fn KeAcquireSpinLockRaiseToDpc(lock: *mut usize) -> u8 {
        let old = raise(DISPATCH_LEVEL);
        // SAFETY: a driver gives the address of its lock.
        acquire(unsafe { word(lock) });
        old
    }

    fn KeReleaseSpinLock(lock: *mut usize, old: u8) {
        // SAFETY: a driver gives the address of its lock.
        release(unsafe { word(lock) });
        lower(old);
    }

    fn KeAcquireInStackQueuedSpinLockAtDpcLevel(lock: *mut usize, handle: *mut KlockQueueHandle) {
        // SAFETY: a driver gives the address of its lock.
        acquire(unsafe { word(lock) });
        // SAFETY: the handle is the acquirer's own, and lives until the release.
        unsafe { &(*handle).Lock }.store(lock as usize, Ordering::Relaxed);
    }

    fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut KlockQueueHandle) {
        // SAFETY: the handle is the owner's, filled by the acquisition.
        let lock = unsafe { &(*handle).Lock }.load(Ordering::Relaxed) as *mut usize;
        // SAFETY: the acquisition stored the address of the driver's lock.
        release(unsafe { word(lock) });
    }
}
