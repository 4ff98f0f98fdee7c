//! The payload of an event: the raw arguments of a log call, and the kind of each.
//!
//! ```text
//! word 0      number of arguments (1 byte), then the kind of each (1 byte each); goes on in as many words as needed
//! then each   a number        one word
//!             128 bits        two words, the lower first
//!             a string        one word: bytes that follow, and bytes that it had; then the bytes, filled up to a word
//! ```
//!
//! The kinds travel with the arguments and are no part of the [site](crate::site). In Rust a static of the call site
//! cannot know the type of an expression, and a record that carries its kinds can be read when its site is lost
//! (docs/adr/0007).
//!
//! # The form in which a provider passes an event to irqlog.sys
//!
//! The form is the same but for strings: a string is two words, the address of its bytes and their number. The provider
//! sets [`NEEDS_DRIVER`] in the first byte if there is a string or a pointer. Then irqlog.sys copies the strings and
//! replaces the pointers; otherwise it writes the words as they are.

use crate::{
    open_enum,
    record::{MAX_PAYLOAD, WORD},
};

/// The largest number of arguments of one event.
pub const MAX_ARGUMENTS: usize = 23;
/// The largest payload, in words.
pub const MAX_EVENT_WORDS: usize = MAX_PAYLOAD / WORD;
/// The largest event that a provider passes to irqlog.sys, in words.
pub const MAX_CALL_WORDS: usize = head_words(MAX_ARGUMENTS) + 2 * MAX_ARGUMENTS;
/// Bit of the first byte of an event from a provider: there are strings or pointers, which irqlog.sys has to process.
pub const NEEDS_DRIVER: u64 = 0x80;

const _: () = assert!(MAX_CALL_WORDS <= MAX_EVENT_WORDS, "what is not a string always fits");

/// The number of words that the count and the kinds of `arguments` arguments take.
#[must_use]
pub const fn head_words(arguments: usize) -> usize {
    (1 + arguments).div_ceil(WORD)
}

/// Word number `word` of the head, which holds the number of arguments and their kinds.
#[must_use]
pub const fn head_word(kinds: &[ArgumentKind], word: usize) -> u64 {
    let mut value = 0;
    let mut byte = 0;
    while byte < WORD {
        let at = word * WORD + byte;
        let part = if at == 0 {
            kinds.len() as u64
        } else if at <= kinds.len() {
            kinds[at - 1].0 as u64
        } else {
            0
        };
        value |= part << (8 * byte);
        byte += 1;
    }
    let mut at = 0;
    while word == 0 && at < kinds.len() {
        if kinds[at].needs_driver() {
            value |= NEEDS_DRIVER;
        }
        at += 1;
    }
    value
}

open_enum! {
    /// The type of an argument, and so its form in the payload.
    ArgumentKind: u8 {
        /// u8, like all unsigned numbers extended with zeros to the word.
        U8 = 1 "u8",
        /// u16.
        U16 = 2 "u16",
        /// u32.
        U32 = 3 "u32",
        /// u64.
        U64 = 4 "u64",
        /// u128: two words.
        U128 = 5 "u128",
        /// usize of the provider: 64 bits.
        Usize = 6 "usize",
        /// i8, like all signed numbers extended with the sign to the word.
        I8 = 7 "i8",
        /// i16.
        I16 = 8 "i16",
        /// i32.
        I32 = 9 "i32",
        /// i64.
        I64 = 10 "i64",
        /// i128: two words.
        I128 = 11 "i128",
        /// isize of the provider: 64 bits.
        Isize = 12 "isize",
        /// 0 or 1.
        Bool = 13 "bool",
        /// A Unicode scalar value.
        Char = 14 "char",
        /// The bits of an f32.
        F32 = 15 "f32",
        /// The bits of an f64.
        F64 = 16 "f64",
        /// An address, or the keyed hash of one.
        Pointer = 17 "pointer",
        /// NTSTATUS.
        Status = 18 "status",
        /// A GUID as it lies in memory: two words.
        Guid = 19 "guid",
        /// UTF-8: a string.
        Str = 20 "str",
        /// Raw bytes: a string.
        Bytes = 21 "bytes",
        /// UTF-16, little-endian: a string.
        Utf16 = 22 "utf16",
    }
}

impl ArgumentKind {
    /// Whether `kinds` contains this kind. A set of bits decides it: the compiler turns a `match` into a table of
    /// jumps, which the record path must not have, since the check of the built image could not tell where the jumps
    /// go.
    #[inline]
    const fn is_in(self, kinds: &[Self]) -> bool {
        let (mut bits, mut at) = (0_u32, 0);
        while at < kinds.len() {
            bits |= 1 << kinds[at].0;
            at += 1;
        }
        self.0 < 32 && bits & (1 << self.0) != 0
    }

    /// Whether a provider passes an argument of this kind by address and length.
    #[must_use]
    pub const fn is_string(self) -> bool {
        self.is_in(&[Self::Str, Self::Bytes, Self::Utf16])
    }

    /// Words in the payload of an argument that is no string. A kind that this version does not know takes one word.
    #[must_use]
    pub const fn words(self) -> usize {
        if self.is_in(&[Self::U128, Self::I128, Self::Guid]) { 2 } else { 1 }
    }

    /// Whether irqlog.sys has to process an argument of this kind: a string or a pointer.
    #[must_use]
    pub const fn needs_driver(self) -> bool {
        self.is_string() || self.0 == Self::Pointer.0
    }

    /// Words of an argument of this kind when a provider passes it to irqlog.sys.
    #[must_use]
    pub const fn call_words(self) -> usize {
        if self.is_string() { 2 } else { self.words() }
    }
}

/// The word before the bytes of a string: `kept` bytes follow, of `had` bytes that the string had.
#[must_use]
pub const fn string_word(kept: u32, had: u32) -> u64 {
    kept as u64 | (had as u64) << 32
}
