//! The lock `kernel`: what the system has, called where its annotation allows it.
//!
//! `KeAcquireSpinLockAtDpcLevel` may be called "if and only if" the caller is "already running at an IRQL of
//! DISPATCH_LEVEL or above" (DDI wdm/nf-wdm-keacquirespinlockatdpclevel), so at HIGH_LEVEL too: it neither reads nor
//! changes the IRQL. The rule against executive spin locks in ISRs has one reason, a holder on the same processor at a
//! lower IRQL; here every taker raises to HIGH_LEVEL first, so there is none.

use core::cell::UnsafeCell;

use irqlog_ring::lock::RawLock;
use wdk_sys::{
    KSPIN_LOCK,
    ntddk::{KeAcquireSpinLockAtDpcLevel, KeReleaseSpinLockFromDpcLevel, KeTryToAcquireSpinLockAtDpcLevel},
};

/// A KSPIN_LOCK alone on two cache lines: whoever spins on it disturbs nobody else.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct KernelLock(UnsafeCell<KSPIN_LOCK>);

impl KernelLock {
    /// A free lock. KeInitializeSpinLock stores zero (wdm.h), which is what this is. IRQL: any.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(0))
    }
}

// SAFETY: the word is only ever given to the three functions below, which are made to be called from all processors.
unsafe impl Sync for KernelLock {}

// SAFETY: the system's spin lock excludes, and orders what its owners do.
unsafe impl RawLock for KernelLock {
    const HAS_TRY: bool = true;

    fn acquire(&self) {
        // SAFETY: at HIGH_LEVEL, so at least DISPATCH_LEVEL; the lock is in non-paged memory.
        unsafe { KeAcquireSpinLockAtDpcLevel(self.0.get()) }
    }

    fn try_acquire(&self) -> bool {
        // SAFETY: as above; wdm.h annotates it with _IRQL_requires_min_(DISPATCH_LEVEL).
        unsafe { KeTryToAcquireSpinLockAtDpcLevel(self.0.get()) != 0 }
    }

    unsafe fn release(&self) {
        // SAFETY: the caller holds it, at HIGH_LEVEL still; annotated with _IRQL_requires_min_(DISPATCH_LEVEL).
        unsafe { KeReleaseSpinLockFromDpcLevel(self.0.get()) }
    }
}
