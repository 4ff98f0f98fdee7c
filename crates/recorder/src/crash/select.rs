//! Which records a cut stream has: the last of each processor, then everything younger than one age.
//!
//! An age is the number of ticks between a record and the moment at which the pass begins. A selection is two numbers:
//! how many of its last records each processor keeps, and the age from which on other records are left out. Whether a
//! record is selected follows from the record and these numbers, so nothing has to be remembered of each record; the
//! sizes are found by walking the lanes, and the age by halving. Sites count as part of the records that need them.

use irqlog_ring::{
    lane::{Copied, Lane},
    lock::RawLock,
    word::Word,
};
use irqlog_wire::{
    crash::{CHUNK_HEADER_WORDS, LaneSummary},
    image::{DROP_REASONS, header_word, processor_word},
    record::{Kind, WORD, WORD_PROCESSOR, WORD_SIZE, WORD_TICK},
    site::{PROVIDER_MAGIC, SITE_MAGIC, provider_word},
};

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

impl Selection {
    fn age(&self, record: &[u64]) -> u64 {
        let age = self.now.wrapping_sub(record.get(WORD_TICK).copied().unwrap_or(0));
        // A clock that runs ahead on another processor.
        if (age as i64) < 0 { 0 } else { age }
    }

    /// Whether a record is in the stream.
    pub fn has(&self, newest: &[[u64; KEPT]], record: &[u64]) -> bool {
        let age = self.age(record);
        let is_kept = self
            .kept
            .checked_sub(1)
            .and_then(|last| newest.get(processor_of(record))?.get(last))
            .is_some_and(|&oldest| age <= oldest);
        is_kept || age < self.limit
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

/// Shows every whole record of a lane that nobody writes.
pub fn walk<W: Word>(lane: &Lane<'_, W>, copied: &mut Copied, mut sink: impl FnMut(&[u64])) {
    let mut cursor = lane.start();
    for _ in 0..RUNS {
        let batch = lane.read(cursor, copied, |record| {
            sink(record);
            true
        });
        if !batch.more {
            return;
        }
        cursor = batch.next;
    }
}

/// Whether the bit was clear; it is set afterwards. False for a bit that is not there.
fn set(marks: &mut [u64], bit: usize) -> bool {
    let Some(word) = marks.get_mut(bit / 64) else { return false };
    let mask = 1 << (bit % 64);
    let was_clear = *word & mask == 0;
    *word |= mask;
    was_clear
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
        let oldest = self.note_newest(scratch, now);
        if let Some(last) = last {
            let sums = self.sums(scratch, &last);
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
            let sums = self.sums(scratch, &selection);
            if sums.words <= most {
                best = Some((selection, sums));
                break;
            }
        }
        let (mut best, mut sums) = best?;
        let (mut fits, mut too_much) = (0, oldest.saturating_add(2));
        while too_much.wrapping_sub(fits) > 1 {
            // The first try is all of it.
            let limit = if fits == 0 && too_much > oldest.saturating_add(1) {
                oldest.saturating_add(1)
            } else {
                fits.wrapping_add(too_much.wrapping_sub(fits) / 2)
            };
            let tried = Selection { limit, ..best };
            let of_tried = self.sums(scratch, &tried);
            if of_tried.words <= most {
                fits = limit;
                (best, sums) = (tried, of_tried);
                // Halving goes on for nothing but a few records.
                if sums.words.saturating_add(most / 32) >= most {
                    break;
                }
            } else {
                too_much = limit;
            }
        }
        // For the marks, which belong to the selection that was tried last.
        sums = if self.sums(scratch, &best) == sums { sums } else { return None };
        Some((best, sums))
    }

    /// Notes the ages of the newest records of each processor, and answers the age of the oldest record.
    fn note_newest(&self, scratch: &mut Scratch<'_>, now: u64) -> u64 {
        let Scratch { newest, copied, .. } = scratch;
        for ages in newest.iter_mut() {
            ages.fill(u64::MAX);
        }
        let (selection, mut oldest) = (Selection { now, limit: 0, kept: 0 }, 0);
        for lane in self.image.lanes() {
            walk(&lane, copied, |record| {
                let mut age = selection.age(record);
                oldest = age.max(oldest);
                let Some(ages) = newest.get_mut(processor_of(record)) else { return };
                for place in ages {
                    if age < *place {
                        core::mem::swap(place, &mut age);
                    }
                }
            });
        }
        oldest
    }

    /// The sizes of a selection; sets the marks of the sites that it needs, and of no other.
    fn sums(&self, scratch: &mut Scratch<'_>, selection: &Selection) -> Sums {
        let Scratch { newest, marks, copied } = scratch;
        marks.fill(0);
        let mut sums = Sums { words: (CHUNK_HEADER_WORDS + HEADER_WORDS) as u64, ..Sums::default() };
        let (mut sites, mut last_site) = (0, None);
        let told = (0..).zip(self.image.processors).filter(|(index, words)| self.is_told(*index, words)).count();
        sums.words += (told * (CHUNK_HEADER_WORDS + PROCESSOR_WORDS)) as u64;
        for lane in self.image.lanes() {
            let mut of_lane = 0;
            walk(&lane, copied, |record| {
                if !selection.has(newest, record) {
                    sums.left_out += 1;
                    return;
                }
                sums.records += 1;
                of_lane += record.len();
                if let Some((site, words)) = site_of(record).and_then(|site| Some((site, self.site_words(site)?)))
                    && set(marks, site)
                {
                    sites += CHUNK_HEADER_WORDS + words;
                    last_site = last_site.max(Some(site));
                }
            });
            if of_lane != 0 {
                of_lane += CHUNK_HEADER_WORDS;
            }
            if of_lane != 0 || (selection.tells_empty_lanes() && lane.written() != 0) {
                sums.words += (CHUNK_HEADER_WORDS + LANE_WORDS + of_lane) as u64;
            }
        }
        sums.words += sites as u64;
        // Entries are found one behind the other, so those before a needed one are needed too.
        let mut entry = self.entry_at(0);
        while let Some(found) = entry.filter(|entry| last_site.is_some_and(|last| entry.first <= last)) {
            sums.words += (CHUNK_HEADER_WORDS + found.header) as u64;
            entry = self.entry_at(found.end);
        }
        sums
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
