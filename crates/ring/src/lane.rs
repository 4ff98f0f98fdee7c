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
//! # Segments
//!
//! The data is divided into segments of the same size, [`SEGMENTS`] of them in any lane that is not tiny. The rest of the segment
//! that `head` is in is always free. So a record that ends inside that segment ([`Lane::append_inside`]) is written without
//! a look at `tail`, and never goes round the end of the data. Almost all records are.
//!
//! A record that ends in another segment, or right at the end of its own ([`Lane::append`]), first frees all of the segment in
//! which the next record will begin: `tail` moves to the first record that begins behind the words that this segment had a
//! round ago. The writer does not walk there. When it entered those words' next segment, a round ago, it stored a *mark*:
//! the position of the first record that begins there. So the number of steps of a write is bounded, whatever the size
//! of the lane. A mark that cannot be right, because other code has written into it, gives up all records of the lane;
//! the lane goes on.
//!
//! Why the mark is there: let `b` be the boundary between segments up to which the words have to be free, seen a round ago.
//! If `tail` is before `b`, then so is the lane's first record, so a record was written across `b`, or ended at it, since
//! the lane was made, and that write stored the mark of `b`. The next write that stores the same mark is the one that
//! crosses `b` a round later, and the words up to there are freed by a write before it.
//!
//! # Movements
//!
//! Writer, alone by lock or by processor:
//!
//! | Label | Step | Order |
//! |---|---|---|
//! | `write:A` | store `tail` past the records that will be overwritten, when another segment is entered | Relaxed |
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
//! only in writes that move `tail`: an earlier owner of the lane may have freed the segment, and the words of *this* owner
//! need this owner's fence.
//!
//! # Lines
//!
//! `head` and `next_seq` have lines of their own, which the writer stores into for every record. A reader loads both at
//! once, when it begins a batch, and not again in that batch unless there is damage. `tail`, which readers load for every
//! record, is stored once a segment.
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
    image::{Policy, SEGMENTS, lane_word as at},
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

/// The later one of two numbers on the circle of 64-bit numbers.
#[inline]
#[must_use]
pub const fn later(a: u64, b: u64) -> u64 {
    if before(a, b) { b } else { a }
}

/// `to - from` if `to` is later, else 0.
#[inline]
const fn distance(from: u64, to: u64) -> u64 {
    if before(from, to) { to.wrapping_sub(from) } else { 0 }
}

/// The size of a lane and of its segments.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Words of data less one: the words are a power of two.
    last: usize,
    /// Words of a segment less one. The words of a segment are a power of two, and not more than those of the data.
    last_of_segment: usize,
}

impl Geometry {
    /// The geometry of a lane with this number of words; `None` if that is no power of two.
    #[must_use]
    pub const fn of(words: usize) -> Option<Self> {
        Self::with_segments(words, SEGMENTS)
    }

    /// The same with another number of segments, at most [`SEGMENTS`], for models of tiny lanes.
    #[must_use]
    pub const fn with_segments(words: usize, segments: usize) -> Option<Self> {
        if !words.is_power_of_two() || !segments.is_power_of_two() || segments > SEGMENTS {
            return None;
        }
        // Both are powers of two, so the quotient is one, or zero; of the latter the mask is zero too.
        Some(Self { last: words.wrapping_sub(1), last_of_segment: (words / segments).saturating_sub(1) })
    }

    /// Words of data.
    #[inline]
    #[must_use]
    pub const fn words(&self) -> usize {
        self.last.wrapping_add(1)
    }
}

