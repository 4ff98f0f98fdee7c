//! The storm: a load of records whose every byte follows from the writer and the number of the record.
//!
//! The test driver (`tools/testdrv`) writes the records, in each context in which it is called. The checker
//! (`tools/rig`) makes each record again from the writer and the number that it names, and compares. Neither uses
//! irqlog's own reader, so a defect of the reader cannot hide a defect of the ring.

#![no_std]
#![forbid(unsafe_code)]

/// NT name of the test driver's device.
pub const DEVICE_NAME: &str = r"\Device\irqlogstorm";

const fn ctl_code(function: u32) -> u32 {
    (0x22 << 16) | (3 << 14) | (function << 2)
}

/// [`Start`] in: starts the threads.
pub const START: u32 = ctl_code(0x900);
/// [`Counts`] out, as words.
pub const COUNTS: u32 = ctl_code(0x901);

/// Misuses a lock. Two words in: a [`Misuse`], and 1 for the lock `queued` or 0 for `swap`. A word out: the lock's
/// address.
pub const MISUSE: u32 = ctl_code(0x902);
/// Tells where a lock lies. A word in, as the second word of [`MISUSE`]; a word out: the lock's address.
pub const LOCK_ADDRESS: u32 = ctl_code(0x903);

/// Drops the reference to irqlog while interrupts that log stay connected, which breaks the contract of disconnect.
pub const LEAVE: u32 = ctl_code(0x904);

/// A misuse of a lock, which a checked build has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Misuse {
    /// No misuse: two processors acquire and release the lock in turn.
    None,
    /// One processor acquires the lock twice.
    Recursion,
    /// A processor releases the lock although no processor owns it.
    NotHeld,
    /// Processor 0 acquires the lock, and processor 1 releases it.
    WrongProcessor,
    /// Processor 0 keeps the lock, and processor 1 waits for it until its budget is exhausted.
    Budget,
}

impl Misuse {
    /// All misuses, in order.
    pub const ALL: [Self; 5] = [Self::None, Self::Recursion, Self::NotHeld, Self::WrongProcessor, Self::Budget];
}

/// The context from which the test driver writes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Context {
    /// A thread at PASSIVE_LEVEL.
    Thread,
    /// A thread that has raised itself, to any level.
    Raised,
    /// A DPC.
    Dpc,
    /// An interrupt routine.
    Isr,
    /// An IPI worker.
    Ipi,
    /// An NMI callback.
    Nmi,
}

/// All contexts, in order.
pub const CONTEXTS: [Context; 6] =
    [Context::Thread, Context::Raised, Context::Dpc, Context::Isr, Context::Ipi, Context::Nmi];

/// Number of writers of one context: one for each processor.
pub const PROCESSORS: usize = 64;
/// Number of writers, over all contexts.
pub const WRITERS: usize = CONTEXTS.len() * PROCESSORS;

/// The number of the writer of a context on a processor.
pub const fn writer(context: Context, processor: u32) -> u16 {
    context as u16 * PROCESSORS as u16 + (processor % PROCESSORS as u32) as u16
}

/// The context of a writer; `None` if there is no such writer.
pub const fn context(writer: u16) -> Option<Context> {
    let index = writer as usize / PROCESSORS;
    if index < CONTEXTS.len() { Some(CONTEXTS[index]) } else { None }
}

/// Input of [`START`], as two little-endian words.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Number of system threads.
    pub threads: u32,
    /// Number of log calls that the threads make together; calls from interrupts come on top.
    pub calls: u64,
}

impl Start {
    /// The two words as bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&u64::from(self.threads).to_le_bytes());
        bytes[8..].copy_from_slice(&self.calls.to_le_bytes());
        bytes
    }

    /// Parses the two words.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let word = |at: usize| u64::from_le_bytes(core::array::from_fn(|index| bytes[at + index]));
        Self { threads: word(0) as u32, calls: word(8) }
    }
}

/// Output of [`COUNTS`]: the index of each word.
pub mod counts {
    /// Number of threads that are still running.
    pub const RUNNING: usize = 0;
    /// Number of log calls made; each piece of a blob counts.
    pub const CALLED: usize = 1;
    /// Number of calls whose result said that the record was dropped.
    pub const DROPPED: usize = 2;
    /// First of the numbers of calls by context, in the order of `CONTEXTS`.
    pub const BY_CONTEXT: usize = 4;
    /// Number of words.
    pub const WORDS: usize = BY_CONTEXT + super::CONTEXTS.len();
}

/// One in this number of a writer's records is an event, unless it is a blob. Its arguments are writer, number and
/// text.
pub const EVENT_EVERY: u32 = 5;
/// The name that the test driver registers.
pub const PROVIDER: &str = "storm";

/// Whether the record with this number is an event.
pub const fn is_event(number: u32) -> bool {
    number.is_multiple_of(EVENT_EVERY) && !is_blob(number)
}

