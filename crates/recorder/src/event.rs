//! Events: makes the payload of a record from the words that a provider passes.
//!
//! Most events have numbers only and are copied as they are. Strings are copied behind their lengths, as far as they
//! fit: room for everything else is kept free first, and the strings share the rest in their order.

use core::mem::MaybeUninit;

use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, MAX_EVENT_WORDS, NEEDS_DRIVER, head_words, string_word},
    record::{WORD, flags},
};

use crate::{
    pointers::Pointers,
    words::{put_bytes, put_word, whole_characters},
};

/// Room for a payload, filled from its start.
struct Output<'r> {
    room: &'r mut [MaybeUninit<u64>],
    used: usize,
}

impl Output<'_> {
    #[inline]
    fn push(&mut self, word: u64) {
        if let Some(place) = self.room.get_mut(self.used) {
            put_word(place, word.to_le_bytes());
            self.used += 1;
        }
    }

    #[inline]
    fn push_bytes(&mut self, bytes: &[u8]) {
        let length = bytes.len().div_ceil(WORD);
        if let Some(places) = self.room.get_mut(self.used..).and_then(|rest| rest.get_mut(..length)) {
            put_bytes(places, bytes);
            self.used += length;
        }
    }
}

/// The number of arguments; `None` if it is too large, or if kinds are missing.
fn count(words: &[u64]) -> Option<usize> {
    let count = (words.first()? & !NEEDS_DRIVER) as usize & 0xff;
    (count <= MAX_ARGUMENTS && head_words(count) <= words.len()).then_some(count)
}

/// The kind of argument number `argument`.
fn kind(words: &[u64], argument: usize) -> ArgumentKind {
    let byte = 1 + argument;
    let word = words.get(byte / WORD).copied().unwrap_or_default();
    ArgumentKind((word >> (8 * (byte % WORD))) as u8)
}

/// Fills the payload of an event whose only argument is a string that fits, which most events with strings are; answers
/// its number of words. `None` for any other event.
///
/// # Safety
/// The string is valid for its length.
#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: docs/performance.md")]
pub(crate) unsafe fn single_string(words: &[u64], room: &mut [MaybeUninit<u64>; MAX_EVENT_WORDS]) -> Option<usize> {
    let &[head, address, length] = words else { return None };
    let head = head & !NEEDS_DRIVER;
    let kind = ArgumentKind((head >> 8) as u8);
    if head as u8 != 1 || !kind.is_string() || length > MOST_OF_ONE as u64 || address == 0 {
        return None;
    }
    let (first, places) = room.split_first_chunk_mut::<2>()?;
    for (place, word) in first.iter_mut().zip([head, string_word(length as u32, length as u32)]) {
        put_word(place, word.to_le_bytes());
    }
    let start = core::ptr::with_exposed_provenance::<u8>(address as usize);
    // SAFETY: as the caller promises; not null.
    let bytes = unsafe { core::slice::from_raw_parts(start, length as usize) };
    put_bytes(places, bytes);
    // No string that fits is long enough for this to wrap.
    Some(2 + (length as usize).wrapping_add(WORD - 1) / WORD)
}

/// Bytes of the longest string that is the only argument of an event and fits.
const MOST_OF_ONE: usize = (MAX_EVENT_WORDS - 2) * WORD;

/// Fills a payload, and answers its number of words and the flags of the record. `None` if the words are no event.
///
/// # Safety
/// Each string that the words name is valid for its length.
#[inline(never)]
pub(crate) unsafe fn expand(words: &[u64], room: &mut [MaybeUninit<u64>], pointers: &Pointers) -> Option<(usize, u16)> {
    let count = count(words)?;
    let head = head_words(count);
    let mut fixed = head;
    for argument in 0..count {
        let kind = kind(words, argument);
        fixed += if kind.is_string() { 1 } else { kind.words() };
    }
    let mut free = MAX_EVENT_WORDS.checked_sub(fixed)?;
    let (mut output, mut flagged) = (Output { room, used: 0 }, 0);
    let (heads, mut rest) = words.split_at_checked(head)?;
    for (index, word) in heads.iter().enumerate() {
        output.push(if index == 0 { word & !NEEDS_DRIVER } else { *word });
    }
    for index in 0..count {
        let kind = kind(words, index);
        let (argument, behind) = rest.split_at_checked(kind.call_words())?;
        rest = behind;
        match (kind, argument) {
            (ArgumentKind::Pointer, &[address]) => {
                flagged |= if matches!(pointers, Pointers::Raw) { flags::POINTERS_RAW } else { flags::POINTERS_HASHED };
                output.push(pointers.written(address));
            }
            (_, &[address, length]) if kind.is_string() => {
                // SAFETY: as the caller promises.
                let whole = unsafe { string(address, length) };
                let kept = cut(kind, whole, free * WORD);
                free -= kept.len().div_ceil(WORD);
                if kept.len() != whole.len() {
                    flagged |= flags::TRUNCATED;
                }
                output.push(string_word(kept.len() as u32, length.min(u32::MAX.into()) as u32));
                output.push_bytes(kept);
            }
            _ => argument.iter().for_each(|word| output.push(*word)),
        }
    }
    Some((output.used, flagged))
}

/// # Safety
/// Valid for its length.
unsafe fn string<'a>(address: u64, length: u64) -> &'a [u8] {
    let start = core::ptr::with_exposed_provenance::<u8>(address as usize);
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: as the caller promises; not null.
    unsafe { core::slice::from_raw_parts(start, length as usize) }
}

/// The part of a string that fits into `most` bytes, without half a character at its end.
fn cut(kind: ArgumentKind, string: &[u8], most: usize) -> &[u8] {
    match string.get(..most) {
        None => string,
        Some(kept) if kind == ArgumentKind::Str => whole_characters(kept),
        // Words, so whole units of UTF-16 too.
        Some(kept) if kind == ArgumentKind::Utf16 => whole_pairs(kept, string),
        Some(kept) => kept,
    }
}

/// Drops the high half of a surrogate pair whose low half was cut off. One that never had a low half is data, and
/// stays.
fn whole_pairs<'a>(kept: &'a [u8], string: &[u8]) -> &'a [u8] {
    let high = kept.split_last_chunk().map(|(before, unit)| (before, u16::from_le_bytes(*unit)));
    let low = string.get(kept.len()..).and_then(<[u8]>::first_chunk).map(|unit| u16::from_le_bytes(*unit));
    match (high, low) {
        (Some((before, 0xd800..=0xdbff)), Some(0xdc00..=0xdfff)) => before,
        _ => kept,
    }
}
