//! Which records a cut stream has: the last of each processor, then everything younger than one age.
//!
//! An age is the number of ticks between a record and the moment at which the pass begins. A selection is two numbers:
//! how many of its last records each processor keeps, and the age from which on other records are left out. Whether a
//! record is selected follows from the record and these numbers, so nothing has to be remembered of each record. Sites
//! count as part of the records that need them.
//!
//! The age is found by trying: each try adds up the records that are younger. A log may have a gigabyte, and a machine
//! that has crashed waits, so tries get shorter. The last records of each processor are added up once. If an age was too
//! much, no later try needs the records before the first younger one of each lane, and the next try begins there. The
//! next age is that of the record in the middle of the longest lane, so about half of the records are left each time;
//! and ages that no record has are not tried. So a processor that has been silent for days does not make the search
//! longer.

use irqlog_ring::{
    lane::{Copied, Cursor, Lane},
    lock::RawLock,
    word::Word,
};
use irqlog_wire::{
    crash::{CHUNK_HEADER_WORDS, LaneSummary},
    image::{DROP_REASONS, header_word, processor_word},
    record::{Kind, WORD, WORD_PROCESSOR, WORD_SEQ, WORD_SIZE, WORD_TICK},
    site::{PROVIDER_MAGIC, SITE_MAGIC, provider_word},
};
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use super::Scratch;
use crate::{Platform, Recorder, layout::HEADER_WORDS, memory::Memory};

/// The number of last records that each processor keeps where there is room.
pub const KEPT: usize = 8;

/// Runs of records that are read of one lane at most. A run ends at damage; a lane that is nothing but damage must not
/// hold up the dump.
pub const RUNS: usize = 64;

/// Words of a processor control that are told: the nesting count and the drops.
pub const PROCESSOR_WORDS: usize = processor_word::DROPS + DROP_REASONS;
/// Words of a [`LaneSummary`].
pub const LANE_WORDS: usize = size_of::<LaneSummary>() / WORD;

/// Which records are in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    now: u64,
    /// Records younger than this number of ticks are in.
    limit: u64,
    /// And this number of the last records of each processor.
    pub kept: usize,
}

/// The sizes of a selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Words of the stream.
    pub words: u64,
    /// Records in it.
    pub records: u64,
    /// Records that are in the lanes and not in the stream.
    pub left_out: u64,
}

/// The records that are in for being the last of their processors, in numbers.
struct Kept {
    records: u64,
    /// All records that there are.
    all: u64,
}

/// Ages of records that a try has met, in ticks.
struct Ages {
    /// Of the record in the middle of those that are young, in the lane with most of them.
    middle: u64,
    /// Of the oldest one that is young.
    oldest_in: u64,
    /// Of the youngest one that is not.
    youngest_out: u64,
}

/// What the search for a selection notes of a lane.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct LaneScratch {
    /// Words of the records that are in for being the last of their processors.
    kept_words: u64,
    /// Place at which a try begins: seq, position, runs.
    start: [u64; 3],
    /// Place of the first record that the last try has selected for its age.
    tried: [u64; 3],
}

impl Selection {
    fn age(&self, record: &[u64]) -> u64 {
        let age = self.now.wrapping_sub(record.get(WORD_TICK).copied().unwrap_or(0));
        // A clock that runs ahead on another processor.
        if (age as i64) < 0 { 0 } else { age }
    }

    /// Whether a record is in the stream.
    pub fn has(&self, newest: &[[u64; KEPT]], record: &[u64]) -> bool {
        self.is_young(record) || self.keeps(newest, record)
    }

    /// Whether a record is in the stream for its age.
    fn is_young(&self, record: &[u64]) -> bool {
        self.age(record) < self.limit
    }

    /// Whether a record is in the stream as one of the last of its processor.
    fn keeps(&self, newest: &[[u64; KEPT]], record: &[u64]) -> bool {
        let ages = self.kept.checked_sub(1).and_then(|last| newest.get(processor_of(record))?.get(last));
        ages.is_some_and(|&oldest| self.age(record) <= oldest)
    }

    /// Whether lanes are told of which no record is in the stream.
    pub const fn tells_empty_lanes(&self) -> bool {
        self.kept == KEPT
    }
}

/// The processor that wrote a record.
fn processor_of(record: &[u64]) -> usize {
    (record.get(WORD_PROCESSOR).copied().unwrap_or(0) & 0xffff) as usize
}

