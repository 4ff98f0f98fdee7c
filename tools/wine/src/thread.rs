//! Simulated processors, and what is known of each thread.
//!
//! Everything about a thread is one word in its thread-local storage, so only that thread touches it. Who holds a
//! processor is a flag of the processor: Acquire when it is taken, Release when it is given back, so what was done at a
//! raised level on a processor is seen by whoever raises there next.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::host;

/// Simulated processors.
pub const COUNT: usize = 4;
const ALL: u32 = (1 << COUNT) - 1;

static HELD: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

/// What is known of a thread.
#[derive(Clone, Copy)]
pub struct ThreadState {
    pub irql: u8,
    /// The processor that it holds, plus one.
    held: u8,
    /// The last one that it held.
    pub last: u8,
    /// Those that it may hold; 0 is all.
    pub affinity: u8,
}

fn slot() -> u32 {
    static SLOT: AtomicU32 = AtomicU32::new(u32::MAX);
    let known = SLOT.load(Ordering::Acquire);
    if known != u32::MAX {
        return known;
    }
    // Two threads may both allocate one; the loser's stays unused.
    // SAFETY: it takes no argument.
    let mine = unsafe { host::TlsAlloc() };
    SLOT.compare_exchange(u32::MAX, mine, Ordering::AcqRel, Ordering::Acquire).map_or_else(|first| first, |_| mine)
}

impl ThreadState {
    pub fn current() -> Self {
        // SAFETY: the slot was allocated; a thread that stored nothing gets 0.
        let word = unsafe { host::TlsGetValue(slot()) };
        let [irql, held, last, affinity, ..] = word.to_le_bytes();
        Self { irql, held, last, affinity }
    }

    pub fn store(self) {
        let word = usize::from_le_bytes([self.irql, self.held, self.last, self.affinity, 0, 0, 0, 0]);
        // SAFETY: the slot was allocated, and holds any number.
        unsafe { host::TlsSetValue(slot(), word) };
    }

    /// The processor that it holds.
    pub fn processor(self) -> Option<usize> {
        usize::from(self.held).checked_sub(1)
    }

    /// The processors that it may hold.
    pub fn mask(self) -> u32 {
        if self.affinity == 0 { ALL } else { u32::from(self.affinity) & ALL }
    }

    /// Waits for a processor that it may hold: the last one if that is free.
    pub fn acquire(&mut self) {
        loop {
            for offset in 0..COUNT {
                let index = (usize::from(self.last) + offset) % COUNT;
                let is_allowed = self.mask() & 1 << index != 0;
                if is_allowed && !HELD[index].swap(true, Ordering::Acquire) {
                    self.held = index as u8 + 1;
                    self.last = index as u8;
                    return;
                }
            }
            host::give_way();
        }
    }

    /// Gives its processor back.
    pub fn release(&mut self) {
        if let Some(index) = self.processor() {
            self.held = 0;
            HELD[index].store(false, Ordering::Release);
        }
    }
}
