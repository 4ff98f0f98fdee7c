//! One lane: the protocol between its writer and its readers.
//!
//! # States
//!
//! ```text
//!              first_position                                     (positions count words and only grow)
//!        ... ──────┬──────────────────┬────────────────────────────┬───────────────────►
//!                  │    overwritten   │           in the ring      │        free
//!                  └──────────────────┴────────────────────────────┴──
//!                                    tail                         head
//! ```
//!
//! A record lies at positions `[p, p + words)`. It is *free* before it is written, *in the ring* from the store of
//! `head` that passes it to the store of `tail` that passes it, and *overwritten* after that. `head - tail` never
//! exceeds the capacity, and both always stand at the start of a record (or at `head`). Once a lane has a record it is
//! never empty again: CLEAR raises `floor`, a seq below which records are ignored, and moves nothing.
//!
//! # Movements
//!
//! Writer, alone by lock or by processor:
//!
//! | Label | Step | Order |
//! |---|---|---|
//! | `write:A` | `tail` past what will be overwritten | Relaxed |
//! | `write:B` | fence | Release, pairs with `read:D` |
//! | `write:C` | the words of the record, `next_seq` | Relaxed |
//! | `write:D` | `head` behind the record | Release, pairs with `read:A` |
//!
//! Reader, any number, anywhere, any time:
//!
//! | Label | Step | Order |
//! |---|---|---|
//! | `read:A` | load `head` | Acquire, pairs with `write:D` |
//! | `read:B` | load `tail`, choose a position in between | Relaxed |
//! | `read:C` | copy the words of one record | Relaxed |
//! | `read:D` | fence | Acquire, pairs with `write:B` |
//! | `read:E` | load `tail` again: the copy is whole if it is still at or before the record | Relaxed |
//! | `read:F` | load `floor`, once for each batch | Relaxed |
//!
//! # Why a copy that passes `read:E` is whole
//!
//! *Nothing older:* the record ends at or before the `head` of `read:A`. That load acquired `write:D` of this record or
//! of a later one; the writer's `write:C` came before it (or before a hand-over of the lane, which is itself a
//! release-acquire pair of the lock), so `read:C` sees the record or something newer.
//!
//! *Nothing newer:* suppose `read:C` saw a word of a later record at the same index. Its writer ran `write:A` (with a
//! `tail` beyond the old record), then `write:B`, then the `write:C` that was seen. `write:B` and `read:D` are a release
//! fence before a store and an acquire fence after a load that saw it, so they synchronise, and `read:E` sees that
//! `tail` or a later one. `tail` only grows, so the check fails. The fence `write:B` stands in every write, not only in
//! those that move `tail`: the `tail` may have been moved by an earlier owner of the lane, and it is *this* owner's fence
//! that its words need.
//!
//! # Exact accounting
//!
//! Every record has the next seq, so for a reader at cursor `c`, with `floor` loaded after the last `read:E`:
//! `cleared += max(0, floor - c)` and `lost += max(0, oldest - max(c, floor))`, where `oldest` is the seq of the first
//! whole record that is still there. What was overwritten before a CLEAR and not yet read counts as cleared. A batch has
//! at most one such gap, at its start: a reader that is overtaken in the middle of a batch ends it there.
//!
//! # What it does not do
//!
//! It does not decide who may write; [`lock`](crate::lock) and [`nesting`](crate::nesting) do. It does not wake readers.

use irqlog_wire::{
    image::{Policy, lane_word as at},
    record::{HEADER_WORDS, MAX_SIZE, MAX_WORDS, WORD, WORD_SEQ, WORD_TICK, size_of_first_word},
};

use crate::word::Word;

/// How often a batch looks for its first record before it comes back empty: each time the writer has overtaken it.
const ATTEMPTS: usize = 16;

/// `a` is before `b` on the circle of 64-bit numbers.
#[inline]
const fn before(a: u64, b: u64) -> bool {
    (a.wrapping_sub(b) as i64) < 0
}

#[inline]
const fn later(a: u64, b: u64) -> u64 {
    if before(a, b) { b } else { a }
}

/// `to - from` if `to` is later, else nothing.
#[inline]
const fn distance(from: u64, to: u64) -> u64 {
    if before(from, to) { to.wrapping_sub(from) } else { 0 }
}

/// A lane in a ring image: its control words and its data.
#[derive(Debug)]
pub struct Lane<'m, W> {
    control: &'m [W; at::COUNT],
    /// A power of two of words.
    data: &'m [W],
}