/// The site id of a record, if it is an event.
fn site_of(record: &[u64]) -> Option<usize> {
    let is_event = (record.get(WORD_SIZE)? >> 16) as u8 == Kind::Event.0;
    is_event.then(|| (record.get(WORD_PROCESSOR).copied().unwrap_or(0) >> 32) as usize)
}

/// A place in a lane that nobody writes, for a walk over its whole records.
#[derive(Clone, Copy, Debug)]
struct Place {
    cursor: Cursor,
    /// Runs of records that lie before it.
    runs: usize,
}

impl Place {
    fn start<W: Word>(lane: &Lane<'_, W>) -> Self {
        Self { cursor: lane.start(), runs: 0 }
    }

    fn of(lane: &LaneScratch) -> Self {
        let [seq, position, runs] = lane.start;
        Self { cursor: Cursor { seq, position }, runs: runs as usize }
    }

    const fn words(&self) -> [u64; 3] {
        [self.cursor.seq, self.cursor.position, self.runs as u64]
    }
}

/// Shows every whole record of a lane that nobody writes, from a place on. Answers the place of the first one that is
/// looked for, or the end.
fn walk_from<W: Word>(
    lane: &Lane<'_, W>,
    mut place: Place,
    copied: &mut Copied,
    is_looked_for: impl Fn(&[u64]) -> bool,
    mut sink: impl FnMut(&[u64]),
) -> Place {
    let mut first = None;
    while place.runs < RUNS {
        let mut is_found = false;
        let batch = lane.read(place.cursor, copied, |record| {
            // The batch ends before it, which shows where it is, and the next one begins with it.
            is_found = first.is_none() && is_looked_for(record);
            if !is_found {
                sink(record);
            }
            !is_found
        });
        place.cursor = batch.next;
        if is_found {
            first = Some(place);
        } else if batch.more {
            place.runs += 1;
        } else {
            break;
        }
    }
    first.unwrap_or(place)
}

/// Shows every whole record of a lane that nobody writes.
pub fn walk<W: Word>(lane: &Lane<'_, W>, copied: &mut Copied, sink: impl FnMut(&[u64])) {
    walk_from(lane, Place::start(lane), copied, |_| false, sink);
}

