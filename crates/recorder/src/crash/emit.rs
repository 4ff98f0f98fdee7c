//! The bytes of a stream, part by part: each call goes on where the last one stopped, in the middle of an item too.

use irqlog_ring::{lane::Cursor, lock::RawLock, word::Word};
use irqlog_wire::{
    crash::{CHUNK_HEADER_WORDS, ChunkKind},
    image::{header_word, lane_word, processor_word},
    record::WORD,
};

use super::{
    Scratch,
    select::{EntryWords, LANE_WORDS, PROCESSOR_WORDS, RUNS, Selection, next_mark},
};
use crate::{Platform, Recorder, layout::HEADER_WORDS, memory::Memory};

/// The room that a part has for bytes of the stream.
pub struct PartBuffer<'o> {
    words: &'o mut [u64],
    used: usize,
}

impl<'o> PartBuffer<'o> {
    /// A buffer in `words`, of which at most `most` are used.
    pub fn new(words: &'o mut [u64], most: u64) -> Self {
        let most = most.min(words.len() as u64) as usize;
        Self { words: words.get_mut(..most).unwrap_or_default(), used: 0 }
    }

    /// Words that are used.
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Writes an item of `length` words, of which `done` are in earlier parts; false if it is not complete, and then
    /// `done` says how many are out.
    fn put(&mut self, done: &mut usize, length: usize, word: impl Fn(usize) -> u64) -> bool {
        for place in self.words.iter_mut().skip(self.used) {
            if *done >= length {
                break;
            }
            *place = word(*done).to_le();
            *done += 1;
            self.used += 1;
        }
        let is_complete = *done >= length;
        if is_complete {
            *done = 0;
        }
        is_complete
    }
}

/// The place in a stream at which the next part begins.
///
/// The stages are flags and not an enumeration: a compiler makes a table of jumps of a choice among many, and `verify-sys`
/// does not follow jumps whose targets are data.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "see above")]
pub struct Emitter {
    is_header_out: bool,
    are_processors_out: bool,
    are_lanes_out: bool,
    /// The summary of lane `index` is out, and its records follow.
    is_in_lane: bool,
    are_sites_out: bool,
    /// Of the processor, the lane, or the word of the image or site table.
    index: usize,
    /// Of the lane's next record.
    cursor: Cursor,
    /// Runs of that lane that are done: see [`RUNS`].
    runs: usize,
    /// Words of the current item that are out.
    done: usize,
}

impl Emitter {
    /// The start of a stream.
    pub const fn new() -> Self {
        Self {
            is_header_out: false,
            are_processors_out: false,
            are_lanes_out: false,
            is_in_lane: false,
            are_sites_out: false,
            index: 0,
            cursor: Cursor { seq: 0, position: 0 },
            runs: 0,
            done: 0,
        }
    }
}

/// The first word of a chunk header; the second is its length in bytes.
const fn chunk(kind: ChunkKind, index: usize) -> u64 {
    kind.0 as u64 | (index as u64) << 32
}

/// Words of the chunk of a lane's summary.
const SUMMARY: usize = CHUNK_HEADER_WORDS + LANE_WORDS;

