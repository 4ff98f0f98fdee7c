//! The record path: the steps of a log call, from its arguments to a record in a lane.
//!
//! # Order
//!
//! 1. Load level and pause, one word ([`gate`](crate::gate)), and return if the record is not to be written.
//! 2. Encode the record on the stack: the arguments are read here. Read IRQL, thread and process; without ids (service
//!    parameter `Ids`) none of them, because the raise gives the IRQL.
//! 3. Raise to `HIGH_LEVEL` ([`Raised`]); a caller that is there already stays there, and is not lowered later. From
//!    here on only NMI and machine check interrupt this processor.
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
//! # The usual path
//!
//! Most calls find count 0 and their lock free, and write a record that ends inside the segment of the lane that the last
//! one ended in. `Recorder::write` is that path, inlined into each entry. Whatever else happens is in one function,
//! `Recorder::write_otherwise`, which takes over the guards of the call: the processor stays raised and counted, and
//! the same count that the call found decides there. The lock of the shared lane is given back before, since that
//! function acquires it in its own ways.
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

use core::sync::atomic::{AtomicBool, Ordering, compiler_fence};

use irqlog_ring::{
    lane::NewRecord,
    lock::{Attempt, Held, Raised, RawLock},
    nesting::{Depth, Entered},
    word::Word,
};
use irqlog_wire::{
    event::{MAX_EVENT_WORDS, NEEDS_DRIVER},
    image::{DropReason, Engine, Policy, build_flags, header_word, lane_word, processor_word},
    interface::WriteResult,
    irql::{DISPATCH_LEVEL, HIGH_LEVEL},
    record::{BlobHeader, Level, MAX_BLOB, MAX_BLOB_PIECE, flags, last_word, origin_bits, processor_bits},
};

use crate::{
    Platform,
    draft::{Draft, FirstWords, Room},
    event,
    gate::{Gate, Open},
    layout::Layout,
    memory::{ImageParts, Memory},
    pointers::Pointers,
};

/// The time that the lock is held is measured on every record whose seq is a multiple of this; on each record in a
/// checked build.
const HOLD_SAMPLE: u64 = if cfg!(feature = "checked") { 1 } else { 64 };

