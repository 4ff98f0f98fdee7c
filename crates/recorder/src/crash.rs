//! The log at a bug check: what is noted of it, and what is handed out as secondary data of the dump.
//!
//! # When this runs
//!
//! Windows calls a bug-check callback at HIGH_LEVEL with the other processors frozen, at any instruction (DDI
//! wdm/nc-wdm-kbugcheck_reason_callback_routine; "Writing a Bug Check Callback Routine": no allocation, no pageable
//! memory, no synchronization). So a frozen owner may hold the lock of the shared lane, and a record may be half
//! written, in the crashing processor's lanes too. Nothing here acquires a lock. A half-written record lies behind
//! `head`, so no reader sees it ([`irqlog_ring::lane`]), and [`select`] reads lanes as any reader does.
//!
//! # What is handed out
//!
//! | Room | What |
//! |---|---|
//! | the image, if it has no pieces | the image where it lies, without a copy |
//! | the image and its pieces | the same bytes in parts |
//! | at least 4 KiB | the newest whole records: the last 8 of each processor, then one cut by time over all lanes, and the sites that these records need |
//! | less | the same with the last record of each processor |
//! | less than the header | nothing |
//!
//! [`irqlog_wire::crash`] has the bytes. Each part says what was left out.
//!
//! Windows asks in passes: first for sizes, then for the data. The first pass makes a [`Plan`], and a later pass gives
//! at most what the first one gave, because the room in the file was measured by it ([`Passes`]). The first call of a
//! later pass pauses writing: records of other drivers' callbacks would overwrite what the plan has promised. With the
//! plain callback a pass is one call, so there is one part, of at most the size of the buffer.
//!
//! Everything works in memory that was allocated at the start ([`Scratch`]) and walks the lanes a bounded number of
//! times.

mod emit;
mod select;

use irqlog_ring::{lane::Copied, lock::RawLock, word::Word};
use irqlog_wire::{
    VERSION,
    crash::{PART_HEADER_WORDS, PART_MAGIC, PAUSED_BY_CRASH, PartHeader, StreamForm},
    image::header_word,
    record::{Level, WORD, flags},
};
use zerocopy::{FromBytes as _, IntoBytes};

use crate::{
    Platform, Recorder,
    draft::Draft,
    layout::Layout,
    log::{Entry, Outcome},
    memory::Memory,
};
use emit::{Emitter, PartBuffer};
use select::{KEPT, LaneScratch, Selection, Sums};

/// Below this number of bytes only the last record of each processor is kept for itself.
const SMALL: u64 = 4096;

/// A bug check, as Windows describes it to a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BugCheck {
    /// Its code.
    pub code: u32,
    /// Its four parameters.
    pub parameters: [u64; 4],
}

/// The memory that a callback works in. It is allocated at the start, because a callback cannot allocate.
pub struct Scratch<'s> {
    /// For each processor the ages in ticks of its newest records, youngest first.
    newest: &'s mut [[u64; KEPT]],
    /// For each word of the site table a bit: a site starts there and is needed.
    marks: &'s mut [u64],
    /// The same for those that the last records of each processor need.
    kept_marks: &'s mut [u64],
    /// What is noted of each lane.
    lanes: &'s mut [LaneScratch],
    /// The record that is looked at.
    copied: Copied,
}

impl<'s> Scratch<'s> {
    /// Number of words that [`new`](Self::new) needs for a layout.
    #[must_use]
    pub const fn words(layout: &Layout) -> usize {
        layout.processors() * KEPT
            + 2 * layout.sites_words().div_ceil(64)
            + layout.lanes() * (size_of::<LaneScratch>() / WORD)
    }

    /// Divides zeroed memory of at least [`words`](Self::words) words; `None` if it is smaller.
    #[must_use]
    pub fn new(words: &'s mut [u64], layout: &Layout) -> Option<Self> {
        let (newest, rest) = words.split_at_mut_checked(layout.processors() * KEPT)?;
        let (marks, rest) = rest.split_at_mut_checked(layout.sites_words().div_ceil(64))?;
        let (kept_marks, rest) = rest.split_at_mut_checked(layout.sites_words().div_ceil(64))?;
        let lanes = rest.get_mut(..layout.lanes() * (size_of::<LaneScratch>() / WORD))?;
        let lanes = <[LaneScratch]>::mut_from_bytes(lanes.as_mut_bytes()).ok()?;
        Some(Self { newest: newest.as_chunks_mut().0, marks, kept_marks, lanes, copied: Copied::default() })
    }
}

/// How many parts a pass may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// One: `KbCallbackSecondaryDumpData`.
    One,
    /// Any number: `KbCallbackSecondaryMultiPartDumpData`.
    Many,
}