impl<W> Clone for Lane<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Lane<'_, W> {}

/// A record to append: its header, in which seq and tick are still to come, and its payload, in whole words.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// The words of a [`RecordHeader`](irqlog_wire::record::RecordHeader).
    pub header: [u64; HEADER_WORDS],
    /// What follows it, at most [`MAX_PAYLOAD`](irqlog_wire::record::MAX_PAYLOAD) bytes.
    pub payload: &'r [u64],
}

/// A lane refused a record because its policy is to keep what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a reader stands: the seq of the next record wanted, and a hint where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Seq of the next record wanted.
    pub seq: u64,
    /// Its position, if the reader knows it; a wrong one is ignored.
    pub position: u64,
}

/// What one [`Lane::read`] found besides the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where to read on.
    pub next: Cursor,
    /// Records overwritten since the cursor.
    pub lost: u64,
    /// Records cleared since the cursor.
    pub cleared: u64,
    /// More is there: the sink was full, or the writer overtook the reader.
    pub more: bool,
}

/// The words of one record, copied out of the ring.
#[derive(Debug)]
pub struct Copied([u64; MAX_WORDS]);

impl Default for Copied {
    fn default() -> Self {
        Self([0; MAX_WORDS])
    }
}

impl<'m, W: Word> Lane<'m, W> {
    /// The lane with that control and that data; `None` if the data are not a power of two of words.
    #[inline]
    pub const fn new(control: &'m [W; at::COUNT], data: &'m [W]) -> Option<Self> {
        if data.len().is_power_of_two() { Some(Self { control, data }) } else { None }
    }

    /// Makes an empty lane whose first record gets that seq and position. Before anyone reads or writes it.
    pub fn initialise(&self, seq: u64, position: u64) {
        for (word, value) in [
            (at::FIRST_SEQ, seq),
            (at::FIRST_POSITION, position),
            (at::FLOOR, seq),
            (at::TAIL, position),
            (at::NEXT_SEQ, seq),
        ] {
            self.control[word].store(value);
        }
        self.control[at::HEAD].store_release(position);
        // Last: a lane without words of data is not there yet.
        self.control[at::DATA_WORDS].store_release(self.capacity());
    }

    /// Words of data.
    #[inline]
    const fn capacity(&self) -> u64 {
        self.data.len() as u64
    }

    /// Index of a position in the data.
    #[inline]
    const fn index(&self, position: u64) -> usize {
        position as usize & self.data.len().wrapping_sub(1)
    }

    #[inline]
    fn store(&self, position: u64, value: u64) {
        if let Some(word) = self.data.get(self.index(position)) {
            word.store(value);
        }
    }

    /// The word at a position.
    #[inline]
    fn load(&self, position: u64) -> u64 {
        // The index is in range, since the length is a power of two; `get` because the record path must not panic.
        self.data.get(self.index(position)).map_or(0, W::load)
    }

    /// Words of the record at `position`, at least one header's worth, so that a walk always ends.
    #[inline]
    fn record_words(&self, position: u64) -> u64 {
        let bytes = size_of_first_word(self.load(position));
        (bytes / WORD).max(HEADER_WORDS) as u64
    }

    /// Appends a record and gives its seq; seq and tick are put into it here. IRQL: the writer's, `HIGH_LEVEL`; it
    /// neither waits nor fails for another reason than [`Full`].
    ///
    /// The clock is read as late as possible: reading it waits for everything before it, so what still has to be found
    /// out is found out before, and not while the processor waits for the clock.
    ///
    /// # Errors
    /// [`Full`] if the policy is `keep` and there is no room, or the record does not fit into the lane at all.
    ///
    /// # Safety
    /// The caller is the lane's only writer until this returns, and every earlier writer's stores happened before.
    // Always: as a call it would be handed the record, and the lane, in memory.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: docs/performance.md")]
    pub unsafe fn append(
        &self,
        mut record: Record<'_>,
        clock: impl FnOnce() -> u64,
        policy: Policy,
    ) -> Result<u64, Full> {
        let head = self.control[at::HEAD].load();
        let seq = self.control[at::NEXT_SEQ].load();
        let need = (HEADER_WORDS + record.payload.len()) as u64;
        let end = head.wrapping_add(need);
        let tail = self.control[at::TAIL].load();
        if end.wrapping_sub(tail) > self.capacity() {
            let tail = self.make_room(head, tail, need, policy)?;
            self.control[at::TAIL].store(tail); // write:A
        }
        record.header[WORD_SEQ] = seq;
        record.header[WORD_TICK] = clock();
        self.control[at::HEAD].release_fence(); // write:B, pairs with read:D
        let first = self.index(head);
        if let Some((header, payload)) =
            self.data.get(first..first + need as usize).and_then(|run| run.split_first_chunk::<HEADER_WORDS>())
        {
            for (word, value) in header.iter().zip(record.header) {
                word.store(value); // write:C
            }
            store_all(payload, record.payload); // write:C
        } else {
            // A part lies at the end of the data and the rest at their start.
            for (offset, value) in record.header.into_iter().enumerate() {
                self.store(head.wrapping_add(offset as u64), value); // write:C
            }
            for (offset, &value) in record.payload.iter().enumerate() {
                self.store(head.wrapping_add((HEADER_WORDS + offset) as u64), value); // write:C
            }
        }
        self.control[at::NEXT_SEQ].store(seq.wrapping_add(1)); // write:C
        self.control[at::HEAD].store_release(end); // write:D, pairs with read:A
        Ok(seq)
    }

