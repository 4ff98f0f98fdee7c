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

use crate::words::Words;

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

/// A lane in a ring image: where its control words and its data are.
#[derive(Debug)]
pub struct Lane<'m, M: Words + ?Sized> {
    words: &'m M,
    control: usize,
    data: usize,
    capacity: u64,
}

impl<M: Words + ?Sized> Clone for Lane<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Words + ?Sized> Copy for Lane<'_, M> {}

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

impl<'m, M: Words + ?Sized> Lane<'m, M> {
    /// The lane whose control starts at word `control` and whose `capacity` words of data start at word `data`.
    ///
    /// `capacity` is rounded down to a power of two.
    pub const fn new(words: &'m M, control: usize, data: usize, capacity: u64) -> Self {
        let capacity = match capacity.checked_ilog2() {
            Some(bits) => 1 << bits,
            None => 0,
        };
        Self { words, control, data, capacity }
    }

    /// Makes an empty lane whose first record gets that seq and position. Before anyone reads or writes it.
    pub fn initialise(&self, seq: u64, position: u64) {
        for (word, value) in [
            (at::DATA_WORDS, self.capacity),
            (at::FIRST_SEQ, seq),
            (at::FIRST_POSITION, position),
            (at::FLOOR, seq),
            (at::TAIL, position),
            (at::NEXT_SEQ, seq),
        ] {
            self.words.store(self.control + word, value);
        }
        self.words.store_release(self.control + at::HEAD, position);
    }

    #[inline]
    fn control(&self, word: usize) -> u64 {
        self.words.load(self.control + word)
    }

    #[inline]
    const fn index(&self, position: u64) -> usize {
        self.data + (position & self.capacity.wrapping_sub(1)) as usize
    }

    /// Words of the record at `position`, at least one header's worth, so that a walk always ends.
    #[inline]
    fn record_words(&self, position: u64) -> u64 {
        let bytes = size_of_first_word(self.words.load(self.index(position)));
        (bytes / WORD).max(HEADER_WORDS) as u64
    }

    /// Appends a record and gives its seq. `record` is a header and a payload, whole words; seq and tick are put into it
    /// here. IRQL: the writer's, `HIGH_LEVEL`; it neither waits nor fails for another reason than [`Full`].
    ///
    /// # Errors
    /// [`Full`] if the policy is `keep` and there is no room, or the record does not fit into the lane at all.
    ///
    /// # Safety
    /// The caller is the lane's only writer until this returns, and every earlier writer's stores happened before.
    #[inline]
    pub unsafe fn append(&self, record: &mut [u64], tick: u64, policy: Policy) -> Result<u64, Full> {
        let head = self.control(at::HEAD);
        let seq = self.control(at::NEXT_SEQ);
        let need = record.len() as u64;
        let Some(header) = record.first_chunk_mut::<HEADER_WORDS>() else { return Err(Full) };
        header[WORD_SEQ] = seq;
        header[WORD_TICK] = tick;
        if need > self.capacity {
            return Err(Full);
        }
        self.make_room(head, need, policy)?;
        self.words.release_fence(); // write:B, pairs with read:D
        let first = self.index(head);
        // Up to the end of the data, and the rest from its start.
        let (here, there) =
            record.split_at_checked(self.data + self.capacity as usize - first).unwrap_or((record, &[]));
        self.words.store_all(first, here); // write:C
        self.words.store_all(self.data, there); // write:C
        self.words.store(self.control + at::NEXT_SEQ, seq.wrapping_add(1)); // write:C
        self.words.store_release(self.control + at::HEAD, head.wrapping_add(need)); // write:D, pairs with read:A
        Ok(seq)
    }

    /// Moves `tail` so far that `need` words fit behind `head`.
    #[inline]
    fn make_room(&self, head: u64, need: u64, policy: Policy) -> Result<(), Full> {
        let end = head.wrapping_add(need);
        let old = self.control(at::TAIL);
        let mut tail = old;
        while end.wrapping_sub(tail) > self.capacity {
            if policy == Policy::Keep && !before(self.seq_at(tail), self.control(at::FLOOR)) {
                break;
            }
            tail = tail.wrapping_add(self.record_words(tail));
            if !before(tail, head) {
                // Behind the newest record; past it only if someone else has written into our memory. Either way the
                // lane is empty now, and the walk ends.
                tail = head;
            }
        }
        if tail != old {
            self.words.store(self.control + at::TAIL, tail); // write:A
        }
        if end.wrapping_sub(tail) > self.capacity { Err(Full) } else { Ok(()) }
    }

    #[inline]
    fn seq_at(&self, position: u64) -> u64 {
        self.words.load(self.index(position.wrapping_add(WORD_SEQ as u64)))
    }

    /// Records written so far.
    pub fn written(&self) -> u64 {
        self.next_seq().wrapping_sub(self.first_seq())
    }

    /// Seq that the next record gets.
    pub fn next_seq(&self) -> u64 {
        self.control(at::NEXT_SEQ)
    }

    /// Seq of the first record ever.
    pub fn first_seq(&self) -> u64 {
        self.control(at::FIRST_SEQ)
    }

    /// The cursor of a reader that wants to know of every record there ever was.
    pub fn start(&self) -> Cursor {
        Cursor { seq: self.first_seq(), position: self.control(at::FIRST_POSITION) }
    }

    /// Makes readers and writer ignore what has been written so far. Any number of callers at once; the floor only rises.
    pub fn clear(&self) {
        let floor = self.next_seq();
        loop {
            let current = self.control(at::FLOOR);
            if !before(current, floor) || self.words.compare_exchange(self.control + at::FLOOR, current, floor) {
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
        let floor = self.control(at::FLOOR); // read:F
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
            let head = self.words.load_acquire(self.control + at::HEAD); // read:A, pairs with write:D
            let tail = self.control(at::TAIL); // read:B
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
        let bytes = size_of_first_word(self.words.load(self.index(position))); // read:C
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
            *word = self.words.load(self.index(position.wrapping_add(offset as u64))); // read:C
        }
        self.words.acquire_fence(); // read:D, pairs with write:B
        let tail = self.control(at::TAIL); // read:E
        // A first word that changed under us would make size and copy disagree; the tail says so.
        if before(position, tail) {
            return None;
        }
        Some(Found { seq: copied.0[WORD_SEQ], position, words })
    }
}

/// A record in [`Copied`].
struct Found {
    seq: u64,
    position: u64,
    words: usize,
}
