//! The record path.
//!
//! # Order
//!
//! 1. Level and pause are looked at: one load each.
//! 2. IRQL, thread and process are read, and the record is encoded on the stack: the arguments are read here.
//! 3. Raise to `HIGH_LEVEL` ([`Raised`]). From here on nothing but NMI and machine check happens on this processor.
//! 4. Count the call on its processor ([`Entered`]); the count found decides:
//!
//! ```text
//!  count   caller                                   writes
//!  ─────   ──────────────────────────────────────   ─────────────────────────────────────────────────────
//!    0     with engine `percpu`                     the processor's own lane; there is no lock
//!    0     was below HIGH_LEVEL                     the shared lane, waits for its lock
//!    0     was at HIGH_LEVEL, or never waits        the shared lane if the lock is free right now,
//!                                                   else count := 2 and the NMI lane  (the fallback)
//!    1     interrupted one of the above             the NMI lane
//!    2+    interrupted a write of the NMI lane      nothing: dropped, counted as re-entered
//! ```
//!
//! A processor lane has one writer at a time because only its processor writes it, at HIGH_LEVEL, and only a call that
//! found the count at 0: whoever interrupts that one finds 1. No lock, no locked instruction.
//!
//! 5. Stamp, append, publish; give the lock back, take the count back, lower: in the order in which the guards drop.
//!
//! # Why nobody waits for his own processor
//!
//! The lock is only waited for at count 0 by a caller that was below `HIGH_LEVEL`. If its owner were on this processor,
//! that owner would be between its own raise and lower, so the count would be at least 1. If the owner is on another
//! processor it is at `HIGH_LEVEL`, holds the lock for one bounded copy, and waits for nobody.
//!
//! A caller that was already at `HIGH_LEVEL` may be an NMI callback or a bug-check callback, with the owner's processor
//! frozen: it tries once and never waits. Whether an NMI callback sees `HIGH_LEVEL` is not documented, so there is an
//! entry that never waits whatever the level ([`Entry::NeverWaits`]).
//!
//! # Why the NMI lane has one writer at a time
//!
//! It belongs to a processor, and only two kinds of callers write it. One found the count at 1; while it writes, the
//! count is 2, so whoever interrupts it drops. The other found 0 and could not have the lock; it sets the count to 2
//! *before* it writes. Without that step an NMI in the middle of its write would find 1 and write the same lane:
//! `tests/nesting.rs` shows it, and so does a scenario of the rig.
//!
//! # What it does not do
//!
//! No allocation, no formatting, no panic, no call into Windows but those of [`Platform`](crate::Platform) and the lock.

use irqlog_ring::{
    lane::Lane,
    lock::{Held, Raised, RawLock},
    nesting::{Depth, Entered},
    words::Words,
};
use irqlog_wire::{
    image::{DropReason, Engine, Policy, header_word, lane_word, processor_word},
    irql::{DISPATCH_LEVEL, HIGH_LEVEL},
    record::{BlobHeader, Level, MAX_BLOB, MAX_BLOB_PIECE, flags},
};

use crate::{
    Platform,
    draft::{Draft, Encoded, Origin},
    layout::Layout,
};

/// The hold time is measured on every record whose seq is a multiple of this; on each in a checked build.
const HOLD_SAMPLE: u64 = if cfg!(feature = "checked") { 1 } else { 64 };

/// By which of the two entries a log call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Waits for the lock if the caller is below `HIGH_LEVEL`.
    MayWait,
    /// For NMI and machine-check callbacks: a single try, then the NMI lane.
    NeverWaits,
}

/// What became of a log call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the lane with that index, under that seq.
    Written {
        /// Index of the lane.
        lane: u32,
        /// Seq in it.
        seq: u64,
    },
    /// Its level is not enabled.
    Filtered,
    /// It was counted as a drop.
    Dropped(DropReason),
}

/// The recorder of a running driver.
///
/// Shared by all processors; every function takes `&self`.
#[derive(Debug)]
pub struct Recorder<'m, M: Words + ?Sized, P, L> {
    pub(crate) words: &'m M,
    pub(crate) layout: Layout,
    pub(crate) platform: P,
    lock: L,
    pub(crate) start_id: u64,
}

impl<'m, M: Words + ?Sized, P: Platform, L: RawLock> Recorder<'m, M, P, L> {
    /// A recorder over an image that [`Layout::initialise`] has filled.
    pub const fn new(words: &'m M, layout: Layout, platform: P, lock: L, start_id: u64) -> Self {
        Self { words, layout, platform, lock, start_id }
    }

