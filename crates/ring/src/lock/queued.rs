//! The lock `queued`: an in-stack queue lock (Mellor-Crummey and Scott, 1991), fair.
//!
//! The lock word, the tail, holds the address of the last node in the queue. An acquirer swaps in the address of its
//! own node, which lies on its stack. If there was a node before, the acquirer stores its node's address there, and
//! waits on a word of its own node until the owner before it hands the lock over. So every waiter spins on a line of
//! its own, and the lock goes round in the order of the exchanges: no waiter starves.
//!
//! The price is that the *release* may have to wait too: the tail says that there is a successor, but the successor has
//! not linked its node yet (it is between `queued:A` and `queued:B`). The successor is at `HIGH_LEVEL`, so it is a few
//! instructions away from linking, unless a hypervisor does not run its virtual processor. Therefore the lock has no
//! try: a caller that must not wait could acquire the lock, but not release it in bounded time. And a waiter cannot
//! leave: its node is in the queue until its turn has come. In a checked build a waiter that exhausts its budget
//! reports it (see [`checked`](super::checked)); in a free build it waits on.
//!
//! | Ordering | Where | Partner |
//! |---|---|---|
//! | `queued:A` Release | exchange of the tail | `queued:A` Acquire of the successor: our node is initialised |
//! | `queued:A` Acquire | exchange of the tail | `queued:F`, if the queue was empty; else see above |
//! | `queued:B` Release | store of our address into the predecessor's node | `queued:E`: our node is initialised |
//! | `queued:C` Acquire | load of our word that finds the lock handed over | `queued:D` |
//! | `queued:D` Release | store into the successor's word | `queued:C` |
//! | `queued:E` Acquire | load of the successor's address | `queued:B` |
//! | `queued:F` Release | compare-exchange of the tail to nobody | `queued:A` Acquire of the next acquirer |

use core::{marker::PhantomData, sync::atomic::AtomicU64};

use super::{Attempt, RawLock, patience::Patience};
use crate::{
    clock::Clock,
    word::{Alone, Word},
};

/// The place in the queue of a waiter or of the owner. It stays where it is from acquisition to release.
#[derive(Debug, Default)]
pub struct Node<W = AtomicU64> {
    /// Address of the successor's node, or 0 until it has linked itself.
    next: W,
    /// Not 0 until the predecessor hands the lock over.
    waits: W,
}

impl<W> Node<W> {
    fn address(&self) -> u64 {
        core::ptr::from_ref(self).expose_provenance() as u64
    }

    /// The node at an address that [`address`](Self::address) answered.
    ///
    /// # Safety
    /// The node still exists.
    unsafe fn at<'n>(address: u64) -> &'n Self {
        // SAFETY: as the caller promises.
        unsafe { &*core::ptr::with_exposed_provenance(address as usize) }
    }
}

/// The lock `queued`. `budget` is in ticks of the clock; a watched waiter that exhausts it is reported. 0: never.
#[derive(Debug)]
pub struct QueuedLock<W, C, N = W> {
    tail: Alone<W>,
    clock: C,
    budget: u64,
    nodes: PhantomData<fn(N)>,
}

const NOBODY: u64 = 0;

impl<W: Word, C: Clock, N: Word + Default> QueuedLock<W, C, N> {
    /// Makes a free lock of a word that is 0.
    pub const fn new(word: W, clock: C, budget: u64) -> Self {
        Self { tail: Alone(word), clock, budget, nodes: PhantomData }
    }
}

// SAFETY: the queue starts with the owner, and only the owner hands the lock over, to one other, when it releases:
// `queued:D` to the one behind it, or `queued:F` to whoever comes next and finds the queue empty. Each of the two pairs
// with an acquire of the new owner, so it sees what earlier owners stored.
unsafe impl<W: Word, C: Clock, N: Word + Default> RawLock for QueuedLock<W, C, N> {
    type Node = Node<N>;

    unsafe fn acquire(&self, node: &Node<N>) -> bool {
        // SAFETY: as the caller promises.
        unsafe { self.acquire_watched(node, || {}) }
    }

    unsafe fn acquire_watched(&self, node: &Node<N>, overdue: impl Fn()) -> bool {
        node.next.store(NOBODY);
        node.waits.store(1);
        let before = self.tail.0.swap_acquire_release(node.address()); // queued:A, pairs with queued:A and queued:F
        if before != NOBODY {
            // SAFETY: that node is in the queue until its owner has released, which waits for us to be told below.
            let before = unsafe { Node::<N>::at(before) };
            before.next.store_release(node.address()); // queued:B, pairs with queued:E
            let mut patience = Patience::new(&self.clock, self.budget);
            while node.waits.load_acquire() != 0 {
                node.waits.pause(); // queued:C, pairs with queued:D
                if patience.is_gone() {
                    overdue();
                }
            }
        }
        true
    }

    fn try_acquire(&self) -> Attempt<()> {
        Attempt::Impossible
    }

    unsafe fn release(&self, node: &Node<N>) {
        let mut next = node.next.load_acquire(); // queued:E, pairs with queued:B
        if next == NOBODY {
            // queued:F, pairs with queued:A
            if self.tail.0.compare_exchange_release(node.address(), NOBODY) {
                return;
            }
            while next == NOBODY {
                node.next.pause();
                next = node.next.load_acquire(); // queued:E, pairs with queued:B
            }
        }
        // SAFETY: that node's owner waits until the store below.
        let next = unsafe { Node::<N>::at(next) };
        next.waits.store_release(0); // queued:D, pairs with queued:C
    }
}