    /// The `tail` that leaves `need` words behind `head`, when the present one does not.
    #[inline]
    fn make_room(&self, head: u64, mut tail: u64, need: u64, policy: Policy) -> Result<u64, Full> {
        if need > self.capacity() {
            return Err(Full);
        }
        let end = head.wrapping_add(need);
        let floor = if policy == Policy::Keep { Some(self.control[at::FLOOR].load()) } else { None };
        while end.wrapping_sub(tail) > self.capacity() {
            if let Some(floor) = floor
                && !before(self.load(tail.wrapping_add(WORD_SEQ as u64)), floor)
            {
                return Err(Full);
            }
            let next = tail.wrapping_add(self.record_words(tail));
            // Past the newest record only if someone else has written into our memory. The lane is empty then.
            tail = if before(next, head) { next } else { head };
        }
        Ok(tail)
    }

    /// Records written so far.
    pub fn written(&self) -> u64 {
        self.next_seq().wrapping_sub(self.first_seq())
    }

    /// Seq that the next record gets.
    #[inline]
    pub fn next_seq(&self) -> u64 {
        self.control[at::NEXT_SEQ].load()
    }

    /// The control words: the statistics among them are the owner's business.
    #[inline]
    pub const fn control(&self) -> &'m [W; at::COUNT] {
        self.control
    }

    /// Seq of the first record ever.
    pub fn first_seq(&self) -> u64 {
        self.control[at::FIRST_SEQ].load()
    }

    /// The cursor of a reader that wants to know of every record there ever was.
    pub fn start(&self) -> Cursor {
        Cursor { seq: self.first_seq(), position: self.control[at::FIRST_POSITION].load() }
    }

    /// Makes readers and writer ignore what has been written so far. Any number of callers at once; the floor only rises.
    pub fn clear(&self) {
        let floor = self.next_seq();
        loop {
            let current = self.control[at::FLOOR].load();
            if !before(current, floor) || self.control[at::FLOOR].compare_exchange(current, floor) {
                return;
            }
        }
    }

    /// Hands the records from `cursor` on to `sink`, oldest first, until there are no more or `sink` says that it has no
    /// room for this one (then it has not taken it). Never blocks and never disturbs the writer. IRQL: any.
    pub fn read(&self, cursor: Cursor, copied: &mut Copied, mut sink: impl FnMut(&[u64]) -> bool) -> Batch {
        let Some((mut first, head)) = self.first_whole(cursor, copied) else {
            // Overtaken again and again: nothing is decided, the caller comes back with the same cursor.
            return Batch { next: cursor, lost: 0, cleared: 0, more: true };
        };
        let floor = self.control[at::FLOOR].load(); // read:F
        let wanted = later(cursor.seq, floor);
        let mut batch = Batch {
            next: Cursor { seq: later(wanted, first.seq), position: first.position },
            lost: distance(wanted, first.seq),
            cleared: distance(cursor.seq, floor),
            more: false,
        };
        while first.words != 0 {
            if !before(first.seq, floor) {
                let record = copied.0.get(..first.words).unwrap_or_default();
                if !sink(record) {
                    batch.more = true;
                    break;
                }
                batch.next.seq = first.seq.wrapping_add(1);
            }
            batch.next.position = first.position.wrapping_add(first.words as u64);
            if batch.next.position == head {
                break;
            }
            let Some(found) = self.copy(batch.next.position, head, copied) else {
                batch.more = true;
                break;
            };
            first = found;
        }
        batch
    }

    /// The first whole record at or after the cursor, copied, or the end of the ring with no words; and the `head` up to
    /// which the ring may be read.
    fn first_whole(&self, cursor: Cursor, copied: &mut Copied) -> Option<(Found, u64)> {
        let mut hint = Some(cursor.position);
        for _ in 0..ATTEMPTS {
            let head = self.control[at::HEAD].load_acquire(); // read:A, pairs with write:D
            let tail = self.control[at::TAIL].load(); // read:B
            if before(head, tail) {
                // The whole ring went by between the two loads.
                continue;
            }
            if let Some(position) = hint.take() {
                let found = self.at_hint(cursor.seq, position, tail, head, copied);
                if found.is_some() {
                    return found.map(|found| (found, head));
                }
            }
            if let Some(found) = self.walk(cursor.seq, tail, head, copied) {
                return Some((found, head));
            }
        }
        None
    }

    /// The record `seq` if it lies at `position`, or the end of the ring if that is where `seq` will be.
    fn at_hint(&self, seq: u64, position: u64, tail: u64, head: u64, copied: &mut Copied) -> Option<Found> {
        if position == head {
            // `next_seq` is stored before `head`, so it belongs to this head or to a later one.
            return (self.next_seq() == seq).then_some(Found { seq, position, words: 0 });
        }
        let is_inside = !before(position, tail) && before(position, head);
        is_inside.then(|| self.copy(position, head, copied)).flatten().filter(|found| found.seq == seq)
    }

    /// The first record at or after `seq`, looked for from the oldest one on.
    fn walk(&self, seq: u64, tail: u64, head: u64, copied: &mut Copied) -> Option<Found> {
        let mut position = tail;
        while position != head {
            let found = self.copy(position, head, copied)?;
            if !before(found.seq, seq) {
                return Some(found);
            }
            position = position.wrapping_add(found.words as u64);
        }
        Some(Found { seq, position, words: 0 })
    }

    /// Copies the record at `position`, which must have been the start of one; `None` if the writer has taken it.
    fn copy(&self, position: u64, head: u64, copied: &mut Copied) -> Option<Found> {
        let bytes = size_of_first_word(self.load(position)); // read:C
        let words = bytes / WORD;
        // What a hint points at may be anything; what was overwritten may be anything too, and fails the check below.
        let plausible = words >= HEADER_WORDS
            && bytes <= MAX_SIZE
            && bytes.is_multiple_of(WORD)
            && words as u64 <= head.wrapping_sub(position);
        if !plausible {
            return None;
        }
        for (offset, word) in copied.0.iter_mut().take(words).enumerate() {
            *word = self.load(position.wrapping_add(offset as u64)); // read:C
        }
        self.control[at::TAIL].acquire_fence(); // read:D, pairs with write:B
        let tail = self.control[at::TAIL].load(); // read:E
        // A first word that changed under us would make size and copy disagree; the tail says so.
        if before(position, tail) {
            return None;
        }
        Some(Found { seq: copied.0[WORD_SEQ], position, words })
    }
}

/// Stores values into as many words: by eights, and what is left without a loop. What the compiler makes of a loop over
/// single words costs more than the stores, for payloads as short as most are.
#[inline]
fn store_all<W: Word>(mut words: &[W], mut values: &[u64]) {
    while values.len() >= 8 {
        (words, values) = store_some::<W, 8>(words, values);
    }
    if values.len() >= 4 {
        (words, values) = store_some::<W, 4>(words, values);
    }
    if values.len() >= 2 {
        (words, values) = store_some::<W, 2>(words, values);
    }
    if !values.is_empty() {
        store_some::<W, 1>(words, values);
    }
}

/// Stores `N` of them, if there are as many; what is left of both.
#[inline]
fn store_some<'w, 'v, W: Word, const N: usize>(words: &'w [W], values: &'v [u64]) -> (&'w [W], &'v [u64]) {
    let (Some((first, words)), Some((first_values, values))) =
        (words.split_first_chunk::<N>(), values.split_first_chunk::<N>())
    else {
        return (&[], &[]);
    };
    for (word, &value) in first.iter().zip(first_values) {
        word.store(value);
    }
    (words, values)
}

/// A record in [`Copied`].
struct Found {
    seq: u64,
    position: u64,
    words: usize,
}