/// One in this number of a writer's records is a blob.
pub const BLOB_EVERY: u32 = 37;
/// The largest text, in bytes.
pub const MAX_TEXT: usize = 220;
/// The largest blob, in bytes: it takes three records.
pub const MAX_BLOB: usize = 2600;

/// A number below 2^32 that looks random, and follows from the arguments.
const fn mix(writer: u16, number: u32, salt: u32) -> u32 {
    let mut value = ((writer as u64) << 32) ^ number as u64 ^ ((salt as u64) << 17);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)) as u32
}

/// Whether the record with this number is a blob.
pub const fn is_blob(number: u32) -> bool {
    number % BLOB_EVERY == BLOB_EVERY - 1
}

/// Bytes before the filler of a text: `w0042 n00000007 `.
const PREFIX: usize = 16;

/// Stores the text of a record in `out`, and answers its length in bytes.
pub fn text(writer: u16, number: u32, out: &mut [u8; MAX_TEXT]) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let length = PREFIX + mix(writer, number, 1) as usize % (MAX_TEXT - PREFIX);
    let hex = |value: u32, digit: u32| HEX[(value >> (4 * digit)) as usize & 15];
    for (index, byte) in out.iter_mut().enumerate().take(length) {
        *byte = match index {
            0 => b'w',
            1..=4 => hex(writer.into(), 4 - index as u32),
            6 => b'n',
            7..=14 => hex(number, 14 - index as u32),
            5 | 15 => b' ',
            _ => b'a' + (mix(writer, number, index as u32 + 2) % 26) as u8,
        };
    }
    length
}

/// The writer and the number of a text record; `None` if a byte of the text is wrong.
pub fn check_text(bytes: &[u8]) -> Option<(u16, u32)> {
    let digits = core::str::from_utf8(bytes.get(..PREFIX)?).ok()?;
    let writer = u16::from_str_radix(digits.get(1..5)?, 16).ok()?;
    let number = u32::from_str_radix(digits.get(7..15)?, 16).ok()?;
    let mut expected = [0; MAX_TEXT];
    let length = text(writer, number, &mut expected);
    (expected.get(..length)? == bytes).then_some((writer, number))
}

/// The arguments of an event of the storm. The encoding is that of `irqlog_wire::event`, written again here on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventForm {
    /// Writer and number: u16, u32.
    Numbers,
    /// Writer, number, and the text of the record: str. The test driver writes this form.
    Text,
    /// Writer, number, text, and other kinds: a pointer, a u128, UTF-16, and bytes of which only a part fits.
    Everything,
}

/// A pointer to nothing.
const POINTER: u64 = 0xffff_8000_dead_0000;
/// The UTF-16 argument of the largest form.
static WIDE: [u16; 3] = [0x77, 0x69, 0x64];
/// The bytes argument of the largest form: more than a record holds.
static BYTES: [u8; 1000] = [b'#'; 1000];

impl EventForm {
    /// All forms, in order.
    pub const ALL: [Self; 3] = [Self::Numbers, Self::Text, Self::Everything];

    /// The first word of the payload: number of arguments and kinds.
    const fn head(self) -> u64 {
        u64::from_le_bytes(match self {
            Self::Numbers => [2, 2, 3, 0, 0, 0, 0, 0],
            Self::Text => [3, 2, 3, 20, 0, 0, 0, 0],
            Self::Everything => [7, 2, 3, 20, 17, 5, 22, 21],
        })
    }

    /// The words that a provider passes to irqlog.sys for this event, and unused words behind them.
    pub fn call(self, writer: u16, number: u32, text: &[u8]) -> [u64; 14] {
        const NEEDS_DRIVER: u64 = 0x80;
        let flag = if self == Self::Numbers { 0 } else { NEEDS_DRIVER };
        let mut words = [0; 14];
        let address = |start: *const u8| start.expose_provenance() as u64;
        let values = [
            self.head() | flag,
            writer.into(),
            number.into(),
            address(text.as_ptr()),
            text.len() as u64,
            POINTER,
            1,
            2,
            address(WIDE.as_ptr().cast()),
            size_of_val(&WIDE) as u64,
            address(BYTES.as_ptr()),
            BYTES.len() as u64,
        ];
        words[..values.len()].copy_from_slice(&values);
        words
    }

    /// Number of the used words in the answer of [`call`](Self::call).
    pub const fn call_words(self) -> usize {
        match self {
            Self::Numbers => 3,
            Self::Text => 5,
            Self::Everything => 12,
        }
    }
}