    /// Writes one record. IRQL: any; see the module for what each caller may have to wait for.
    #[inline]
    pub fn log(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        if u64::from(draft.level().0) > self.words.load(header_word::LEVEL) {
            return Outcome::Filtered;
        }
        if self.words.load(header_word::PAUSED) != 0 {
            return self.drop_here(DropReason::Paused);
        }
        let mut record = Encoded::new();
        if !record.fill(draft, self.origin(entry)) {
            return self.drop_here(DropReason::TooLarge);
        }
        let raised = Raised::new(&self.platform);
        let processor = self.platform.processor();
        let Some(control) = self.layout.processor(processor) else {
            self.words.fetch_add(header_word::DROPS + DropReason::NoLane.0 as usize, 1);
            return Outcome::Dropped(DropReason::NoLane);
        };
        record.set_processor(processor);
        // SAFETY: `control` is the count of the processor that runs this, and `raised`, declared before, outlives it.
        let entered = unsafe { Entered::enter(self.words, control + processor_word::NESTING) };
        let waits = entry == Entry::MayWait && raised.saved() < HIGH_LEVEL;
        let result = match entered.depth() {
            Depth::First => {
                if self.layout.engine() == Engine::PerCpu {
                    self.write_own(record.words(), processor)
                } else {
                    match self.own_shared_lane(&raised, waits) {
                        Owning::Yes(owned) => self.write_shared(record.words(), owned),
                        Owning::NotNow => {
                            entered.claim_nmi_lane();
                            self.write_nmi(record.words(), processor)
                        }
                        Owning::GaveUp => Err(DropReason::Budget),
                    }
                }
            }
            Depth::Nested => self.write_nmi(record.words(), processor),
            Depth::TooDeep => Err(DropReason::Reentered),
        };
        match result {
            Ok((lane, seq)) => Outcome::Written { lane, seq },
            Err(reason) => {
                self.words.fetch_add(control + processor_word::DROPS + reason.0 as usize, 1);
                Outcome::Dropped(reason)
            }
        }
    }

    /// Writes bytes under a tag of the caller's, split over as many records as needed: each piece is a log call of its
    /// own, and a piece that is dropped does not keep the others from being tried. IRQL: any. The outcome is that of the
    /// first piece that was not written, or of the last one.
    pub fn log_blob(&self, level: Level, tag: u32, bytes: &[u8], entry: Entry) -> Outcome {
        if bytes.len() > MAX_BLOB {
            return self.drop_here(DropReason::TooLarge);
        }
        if u64::from(level.0) > self.words.load(header_word::LEVEL) {
            return Outcome::Filtered;
        }
        let blob = self.words.fetch_add(header_word::BLOBS, 1).wrapping_add(1);
        let mut offset = 0;
        let mut rest = bytes;
        let mut failed = None;
        loop {
            let (piece, behind) = rest.split_at_checked(MAX_BLOB_PIECE).unwrap_or((rest, &[]));
            let header = BlobHeader {
                tag: tag.into(),
                blob: (blob as u32).into(),
                total: (bytes.len() as u32).into(),
                offset: (offset as u32).into(),
            };
            let outcome = match Draft::blob_piece(level, &header, piece) {
                Ok(draft) => self.log(&draft, entry),
                Err(reason) => self.drop_here(reason),
            };
            if !matches!(outcome, Outcome::Written { .. }) {
                failed = failed.or(Some(outcome));
            }
            if behind.is_empty() {
                return failed.unwrap_or(outcome);
            }
            offset += piece.len();
            rest = behind;
        }
    }

    /// Writes a record of irqlog.sys itself, and counts the call.
    pub fn log_own(&self, level: Level, text: &[u8]) -> Outcome {
        let outcome = self.log(&Draft::text(level, text).with_flags(flags::OWN), Entry::MayWait);
        if outcome != Outcome::Filtered {
            self.words.fetch_add(header_word::OWN_CALLS, 1);
        }
        outcome
    }

    #[inline]
    fn origin(&self, entry: Entry) -> Origin {
        let irql = self.platform.irql();
        let may_ask = irql <= DISPATCH_LEVEL && entry == Entry::MayWait;
        let (thread, process) = if may_ask { self.platform.thread_and_process() } else { (0, 0) };
        let mut bits = if may_ask { 0 } else { flags::NO_THREAD };
        if entry == Entry::NeverWaits {
            bits |= flags::NEVER_WAITS;
        }
        Origin { irql, thread, process, flags: bits }
    }

