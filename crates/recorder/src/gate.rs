//! The gate: level, pause and the choice of ids in one word, so that a log call loads them once.
//!
//! | Bits | Meaning |
//! |---|---|
//! | 0 to 7 | calls with a level below this number are written: 1 above the enabled level, or 0 while writing is paused |
//! | 8 to 15 | the enabled level |
//! | 16 | writing is paused |
//! | 17 | records have the ids of thread and process |
//!
//! The word is the recorder's own. The image header has level and pause too, for readers; a change is made here first.
//! Two changes at once, of level and of pause, both happen, because each replaces the word that it was made from. No
//! ordering is needed: a log call that does not see a change yet was made before it.

use core::sync::atomic::{AtomicU64, Ordering};

use irqlog_wire::record::Level;

const LEVEL: u32 = 8;
const PAUSED: u64 = 1 << 16;
const IDS: u64 = 1 << 17;

/// The word, which log calls load and requests change.
pub(crate) struct Gate(AtomicU64);

/// The word as a log call has loaded it.
#[derive(Clone, Copy)]
pub(crate) struct Open(u64);

impl Gate {
    /// A gate for calls of this level and more important ones.
    pub const fn new(level: Level, is_paused: bool, has_ids: bool) -> Self {
        let ids = if has_ids { IDS } else { 0 };
        Self(AtomicU64::new(word(level.0, if is_paused { PAUSED } else { 0 } | ids)))
    }

    /// What log calls see now. IRQL: any.
    #[inline]
    pub fn look(&self) -> Open {
        Open(self.0.load(Ordering::Relaxed))
    }

    /// Changes the enabled level. IRQL: any.
    pub fn set_level(&self, level: Level) {
        self.change(|open| word(level.0, open.0));
    }

    /// Pauses writing, or ends the pause. IRQL: any.
    pub fn set_paused(&self, is_paused: bool) {
        self.change(|open| word(open.level(), if is_paused { open.0 | PAUSED } else { open.0 & !PAUSED }));
    }

    fn change(&self, new: impl Fn(Open) -> u64) {
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Err(now) = self.0.compare_exchange_weak(seen, new(Open(seen)), Ordering::Relaxed, Ordering::Relaxed) {
            seen = now;
        }
    }
}

/// The word for an enabled level and the bits of pause and ids in `bits`.
const fn word(level: u8, bits: u64) -> u64 {
    let below = if bits & PAUSED == 0 { level.saturating_add(1) } else { 0 };
    below as u64 | (level as u64) << LEVEL | bits & (PAUSED | IDS)
}

impl Open {
    /// Whether a call of this level is written.
    #[inline]
    pub const fn lets(self, level: Level) -> bool {
        level.0 < self.0 as u8
    }

    /// The enabled level.
    const fn level(self) -> u8 {
        (self.0 >> LEVEL) as u8
    }

    /// Whether a call of this level would be written if writing were not paused.
    #[inline]
    pub const fn is_enabled(self, level: Level) -> bool {
        level.0 <= self.level()
    }

    /// Whether records have the ids of thread and process.
    #[inline]
    pub const fn has_ids(self) -> bool {
        self.0 & IDS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, Level};

    #[test]
    fn level_and_pause_are_decided_at_once() {
        for has_ids in [false, true] {
            let gate = Gate::new(Level::Info, false, has_ids);
            assert!(gate.look().lets(Level::Info) && !gate.look().lets(Level::Debug));
            gate.set_paused(true);
            assert!(!gate.look().lets(Level(0)) && gate.look().is_enabled(Level::Info));
            gate.set_level(Level::Debug);
            assert!(!gate.look().lets(Level::Error) && gate.look().is_enabled(Level::Debug));
            gate.set_paused(false);
            assert!(gate.look().lets(Level::Debug) && !gate.look().lets(Level::Trace));
            assert!(!gate.look().is_enabled(Level::Trace));
            assert_eq!(gate.look().has_ids(), has_ids);
        }
        assert!(Gate::new(Level(255), false, true).look().lets(Level(254)));
    }
}
