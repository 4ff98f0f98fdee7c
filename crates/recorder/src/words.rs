//! Bytes and the words that they are written as: what texts, blobs and the strings of events have in common.

use core::{
    mem::MaybeUninit,
    sync::atomic::{AtomicU64, Ordering},
};

use irqlog_wire::record::WORD;

/// Drops the bytes of a character that was cut at the end of UTF-8 text; at most three.
pub(crate) fn whole_characters(text: &[u8]) -> &[u8] {
    let is_start = |byte: &u8| *byte & 0xc0 != 0x80;
    match text.iter().rev().take(4).position(is_start) {
        Some(back) => {
            let start = text.len().saturating_sub(back + 1);
            let length = match text.get(start) {
                Some(0xc0..=0xdf) => 2,
                Some(0xe0..=0xef) => 3,
                Some(0xf0..=0xff) => 4,
                _ => 1,
            };
            if length == back + 1 { text } else { text.get(..start).unwrap_or(text) }
        }
        None => text,
    }
}

/// The `rest` of `body` that fills no word, with zeros behind it.
#[inline]
pub(crate) fn last_word(body: &[u8], rest: &[u8]) -> u64 {
    match body.last_chunk::<WORD>() {
        // The last eight bytes in one load: the rest is on top of them.
        Some(&last) => u64::from_le_bytes(last) >> ((8 * (WORD - rest.len())) & 63),
        None => rest.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte)),
    }
}

/// Stores `words` into the same number of places: by eights, and the rest without a loop, for the same reason as in the
/// lane.
#[inline]
pub(crate) fn put(mut places: &mut [MaybeUninit<u64>], mut words: &[[u8; WORD]]) {
    while words.len() >= 8 {
        (places, words) = put_some::<8>(places, words);
    }
    if words.len() & 4 != 0 {
        (places, words) = put_some::<4>(places, words);
    }
    if words.len() & 2 != 0 {
        (places, words) = put_some::<2>(places, words);
    }
    if words.len() & 1 != 0 {
        put_some::<1>(places, words);
    }
}

/// Stores bytes into the places that they fill, with zeros behind them in the last one.
#[inline]
pub(crate) fn put_bytes(places: &mut [MaybeUninit<u64>], bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let Some((places, last)) = places.split_at_mut_checked(words.len()) else { return };
    put(places, words);
    if !rest.is_empty()
        && let Some(last) = last.first_mut()
    {
        put_word(last, last_word(bytes, rest).to_le_bytes());
    }
}

/// Stores `N` words, if there are that many; answers the rest of both slices.
#[inline]
fn put_some<'p, 'w, const N: usize>(
    places: &'p mut [MaybeUninit<u64>],
    words: &'w [[u8; WORD]],
) -> (&'p mut [MaybeUninit<u64>], &'w [[u8; WORD]]) {
    let (Some((first, places)), Some((values, words))) =
        (places.split_first_chunk_mut::<N>(), words.split_first_chunk::<N>())
    else {
        return (&mut [], &[]);
    };
    for (place, word) in first.iter_mut().zip(values) {
        put_word(place, *word);
    }
    (places, words)
}

/// Stores a word. The store is atomic only so that the compiler does not turn a few stores into a call of memcpy: in
/// the driver the call goes to the kernel's export, and would be most of the encoding.
#[inline]
pub(crate) fn put_word(place: &mut MaybeUninit<u64>, word: [u8; WORD]) {
    // SAFETY: aligned and ours alone; it is only written.
    let place = unsafe { AtomicU64::from_ptr(place.as_mut_ptr()) };
    place.store(u64::from_le_bytes(word), Ordering::Relaxed);
}