/// Word `at` of a chunk with `length` words behind its header.
fn chunk_word(kind: ChunkKind, index: usize, length: usize, at: usize, inner: impl Fn(usize) -> u64) -> u64 {
    match at {
        0 => chunk(kind, index),
        1 => (length as u64).wrapping_mul(WORD as u64),
        _ => inner(at.wrapping_sub(CHUNK_HEADER_WORDS)),
    }
}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Words of the image as it was allocated at the start, and the same with the pieces behind it.
    pub(super) fn whole_words(&self) -> (u64, u64) {
        let image = self.image.words().len() as u64;
        (image, (self.image.header[header_word::TOTAL_SIZE].load() / WORD as u64).max(image))
    }

    /// Goes on with the image and its pieces.
    pub(super) fn emit_whole(&self, emitter: &mut Emitter, room: &mut PartBuffer<'_>) {
        let (_, whole) = self.whole_words();
        let first = emitter.index;
        emitter.done = first;
        room.put(&mut emitter.done, whole as usize, |at| self.image.word(at));
        emitter.index = first.wrapping_add(room.used());
    }

    /// Goes on with the chunks of a selection, until there is no room or nothing is left.
    pub(super) fn emit_cut(
        &self,
        emitter: &mut Emitter,
        selection: &Selection,
        scratch: &mut Scratch<'_>,
        room: &mut PartBuffer<'_>,
    ) {
        if !emitter.is_header_out {
            if !self.emit_header(emitter, room) {
                return;
            }
            emitter.is_header_out = true;
        }
        while !emitter.are_processors_out {
            if !self.emit_processor(emitter, room) {
                return;
            }
        }
        while !emitter.are_lanes_out {
            let goes_on = if emitter.is_in_lane {
                self.emit_records(emitter, selection, scratch, room)
            } else {
                self.emit_lane(emitter, selection, scratch, room)
            };
            if !goes_on {
                return;
            }
        }
        while !emitter.are_sites_out {
            if !self.emit_site(emitter, scratch, room) {
                return;
            }
        }
    }

    fn emit_header(&self, emitter: &mut Emitter, room: &mut PartBuffer<'_>) -> bool {
        let word = |at| self.image.header.get(at).map_or(0, Word::load);
        room.put(&mut emitter.done, CHUNK_HEADER_WORDS + HEADER_WORDS, |at| {
            chunk_word(ChunkKind::Header, 0, HEADER_WORDS, at, word)
        })
    }

    fn emit_processor(&self, emitter: &mut Emitter, room: &mut PartBuffer<'_>) -> bool {
        let Some(control) = self.image.processors.get(emitter.index) else {
            (emitter.are_processors_out, emitter.index) = (true, 0);
            return true;
        };
        let is_out = !self.is_told(emitter.index, control) || {
            let index = emitter.index;
            let nesting = self.image.nesting(index).map_or(0, Word::load);
            let word = |at: usize| match at {
                0 => nesting,
                _ => control.get(processor_word::NESTING + at).map_or(0, Word::load),
            };
            room.put(&mut emitter.done, CHUNK_HEADER_WORDS + PROCESSOR_WORDS, |at| {
                chunk_word(ChunkKind::Processor, index, PROCESSOR_WORDS, at, word)
            })
        };
        emitter.index += usize::from(is_out);
        is_out
    }

    fn emit_lane(
        &self,
        emitter: &mut Emitter,
        selection: &Selection,
        scratch: &mut Scratch<'_>,
        room: &mut PartBuffer<'_>,
    ) -> bool {
        if emitter.index >= self.image.lane_count() {
            (emitter.are_lanes_out, emitter.index) = (true, 0);
            return true;
        }
        let index = emitter.index;
        let Some(lane) = self.image.lane(index) else {
            emitter.index += 1;
            return true;
        };
        let records = Self::selected_words(&lane, scratch, selection);
        if records == 0 && !(selection.tells_empty_lanes() && lane.written() != 0) {
            emitter.index += 1;
            return true;
        }
        let control = lane.control();
        let summary = |at: usize| {
            const WORDS: [usize; LANE_WORDS] = [
                0,
                lane_word::FIRST_SEQ,
                lane_word::FLOOR,
                lane_word::NEXT_SEQ,
                lane_word::CONTENDED,
                lane_word::LONGEST_WAIT,
                lane_word::LONGEST_HOLD,
                lane_word::HOLD_SAMPLES,
            ];
            WORDS.get(at).and_then(|&word| control.get(word)).map_or(0, Word::load)
        };
        let length = SUMMARY + if records == 0 { 0 } else { CHUNK_HEADER_WORDS };
        let is_out = room.put(&mut emitter.done, length, |at| {
            if at < SUMMARY {
                chunk_word(ChunkKind::Lane, index, LANE_WORDS, at, summary)
            } else {
                chunk_word(ChunkKind::Records, index, records, at - SUMMARY, |_| 0)
            }
        });
        if is_out {
            (emitter.cursor, emitter.runs) = (lane.start(), 0);
            emitter.is_in_lane = records != 0;
            emitter.index += usize::from(records == 0);
        }
        is_out
    }

    fn emit_records(
        &self,
        emitter: &mut Emitter,
        selection: &Selection,
        scratch: &mut Scratch<'_>,
        room: &mut PartBuffer<'_>,
    ) -> bool {
        let Scratch { newest, copied, .. } = scratch;
        if let Some(lane) = self.image.lane(emitter.index) {
            while emitter.runs < RUNS {
                let (mut is_full, done) = (false, &mut emitter.done);
                let batch = lane.read(emitter.cursor, copied, |record| {
                    if !selection.has(newest, record) {
                        return true;
                    }
                    is_full = !room.put(done, record.len(), |at| record.get(at).copied().unwrap_or(0));
                    !is_full
                });
                emitter.cursor = batch.next;
                if is_full {
                    return false;
                }
                if !batch.more {
                    break;
                }
                emitter.runs += 1;
            }
        }
        emitter.is_in_lane = false;
        emitter.index += 1;
        true
    }

    /// The next entry's header, or the next marked site of the entry.
    fn emit_site(&self, emitter: &mut Emitter, scratch: &Scratch<'_>, room: &mut PartBuffer<'_>) -> bool {
        let table = self.used_sites();
        let Some((first, words, next)) = self.next_of_sites(emitter.index, scratch.marks) else {
            emitter.are_sites_out = true;
            return true;
        };
        let word = |at: usize| table.get(first + at).map_or(0, Word::load);
        let is_out = room.put(&mut emitter.done, CHUNK_HEADER_WORDS + words, |at| {
            chunk_word(ChunkKind::Sites, first, words, at, word)
        });
        if is_out {
            emitter.index = next;
        }
        is_out
    }

    /// What is to be written of the site table from word `from` on: its first word, its words, and where to go on.
    fn next_of_sites(&self, from: usize, marks: &[u64]) -> Option<(usize, usize, usize)> {
        let end = self.used_sites().len();
        // Nothing marked from here on: then the entries from here on are not needed either.
        let marked = next_mark(marks, from, end)?;
        let mut entry = self.entry_at(0)?;
        while entry.end <= from {
            entry = self.entry_at(entry.end)?;
        }
        let EntryWords { first, header, .. } = entry;
        if from <= first {
            return Some((first, header, first + header));
        }
        if marked < entry.end {
            let words = self.site_words(marked)?;
            return Some((marked, words, marked + words));
        }
        let entry = self.entry_at(entry.end)?;
        Some((entry.first, entry.header, entry.first + entry.header))
    }
}
