//! The locks of the shared lane: `kernel`, what the system has, called where its annotation allows it, and `swap`, our own
//! (`irqlog_ring::lock::swap`). Which one is a service parameter.
//!
//! `KeAcquireSpinLockAtDpcLevel` may be called "if and only if" the caller is "already running at an IRQL of
//! DISPATCH_LEVEL or above" (DDI wdm/nf-wdm-keacquirespinlockatdpclevel), so at HIGH_LEVEL too: it neither reads nor
//! changes the IRQL. The rule against executive spin locks in ISRs has one reason, a holder on the same processor at a
//! lower IRQL; here every taker raises to HIGH_LEVEL first, so there is none.

use core::cell::UnsafeCell;

use irqlog_recorder::{Platform, config::Config};
use irqlog_ring::lock::{
    RawLock,
    swap::{AloneWord, Clock, SwapLock},
};
use irqlog_wire::image::Lock;
use wdk_sys::{
    KSPIN_LOCK,
    ntddk::{KeAcquireSpinLockAtDpcLevel, KeReleaseSpinLockFromDpcLevel, KeTryToAcquireSpinLockAtDpcLevel},
};

use crate::system::{self, System};
impl Clock for System {
    fn now(&self) -> u64 {
        self.tick()
    }
}

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

    fn acquire(&self) -> bool {
        // SAFETY: at HIGH_LEVEL, so at least DISPATCH_LEVEL; the lock is in non-paged memory.
        unsafe { KeAcquireSpinLockAtDpcLevel(self.0.get()) };
        true
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

/// The lock that the service parameter `Lock` chose.
#[derive(Debug)]
pub enum ChosenLock {
    /// `kernel`.
    Kernel(KernelLock),
    /// `swap`.
    Swap(SwapLock<AloneWord, System>),
}

impl ChosenLock {
    /// A free lock of the kind that `config` names. IRQL: any.
    pub fn new(config: &Config) -> Self {
        if config.lock == Lock::Swap {
            let tick_microseconds = u64::from(config.lock_budget).saturating_mul(system::tick_frequency());
            Self::Swap(SwapLock::new(AloneWord::default(), System, tick_microseconds / 1_000_000))
        } else {
            Self::Kernel(KernelLock::new())
        }
    }
}

// SAFETY: each of the two is a lock, and which one it is never changes.
unsafe impl RawLock for ChosenLock {
    const HAS_TRY: bool = KernelLock::HAS_TRY && SwapLock::<AloneWord, System>::HAS_TRY;

    #[inline]
    fn acquire(&self) -> bool {
        match self {
            Self::Kernel(lock) => lock.acquire(),
            Self::Swap(lock) => lock.acquire(),
        }
    }

    #[inline]
    fn try_acquire(&self) -> bool {
        match self {
            Self::Kernel(lock) => lock.try_acquire(),
            Self::Swap(lock) => lock.try_acquire(),
        }
    }

    #[inline]
    unsafe fn release(&self) {
        match self {
            // SAFETY: the caller holds this lock.
            Self::Kernel(lock) => unsafe { lock.release() },
            // SAFETY: the caller holds this lock.
            Self::Swap(lock) => unsafe { lock.release() },
        }
    }
}
