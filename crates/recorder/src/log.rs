//! The record path: the steps of a log call, from its arguments to a record in a lane.
//!
//! # Order
//!
//! 1. Load level and pause, one load each, and return if the record is not to be written.
//! 2. Read IRQL, thread and process, and encode the record on the stack: the arguments are read here.
//! 3. Raise to `HIGH_LEVEL` ([`Raised`]). From here on only NMI and machine check interrupt this processor.
//! 4. Count the call on its processor ([`Entered`]); the count that the call finds decides where it writes:
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
//! found the count at 0: a call that interrupts the writer finds 1. No lock, no locked instruction.
//!
//! 5. Stamp, append, publish; release the lock, take the count back, lower: in the order in which the guards drop.
//!
//! # Why no caller waits for its own processor
//!
//! A caller waits for the lock only if it found count 0 and was below `HIGH_LEVEL`. If the owner of the lock were on
//! this processor, the owner would be between its own raise and lower, so the count would be at least 1. If the owner
//! is on another processor, it is at `HIGH_LEVEL`, holds the lock for one bounded copy, and waits for nobody.
//!
//! A caller that was already at `HIGH_LEVEL` may be an NMI callback or a bug-check callback, with the owner's processor
//! frozen: it tries once and never waits. Whether an NMI callback sees `HIGH_LEVEL` is not documented, so there is an
//! entry that never waits whatever the level ([`Entry::NeverWaits`]).
//!
//! # Why the NMI lane has one writer at a time
//!
//! The NMI lane belongs to a processor, and only two kinds of callers write it. The first kind found the count at 1;
//! while it writes, the count is 2, so a call that interrupts it is dropped. The second kind found 0 and could not have
//! the lock; it sets the count to 2 *before* it writes. Without that step an NMI in the middle of its write would find
//! 1 and write the same lane: `tests/nesting.rs` shows that, and so does a scenario of the rig.
//!
//! # What it does not do
//!
//! It does not allocate, format or panic, and calls Windows only through [`Platform`](crate::Platform) and the lock.

use core::sync::atomic::AtomicBool;

use irqlog_ring::{
    lane::NewRecord,
    lock::{Attempt, Held, Raised, RawLock},
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
    draft::{Draft, Room, WriterContext, set_processor},
    layout::Layout,
    memory::{ImageParts, Memory},
    pointers::Pointers,
};

/// The time that the lock is held is measured on every record whose seq is a multiple of this; on each record in a
/// checked build.
const HOLD_SAMPLE: u64 = if cfg!(feature = "checked") { 1 } else { 64 };

/// The entry through which a driver made a log call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Waits for the lock if the caller is below `HIGH_LEVEL`.
    MayWait,
    /// For NMI and machine-check callbacks: a single try, then the NMI lane.
    NeverWaits,
}

/// The result of a log call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The record is in this lane, with this seq.
    Written {
        /// Index of the lane.
        lane: u32,
        /// Seq of the record in the lane.
        seq: u64,
    },
    /// The level of the call is not enabled; the call is not counted.
    Filtered,
    /// The record was not written; the drop is counted under this reason.
    Dropped(DropReason),
}

/// The recorder of a running driver.
///
/// All processors share it; every function takes `&self`.
pub struct Recorder<'m, M: Memory + ?Sized, P, L> {
    pub(crate) image: ImageParts<'m, M>,
    engine: Engine,
    pub(crate) platform: P,
    lock: L,
    pub(crate) start_id: u64,
    pointers: Pointers,
    /// CONFIGURE has said that pointers are written as they are.
    pub(crate) raw_pointers: AtomicBool,
}

impl<'m, M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'m, M, P, L> {
    /// Makes a recorder over an image that [`Layout::initialise`] has filled; `None` if the image is too small for the
    /// layout.
    pub fn new(
        memory: &'m M,
        layout: &Layout,
        platform: P,
        lock: L,
        start_id: u64,
        pointers: Pointers,
    ) -> Option<Self> {
        let image = ImageParts::new(memory, layout)?;
        Some(Self {
            image,
            engine: layout.engine(),
            platform,
            lock,
            start_id,
            pointers,
            raw_pointers: AtomicBool::new(false),
        })
    }

    /// Writes one record. IRQL: any; the module's table says which callers may wait for the lock.
    #[inline(never)]
    pub fn log(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        self.log_here(draft, entry)
    }

