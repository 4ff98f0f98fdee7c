//! What a processor writes. Every record follows from its writer and its number, so the checker can make it again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use irqlog_recorder::{
    Recorder,
    draft::Draft,
    log::{Entry, Outcome},
};
use irqlog_storm::{self as storm, CONTEXTS, Context, EventForm, PROCESSORS};
use irqlog_wire::record::Level;

use crate::{
    machine::{self, HIGH, OwnLock, Processors},
    words::Dawdling,
};

/// The recorder that is under stress.
pub type Stressed<'m> = Recorder<'m, [Dawdling], Processors, OwnLock>;

/// The largest part of a blob in one record: 1024 bytes less 40 of the header and 16 of the blob's.
const PIECE: usize = 968;

/// What the record with a number has besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    context: Context,
    number: u32,
    /// The form of an event; `None` for text and blobs.
    pub form: Option<EventForm>,
    /// Its level.
    pub level: u8,
    /// The processor of its writer.
    pub processor: u16,
    /// The id of its site; 0 unless it is an event.
    pub site: u32,
}

impl Expected {
    /// Of number `number` of a writer.
    pub fn of(writer: u16, number: u32) -> Self {
        let context = CONTEXTS[usize::from(writer) / PROCESSORS % CONTEXTS.len()];
        let form = storm::is_event(number).then(|| EventForm::ALL[(number / 5 % 3) as usize]);
        let site = form.map_or(0, |_| number.wrapping_mul(2_654_435_761) | 1);
        let level = 1 + (number % 7 % 5) as u8;
        Self { context, number, form, level, processor: writer % PROCESSORS as u16, site }
    }

    /// The kind of the record: 1 event, 2 text, 3 blob.
    pub const fn kind(&self) -> u8 {
        if storm::is_blob(self.number) {
            3
        } else if self.form.is_some() {
            1
        } else {
            2
        }
    }
}

/// The IRQL at which a thread makes a call.
const fn thread_irql(number: u32) -> u8 {
    [0, 0, 2, 9, HIGH, 12, 1][(number % 7) as usize]
}

/// Whether a record of this writer can have this IRQL and come through this entry.
pub fn is_possible(expected: &Expected, irql: u8, never_waits: bool) -> bool {
    match expected.context {
        Context::Thread => !never_waits && irql == thread_irql(expected.number),
        _ if never_waits => irql <= HIGH,
        _ => irql == DEVICE || irql == HIGH,
    }
}

/// The IRQL of a device interrupt.
const DEVICE: u8 = 9;

/// What one simulated processor has written. It belongs to the thread that is the processor, and its signal handlers.
#[derive(Debug, Default)]
pub struct Counts {
    /// The number that each context gives to its next record.
    numbers: [AtomicU32; CONTEXTS.len()],
    /// Calls that wrote a record or dropped one; each piece of a blob is one.
    pub called: AtomicU64,
    /// Signals that came as an NMI.
    pub nmis: AtomicU64,
    /// NMIs that came between raise and lower of a log call.
    pub nmis_in_write: AtomicU64,
    /// Calls that came back at another IRQL.
    pub not_lowered: AtomicU64,
    /// Times that the thread has made all its calls.
    pub finished: AtomicU64,
}

/// The list that takes what a call was told of its record.
pub trait Told: Sync {
    /// The record is in this lane, with this seq.
    fn told(&self, lane: u32, seq: u64, writer: u16, number: u32);
}

/// A processor that writes.
pub struct Writer<'r> {
    /// Its index.
    pub processor: u32,
    /// The recorder.
    pub recorder: &'r Stressed<'r>,
    /// What it has written.
    pub counts: &'r Counts,
    /// Where it says what it was told.
    pub told: &'r dyn Told,
}

impl Writer<'_> {
    /// One call of the thread that is the processor.
    pub fn thread_call(&self) {
        let number = self.number(Context::Thread);
        machine::set_irql(thread_irql(number));
        self.log(Context::Thread, number, Entry::MayWait);
        machine::set_irql(0);
    }

    /// One call of a signal handler that has interrupted the processor. Async-signal-safe, as the record path is.
    pub fn interrupt(&self, context: Context) {
        let interrupted = machine::irql();
        let number = self.number(context);
        if interrupted < HIGH && number.is_multiple_of(3) {
            // A device may interrupt here: its routine may wait for the lock.
            machine::set_irql(DEVICE);
            self.log(context, number, Entry::MayWait);
        } else {
            self.counts.nmis.fetch_add(1, Ordering::Relaxed);
            self.counts.nmis_in_write.fetch_add(u64::from(interrupted == HIGH), Ordering::Relaxed);
            if number.is_multiple_of(2) {
                self.log(context, number, Entry::NeverWaits);
            } else {
                machine::set_irql(HIGH);
                self.log(context, number, Entry::MayWait);
            }
        }
        machine::set_irql(interrupted);
    }

    fn number(&self, context: Context) -> u32 {
        self.counts.numbers[context as usize].fetch_add(1, Ordering::Relaxed)
    }

    fn log(&self, context: Context, number: u32, entry: Entry) {
        let before = machine::irql();
        self.write(storm::writer(context, self.processor), number, entry);
        self.counts.not_lowered.fetch_add(u64::from(machine::irql() != before), Ordering::Relaxed);
    }

    fn write(&self, writer: u16, number: u32, entry: Entry) {
        let expected = Expected::of(writer, number);
        let level = Level(expected.level);
        if storm::is_blob(number) {
            let tag = storm::blob_tag(writer, number);
            let mut blob = [0; storm::MAX_BLOB];
            let length = storm::blob_length(tag);
            blob.iter_mut().take(length).enumerate().for_each(|(at, byte)| *byte = storm::blob_byte(tag, at));
            self.count(length.div_ceil(PIECE).max(1));
            self.recorder.log_blob(level, tag, &blob[..length], entry);
            return;
        }
        let mut text = [0; storm::MAX_TEXT];
        let length = storm::text(writer, number, &mut text);
        let text = &text[..length];
        let words;
        let draft = match expected.form {
            Some(form) => {
                words = form.call(writer, number, text);
                // SAFETY: the strings that the words name outlive the call.
                unsafe { Draft::event(level, expected.site, &words[..form.call_words()]) }
            }
            None => Draft::text(level, text),
        };
        self.count(1);
        if let Outcome::Written { lane, seq } = self.recorder.log(&draft, entry) {
            self.told.told(lane, seq, writer, number);
        }
    }

    fn count(&self, calls: usize) {
        self.counts.called.fetch_add(calls as u64, Ordering::Relaxed);
    }
}
