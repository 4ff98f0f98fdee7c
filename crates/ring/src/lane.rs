//! The protocol between the writer and the readers of one lane.
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
//! | `write:A` | store `tail` past the records that will be overwritten | Relaxed |
//! | `write:B` | fence | Release, pairs with `read:D` |
//! | `write:C` | store the words of the record, and `next_seq` | Relaxed |
//! | `write:D` | store `head` behind the record | Release, pairs with `read:A` |
//!
//! Readers, any number of them, on any processor, at any time:
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
//! `tail` beyond the old record), then `write:B`, then the `write:C` that was seen. `write:B` and `read:D` are a
//! release fence before a store and an acquire fence after a load that saw it, so they synchronise, and `read:E` sees
//! that `tail` or a later one. `tail` only grows, so the check fails. The fence `write:B` stands in every write, not
//! only in writes that move `tail`: an earlier owner of the lane may have moved the `tail`, and the words of *this*
//! owner need this owner's fence.
//!
//! # Damage
//!
//! The same argument tells damage from being overtaken. `tail` and the end of each whole record are starts of records,
//! and the seq of each record follows the seq of the record before. Suppose the words at such a start cannot be a
//! record, or have another seq, and `read:E` finds `tail` still at or before them. Then no writer of this lane has
//! stored them since: other code has written into the memory. The reader then searches, word by word, for the next
//! whole record: a possible size, a seq that is still to come, and behind it `head`, or another record with the next
//! seq. The records in between are damaged, and counted as such.
//!
//! # Exact accounting
//!
//! Every record has the next seq, so for a reader at cursor `c`, with `floor` loaded after the last `read:E`:
//! `cleared += max(0, floor - c)`, `lost += max(0, oldest - max(c, floor))` and `damaged += max(0, whole - max(c,
//! floor, oldest))`, where `oldest` is the seq of the oldest record that was not overwritten, and `whole` the seq of
//! the first whole record at or after the cursor: without damage they are the same. A record that was overwritten
//! before a CLEAR and not yet read counts as cleared. A batch has at most one such gap, at its start: a reader that is
//! overtaken, or meets damage, in the middle of a batch ends the batch there. So `written = delivered + lost + cleared
//! + damaged + in the ring`.
//!
//! If the oldest record itself is damaged and does not show its seq, the reader cannot tell overwritten records from
//! damaged ones. Then the largest number of records that can have lain there counts as damaged, and the rest as lost.
//!
//! The last record has nothing behind it that could contradict its seq. `next_seq` cannot either: a writer may be between
//! that store and `head`. If damage gives the last record an earlier seq which the reader still expects, the reader
//! delivers it under that seq, and its cursor stays behind `next_seq`. The seq of the next record shows the gap, and the
//! reader counts it then.
//!
//! # What it does not do
//!
//! It does not decide who may write; [`lock`](crate::lock) and [`nesting`](crate::nesting) do. It does not wake
//! readers.

use irqlog_wire::{
    image::{Policy, lane_word as at},
    record::{HEADER_WORDS, MAX_SIZE, MAX_WORDS, WORD, WORD_SEQ, WORD_TICK, size_of_first_word},
};

use crate::word::Word;

/// Number of times that a read looks for its first record. Overtaken by the writer each time, it answers nothing.
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

/// `to - from` if `to` is later, else 0.
#[inline]
const fn distance(from: u64, to: u64) -> u64 {
    if before(from, to) { to.wrapping_sub(from) } else { 0 }
}

/// A lane of an image: its control words and its data.
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

/// A record to append: its header, without seq and tick, and its payload, in whole words.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'r> {
    /// The words of a [`RecordHeader`](irqlog_wire::record::RecordHeader).
    pub header: [u64; HEADER_WORDS],
    /// The words of the payload, at most [`MAX_PAYLOAD`](irqlog_wire::record::MAX_PAYLOAD) bytes.
    pub payload: &'r [u64],
}

/// The lane refused a record: its policy is `keep` and it is full, or the record does not fit into it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a reader is in a lane: the seq of the next record wanted, and a hint where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Seq of the next record wanted.
    pub seq: u64,
    /// Position of the record, if the reader knows it; a wrong position is ignored.
    pub position: u64,
}