/// Processors whose index fits into a record; Windows has at most 2048 (DDI wdm/nf-wdm-kequerymaximumprocessorcountex).
const MOST_OWN_LANES: usize = 1 << 16;

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
    pub(crate) gate: Gate,
    /// Number of processors that have a lane of their own from the start; none with engine `shared`. At most the number of
    /// main lanes with data, of processors, and [`MOST_OWN_LANES`].
    own_lanes: usize,
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
        let header = image.header;
        let has_ids = header[header_word::BUILD_FLAGS].load() as u32 & build_flags::NO_IDS == 0;
        let is_paused = header[header_word::PAUSED].load() != 0;
        let gate = Gate::new(Level(header[header_word::LEVEL].load() as u8), is_paused, has_ids);
        let engine = layout.engine();
        let most = image.processors.len().min(MOST_OWN_LANES);
        let own_lanes = if engine == Engine::PerCpu { image.main.with_data().min(most) } else { 0 };
        let raw_pointers = AtomicBool::new(false);
        Some(Self { gate, own_lanes, image, engine, platform, lock, start_id, pointers, raw_pointers })
    }

    /// Writes one record. IRQL: any; the module's table says which callers may wait for the lock.
    // Inlined as far as the choice goes: a caller that knows what it writes calls only that. Otherwise the stack that an
    // event with strings takes would count for a text too.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above")]
    pub fn log(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        match draft.as_event() {
            Some((site, words)) => self.log_event(draft.level(), site, words, entry),
            None => self.log_plain(draft, entry),
        }
    }

    /// The same as [`log`](Self::log), inlined into the call site: a call site that knows the size of its data gets
    /// stores where others get loops.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is what this is for; measured: docs/performance.md")]
    pub fn log_here(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        match draft.as_event() {
            Some((site, words)) => self.log_event(draft.level(), site, words, entry),
            None => self.plain(draft, entry),
        }
    }

    #[inline(never)]
    fn log_event(&self, level: Level, site: u32, words: &[u64], entry: Entry) -> Outcome {
        self.event::<true>(level, site, words, entry).outcome()
    }

    #[inline(never)]
    fn log_plain(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        self.plain(draft, entry)
    }

    /// Writes a record that is no event.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as `log_here`")]
    fn plain(&self, draft: &Draft<'_>, entry: Entry) -> Outcome {
        let open = self.gate.look();
        if !open.lets(draft.level()) {
            return self.not_let(draft.level(), open);
        }
        let mut room = Room::new();
        let Some((head, payload)) = room.encode(draft) else {
            return self.drop_here(DropReason::TooLarge);
        };
        self.write::<0, true, true>(open, head, payload, entry).outcome()
    }

    /// Writes an event, in the form in which a [provider passes it](irqlog_wire::event), and inlined into the call site.
    /// IRQL: any, as for [`log`](Self::log).
    ///
    /// # Safety
    /// As for [`Draft::event`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as `log_here`")]
    pub unsafe fn log_event_here(&self, level: Level, site: u32, words: &[u64], entry: Entry) -> WriteResult {
        self.event::<false>(level, site, words, entry).result()
    }

    /// Writes an event, whose words are as [`Draft::event`] demands. If `TELLS` is false, lane and seq of the answer mean
    /// nothing.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as `log_here`")]
    fn event<const TELLS: bool>(&self, level: Level, site: u32, words: &[u64], entry: Entry) -> Told {
        let open = self.gate.look();
        if !open.lets(level) {
            return self.not_let(level, open).into();
        }
        // None at all is as wrong as too many, and found by the same comparison.
        if words.len().wrapping_sub(1) >= MAX_EVENT_WORDS {
            return self.drop_here(DropReason::TooLarge).into();
        }
        // SAFETY: there is a word, as was just found.
        if unsafe { words.get_unchecked(0) } & NEEDS_DRIVER != 0 {
            return self.expanded(level, site, words, entry);
        }
        self.write::<1, false, TELLS>(open, FirstWords::event(level, 0, site, words.len()), words, entry)
    }

    /// Writes an event with strings or pointers.
    #[inline(never)]
    fn expanded(&self, level: Level, site: u32, words: &[u64], entry: Entry) -> Told {
        let mut room = Room::new();
        // SAFETY: as the one who made the draft has promised.
        let single = unsafe { event::single_string(words, room.places()) };
        let (length, flags) = match single {
            Some(length) => (length, 0),
            // SAFETY: as above.
            None => match unsafe { event::expand(words, room.places(), self.pointers.unless(&self.raw_pointers)) } {
                Some(expanded) => expanded,
                None => return self.drop_here(DropReason::TooLarge).into(),
            },
        };
        // SAFETY: that many words were written, from the first on.
        let payload = unsafe { room.words(length) };
        self.write::<2, false, true>(self.gate.look(), FirstWords::event(level, flags, site, length), payload, entry)
    }

    /// The usual path, from the caller's IRQL to a record in a lane: see the module. The payload has at least `SURE` words.
    /// Inlined into each call site: a record that is passed to a function lies in memory, and is put there word by word.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see above; measured: docs/performance.md")]
    fn write<const SURE: usize, const SHARED: bool, const TELLS: bool>(
        &self,
        open: Open,
        head: FirstWords,
        payload: &[u64],
        entry: Entry,
    ) -> Told {
        let (raised, ids, bits) = if open.has_ids() || entry == Entry::NeverWaits {
            self.raise_with_ids(open, entry)
        } else {
            (self.raise_only(), 0, flags::NO_THREAD)
        };
        let first = head.first.wrapping_add(origin_bits(bits, raised.saved()));
        let processor = self.platform.processor();
        let index = processor as usize;
        if index < self.own_lanes {
            // The index fits, since it is below `MOST_OWN_LANES`.
            let second = head.second.wrapping_add(u64::from(processor));
            // SAFETY: `own_lanes` is at most the number of main lanes with data: by `new`.
            let control = unsafe { self.image.main.control_unchecked(index) };
            // SAFETY: it is the count of the processor that runs this, and `raised`, declared before, outlives it.
            let Some(entered) = (unsafe { Entered::enter_first(&control[lane_word::NESTING]) }) else {
                return self.write_otherwise(first, second, ids, payload, entry, raised, None);
            };
            // SAFETY: as above.
            let lane = unsafe { self.image.main.lane_of(control, index) };
            // SAFETY: it is this processor's lane, which we do not leave at HIGH_LEVEL. We found its nesting count at 0, so
            // nobody on it is inside a write, and whoever interrupts us writes elsewhere.
            let seq =
                unsafe { lane.append_inside::<SURE>([first, second, 0, 0, ids], payload, || self.platform.now()) };
            let Some(seq) = seq else {
                return self.write_otherwise(first, second, ids, payload, entry, raised, Some(entered));
            };
            return if TELLS { Told::written(processor, seq) } else { Told::WRITTEN };
        }
        let second = head.second | processor_bits(processor);
        if SHARED {
            self.write_shared::<SURE>(first, second, ids, payload, entry, raised)
        } else {
            self.write_elsewhere(first, second, ids, payload, entry, raised)
        }
    }

    /// The usual path of the shared lane, for a call that is raised.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `write`")]
    fn write_shared<const SURE: usize>(
        &self,
        first: u64,
        second: u64,
        ids: u64,
        payload: &[u64],
        entry: Entry,
        raised: Raised<'_, P>,
    ) -> Told {
        if self.engine != Engine::PerCpu
            && let Some(control) = self.image.processors.get((second & 0xffff) as usize)
            // SAFETY: it is the count of the processor that runs this, and `raised`, declared before, outlives it.
            && let Some(entered) = unsafe { Entered::enter_first(&control[processor_word::NESTING]) }
        {
            if let Some(lane) = self.image.main.lane(0)
                // The time that the lock is held is measured otherwise, for a sample of the records.
                && !lane.next_seq().is_multiple_of(HOLD_SAMPLE)
            {
                let node = L::Node::default();
                if let Attempt::Acquired(held) = Held::try_acquire(&self.lock, &node, &raised) {
                    // SAFETY: we hold the lock of the shared lane, whose hand-over orders our stores after the last
                    // owner's.
                    let seq = unsafe {
                        lane.append_inside::<SURE>([first, second, 0, 0, ids], payload, || self.platform.now())
                    };
                    drop(held);
                    if let Some(seq) = seq {
                        return Told::written(0, seq);
                    }
                }
            }
            return self.write_otherwise(first, second, ids, payload, entry, raised, Some(entered));
        }
        self.write_otherwise(first, second, ids, payload, entry, raised, None)
    }

    /// The same out of line: beside it, the path of a processor's own lane would have fewer registers.
    #[inline(never)]
    fn write_elsewhere(
        &self,
        first: u64,
        second: u64,
        ids: u64,
        payload: &[u64],
        entry: Entry,
        raised: Raised<'_, P>,
    ) -> Told {
        self.write_shared::<0>(first, second, ids, payload, entry, raised)
    }

    /// Raises for a call whose record has no ids: the raise gives the IRQL.
    // As a function of its own, so that it does not lie on the path of records with ids.
    #[inline(never)]
    fn raise_only(&self) -> Raised<'_, P> {
        // Where a raise is nothing, as on a host, the compiler would merge both ways into one that computes both.
        compiler_fence(Ordering::SeqCst);
        Raised::new(&self.platform)
    }

    /// Raises, and answers the ids of thread and process, and the flags of the record.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `write`")]
    fn raise_with_ids(&self, open: Open, entry: Entry) -> (Raised<'_, P>, u64, u16) {
        let irql = self.platform.irql();
        let raise = || Raised::from(&self.platform, irql);
        if entry == Entry::NeverWaits {
            return (raise(), 0, flags::NEVER_WAITS | flags::NO_THREAD);
        }
        if irql > DISPATCH_LEVEL || !open.has_ids() {
            return (raise(), 0, flags::NO_THREAD);
        }
        let (thread, process) = self.platform.thread_and_process();
        (raise(), last_word(thread, process), 0)
    }

    /// Writes a record whose call is raised, and that the usual path did not write. `entered` is the call's count, if it
    /// was the first on its processor.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "scalars: a structure would lie in memory on the usual path too")]
    #[expect(clippy::needless_pass_by_value, reason = "it takes the guards over")]
    fn write_otherwise(
        &self,
        first: u64,
        second: u64,
        ids: u64,
        payload: &[u64],
        entry: Entry,
        // In this order, so that the count is taken back before the IRQL is lowered.
        raised: Raised<'_, P>,
        entered: Option<Entered<'_, M::Word>>,
    ) -> Told {
        let record = NewRecord { header: [first, second, 0, 0, ids], payload };
        // It is in the header already; no processor has an index that does not fit there.
        let processor = processor_bits(second as u32) as u32;
        let (Some(control), Some(nesting)) =
            (self.image.processors.get(processor as usize), self.image.nesting(processor as usize))
        else {
            return dropped(self.image.header, header_word::DROPS, DropReason::NoLane).into();
        };
        // SAFETY: it is the count of the processor that runs this, and `raised`, declared before, outlives it.
        let entered = entered.unwrap_or_else(|| unsafe { Entered::enter(nesting) });
        let waits = entry == Entry::MayWait && raised.saved() < HIGH_LEVEL;
        match self.write_where(record, &entered, &raised, waits, processor) {
            Ok((lane, seq)) => Told::written(lane, seq),
            Err(reason) => dropped(control, processor_word::DROPS, reason).into(),
        }
    }

    /// Writes the lane that the module's table gives.
    #[inline]
    fn write_where(
        &self,
        record: NewRecord<'_>,
        entered: &Entered<'_, M::Word>,
        raised: &Raised<'_, P>,
        waits: bool,
        processor: u32,
    ) -> Result<(u32, u64), DropReason> {
        let node = L::Node::default();
        let mut owned = None;
        let (lane, index) = match entered.depth() {
            Depth::First if self.engine == Engine::PerCpu => (self.image.main(processor as usize), processor),
            Depth::First => match self.own_shared_lane(raised, &node, waits) {
                Owning::Yes(ownership) => {
                    owned = Some(ownership);
                    (self.image.main.lane(0), 0)
                }
                Owning::NotNow => {
                    entered.claim_nmi_lane();
                    (self.image.nmi(processor as usize), self.image.nmi_lane(processor))
                }
                Owning::GaveUp => return Err(DropReason::Budget),
            },
            Depth::Nested => (self.image.nmi(processor as usize), self.image.nmi_lane(processor)),
            Depth::TooDeep => return Err(DropReason::Reentered),
        };
        let lane = lane.ok_or(DropReason::NoLane)?;
        let is_sample = owned.is_some() && lane.next_seq().is_multiple_of(HOLD_SAMPLE);
        let since = is_sample.then(|| self.platform.now());
        // SAFETY: the shared lane: we hold its lock, whose hand-over orders our stores after the last owner's. The others
        // are this processor's, which we do not leave at HIGH_LEVEL. Its own lane: we found its nesting count at 0, so
        // nobody on it is inside a write, and whoever interrupts us writes elsewhere. Its NMI lane: the count is 2 or
        // more while we are here, since we found it at 1 or have set it ourselves, so whoever interrupts us drops.
        let written = unsafe { lane.append(record, || self.platform.now(), self.policy()) };
        if let Some(owned) = &owned {
            self.count_ownership(lane.control(), since, owned.waited);
        }
        written.map(|seq| (index, seq)).map_err(|_| DropReason::Refused)
    }

    /// Writes bytes under a tag that the caller chooses, split over as many records as needed. IRQL: any.
    ///
    /// Each piece is a log call of its own, and all pieces are tried, also after one was dropped. The result is that of
    /// the first piece that was not written, or of the last piece.
    pub fn log_blob(&self, level: Level, tag: u32, bytes: &[u8], entry: Entry) -> Outcome {
        if bytes.len() > MAX_BLOB {
            return self.drop_here(DropReason::TooLarge);
        }
        // A pause is counted for each piece.
        if !self.gate.look().is_enabled(level) {
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

    /// The call's level is not enabled, or writing is paused.
    #[cold]
    #[inline(never)]
    fn not_let(&self, level: Level, open: Open) -> Outcome {
        if open.is_enabled(level) { self.drop_here(DropReason::Paused) } else { Outcome::Filtered }
    }

    /// Counts a drop of a call that has not raised.
    #[cold]
    #[inline(never)]
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
            Attempt::Acquired(held) => return Owning::Yes(Owned { _held: held, waited: None }),
            Attempt::Busy => true,
            // A queue lock has no try, so the caller does not know whether an owner holds it.
            Attempt::Impossible => false,
        };
        if !waits {
            return Owning::NotNow;
        }
        let from = is_busy.then(|| self.platform.now());
        // SAFETY: the node is this call's alone; the guard is dropped in `write_where`.
        let Some(held) = (unsafe { Held::acquire(&self.lock, node, raised) }) else { return Owning::GaveUp };
        let waited = from.map(|from| self.platform.now().wrapping_sub(from));
        Owning::Yes(Owned { _held: held, waited })
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

/// An [`Outcome`] as two numbers, which a function returns in registers. The low half of the first is a
/// [`WriteResult`], the high half the lane, or the reason of a drop; the second is the seq.
#[derive(Clone, Copy)]
struct Told(u64, u64);

impl Told {
    /// Written, somewhere.
    const WRITTEN: Self = Self(WriteResult::Written.0 as u64, 0);

    #[inline]
    const fn new(result: WriteResult, what: u32, seq: u64) -> Self {
        Self(result.0 as u64 | (what as u64) << 32, seq)
    }

    #[inline]
    const fn written(lane: u32, seq: u64) -> Self {
        Self::new(WriteResult::Written, lane, seq)
    }

    #[inline]
    const fn result(self) -> WriteResult {
        WriteResult(self.0 as u32)
    }

    #[inline]
    const fn outcome(self) -> Outcome {
        let what = (self.0 >> 32) as u32;
        match self.result() {
            WriteResult::Written => Outcome::Written { lane: what, seq: self.1 },
            WriteResult::Filtered => Outcome::Filtered,
            _ => Outcome::Dropped(DropReason(what)),
        }
    }
}

impl From<Outcome> for Told {
    #[inline]
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Written { lane, seq } => Self::written(lane, seq),
            Outcome::Filtered => Self::new(WriteResult::Filtered, 0, 0),
            Outcome::Dropped(reason) => Self::new(WriteResult::Dropped, reason.0, 0),
        }
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
    /// Dropped with the value, which gives the lock back.
    _held: Held<'l, L>,
    /// Ticks that the caller waited, if it found the lock taken.
    waited: Option<u64>,
}