/// Sets a bit, if it is there.
fn set(marks: &mut [u64], bit: usize) {
    if let Some(word) = marks.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// The first set bit from `from` on, below `end`.
pub fn next_mark(marks: &[u64], from: usize, end: usize) -> Option<usize> {
    let mut at = from;
    while at < end {
        let rest = marks.get(at / 64).copied()? >> (at % 64);
        if rest != 0 {
            let found = at + rest.trailing_zeros() as usize;
            return (found < end).then_some(found);
        }
        at = (at / 64 + 1) * 64;
    }
    None
}

/// An entry of the site table, in words of the table.
#[derive(Clone, Copy, Debug)]
pub struct EntryWords {
    /// First word.
    pub first: usize,
    /// Words of header and name.
    pub header: usize,
    /// First word behind it.
    pub end: usize,
}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// The largest selection of at most `most` words; `None` if not even the image header fits. The marks of its sites
    /// are set afterwards.
    pub(super) fn select(
        &self,
        scratch: &mut Scratch<'_>,
        most: u64,
        is_small: bool,
        last: Option<Selection>,
    ) -> Option<(Selection, Sums)> {
        let now = last.map_or_else(|| self.platform.now(), |last| last.now);
        let (oldest, all) = self.note_newest(scratch, now);
        if let Some(last) = last {
            let kept = self.note_kept(scratch, &last, all);
            let (sums, _) = self.sums(scratch, &last, &kept);
            if sums.words <= most {
                return Some((last, sums));
            }
        }
        let mut best = None;
        for kept in [KEPT, 1, 0] {
            if kept == KEPT && is_small {
                continue;
            }
            let selection = Selection { now, limit: 0, kept };
            let kept = self.note_kept(scratch, &selection, all);
            let (sums, _) = self.sums(scratch, &selection, &kept);
            if sums.words <= most {
                best = Some((selection, sums, kept));
                break;
            }
        }
        let (mut best, mut sums, kept) = best?;
        // The first try is all of it.
        let (mut fits, mut too_much, mut limit) = (0, oldest.saturating_add(2), oldest.saturating_add(1));
        while too_much.wrapping_sub(fits) > 1 {
            let tried = Selection { limit, ..best };
            let (of_tried, ages) = self.sums(scratch, &tried, &kept);
            if of_tried.words <= most {
                // Up to the next record an age selects the same.
                fits = ages.youngest_out.min(too_much.wrapping_sub(1));
                (best, sums) = (tried, of_tried);
                // More tries are for nothing but a few records.
                if sums.words.saturating_add(most / 32) >= most {
                    break;
                }
            } else {
                too_much = ages.oldest_in.saturating_add(1);
                for lane in scratch.lanes.iter_mut() {
                    lane.start = lane.tried;
                }
            }
            let is_between = fits < ages.middle && ages.middle < too_much;
            limit = if is_between { ages.middle } else { fits.wrapping_add(too_much.wrapping_sub(fits) / 2) };
        }
        // For the marks, which belong to the selection that was tried last.
        sums = if self.sums(scratch, &best, &kept).0 == sums { sums } else { return None };
        Some((best, sums))
    }

    /// Notes the ages of the newest records of each processor; answers the age of the oldest record, and the number of
    /// records.
    fn note_newest(&self, scratch: &mut Scratch<'_>, now: u64) -> (u64, u64) {
        let Scratch { newest, copied, .. } = scratch;
        for ages in newest.iter_mut() {
            ages.fill(u64::MAX);
        }
        let (selection, mut oldest, mut all) = (Selection { now, limit: 0, kept: 0 }, 0, 0);
        for lane in self.image.lanes() {
            walk(&lane, copied, |record| {
                let mut age = selection.age(record);
                oldest = age.max(oldest);
                all += 1;
                let Some(ages) = newest.get_mut(processor_of(record)) else { return };
                for place in ages {
                    if age < *place {
                        core::mem::swap(place, &mut age);
                    }
                }
            });
        }
        (oldest, all)
    }

    /// Notes the records that are in for being the last of their processors. Tries begin at the start of each lane then.
    fn note_kept(&self, scratch: &mut Scratch<'_>, selection: &Selection, all: u64) -> Kept {
        let Scratch { newest, kept_marks, copied, lanes, .. } = scratch;
        kept_marks.fill(0);
        let mut kept = Kept { records: 0, all };
        for (lane, noted) in self.image.lanes().zip(lanes.iter_mut()) {
            *noted = LaneScratch { kept_words: 0, start: Place::start(&lane).words(), tried: [0; 3] };
            if selection.kept == 0 {
                continue;
            }
            walk(&lane, copied, |record| {
                if selection.keeps(newest, record) {
                    kept.records += 1;
                    noted.kept_words += record.len() as u64;
                    self.mark_site(kept_marks, record);
                }
            });
        }
        kept
    }

    /// Marks the site that a record needs.
    fn mark_site(&self, marks: &mut [u64], record: &[u64]) {
        if let Some(site) = site_of(record).filter(|&site| self.site_words(site).is_some()) {
            set(marks, site);
        }
    }

    /// The sizes of a selection, and ages for the next one. Sets the marks of the sites that the selection needs, and of
    /// no other.
    fn sums(&self, scratch: &mut Scratch<'_>, selection: &Selection, kept: &Kept) -> (Sums, Ages) {
        let Scratch { newest, marks, kept_marks, copied, lanes } = scratch;
        for (mark, kept) in marks.iter_mut().zip(kept_marks.iter()) {
            *mark = *kept;
        }
        let mut sums = Sums { words: (CHUNK_HEADER_WORDS + HEADER_WORDS) as u64, records: kept.records, left_out: 0 };
        let told = (0..).zip(self.image.processors).filter(|(index, words)| self.is_told(*index, words)).count();
        sums.words += (told * (CHUNK_HEADER_WORDS + PROCESSOR_WORDS)) as u64;
        let (mut ages, mut most) = (Ages { middle: 0, oldest_in: 0, youngest_out: u64::MAX }, 0);
        for (lane, noted) in self.image.lanes().zip(lanes.iter_mut()) {
            let mut of_lane = noted.kept_words;
            if selection.limit != 0 {
                let next_seq = lane.next_seq();
                // Seq in the middle of those that are young, and the age of the record that has it.
                let mut half: Option<(u64, u64)> = None;
                let mut age_of_half = 0;
                let tried = walk_from(
                    &lane,
                    Place::of(noted),
                    copied,
                    |record| selection.is_young(record),
                    |record| {
                        let age = selection.age(record);
                        if age >= selection.limit {
                            ages.youngest_out = age.min(ages.youngest_out);
                            return;
                        }
                        ages.oldest_in = age.max(ages.oldest_in);
                        let seq = record.get(WORD_SEQ).copied().unwrap_or(0);
                        let (middle, _) = *half.get_or_insert_with(|| {
                            let count = next_seq.wrapping_sub(seq);
                            (seq.wrapping_add(count / 2), count)
                        });
                        if seq.wrapping_sub(middle) as i64 <= 0 {
                            age_of_half = age;
                        }
                        if !selection.keeps(newest, record) {
                            sums.records += 1;
                            of_lane += record.len() as u64;
                            self.mark_site(marks, record);
                        }
                    },
                );
                noted.tried = tried.words();
                if let Some((_, count)) = half.filter(|&(_, count)| count > most) {
                    (ages.middle, most) = (age_of_half, count);
                }
            }
            if of_lane != 0 {
                of_lane += CHUNK_HEADER_WORDS as u64;
            }
            if of_lane != 0 || (selection.tells_empty_lanes() && lane.written() != 0) {
                sums.words += (CHUNK_HEADER_WORDS + LANE_WORDS) as u64 + of_lane;
            }
        }
        sums.left_out = kept.all.wrapping_sub(sums.records);
        sums.words += self.sites_words(marks);
        (sums, ages)
    }

    /// The words that the marked sites take in the stream, with the headers of their entries.
    fn sites_words(&self, marks: &[u64]) -> u64 {
        let (mut words, mut last) = (0, None);
        let end = self.used_sites().len();
        let mut marked = next_mark(marks, 0, end);
        while let Some(site) = marked {
            words += CHUNK_HEADER_WORDS + self.site_words(site).unwrap_or(0);
            last = Some(site);
            marked = next_mark(marks, site + 1, end);
        }
        // Entries are found one behind the other, so those before a needed one are needed too.
        let mut entry = self.entry_at(0);
        while let Some(found) = entry.filter(|entry| last.is_some_and(|last| entry.first <= last)) {
            words += CHUNK_HEADER_WORDS + found.header;
            entry = self.entry_at(found.end);
        }
        words as u64
    }

    /// The words of a lane's records that are in the stream.
    pub(super) fn selected_words<W: Word>(
        lane: &Lane<'_, W>,
        scratch: &mut Scratch<'_>,
        selection: &Selection,
    ) -> usize {
        let Scratch { newest, copied, .. } = scratch;
        let mut words = 0;
        walk(lane, copied, |record| words += if selection.has(newest, record) { record.len() } else { 0 });
        words
    }

    /// The words of the site table that are in use.
    pub(super) fn used_sites(&self) -> &[M::Word] {
        let used = self.image.header[header_word::SITES_SIZE].load_acquire() as usize / WORD;
        self.image.sites.get(..used).unwrap_or_default()
    }

    /// Words of the site that starts at a word of the table; `None` if none does.
    pub(super) fn site_words(&self, first: usize) -> Option<usize> {
        let table = self.used_sites();
        let word = table.get(first)?.load();
        let words = (word >> 32) as usize / WORD;
        let is_site = word as u32 == SITE_MAGIC && words != 0 && words <= table.len().wrapping_sub(first);
        is_site.then_some(words)
    }

    /// The entry that starts at a word of the table; `None` if none does.
    pub(super) fn entry_at(&self, first: usize) -> Option<EntryWords> {
        let table = self.used_sites();
        let word = table.get(first)?.load();
        // `sites_offset` is the high half of the second word.
        let header = (table.get(first + 1)?.load() >> 32) as usize / WORD;
        let words = (word >> 32) as usize / WORD;
        let is_entry = word as u32 == PROVIDER_MAGIC
            && words <= table.len().wrapping_sub(first)
            && header >= provider_word::COUNT
            && header <= words;
        is_entry.then_some(EntryWords { first, header, end: first + words })
    }

    /// Whether a processor's control, or its nesting count, says anything.
    pub(super) fn is_told(&self, processor: usize, words: &[M::Word; processor_word::COUNT]) -> bool {
        self.image.nesting(processor).is_some_and(|nesting| nesting.load() != 0)
            || words.iter().take(PROCESSOR_WORDS).any(|word| word.load() != 0)
    }
}