    /// Counts a drop of a call that has not raised.
    #[cold]
    fn drop_here(&self, reason: DropReason) -> Outcome {
        let counters = match self.layout.processor(self.platform.processor()) {
            Some(control) => control + processor_word::DROPS,
            None => header_word::DROPS,
        };
        self.words.fetch_add(counters + reason.0 as usize, 1);
        Outcome::Dropped(reason)
    }

    #[inline]
    fn policy(&self) -> Policy {
        Policy(self.words.load(header_word::POLICY) as u32)
    }

    /// Takes the lock of the shared lane, as far as the caller waits for it.
    #[inline]
    fn own_shared_lane(&self, raised: &Raised<'_, P>, waits: bool) -> Owning<'_, L> {
        if L::HAS_TRY
            && let Some(held) = Held::try_acquire(&self.lock, raised)
        {
            return Owning::Yes(Owned { held, waited: None });
        }
        if !waits {
            return Owning::NotNow;
        }
        let from = self.platform.tick();
        let Some(held) = Held::acquire(&self.lock, raised) else { return Owning::GaveUp };
        // Without a try there is no telling whether there was anyone to wait for.
        Owning::Yes(Owned { held, waited: L::HAS_TRY.then(|| self.platform.tick().wrapping_sub(from)) })
    }

    #[inline]
    fn write_shared(&self, record: &mut [u64], owned: Owned<'_, L>) -> Result<(u32, u64), DropReason> {
        let lane = self.layout.lane(self.words, 0).ok_or(DropReason::NoLane)?;
        let tick = self.platform.tick();
        // SAFETY: we hold the lock of the shared lane, whose hand-over orders our stores after the last owner's.
        let written = unsafe { lane.append(record, tick, self.policy()) };
        let result = written.map(|seq| (0, seq)).map_err(|_| DropReason::Refused);
        self.count_ownership(&lane, tick, &owned);
        drop(owned.held);
        result
    }

    /// Statistics of the lock: plain stores, because we own the lane.
    #[inline]
    fn count_ownership(&self, lane: &Lane<'_, M>, since: u64, owned: &Owned<'_, L>) {
        let control = self.layout.shared_control();
        if let Some(wait) = owned.waited {
            self.bump(control + lane_word::CONTENDED);
            self.raise_to(control + lane_word::LONGEST_WAIT, wait);
        }
        if lane.next_seq().is_multiple_of(HOLD_SAMPLE) {
            self.bump(control + lane_word::HOLD_SAMPLES);
            self.raise_to(control + lane_word::LONGEST_HOLD, self.platform.tick().wrapping_sub(since));
        }
    }

    #[inline]
    fn bump(&self, word: usize) {
        self.words.store(word, self.words.load(word).wrapping_add(1));
    }

    #[inline]
    fn raise_to(&self, word: usize, value: u64) {
        if value > self.words.load(word) {
            self.words.store(word, value);
        }
    }

    #[inline]
    fn write_nmi(&self, record: &mut [u64], processor: u32) -> Result<(u32, u64), DropReason> {
        let index = self.layout.nmi_lane(processor);
        let lane = self.layout.lane(self.words, index).ok_or(DropReason::NoLane)?;
        // SAFETY: the nesting count of this processor is 2 or more while we are here, so whoever interrupts us drops:
        // either we found it at 1, or we have set it ourselves. No other processor writes this lane.
        let written = unsafe { lane.append(record, self.platform.tick(), self.policy()) };
        written.map(|seq| (index as u32, seq)).map_err(|_| DropReason::Refused)
    }

    #[inline]
    fn write_own(&self, record: &mut [u64], processor: u32) -> Result<(u32, u64), DropReason> {
        let index = self.layout.main_lane(processor);
        let lane = self.layout.lane(self.words, index).ok_or(DropReason::NoLane)?;
        // SAFETY: the lane of this processor, which we do not leave at HIGH_LEVEL; we found its nesting count at 0, so
        // nobody on it is inside a write, and whoever interrupts us writes elsewhere.
        let written = unsafe { lane.append(record, self.platform.tick(), self.policy()) };
        written.map(|seq| (index as u32, seq)).map_err(|_| DropReason::Refused)
    }
}

/// Whether the shared lane is ours.
enum Owning<'l, L: RawLock> {
    Yes(Owned<'l, L>),
    /// It is not, and the caller does not wait.
    NotNow,
    /// The caller has waited for as long as the lock lets it.
    GaveUp,
}

/// The shared lane is ours.
struct Owned<'l, L: RawLock> {
    held: Held<'l, L>,
    /// Ticks waited, if the lock was taken when we came.
    waited: Option<u64>,
}
