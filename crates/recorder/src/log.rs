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
    lane::Record,
    lock::{Held, Raised, RawLock},
    nesting::{Depth, Entered},
    word::Word,
};
use irqlog_wire::{
    image::{DropReason, Engine, Policy, header_word, lane_word, processor_word},
    irql::{DISPATCH_LEVEL, HIGH_LEVEL},
    record::{BlobHeader, Level, MAX_BLOB, MAX_BLOB_PIECE, flags},
};

use crate::{
    Platform,
    draft::{Draft, Origin, Room, set_processor},
    layout::Layout,
    memory::{Image, Memory},
    pointers::Pointers,
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
pub struct Recorder<'m, M: Memory + ?Sized, P, L> {
    pub(crate) image: Image<'m, M>,
    engine: Engine,
    pub(crate) platform: P,
    lock: L,
    pub(crate) start_id: u64,
    pointers: Pointers,
}

impl<'m, M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'m, M, P, L> {
    /// A recorder over an image that [`Layout::initialise`] has filled; `None` if it is too small for that layout.
    pub fn new(
        memory: &'m M,
        layout: &Layout,
        platform: P,
        lock: L,
        start_id: u64,
        pointers: Pointers,
    ) -> Option<Self> {
        let image = Image::new(memory, layout)?;
        Some(Self { image, engine: layout.engine(), platform, lock, start_id, pointers })
    }

    /// Writes one record. IRQL: any; see the module for what each caller may have to wait for.
    #[inline(never)]
    pub fn log(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        self.log_here(draft, entry)
    }

    /// The same as code of the call site: one that knows how much it logs gets stores where others get loops.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is what this is for; measured: docs/performance.md")]
    pub fn log_here(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        if u64::from(draft.level().0) > self.image.header[header_word::LEVEL].load() {
            return Outcome::Filtered;
        }
        if self.image.header[header_word::PAUSED].load() != 0 {
            return self.drop_here(DropReason::Paused);
        }
        let mut room = Room::new();
        let Some(mut record) = room.encode(draft, self.origin(entry), &self.pointers) else {
            return self.drop_here(DropReason::TooLarge);
        };
        let raised = Raised::new(&self.platform);
        let processor = self.platform.processor();
        let Some(control) = self.image.processors.get(processor as usize) else {
            return dropped(self.image.header, header_word::DROPS, DropReason::NoLane);
        };
        set_processor(&mut record, processor);
        // SAFETY: it is the count of the processor that runs this, and `raised`, declared before, outlives it.
        let entered = unsafe { Entered::enter(&control[processor_word::NESTING]) };
        let waits = entry == Entry::MayWait && raised.saved() < HIGH_LEVEL;
        let written = self.write(record, &entered, &raised, waits, processor);
        match written {
            Ok((lane, seq)) => Outcome::Written { lane, seq },
            Err(reason) => dropped(control, processor_word::DROPS, reason),
        }
    }

    /// Writes the lane that the table of the module gives. This and what it calls is part of each call site: a record that
    /// is handed to a function lies in memory, and is put there word by word.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above; measured: docs/performance.md")]
    fn write(
        &self,
        record: Record<'_>,
        entered: &Entered<'_, M::Word>,
        raised: &Raised<'_, P>,
        waits: bool,
        processor: u32,
    ) -> Result<(u32, u64), DropReason> {
        let node = L::Node::default();
        let is_own = match entered.depth() {
            Depth::First if self.engine == Engine::PerCpu => true,
            Depth::First => match self.own_shared_lane(raised, &node, waits) {
                Owning::Yes(owned) => return self.write_shared(record, owned),
                Owning::NotNow => {
                    entered.claim_nmi_lane();
                    false
                }
                Owning::GaveUp => return Err(DropReason::Budget),
            },
            Depth::Nested => false,
            Depth::TooDeep => return Err(DropReason::Reentered),
        };
        let (lane, index) = if is_own {
            (self.image.main(processor as usize), processor)
        } else {
            (self.image.nmi(processor as usize), self.image.nmi_lane(processor))
        };
        let lane = lane.ok_or(DropReason::NoLane)?;
        // SAFETY: both are this processor's, which we do not leave at HIGH_LEVEL. Its own lane: we found its nesting count
        // at 0, so nobody on it is inside a write, and whoever interrupts us writes elsewhere. Its NMI lane: the count is
        // 2 or more while we are here, since we found it at 1 or have set it ourselves, so whoever interrupts us drops.
        let written = unsafe { lane.append(record, || self.platform.tick(), self.policy()) };
        written.map(|seq| (index, seq)).map_err(|_| DropReason::Refused)
    }