/// The result of one [`Lane::read`] besides the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSummary {
    /// Cursor for the next read.
    pub next: Cursor,
    /// Number of records that were overwritten since the cursor.
    pub lost: u64,
    /// Number of records that were cleared since the cursor.
    pub cleared: u64,
    /// Records since the cursor that someone else has written into: those with the seqs before the batch's first
    /// record, or before `next` if it has none.
    pub damaged: u64,
    /// More records are there: the sink was full, or the writer overtook the reader.
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
    /// The lane with these control words and this data; `None` if the number of data words is not a power of two.
    #[inline]
    pub const fn new(control: &'m [W; at::COUNT], data: &'m [W]) -> Option<Self> {
        if data.len().is_power_of_two() { Some(Self { control, data }) } else { None }
    }

    /// Makes an empty lane whose first record gets this seq and position. Called before any read or write.
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

    /// Number of data words.
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

    /// Number of words of the record at `position`: at least those of a header, so that a walk always ends.
    #[inline]
    fn record_words(&self, position: u64) -> u64 {
        let bytes = size_of_first_word(self.load(position));
        (bytes / WORD).max(HEADER_WORDS) as u64
    }

    /// Stamps a record with seq and tick, appends it, and answers its seq. IRQL: the writer's, `HIGH_LEVEL`; the
    /// function never waits, and fails only with [`Full`].
    ///
    /// The clock is read as late as possible. Reading it waits for everything before it, so all other work is done
    /// before, and not while the processor waits for the clock.
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
        mut record: NewRecord<'_>,
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

    /// The new `tail` that leaves `need` words free behind `head`, when the present `tail` does not.
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

    /// Number of records written so far.
    pub fn written(&self) -> u64 {
        self.next_seq().wrapping_sub(self.first_seq())
    }

    /// Seq that the next record gets.
    #[inline]
    pub fn next_seq(&self) -> u64 {
        self.control[at::NEXT_SEQ].load()
    }

    /// The control words; the statistics among them belong to the owner of the lane.
    #[inline]
    pub const fn control(&self) -> &'m [W; at::COUNT] {
        self.control
    }

    /// Seq of the first record that the lane ever had.
    pub fn first_seq(&self) -> u64 {
        self.control[at::FIRST_SEQ].load()
    }

    /// The cursor before every record that the lane ever had. Its reader is told of those that are lost.
    pub fn start(&self) -> Cursor {
        Cursor { seq: self.first_seq(), position: self.control[at::FIRST_POSITION].load() }
    }

    /// Makes readers and writer ignore all records written so far. Any number of callers may call this at once; the
    /// floor only rises.
    pub fn clear(&self) {
        let floor = self.next_seq();
        loop {
            let current = self.control[at::FLOOR].load();
            if !before(current, floor) || self.control[at::FLOOR].compare_exchange(current, floor) {
                return;
            }
        }
    }

    /// Passes the records from `cursor` on to `sink`, oldest first, until there are no more, or until `sink` answers
    /// false: then it has no room for this record, and has not taken it. Never blocks, and never disturbs the writer.
    /// IRQL: any.
    pub fn read(&self, cursor: Cursor, copied: &mut Copied, mut sink: impl FnMut(&[u64]) -> bool) -> BatchSummary {
        let Some((mut first, head)) = self.first_whole(cursor, copied) else {
            // Overtaken again and again: nothing is decided, the caller comes back with the same cursor.
            return BatchSummary { next: cursor, lost: 0, cleared: 0, damaged: 0, more: true };
        };
        let floor = self.control[at::FLOOR].load(); // read:F
        let wanted = later(cursor.seq, floor);
        let oldest = first.seq.wrapping_sub(first.damaged);
        let mut batch = BatchSummary {
            next: Cursor { seq: later(wanted, first.seq), position: first.position },
            lost: distance(wanted, oldest),
            cleared: distance(cursor.seq, floor),
            damaged: distance(later(wanted, oldest), first.seq),
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
            // Overtaken, or damaged: the next batch begins with what is missing.
            let expected = first.seq.wrapping_add(1);
            match self.copy(batch.next.position, head, copied) {
                Copying::Whole(found) if found.seq == expected => first = found,
                _ => {
                    batch.more = true;
                    break;
                }
            }
        }
        batch
    }

    /// Copies the first whole record at or after the cursor; at the end of the ring the answer has no words. Answers
    /// also the `head` up to which the ring may be read.
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

    /// The record `seq` if it lies at `position`. If `seq` will be written there, the end of the ring.
    fn at_hint(&self, seq: u64, position: u64, tail: u64, head: u64, copied: &mut Copied) -> Option<Found> {
        if position == head {
            // `next_seq` is stored before `head`, so it belongs to this head or to a later one.
            return (self.next_seq() == seq).then_some(Found { seq, position, words: 0, damaged: 0 });
        }
        let is_inside = !before(position, tail) && before(position, head);
        if !is_inside {
            return None;
        }
        match self.copy(position, head, copied) {
            Copying::Whole(found) => Some(found).filter(|found| found.seq == seq),
            Copying::Overtaken | Copying::Impossible => None,
        }
    }

    /// The first whole record at or after `seq`, searched from the oldest record on; `None` if the writer has overtaken
    /// the reader.
    fn walk(&self, seq: u64, tail: u64, head: u64, copied: &mut Copied) -> Option<Found> {
        let mut position = tail;
        // The seq of the record at `position`, once one before it was whole.
        let mut expected = None;
        while position != head {
            let found = match self.copy(position, head, copied) {
                Copying::Whole(found) if expected.is_none() => self.oldest(found, head, copied)?,
                Copying::Whole(found) if expected == Some(found.seq) => found,
                Copying::Overtaken => return None,
                Copying::Whole(_) | Copying::Impossible => self.behind_damage(expected, position, head, copied)?,
            };
            if !before(found.seq, seq) || found.words == 0 {
                return Some(found);
            }
            expected = Some(found.seq.wrapping_add(1));
            position = found.position.wrapping_add(found.words as u64);
        }
        Some(Found { seq, position, words: 0, damaged: 0 })
    }

    /// The oldest record, which was just copied, if its seq agrees with the words behind it; else the first whole
    /// record behind it, copied. `None` if the writer has overtaken the reader.
    fn oldest(&self, found: Found, head: u64, copied: &mut Copied) -> Option<Found> {
        let Found { seq, position, .. } = found;
        let was_given = self.was_given(seq);
        if was_given && self.is_followed(position, seq, head) {
            return Some(found);
        }
        // Either it is damaged or the one behind it: the next whole one tells.
        let behind = self.behind_damage(None, position, head, copied)?;
        let between = distance(seq, behind.seq);
        if !was_given || between == 0 || between > behind.position.wrapping_sub(position) / HEADER_WORDS as u64 {
            return Some(behind);
        }
        match self.copy(position, head, copied) {
            Copying::Whole(found) => Some(found),
            Copying::Overtaken | Copying::Impossible => None,
        }
    }

    /// Whether a record has, or had, this seq.
    fn was_given(&self, seq: u64) -> bool {
        !before(seq, self.first_seq()) && before(seq, self.next_seq())
    }

    /// Copies the next whole record behind the damage at `position`; at the end of the ring the answer has no words.
    /// `None` if the writer has overtaken the reader. Loads each word once or twice, so the search ends.
    #[cold]
    #[inline(never)]
    fn behind_damage(&self, expected: Option<u64>, position: u64, head: u64, copied: &mut Copied) -> Option<Found> {
        let room = |to: u64| to.wrapping_sub(position) / HEADER_WORDS as u64;
        // The oldest record that is damaged, before one with that seq which lies at that position.
        let damaged = |seq: u64, at: u64| {
            if let Some(expected) = expected {
                return distance(expected, seq);
            }
            let claimed = self.load(position.wrapping_add(WORD_SEQ as u64));
            let count = distance(claimed, seq);
            if count != 0 && count <= room(at) { count } else { room(at).min(distance(self.first_seq(), seq)) }
        };
        let mut candidate = position;
        while candidate != head {
            let seq = self.load(candidate.wrapping_add(WORD_SEQ as u64));
            // What lies at `position` itself is damaged for its seq, if for nothing else, unless it is a later record:
            // then those before it are gone. Without an expectation nothing speaks for it.
            let is_new = match expected {
                Some(expected) if candidate == position => before(expected, seq),
                Some(expected) => !before(seq, expected),
                None => candidate != position,
            };
            if is_new && self.was_given(seq) && self.is_followed(candidate, seq, head) {
                match self.copy(candidate, head, copied) {
                    Copying::Whole(found) if found.seq == seq => {
                        let found = Found { damaged: damaged(seq, candidate), ..found };
                        return (!self.is_overtaken(position)).then_some(found);
                    }
                    Copying::Overtaken => return None,
                    Copying::Whole(_) | Copying::Impossible => {}
                }
            }
            candidate = candidate.wrapping_add(1);
        }
        // Nothing whole is left. The seq behind it all is the next one, unless a writer is just between `next_seq` and
        // `head`: its record counts as damaged then, once, since no cursor that is given out lies before it any more.
        let seq = self.next_seq();
        let found = Found { seq, position: head, words: 0, damaged: damaged(seq, head) };
        (!self.is_overtaken(position) && self.control[at::HEAD].load() == head).then_some(found)
    }

    /// Whether the words at `position` look like the record `seq`. Behind it is the end of the ring or the next record.
    fn is_followed(&self, position: u64, seq: u64, head: u64) -> bool {
        let Some(words) = possible_words(self.load(position), head.wrapping_sub(position)) else { return false };
        let next = position.wrapping_add(words as u64);
        next == head
            || (possible_words(self.load(next), head.wrapping_sub(next)).is_some()
                && self.load(next.wrapping_add(WORD_SEQ as u64)) == seq.wrapping_add(1))
    }

    /// Whether the writer has overwritten `position`, or is about to: then the words loaded from there on may be
    /// anything.
    #[inline]
    fn is_overtaken(&self, position: u64) -> bool {
        self.control[at::TAIL].acquire_fence(); // read:D, pairs with write:B
        let tail = self.control[at::TAIL].load(); // read:E
        before(position, tail)
    }

    /// Copies the record at `position`, which must have been the start of a record.
    fn copy(&self, position: u64, head: u64, copied: &mut Copied) -> Copying {
        // What a hint points at may be anything; what was overwritten may be anything too, and fails the check below.
        let words = possible_words(self.load(position), head.wrapping_sub(position)); // read:C
        for (offset, word) in copied.0.iter_mut().take(words.unwrap_or(0)).enumerate() {
            *word = self.load(position.wrapping_add(offset as u64)); // read:C
        }
        // A first word that changed under us would make size and copy disagree; the tail says so.
        if self.is_overtaken(position) {
            return Copying::Overtaken;
        }
        match words {
            Some(words) => Copying::Whole(Found { seq: copied.0[WORD_SEQ], position, words, damaged: 0 }),
            None => Copying::Impossible,
        }
    }
}

/// The number of words of the record with this first word, if a record and `room` can have them.
fn possible_words(first: u64, room: u64) -> Option<usize> {
    let bytes = size_of_first_word(first);
    let words = bytes / WORD;
    let is_possible = words >= HEADER_WORDS && bytes <= MAX_SIZE && bytes.is_multiple_of(WORD) && words as u64 <= room;
    is_possible.then_some(words)
}

/// The result of copying a record.
enum Copying {
    /// A record was copied, or words that could be one.
    Whole(Found),
    /// The writer has overwritten the place, or is about to.
    Overtaken,
    /// The writer has not overwritten the place, and there is no record: a wrong hint, or damage.
    Impossible,
}

/// Stores `values` into the same number of words: by eights, and the rest without a loop. For payloads as short as most
/// are, a loop over single words costs more than the stores themselves.
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

/// Stores `N` values, if there are that many; answers the rest of both slices.
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

/// The place of a record that was copied into [`Copied`].
struct Found {
    seq: u64,
    position: u64,
    /// Number of words of the record; 0 at the end of the ring.
    words: usize,
    /// Number of damaged records right before it.
    damaged: u64,
}
