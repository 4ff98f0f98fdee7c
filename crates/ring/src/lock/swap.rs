//! The lock `swap`: irqlog's own test-and-test-and-set spin lock for any IRQL.
//!
//! * *Exchange of the whole word*, not of a bit: acquiring is one instruction, and no other read-modify-write.
//! * *Test before test-and-set*: a waiter that finds the lock taken waits with plain loads, which share the line, and
//!   exchanges again only when the lock looks free. A waiter that always exchanged would take the line away from the
//!   owner, again and again.
//! * *Acquire ordering* on the acquisition, *release ordering* on the release, nothing more: the release is one store.
//!   The saved IRQL is in the guard, not in the word, so the owner touches the line only to release the lock.
//! * *Alone* on 128 bytes: no other data shares the line on which waiters spin.
//! * *Bounded*: a waiter gives up past a budget of time, which it takes from the clock and not from a loop count. The
//!   recorder drops the record and counts the drop; a processor stuck at `HIGH_LEVEL` would end in a clock watchdog bug
//!   check.
//!
//! The lock is not fair, and does not tell a hypervisor about long spins; the system's lock does.
//!
//! | Ordering | Where | Partner |
//! |---|---|---|
//! | `swap:A` Acquire | exchange that finds 0 | `swap:B` |
//! | `swap:B` Release | store of 0 | `swap:A` |

use super::{Attempt, RawLock, patience::Patience};
use crate::{
    clock::Clock,
    word::{Alone, Word},
};

/// The lock `swap`. `budget` is in ticks of the clock; with 0 a waiter waits for ever.
#[derive(Debug)]
pub struct SwapLock<W, C> {
    word: Alone<W>,
    clock: C,
    budget: u64,
}

const FREE: u64 = 0;
const TAKEN: u64 = 1;

impl<W: Word, C: Clock> SwapLock<W, C> {
    /// Makes a free lock of a word that is 0.
    pub const fn new(word: W, clock: C, budget: u64) -> Self {
        Self { word: Alone(word), clock, budget }
    }
}

// SAFETY: the exchange that finds FREE makes its caller the owner, and until the owner stores FREE every other exchange
// finds TAKEN. That exchange is an acquire and that store a release, so an owner sees what earlier owners stored.
unsafe impl<W: Word, C: Clock> RawLock for SwapLock<W, C> {
    type Node = ();

    unsafe fn acquire(&self, (): &()) -> bool {
        let word = &self.word.0;
        let mut patience = Patience::new(&self.clock, self.budget);
        loop {
            if word.swap_acquire(TAKEN) == FREE {
                return true; // swap:A, pairs with swap:B
            }
            while word.load() != FREE {
                word.pause();
                if patience.is_gone() {
                    return false;
                }
            }
        }
    }

    #[inline]
    fn try_acquire(&self) -> Attempt<()> {
        Attempt::of(self.word.0.swap_acquire(TAKEN) == FREE) // swap:A, pairs with swap:B
    }

    #[inline]
    unsafe fn release(&self, (): &()) {
        self.word.0.store_release(FREE); // swap:B, pairs with swap:A
    }
}
