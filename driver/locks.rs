//! The locks of the shared lane; the service parameter `Lock` chooses one.
//!
//! * `kernel`: `KeAcquireSpinLockAtDpcLevel` may be called "if and only if" the caller is "already running at an IRQL
//!   of DISPATCH_LEVEL or above" (DDI wdm/nf-wdm-keacquirespinlockatdpclevel), so at HIGH_LEVEL too: it neither reads
//!   nor changes the IRQL. The rule against executive spin locks in ISRs has one reason, an owner on the same processor
//!   at a lower IRQL; here every acquirer raises to HIGH_LEVEL first, so there is none. Driver Verifier's rule
//!   IrqlDispatch is stricter: docs/adr/0004.
//! * `os-queued`: the system's in-stack queued lock, whose acquisition is documented for DISPATCH_LEVEL or above
//!   (DDI wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel) and whose release is annotated for DISPATCH_LEVEL
//!   exactly: docs/adr/0006.
//! * `swap` and `queued`: irqlog's own, of `irqlog_ring::lock`. In a checked build they know their owner, and misuse
//!   ends in a bug check.

use core::{cell::UnsafeCell, mem::MaybeUninit, sync::atomic::AtomicU64};

use irqlog_recorder::config::Config;
use irqlog_ring::{
    lock::{Attempt, RawLock, either::Either, queued::QueuedLock, swap::SwapLock},
    word::Alone,
};
use irqlog_wire::image::Lock;
use wdk_sys::{
    KLOCK_QUEUE_HANDLE, KSPIN_LOCK,
    ntddk::{
        KeAcquireInStackQueuedSpinLockAtDpcLevel, KeAcquireSpinLockAtDpcLevel,
        KeReleaseInStackQueuedSpinLockFromDpcLevel, KeReleaseSpinLockFromDpcLevel, KeTryToAcquireSpinLockAtDpcLevel,
    },
};

use crate::system::{self, System};

/// A KSPIN_LOCK alone on two cache lines, so that waiters that spin on it disturb no other data.
#[derive(Debug)]
struct SystemWord(Alone<UnsafeCell<KSPIN_LOCK>>);

// SAFETY: the word is only ever given to the system's functions, which are made to be called from all processors.
unsafe impl Sync for SystemWord {}

impl SystemWord {
    /// Makes a free lock: zero, which is the value that KeInitializeSpinLock stores (wdm.h). IRQL: any.
    const fn new() -> Self {
        Self(Alone(UnsafeCell::new(0)))
    }

    /// IRQL: any.
    const fn get(&self) -> *mut KSPIN_LOCK {
        self.0.0.get()
    }
}

/// The lock `kernel`: an executive spin lock.
#[derive(Debug)]
pub struct KernelLock(SystemWord);

// SAFETY: the system's spin lock excludes, and orders what its owners do.
unsafe impl RawLock for KernelLock {
    type Node = ();

    unsafe fn acquire(&self, (): &()) -> bool {
        // SAFETY: at HIGH_LEVEL, so at least DISPATCH_LEVEL; the lock is in non-paged memory.
        unsafe { KeAcquireSpinLockAtDpcLevel(self.0.get()) };
        true
    }

    fn try_acquire(&self) -> Attempt<()> {
        // SAFETY: as above; wdm.h annotates it with _IRQL_requires_min_(DISPATCH_LEVEL).
        Attempt::of(unsafe { KeTryToAcquireSpinLockAtDpcLevel(self.0.get()) != 0 })
    }

    unsafe fn release(&self, (): &()) {
        // SAFETY: the caller holds it, at HIGH_LEVEL still; annotated with _IRQL_requires_min_(DISPATCH_LEVEL).
        unsafe { KeReleaseSpinLockFromDpcLevel(self.0.get()) }
    }
}

/// The node of an acquirer in the queue of `os-queued`.
#[derive(Debug)]
pub struct SystemNode(UnsafeCell<MaybeUninit<KLOCK_QUEUE_HANDLE>>);

impl Default for SystemNode {
    /// IRQL: any.
    fn default() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }
}

impl SystemNode {
    /// IRQL: any.
    const fn get(&self) -> *mut KLOCK_QUEUE_HANDLE {
        self.0.get().cast()
    }
}

/// The lock `os-queued`: an in-stack queued spin lock.
#[derive(Debug)]
pub struct OsQueuedLock(SystemWord);

// SAFETY: the system's queued spin lock excludes, and orders what its owners do.
unsafe impl RawLock for OsQueuedLock {
    type Node = SystemNode;

    unsafe fn acquire(&self, node: &SystemNode) -> bool {
        // SAFETY: at HIGH_LEVEL, so at least DISPATCH_LEVEL; the lock is in non-paged memory, and the handle, which
        // this initialises, stays where it is until the release.
        unsafe { KeAcquireInStackQueuedSpinLockAtDpcLevel(self.0.get(), node.get()) };
        true
    }

    fn try_acquire(&self) -> Attempt<()> {
        Attempt::Impossible
    }

    unsafe fn release(&self, node: &SystemNode) {
        // SAFETY: the caller holds the lock with that handle. At HIGH_LEVEL: docs/adr/0006.
        unsafe { KeReleaseInStackQueuedSpinLockFromDpcLevel(node.get()) }
    }
}

#[cfg(not(feature = "checked"))]
type Ours<L> = L;

/// IRQL: any.
#[cfg(not(feature = "checked"))]
const fn ours<L>(lock: L) -> Ours<L> {
    lock
}

#[cfg(feature = "checked")]
type Ours<L> = irqlog_ring::lock::checked::Checked<L, AtomicU64, System>;

/// IRQL: any.
#[cfg(feature = "checked")]
const fn ours<L: RawLock>(lock: L) -> Ours<L> {
    Ours::new(lock, AtomicU64::new(0), System)
}

#[cfg(feature = "checked")]
impl irqlog_ring::lock::checked::Judge for System {
    fn processor(&self) -> u32 {
        irqlog_recorder::Platform::processor(self)
    }

    fn violation(&self, violation: irqlog_ring::lock::checked::Violation, lock: usize, owner: Option<u32>) -> ! {
        let [kind, owner, current] =
            irqlog_wire::bugcheck::parameters(violation as u8, owner, irqlog_recorder::Platform::processor(self));
        // SAFETY: any IRQL (DDI wdm/nf-wdm-kebugcheckex).
        unsafe {
            wdk_sys::ntddk::KeBugCheckEx(irqlog_wire::bugcheck::LOCK_VIOLATION, kind, lock as u64, owner, current)
        }
    }
}

type Swap = Ours<SwapLock<AtomicU64, System>>;
type Queued = Ours<QueuedLock<AtomicU64, System>>;

/// The lock that the service parameter `Lock` chose: a lock with a try, or a queue lock.
pub type ChosenLock = Either<Either<KernelLock, Swap>, Either<OsQueuedLock, Queued>>;

/// Makes a free lock of the kind that `config` names. IRQL: any.
pub fn choose(config: &Config) -> ChosenLock {
    let budget = u64::from(config.lock_budget).saturating_mul(system::tick_frequency()) / 1_000_000;
    match config.lock {
        Lock::OsQueued => Either::Second(Either::First(OsQueuedLock(SystemWord::new()))),
        Lock::Swap => Either::First(Either::Second(ours(SwapLock::new(AtomicU64::new(0), System, budget)))),
        Lock::Queued => Either::Second(Either::Second(ours(QueuedLock::new(AtomicU64::new(0), System, budget)))),
        _ => Either::First(Either::First(KernelLock(SystemWord::new()))),
    }
}