    /// Writes the shared lane and gives its lock back.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `write`")]
    fn write_shared(&self, record: Record<'_>, owned: Owned<'_, L>) -> Result<(u32, u64), DropReason> {
        let lane = self.image.main.lane(0).ok_or(DropReason::NoLane)?;
        let since = lane.next_seq().is_multiple_of(HOLD_SAMPLE).then(|| self.platform.tick());
        // SAFETY: we hold the lock of the shared lane, whose hand-over orders our stores after the last owner's.
        let written = unsafe { lane.append(record, || self.platform.tick(), self.policy()) };
        self.count_ownership(lane.control(), since, owned.waited);
        drop(owned.held);
        written.map(|seq| (0, seq)).map_err(|_| DropReason::Refused)
    }

    /// Writes bytes under a tag of the caller's, split over as many records as needed: each piece is a log call of its
    /// own, and a piece that is dropped does not keep the others from being tried. IRQL: any. The outcome is that of the
    /// first piece that was not written, or of the last one.
    pub fn log_blob(&self, level: Level, tag: u32, bytes: &[u8], entry: Entry) -> Outcome {
        if bytes.len() > MAX_BLOB {
            return self.drop_here(DropReason::TooLarge);
        }
        if u64::from(level.0) > self.image.header[header_word::LEVEL].load() {
            return Outcome::Filtered;
        }
        let blob = self.image.header[header_word::BLOBS].fetch_add(1).wrapping_add(1);
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
            self.image.header[header_word::OWN_CALLS].fetch_add(1);
        }
        outcome
    }

    /// A processor is about to come whose piece of the image is there, zeroed. Before it starts, and one at a time. False
    /// if there is no such piece. IRQL: any.
    pub fn processor_came(&self, processor: u32) -> bool {
        self.image.enter_piece(processor as usize)
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
        match self.image.processors.get(self.platform.processor() as usize) {
            Some(control) => dropped(control, processor_word::DROPS, reason),
            None => dropped(self.image.header, header_word::DROPS, reason),
        }
    }

    #[inline]
    fn policy(&self) -> Policy {
        Policy(self.image.header[header_word::POLICY].load() as u32)
    }

    /// Takes the lock of the shared lane, as far as the caller waits for it.
    #[inline]
    fn own_shared_lane<'l>(&'l self, raised: &Raised<'_, P>, node: &'l L::Node, waits: bool) -> Owning<'l, L> {
        if self.lock.has_try()
            && let Some(held) = Held::try_acquire(&self.lock, node, raised)
        {
            return Owning::Yes(Owned { held, waited: None });
        }
        if !waits {
            return Owning::NotNow;
        }
        // Without a try there is no telling whether there is anyone to wait for.
        let from = self.lock.has_try().then(|| self.platform.tick());
        // SAFETY: the node is this call's alone; the guard is dropped in `write_shared`.
        let Some(held) = (unsafe { Held::acquire(&self.lock, node, raised) }) else { return Owning::GaveUp };
        let waited = from.map(|from| self.platform.tick().wrapping_sub(from));
        Owning::Yes(Owned { held, waited })
    }

    /// Statistics of the lock: plain stores, because we own the lane.
    #[inline]
    fn count_ownership(&self, lane: &[M::Word; lane_word::COUNT], since: Option<u64>, waited: Option<u64>) {
        if let Some(wait) = waited {
            bump(&lane[lane_word::CONTENDED]);
            raise_to(&lane[lane_word::LONGEST_WAIT], wait);
        }
        if let Some(since) = since {
            bump(&lane[lane_word::HOLD_SAMPLES]);
            raise_to(&lane[lane_word::LONGEST_HOLD], self.platform.tick().wrapping_sub(since));
        }
    }
}

/// Counts a drop in the counters that start at word `first`.
#[cold]
fn dropped<W: Word>(words: &[W], first: usize, reason: DropReason) -> Outcome {
    if let Some(word) = words.get(first + reason.0 as usize) {
        word.fetch_add(1);
    }
    Outcome::Dropped(reason)
}

#[inline]
fn bump(word: &impl Word) {
    word.store(word.load().wrapping_add(1));
}

#[inline]
fn raise_to(word: &impl Word, value: u64) {
    if value > word.load() {
        word.store(value);
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