/// What one call hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Nothing: there is no room, or nothing is left.
    Nothing,
    /// The image, where it lies.
    Image,
    /// A part, in the first `words` words of the buffer.
    Part {
        /// Number of words of the part with its header.
        words: usize,
        /// More parts follow in this pass.
        more: bool,
    },
}

/// What a pass hands out, fixed when it begins.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The image where it lies.
    is_in_place: bool,
    /// The newest records; `None` for the image in parts.
    cut: Option<Selection>,
    allowed: u64,
    sums: Sums,
    /// Words of the stream.
    total: u64,
    /// Words of the stream that were handed out.
    offset: u64,
    index: u32,
    count: u32,
    emitter: Emitter,
}

/// The passes over the secondary data of one bug check.
#[derive(Debug, Default)]
pub struct Passes {
    plan: Option<Plan>,
    /// Bytes that the passes so far were planned to hand out at most; nothing before the first.
    promised: Option<u64>,
    /// The cut of the last pass.
    last: Option<Selection>,
}

impl Passes {
    /// Passes of a bug check that has not asked yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { plan: None, promised: None, last: None }
    }
}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Notes a bug check in the image header and writes one own record of it; later calls only
    /// tell a code that the first one did not have. Answers whether this was the first. Never waits. IRQL: any.
    pub fn note_crash(&self, bug_check: &BugCheck) -> bool {
        let header = self.image.header;
        let is_first = header[header_word::CRASHED].compare_exchange(0, 1);
        // The plain callback is not told which bug check it is; the one for small dumps may come later, and is.
        if header[header_word::CRASH_CODE].compare_exchange(0, u64::from(bug_check.code)) {
            for (index, parameter) in bug_check.parameters.into_iter().enumerate() {
                if let Some(word) = header.get(header_word::CRASH_PARAMETERS + index) {
                    word.store(parameter);
                }
            }
        }
        if !is_first {
            return false;
        }
        header[header_word::CRASH_PROCESSOR].store(u64::from(self.platform.processor()));
        header[header_word::CRASH_TICK].store(self.platform.now());
        let text = Text::of(bug_check);
        let draft = Draft::text(Level::Error, text.bytes()).with_flags(flags::OWN);
        if self.log(&draft, Entry::NeverWaits) != Outcome::Filtered {
            header[header_word::OWN_CALLS].fetch_add(1);
        }
        true
    }

    /// Begins a pass: `allowed` bytes may be handed out, in parts of at most `room` words with their headers. The
    /// second pass and later ones pause writing first. IRQL: any; nobody else writes or calls this meanwhile.
    pub fn begin_pass(&self, passes: &mut Passes, scratch: &mut Scratch<'_>, allowed: u64, parts: Parts, room: usize) {
        if passes.promised.is_some() {
            self.pause_for_crash();
        }
        let allowed = passes.promised.map_or(allowed, |promised| promised.min(allowed));
        let plan = self.plan(scratch, allowed, parts, room, passes.last);
        passes.promised = Some(plan.as_ref().map_or(0, Plan::bytes));
        passes.last = plan.as_ref().and_then(|plan| plan.cut).or(passes.last);
        passes.plan = plan;
    }

    /// Pauses writing until the end: from now on every log call is dropped and counted as paused. IRQL: any.
    pub fn pause_for_crash(&self) {
        self.gate.set_paused(true);
        self.image.header[header_word::PAUSED].store(PAUSED_BY_CRASH);
    }

    /// Hands out the next part of the pass that was begun last, in `out`; at most `allowed` bytes. IRQL: any.
    pub fn next_part(&self, passes: &mut Passes, scratch: &mut Scratch<'_>, allowed: u64, out: &mut [u64]) -> Given {
        let Some(plan) = passes.plan.as_mut() else { return Given::Nothing };
        if plan.is_in_place {
            passes.plan = None;
            return Given::Image;
        }
        let words = (allowed / WORD as u64).min(out.len() as u64) as usize;
        let Some((frame, bytes)) =
            out.get_mut(..words).and_then(|out| out.split_first_chunk_mut::<PART_HEADER_WORDS>())
        else {
            return Given::Nothing;
        };
        let mut room = PartBuffer::new(bytes, plan.total.saturating_sub(plan.offset));
        if let Some(selection) = plan.cut {
            self.emit_cut(&mut plan.emitter, &selection, scratch, &mut room);
        } else {
            self.emit_whole(&mut plan.emitter, &mut room);
        }
        let length = room.used();
        if length == 0 {
            return Given::Nothing;
        }
        let header = self.part_header(plan, length);
        for (word, bytes) in frame.iter_mut().zip(header.as_bytes().as_chunks::<WORD>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        plan.offset += length as u64;
        plan.index = plan.index.wrapping_add(1);
        Given::Part { words: PART_HEADER_WORDS + length, more: plan.offset < plan.total && plan.index < plan.count }
    }

    /// The frame of a part of `length` words.
    fn part_header(&self, plan: &Plan, length: usize) -> PartHeader {
        let bytes = |words: u64| words.wrapping_mul(WORD as u64);
        PartHeader {
            magic: PART_MAGIC,
            major: VERSION.major.into(),
            minor: VERSION.minor.into(),
            header_size: (size_of::<PartHeader>() as u32).into(),
            start_id: self.start_id.into(),
            index: plan.index.into(),
            count: plan.count.into(),
            offset: bytes(plan.offset).into(),
            length: (bytes(length as u64) as u32).into(),
            form: if plan.cut.is_some() { StreamForm::Cut } else { StreamForm::Whole }.0.into(),
            total: bytes(plan.total).into(),
            records_left_out: plan.sums.left_out.into(),
            records: plan.sums.records.into(),
            allowed: plan.allowed.into(),
            kept: plan.cut.map_or(0, |selection| selection.kept as u32).into(),
            reserved: 0.into(),
        }
    }

    /// Decides what a pass hands out; `None` for nothing.
    fn plan(
        &self,
        scratch: &mut Scratch<'_>,
        allowed: u64,
        parts: Parts,
        room: usize,
        last: Option<Selection>,
    ) -> Option<Plan> {
        let (image, whole) = self.whole_words();
        let most = stream_room(allowed / WORD as u64, parts, room as u64);
        let mut plan = Plan {
            is_in_place: false,
            cut: None,
            allowed,
            sums: Sums::default(),
            total: 0,
            offset: 0,
            index: 0,
            count: 0,
            emitter: Emitter::new(),
        };
        if image == whole && whole.saturating_mul(WORD as u64) <= allowed {
            (plan.is_in_place, plan.total) = (true, whole);
            return Some(plan);
        }
        if whole <= most {
            plan.total = whole;
        } else if let Some((selection, sums)) = self.select(scratch, most, allowed < SMALL, last) {
            plan.cut = Some(selection);
            plan.sums = sums;
            plan.total = sums.words;
        } else {
            return None;
        }
        let payload = (room as u64).saturating_sub(PART_HEADER_WORDS as u64).max(1);
        plan.count = plan.total.div_ceil(payload) as u32;
        Some(plan)
    }
}