    /// The same as [`log`](Self::log), inlined into the call site: a call site that knows the size of its data gets
    /// stores where others get loops.
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
        let Some(mut record) = room.encode(draft, self.origin(entry), self.pointers.unless(&self.raw_pointers)) else {
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

    /// Writes the lane that the module's table gives. This function and those that it calls are inlined into each call
    /// site: a record that is passed to a function lies in memory, and is put there word by word.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above; measured: docs/performance.md")]
    fn write(
        &self,
        record: NewRecord<'_>,
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
        // SAFETY: both are this processor's, which we do not leave at HIGH_LEVEL. Its own lane: we found its nesting
        // count at 0, so nobody on it is inside a write, and whoever interrupts us writes elsewhere. Its NMI lane: the
        // count is 2 or more while we are here, since we found it at 1 or have set it ourselves, so whoever interrupts
        // us drops.
        let written = unsafe { lane.append(record, || self.platform.now(), self.policy()) };
        written.map(|seq| (index, seq)).map_err(|_| DropReason::Refused)
    }

    /// Writes the shared lane, and releases its lock.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `write`")]
    fn write_shared(&self, record: NewRecord<'_>, owned: Owned<'_, L>) -> Result<(u32, u64), DropReason> {
        let lane = self.image.main.lane(0).ok_or(DropReason::NoLane)?;
        let since = lane.next_seq().is_multiple_of(HOLD_SAMPLE).then(|| self.platform.now());
        // SAFETY: we hold the lock of the shared lane, whose hand-over orders our stores after the last owner's.
        let written = unsafe { lane.append(record, || self.platform.now(), self.policy()) };
        self.count_ownership(lane.control(), since, owned.waited);
        drop(owned.held);
        written.map(|seq| (0, seq)).map_err(|_| DropReason::Refused)
    }

    /// Writes bytes under a tag that the caller chooses, split over as many records as needed. IRQL: any.
    ///
    /// Each piece is a log call of its own, and all pieces are tried, also after one was dropped. The result is that of
    /// the first piece that was not written, or of the last piece.
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

    /// Writes a record of irqlog.sys itself, and counts the call as an own call. IRQL: any.
    pub fn log_own(&self, level: Level, text: &[u8]) -> Outcome {
        let outcome = self.log(&Draft::text(level, text).with_flags(flags::OWN), Entry::MayWait);
        if outcome != Outcome::Filtered {
            self.image.header[header_word::OWN_CALLS].fetch_add(1);
        }
        outcome
    }

    /// Enters the zeroed piece of a processor that is about to be added. Called before the processor starts, by one
    /// thread at a time. Answers false if there is no such piece. IRQL: any.
    pub fn processor_came(&self, processor: u32) -> bool {
        self.image.enter_piece(processor as usize)
    }

    #[inline]
    fn origin(&self, entry: Entry) -> WriterContext {
        let irql = self.platform.irql();
        let may_ask = irql <= DISPATCH_LEVEL && entry == Entry::MayWait;
        let (thread, process) = if may_ask { self.platform.thread_and_process() } else { (0, 0) };
        let mut bits = if may_ask { 0 } else { flags::NO_THREAD };
        if entry == Entry::NeverWaits {
            bits |= flags::NEVER_WAITS;
        }
        WriterContext { irql, thread, process, flags: bits }
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

    /// Acquires the lock of the shared lane; if `waits` is false, only if the lock is free right now.
    #[inline]
    fn own_shared_lane<'l>(&'l self, raised: &Raised<'_, P>, node: &'l L::Node, waits: bool) -> Owning<'l, L> {
        let is_busy = match Held::try_acquire(&self.lock, node, raised) {
            Attempt::Acquired(held) => return Owning::Yes(Owned { held, waited: None }),
            Attempt::Busy => true,
            // A queue lock has no try, so the caller does not know whether an owner holds it.
            Attempt::Impossible => false,
        };
        if !waits {
            return Owning::NotNow;
        }
        let from = is_busy.then(|| self.platform.now());
        // SAFETY: the node is this call's alone; the guard is dropped in `write_shared`.
        let Some(held) = (unsafe { Held::acquire(&self.lock, node, raised) }) else { return Owning::GaveUp };
        let waited = from.map(|from| self.platform.now().wrapping_sub(from));
        Owning::Yes(Owned { held, waited })
    }

    /// Updates the statistics of the lock, with plain stores, because the caller owns the lane.
    #[inline]
    fn count_ownership(&self, lane: &[M::Word; lane_word::COUNT], since: Option<u64>, waited: Option<u64>) {
        if let Some(wait) = waited {
            bump(&lane[lane_word::CONTENDED]);
            raise_to(&lane[lane_word::LONGEST_WAIT], wait);
        }
        if let Some(since) = since {
            bump(&lane[lane_word::HOLD_SAMPLES]);
            raise_to(&lane[lane_word::LONGEST_HOLD], self.platform.now().wrapping_sub(since));
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

/// The result of an attempt to own the shared lane.
enum Owning<'l, L: RawLock> {
    Yes(Owned<'l, L>),
    /// The lock was taken, and the caller does not wait.
    NotNow,
    /// The caller has waited for as long as the lock lets it.
    GaveUp,
}

/// The ownership of the shared lane.
struct Owned<'l, L: RawLock> {
    held: Held<'l, L>,
    /// Ticks that the caller waited, if it found the lock taken.
    waited: Option<u64>,
}
