//! Spin locks, plain and queued, which notice a wrong release and a recursion.

use std::sync::atomic::{AtomicUsize, Ordering};

use irqlog_nt::{KlockQueueHandle, irql::DISPATCH_LEVEL};

use super::{
    import::routines,
    machine::{NMI, set_irql, thread},
    report, validator, verifier,
    wait::spin_until,
};
use crate::planted;

/// The lock word at an address of the driver's.
unsafe fn word<'a>(lock: *mut usize) -> &'a AtomicUsize {
    // SAFETY: the driver gives an aligned KSPIN_LOCK in memory of its own; a bad one faults and is reported.
    unsafe { AtomicUsize::from_ptr(lock) }
}

/// A taken lock holds its owner's processor, plus one.
fn owner() -> usize {
    thread().processor_index() + 1
}

fn acquire(lock: &AtomicUsize) {
    if lock.load(Ordering::Relaxed) == owner() {
        report::broken("a spin lock was acquired by the processor that holds it: it would spin for ever");
    }
    validator::acquires(lock.as_ptr() as usize);
    spin_until("a spin lock", || lock.compare_exchange(0, owner(), Ordering::Acquire, Ordering::Relaxed).is_ok());
}

fn release(lock: &AtomicUsize) {
    let found = lock.load(Ordering::Relaxed);
    if found != owner() {
        let by = if found == 0 { "nobody".to_owned() } else { format!("processor {}", found - 1) };
        report::broken(&format!("a spin lock was released that is held by {by}"));
    }
    validator::releases(lock.as_ptr() as usize);
    lock.store(0, Ordering::Release);
}

/// In `Lock` of a handle, whose spare bits are the kernel's: its turn has not come.
const WAITS: usize = 1;

routines! {
    fn KeInitializeSpinLock(lock: *mut usize) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        unsafe { word(lock) }.store(0, Ordering::Release);
    }

    fn KeAcquireSpinLockAtDpcLevel(lock: *mut usize) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        acquire(unsafe { word(lock) });
    }

    fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut usize) -> u8 {
        // SAFETY: a KSPIN_LOCK of the driver's.
        let lock = unsafe { word(lock) };
        if planted::take_one(&planted::NMI_AFTER_TRY) {
            thread().processor().pending.fetch_or(NMI, Ordering::SeqCst);
        }
        if planted::take_one(&planted::BUSY_TRIES) {
            return 0;
        }
        let is_held = lock.compare_exchange(0, owner(), Ordering::Acquire, Ordering::Relaxed).is_ok();
        if is_held {
            validator::tried(lock.as_ptr() as usize);
            verifier::tried(lock.as_ptr() as usize);
        }
        u8::from(is_held)
    }

    fn KeReleaseSpinLockFromDpcLevel(lock: *mut usize) {
        verifier::releases_from_dpc_level(lock as usize);
        // SAFETY: a KSPIN_LOCK of the driver's.
        release(unsafe { word(lock) });
    }

    fn KeAcquireInStackQueuedSpinLockAtDpcLevel(lock: *mut usize, handle: *mut KlockQueueHandle) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        let tail = unsafe { word(lock) };
        // SAFETY: the driver's handle, which is its place in the queue until it releases.
        let own = unsafe { &*handle };
        own.Next.store(0, Ordering::Relaxed);
        own.Lock.store(lock as usize | WAITS, Ordering::Relaxed);
        validator::acquires(lock as usize);
        let before = tail.swap(handle as usize, Ordering::AcqRel);
        if before != 0 {
            // SAFETY: the handle of the previous waiter, which leaves only after this one is linked.
            unsafe { &*(before as *const KlockQueueHandle) }.Next.store(handle as usize, Ordering::Release);
            spin_until("a queued spin lock", || own.Lock.load(Ordering::Acquire) & WAITS == 0);
        }
        own.Lock.store(lock as usize, Ordering::Relaxed);
    }

    fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut KlockQueueHandle) {
        // SAFETY: the handle of the acquisition.
        let own = unsafe { &*handle };
        let lock = own.Lock.load(Ordering::Relaxed);
        if lock == 0 || lock & WAITS != 0 {
            report::broken("a queued spin lock was released by a handle that does not hold one");
        }
        own.Lock.store(0, Ordering::Relaxed);
        validator::releases(lock);
        // SAFETY: the lock that the handle was queued for.
        let tail = unsafe { word(lock as *mut usize) };
        if tail.compare_exchange(handle as usize, 0, Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
        spin_until("the next one in the queue of a spin lock", || own.Next.load(Ordering::Acquire) != 0);
        // SAFETY: his handle, until he has the lock and releases it.
        let next = unsafe { &*(own.Next.load(Ordering::Acquire) as *const KlockQueueHandle) };
        next.Lock.store(lock, Ordering::Release);
    }

    fn KeAcquireSpinLockRaiseToDpc(lock: *mut usize) -> u8 {
        let old = set_irql(DISPATCH_LEVEL);
        // SAFETY: a KSPIN_LOCK of the driver's.
        acquire(unsafe { word(lock) });
        old
    }

    fn KeReleaseSpinLock(lock: *mut usize, old: u8) {
        // SAFETY: a KSPIN_LOCK of the driver's.
        release(unsafe { word(lock) });
        if old > DISPATCH_LEVEL {
            report::broken("KeReleaseSpinLock to a level above DISPATCH_LEVEL");
        }
        validator::lowers(old);
        set_irql(old);
    }
}