impl Plan {
    /// Bytes that the pass hands out, frames included.
    fn bytes(&self) -> u64 {
        let frames = u64::from(self.count).saturating_mul(PART_HEADER_WORDS as u64);
        self.total.saturating_add(frames).saturating_mul(WORD as u64)
    }
}

/// Number of words of a stream that fit into `allowed` words with the frames of its parts. A part has at most `room`
/// words.
fn stream_room(allowed: u64, parts: Parts, room: u64) -> u64 {
    let frame = PART_HEADER_WORDS as u64;
    match parts {
        Parts::One => allowed.min(room).saturating_sub(frame),
        Parts::Many => {
            let full = allowed.checked_div(room).unwrap_or(0);
            let rest = allowed.wrapping_sub(full.wrapping_mul(room));
            full.wrapping_mul(room.saturating_sub(frame)).saturating_add(rest.saturating_sub(frame))
        }
    }
}

/// The text of the own record: `bug check 0xd1 (0x0, 0x2, 0x1, 0x0)`. Made without `core::fmt`, which would bring panics
/// into the image.
struct Text {
    bytes: [u8; 112],
    length: usize,
}

impl Text {
    fn of(bug_check: &BugCheck) -> Self {
        let mut text = Self { bytes: [0; 112], length: 0 };
        text.push(b"bug check ");
        text.hex(u64::from(bug_check.code));
        let mut before: &[u8] = b" (";
        for parameter in bug_check.parameters {
            text.push(before);
            text.hex(parameter);
            before = b", ";
        }
        text.push(b")");
        text
    }

    fn push(&mut self, bytes: &[u8]) {
        for (place, &byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *place = byte;
            self.length += 1;
        }
    }

    fn hex(&mut self, value: u64) {
        self.push(b"0x");
        let digits = (64 - (value | 1).leading_zeros()).div_ceil(4);
        for digit in (0..digits).rev() {
            let nibble = (value >> ((digit * 4) & 63) & 0xf) as u8;
            self.push(&[if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }]);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
