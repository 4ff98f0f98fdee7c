//! The lock `swap`: an any-IRQL spin lock of our own, written as such a lock is written well.
//!
//! * *Take* by exchanging the whole word, not by setting a bit: one instruction, and no read-modify-write of its own.
//! * *Test before test-and-set*: who finds it taken waits with plain loads, which share the line; only a lock that looks
//!   free is tried again. A waiter that exchanges all the time would take the line away from the owner, for ever.
//! * *Acquire* on taking, *release* on giving back, nothing more: the release is one store. The saved IRQL is in the
//!   guard, not in the word, so the owner never touches the line but to give it back.
//! * *Alone* on 128 bytes: nothing else moves when waiters spin.
//! * *Bounded*: past a budget of time, from the clock and not from a loop count, the waiter gives up. A recorder drops
//!   its record and counts it; a processor stuck at `HIGH_LEVEL` would end in a clock watchdog bug check.
//!
//! It is not fair, and it does not tell a hypervisor about long spins; the system's lock does.
//!
//! | Ordering | Where | Partner |
//! |---|---|---|
//! | `swap:A` Acquire | exchange that finds 0 | `swap:B` |
//! | `swap:B` Release | store of 0 | `swap:A` |

use super::{
    RawLock,
    word::{Alone, Clock, LockWord, Patience},
};

/// The lock. `budget` is in ticks of the clock; 0 waits for ever.
#[derive(Debug)]
pub struct SwapLock<W, C> {
    word: Alone<W>,
    clock: C,
    budget: u64,
}

const FREE: u64 = 0;
const TAKEN: u64 = 1;

impl<W: LockWord, C: Clock> SwapLock<W, C> {
    /// A free lock over a word that is 0.
    pub const fn new(word: W, clock: C, budget: u64) -> Self {
        Self { word: Alone(word), clock, budget }
    }
}

// SAFETY: the exchange that finds FREE makes its caller the owner, and until the owner stores FREE every other exchange
// finds TAKEN. That exchange is an acquire and that store a release, so an owner sees what earlier owners stored.
unsafe impl<W: LockWord, C: Clock> RawLock for SwapLock<W, C> {
    type Node = ();

    #[inline]
    fn has_try(&self) -> bool {
        true
    }

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
    fn try_acquire(&self) -> bool {
        self.word.0.swap_acquire(TAKEN) == FREE // swap:A, pairs with swap:B
    }

    #[inline]
    unsafe fn release(&self, (): &()) {
        self.word.0.store_release(FREE); // swap:B, pairs with swap:A
    }
}