/// A lane of an image: its control words and its data.
#[derive(Debug)]
pub struct Lane<'m, W> {
    control: &'m [W; at::COUNT],
    /// As many words as the geometry says.
    data: &'m [W],
    geometry: Geometry,
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
    /// Seq that the lane's next record had when the read looked where the records end.
    pub next_seq: u64,
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
        match Geometry::of(data.len()) {
            Some(geometry) => Some(Self { control, data, geometry }),
            None => None,
        }
    }

    /// The lane with these control words and this data, whose geometry is known.
    ///
    /// # Safety
    /// `data` has as many words as the geometry says.
    #[inline]
    pub const unsafe fn with_geometry(control: &'m [W; at::COUNT], data: &'m [W], geometry: Geometry) -> Self {
        Self { control, data, geometry }
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
        self.geometry.words() as u64
    }

    /// Index of a position in the data.
    #[inline]
    const fn index(&self, position: u64) -> usize {
        position as usize & self.geometry.last
    }

    /// The mark of the segment that a position is in.
    #[inline]
    fn mark(&self, position: u64) -> Option<&'m W> {
        let segment = self.index(position).wrapping_shr(self.geometry.last_of_segment.trailing_ones());
        self.control.get(at::MARKS.wrapping_add(segment))
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

    /// Stamps and appends a record that ends inside the segment that `head` is in, and answers its seq. `None` if the record
    /// does not end there: then nothing has happened, and [`append`](Self::append) can. IRQL: the writer's,
    /// `HIGH_LEVEL`; the function never waits.
    ///
    /// `header` has the words of a [`RecordHeader`](irqlog_wire::record::RecordHeader) without seq and tick. The caller knows
    /// that the payload has at least `SURE` words: they are stored without a loop. The clock is read as late as possible:
    /// reading it waits for everything before it.
    ///
    /// # Safety
    /// The caller is the lane's only writer until this returns, and every earlier writer's stores happened before.
    // Always: as a call it would be handed the record, and the lane, in memory.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: docs/performance.md")]
    pub unsafe fn append_inside<const SURE: usize>(
        &self,
        mut header: [u64; HEADER_WORDS],
        payload: &[u64],
        clock: impl FnOnce() -> u64,
    ) -> Option<u64> {
        let head = self.control[at::HEAD].load();
        let need = HEADER_WORDS.wrapping_add(payload.len());
        let end = head.wrapping_add(need as u64);
        let (sure, payload) = payload.split_first_chunk::<SURE>()?;
        // A record that fills the segment enters the next one.
        let room = !(head as usize) & self.geometry.last_of_segment;
        if need > room {
            return None;
        }
        let first = self.index(head);
        let tick = clock();
        let seq = self.control[at::NEXT_SEQ].load();
        self.control[at::HEAD].release_fence(); // write:B, pairs with read:D
        // SAFETY: `first` and `need` words behind it are in one segment, as was checked; segments divide the data, which has as
        // many words as the geometry says.
        let run = unsafe { self.data.get_unchecked(first..first.wrapping_add(need)) };
        if let Some((places, rest)) = run.split_first_chunk::<HEADER_WORDS>()
            && let Some((sure_places, rest)) = rest.split_first_chunk::<SURE>()
        {
            header[WORD_SEQ] = seq;
            header[WORD_TICK] = tick;
            for (place, value) in places.iter().zip(header) {
                place.store(value); // write:C
            }
            for (place, &value) in sure_places.iter().zip(sure) {
                place.store(value); // write:C
            }
            store_all(rest, payload); // write:C
        }
        self.control[at::NEXT_SEQ].store(seq.wrapping_add(1)); // write:C
        self.control[at::HEAD].store_release(end); // write:D, pairs with read:A
        Some(seq)
    }

    /// Stamps a record with seq and tick, appends it wherever it ends, and answers its seq. IRQL: the writer's,
    /// `HIGH_LEVEL`; the function never waits, and fails only with [`Full`].
    ///
    /// # Errors
    /// [`Full`] if the policy is `keep` and there is no room, or the record does not fit into the lane less a segment.
    ///
    /// # Safety
    /// The caller is the lane's only writer until this returns, and every earlier writer's stores happened before.
    #[inline]
    pub unsafe fn append(
        &self,
        mut record: NewRecord<'_>,
        clock: impl FnOnce() -> u64,
        policy: Policy,
    ) -> Result<u64, Full> {
        let head = self.control[at::HEAD].load();
        let seq = self.control[at::NEXT_SEQ].load();
        let end = head.wrapping_add((HEADER_WORDS + record.payload.len()) as u64);
        self.enter_segments(head, end, seq, policy)?;
        record.header[WORD_SEQ] = seq;
        record.header[WORD_TICK] = clock();
        self.control[at::HEAD].release_fence(); // write:B, pairs with read:D
        // Some of it may lie at the end of the data, and the rest at their start.
        for (offset, &value) in record.header.iter().chain(record.payload).enumerate() {
            self.store(head.wrapping_add(offset as u64), value); // write:C
        }
        self.control[at::NEXT_SEQ].store(seq.wrapping_add(1)); // write:C
        self.control[at::HEAD].store_release(end); // write:D, pairs with read:A
        Ok(seq)
    }

    /// Makes room for a record from `head` to `end`, and marks the segments that it enters. The segment in which the record
    /// behind it will begin is free afterwards.
    #[inline]
    fn enter_segments(&self, head: u64, end: u64, seq: u64, policy: Policy) -> Result<(), Full> {
        let last = self.geometry.last_of_segment as u64;
        let free_to = (end | last).wrapping_add(1);
        if free_to.wrapping_sub(head) > self.capacity() {
            return Err(Full);
        }
        // What lies before this position is to be free.
        let bound = free_to.wrapping_sub(self.capacity());
        let tail = self.control[at::TAIL].load();
        if before(tail, bound) {
            let mark = self.mark(bound).map_or(head, W::load);
            let is_right = !before(mark, bound) && !before(head, mark);
            let tail = if is_right { mark } else { head };
            if policy == Policy::Keep {
                let oldest = if tail == head { seq } else { self.load(tail.wrapping_add(WORD_SEQ as u64)) };
                if before(self.control[at::FLOOR].load(), oldest) {
                    return Err(Full);
                }
            }
            self.control[at::TAIL].store(tail); // write:A
        }
        let mut boundary = (head | last).wrapping_add(1);
        while !before(end, boundary) {
            if let Some(mark) = self.mark(boundary) {
                mark.store(end);
            }
            boundary = boundary.wrapping_add(last).wrapping_add(1);
        }
        Ok(())
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
        let Some((mut first, End { head, next_seq })) = self.first_whole(cursor, copied) else {
            // Overtaken again and again: nothing is decided, the caller comes back with the same cursor.
            let next_seq = self.next_seq();
            return BatchSummary { next: cursor, lost: 0, cleared: 0, damaged: 0, more: true, next_seq };
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
            next_seq,
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
    /// also the end up to which the ring may be read.
    fn first_whole(&self, cursor: Cursor, copied: &mut Copied) -> Option<(Found, End)> {
        let mut hint = Some(cursor.position);
        for _ in 0..ATTEMPTS {
            let head = self.control[at::HEAD].load_acquire(); // read:A, pairs with write:D
            let tail = self.control[at::TAIL].load(); // read:B
            if before(head, tail) {
                // The whole ring went by between the two loads.
                continue;
            }
            // On the line of `head`, so it is loaded now. It is stored before `head`, so it belongs to this head or a later one.
            let end = End { head, next_seq: self.next_seq() };
            if let Some(position) = hint.take() {
                let found = self.at_hint(cursor.seq, position, tail, end, copied);
                if found.is_some() {
                    return found.map(|found| (found, end));
                }
            }
            if let Some(found) = self.walk(cursor.seq, tail, end, copied) {
                return Some((found, end));
            }
        }
        None
    }

    /// The record `seq` if it lies at `position`. If `seq` will be written there, the end of the ring.
    fn at_hint(&self, seq: u64, position: u64, tail: u64, end: End, copied: &mut Copied) -> Option<Found> {
        let head = end.head;
        if position == head {
            return (end.next_seq == seq).then_some(Found { seq, position, words: 0, damaged: 0 });
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
    fn walk(&self, seq: u64, tail: u64, end: End, copied: &mut Copied) -> Option<Found> {
        let (mut position, head) = (tail, end.head);
        // The seq of the record at `position`, once one before it was whole.
        let mut expected = None;
        while position != head {
            let found = match self.copy(position, head, copied) {
                Copying::Whole(found) if expected.is_none() => self.oldest(found, end, copied)?,
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
    fn oldest(&self, found: Found, end: End, copied: &mut Copied) -> Option<Found> {
        let Found { seq, position, .. } = found;
        let head = end.head;
        let was_given = self.was_given(seq, end.next_seq);
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

    /// Whether a record before `next_seq` has, or had, this seq.
    fn was_given(&self, seq: u64, next_seq: u64) -> bool {
        !before(seq, self.first_seq()) && before(seq, next_seq)
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
            if is_new && self.was_given(seq, self.next_seq()) && self.is_followed(candidate, seq, head) {
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

/// Stores `values` into the same number of words: the first few and the last few, which may be the same ones. For
/// payloads as short as most are, that is less than a loop over single words, or a ladder of steps that get shorter.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as a call it costs more than the stores")]
fn store_all<W: Word>(mut words: &[W], mut values: &[u64]) {
    if values.is_empty() {
        return;
    }
    while values.len() > 8 {
        let (Some((first, rest)), Some((first_values, rest_values))) =
            (words.split_first_chunk::<8>(), values.split_first_chunk::<8>())
        else {
            return;
        };
        store_some(first, first_values);
        (words, values) = (rest, rest_values);
    }
    if store_ends::<W, 4>(words, values) || store_ends::<W, 2>(words, values) {
        return;
    }
    if let ([word], [value]) = (words, values) {
        word.store(*value);
    }
}

/// Stores the first `N` values and the last `N`. Answers false if there are fewer than `N`, or more than twice that.
#[inline(always)]
#[expect(clippy::inline_always, reason = "see `store_all`")]
fn store_ends<W: Word, const N: usize>(words: &[W], values: &[u64]) -> bool {
    let (Some(first), Some(first_values)) = (words.first_chunk::<N>(), values.first_chunk::<N>()) else {
        return false;
    };
    let (Some(last), Some(last_values)) = (words.last_chunk::<N>(), values.last_chunk::<N>()) else { return false };
    store_some(first, first_values);
    store_some(last, last_values);
    true
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "see `store_all`")]
fn store_some<W: Word, const N: usize>(words: &[W; N], values: &[u64; N]) {
    for (word, &value) in words.iter().zip(values) {
        word.store(value);
    }
}

/// Where the records of a lane end: what a reader looks at once for a batch.
#[derive(Clone, Copy)]
struct End {
    head: u64,
    next_seq: u64,
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