/// The writer and the number of an event; `None` if a byte of the payload is wrong.
pub fn check_event(payload: &[u8]) -> Option<(u16, u32)> {
    let word = |index: usize| Some(u64::from_le_bytes(*payload.get(8 * index..)?.first_chunk()?));
    let head = word(0)?;
    let form = EventForm::ALL.into_iter().find(|form| form.head() == head)?;
    let (writer, number) = (u16::try_from(word(1)?).ok()?, u32::try_from(word(2)?).ok()?);
    let rest = payload.get(24..)?;
    if form == EventForm::Numbers {
        return rest.is_empty().then_some((writer, number));
    }
    let mut expected = [0; MAX_TEXT];
    let length = text(writer, number, &mut expected);
    let rest = string(rest, expected.get(..length)?, length)?;
    if form == EventForm::Text {
        return rest.is_empty().then_some((writer, number));
    }
    let word = |index: usize| Some(u64::from_le_bytes(*rest.get(8 * index..)?.first_chunk()?));
    let is_hashed = !matches!(word(0)?, 0 | POINTER) && (word(1)?, word(2)?) == (1, 2);
    let rest = string(rest.get(24..)?, &[0x77, 0, 0x69, 0, 0x64, 0], 6)?;
    // The part of the bytes that fits into the rest of the payload of 984 bytes.
    let kept = (984 - (payload.len() - rest.len()) - 8) / 8 * 8;
    let rest = string(rest, BYTES.get(..kept)?, BYTES.len())?;
    (is_hashed && rest.is_empty()).then_some((writer, number))
}

/// The payload behind a string; `None` if a length, a byte, or a zero of the padding is wrong.
fn string<'p>(payload: &'p [u8], kept: &[u8], had: usize) -> Option<&'p [u8]> {
    let (lengths, rest) = payload.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(kept.len())?;
    let (zeros, rest) = rest.split_at_checked(kept.len().next_multiple_of(8) - kept.len())?;
    let is_right = u64::from_le_bytes(*lengths) == kept.len() as u64 | (had as u64) << 32
        && bytes == kept
        && zeros.iter().all(|&byte| byte == 0);
    is_right.then_some(rest)
}

/// The tag of a blob: its writer, and the number of the blob among the writer's blobs.
pub const fn blob_tag(writer: u16, number: u32) -> u32 {
    ((writer as u32) << 20) | ((number / BLOB_EVERY) & 0xf_ffff)
}

/// The writer of the blob with this tag.
pub const fn blob_writer(tag: u32) -> u16 {
    (tag >> 20) as u16
}

/// Length in bytes of the blob with this tag.
pub const fn blob_length(tag: u32) -> usize {
    mix(blob_writer(tag), tag, 7) as usize % MAX_BLOB
}

/// The byte at `offset` of the blob with this tag.
pub const fn blob_byte(tag: u32, offset: usize) -> u8 {
    mix(blob_writer(tag), tag, offset as u32) as u8
}

/// Whether all bytes and lengths of a piece are right.
pub fn check_piece(tag: u32, total: usize, offset: usize, piece: &[u8]) -> bool {
    total == blob_length(tag)
        && offset + piece.len() <= total
        && piece.iter().enumerate().all(|(index, &byte)| byte == blob_byte(tag, offset + index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_its_writer_and_one_wrong_byte_is_seen() {
        for number in [0, 1, 99, u32::MAX] {
            let mut out = [0; MAX_TEXT];
            let length = text(0x1ab, number, &mut out);
            assert_eq!(check_text(&out[..length]), Some((0x1ab, number)));
            for index in 0..length {
                out[index] ^= 1;
                assert_eq!(check_text(&out[..length]), None, "byte {index}");
                out[index] ^= 1;
            }
            assert_eq!(check_text(&out[..length - 1]), None);
        }
    }

    #[test]
    fn an_event_is_checked_to_the_byte() {
        let mut out = [0; MAX_TEXT];
        let length = text(7, 10, &mut out);
        let mut payload = [0; 32 + MAX_TEXT + 8];
        let head = EventForm::Text.head();
        for (index, word) in [head, 7, 10, length as u64 | (length as u64) << 32].into_iter().enumerate() {
            payload[8 * index..8 * index + 8].copy_from_slice(&word.to_le_bytes());
        }
        payload[32..32 + length].copy_from_slice(&out[..length]);
        let size = 32 + length.next_multiple_of(8);
        assert_eq!(check_event(&payload[..size]), Some((7, 10)));
        for index in 0..size {
            payload[index] ^= 1;
            assert_eq!(check_event(&payload[..size]), None, "byte {index}");
            payload[index] ^= 1;
        }
        assert_eq!(check_event(&payload[..size + 8]), None);
        assert_eq!(check_event(&payload[..20]), None);
    }

    #[test]
    fn a_piece_is_checked_to_the_byte() {
        let tag = blob_tag(3, BLOB_EVERY - 1);
        let total = blob_length(tag);
        let mut piece: [u8; 40] = core::array::from_fn(|index| blob_byte(tag, 10 + index));
        assert!(check_piece(tag, total, 10, &piece));
        assert!(!check_piece(tag, total, 11, &piece));
        assert!(!check_piece(tag, total + 1, 10, &piece));
        piece[39] ^= 4;
        assert!(!check_piece(tag, total, 10, &piece));
    }
}
