//! The types that can be arguments of an event, and the words in which irqlog.sys gets them.

use core::{mem::MaybeUninit, ptr::NonNull};

use irqlog_wire::event::{ArgumentKind, MAX_ARGUMENTS, head_word, head_words};

/// Room for the words of an event on the caller's stack, not cleared first.
#[derive(Debug)]
pub struct EventRoom<const N: usize>([MaybeUninit<u64>; N]);

impl<const N: usize> EventRoom<N> {
    /// Room without words.
    #[inline(always)]
    #[must_use]
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); N])
    }
}

impl<const N: usize> Default for EventRoom<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The words of an event, as irqlog.sys gets them.
///
/// Apart from their room: irqlog.sys gets the address of the room, so what lies with it would have to be stored too.
#[derive(Debug)]
pub struct Words<'r, const N: usize> {
    room: &'r mut EventRoom<N>,
    used: usize,
}

impl<'r, const N: usize> Words<'r, N> {
    /// A row without words.
    #[inline(always)]
    #[must_use]
    pub const fn of(room: &'r mut EventRoom<N>) -> Self {
        Self { room, used: 0 }
    }

    /// Pushes the head, the number and the kinds of the arguments: words that are constants.
    #[inline(always)]
    pub fn head<A: Arguments>(&mut self) {
        let mut word = 0;
        while word < head_words(A::COUNT) {
            self.push(Head::<A>::WORDS[word]);
            word += 1;
        }
    }

    /// Appends a word; ignored if the row is full.
    #[inline(always)]
    pub fn push(&mut self, word: u64) {
        if let Some(place) = self.room.0.get_mut(self.used) {
            place.write(word);
            self.used += 1;
        }
    }

    /// The words that were pushed.
    #[inline(always)]
    pub fn as_slice(&self) -> &[u64] {
        // SAFETY: `push` has written the first `used` words, and never more than there is room for.
        unsafe { core::slice::from_raw_parts(self.room.0.as_ptr().cast(), self.used) }
    }
}

/// A type that can be an argument of an event.
///
/// # Safety
/// [`put`](Self::put) pushes as many words as [`KIND`](Self::KIND) has, and for a string the address and the length of
/// bytes that live as long as `self`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an event",
    note = "there are integers, bool, char, f32, f64, pointers, &str, &[u8], &[u16] as UTF-16, Utf16, Status and Guid"
)]
pub unsafe trait Argument {
    /// The kind under which the argument is written.
    const KIND: ArgumentKind;
    /// Pushes the words of the argument.
    fn put<const N: usize>(&self, words: &mut Words<'_, N>);
}

// SAFETY: the same argument.
unsafe impl<T: Argument + ?Sized> Argument for &T {
    const KIND: ArgumentKind = T::KIND;
    #[inline(always)]
    fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
        T::put(self, words);
    }
}

// SAFETY: the same argument.
unsafe impl<T: Argument + ?Sized> Argument for &mut T {
    const KIND: ArgumentKind = T::KIND;
    #[inline(always)]
    fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
        T::put(self, words);
    }
}

/// The arguments of a call, from the first to the last: `(&first, (&second, ()))`.
///
/// A pair for each, so that a call needs no name for any of them.
pub trait Arguments: Sized {
    /// How many.
    const COUNT: usize;
    /// Their kinds, and zeros behind them.
    const KINDS: [ArgumentKind; MAX_ARGUMENTS];
    /// Hands them over.
    fn put<const N: usize>(self, words: &mut Words<'_, N>);
}

impl Arguments for () {
    const COUNT: usize = 0;
    const KINDS: [ArgumentKind; MAX_ARGUMENTS] = [ArgumentKind(0); MAX_ARGUMENTS];
    #[inline(always)]
    fn put<const N: usize>(self, _: &mut Words<'_, N>) {}
}

impl<T: Argument + ?Sized, R: Arguments> Arguments for (&T, R) {
    const COUNT: usize = 1 + R::COUNT;
    const KINDS: [ArgumentKind; MAX_ARGUMENTS] = {
        let mut kinds = R::KINDS;
        let mut at = R::COUNT;
        while at > 0 {
            kinds[at] = kinds[at - 1];
            at -= 1;
        }
        kinds[0] = T::KIND;
        kinds
    };
    #[inline(always)]
    fn put<const N: usize>(self, words: &mut Words<'_, N>) {
        self.0.put(words);
        self.1.put(words);
    }
}

/// The head of an event with these arguments.
struct Head<A>(core::marker::PhantomData<A>);

impl<A: Arguments> Head<A> {
    const WORDS: [u64; head_words(MAX_ARGUMENTS)] = {
        let kinds = A::KINDS;
        let (kinds, _) = kinds.split_at(A::COUNT);
        let mut words = [0; head_words(MAX_ARGUMENTS)];
        let mut word = 0;
        while word < words.len() {
            words[word] = head_word(kinds, word);
            word += 1;
        }
        words
    };
}

macro_rules! arguments {
    ($($type:ty = $kind:ident: |$value:ident| $word:expr,)+) => {$(
        // SAFETY: one word.
        unsafe impl Argument for $type {
            const KIND: ArgumentKind = ArgumentKind::$kind;
            #[inline(always)]
            fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
                let $value = *self;
                words.push($word);
            }
        }
    )+};
}

arguments! {
    u8 = U8: |value| u64::from(value),
    u16 = U16: |value| u64::from(value),
    u32 = U32: |value| u64::from(value),
    u64 = U64: |value| value,
    usize = Usize: |value| value as u64,
    i8 = I8: |value| i64::from(value) as u64,
    i16 = I16: |value| i64::from(value) as u64,
    i32 = I32: |value| i64::from(value) as u64,
    i64 = I64: |value| value as u64,
    isize = Isize: |value| value as u64,
    bool = Bool: |value| u64::from(value),
    char = Char: |value| u64::from(value),
    f32 = F32: |value| u64::from(value.to_bits()),
    f64 = F64: |value| value.to_bits(),
    Status = Status: |value| u64::from(value.0.cast_unsigned()),
}

macro_rules! wide_arguments {
    ($($type:ty = $kind:ident: |$value:ident| $number:expr,)+) => {$(
        // SAFETY: two words.
        unsafe impl Argument for $type {
            const KIND: ArgumentKind = ArgumentKind::$kind;
            #[inline(always)]
            fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
                let $value = *self;
                let number: u128 = $number;
                words.push(number as u64);
                words.push((number >> 64) as u64);
            }
        }
    )+};
}

wide_arguments! {
    u128 = U128: |value| value,
    i128 = I128: |value| value.cast_unsigned(),
    Guid = Guid: |value| u128::from_le_bytes(value.0),
}

macro_rules! pointers {
    ($($type:ty: |$value:ident| $address:expr,)+) => {$(
        // SAFETY: one word.
        unsafe impl<T: ?Sized> Argument for $type {
            const KIND: ArgumentKind = ArgumentKind::Pointer;
            #[inline(always)]
            fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
                let $value = *self;
                words.push($address as u64);
            }
        }
    )+};
}

pointers! {
    *const T: |value| value.cast::<()>().addr(),
    *mut T: |value| value.cast::<()>().addr(),
    NonNull<T>: |value| value.cast::<()>().addr().get(),
}

macro_rules! strings {
    ($($type:ty = $kind:ident,)+) => {$(
        // SAFETY: address and length of what `self` borrows.
        unsafe impl Argument for $type {
            const KIND: ArgumentKind = ArgumentKind::$kind;
            #[inline(always)]
            fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
                words.push(self.as_ptr().expose_provenance() as u64);
                words.push(size_of_val(self) as u64);
            }
        }
    )+};
}

strings! {
    str = Str,
    [u8] = Bytes,
    [u16] = Utf16,
}

// SAFETY: as that of a slice.
unsafe impl<const M: usize> Argument for [u8; M] {
    const KIND: ArgumentKind = ArgumentKind::Bytes;
    #[inline(always)]
    fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
        self.as_slice().put(words);
    }
}

// SAFETY: as that of a slice.
unsafe impl<const M: usize> Argument for [u16; M] {
    const KIND: ArgumentKind = ArgumentKind::Utf16;
    #[inline(always)]
    fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
        self.as_slice().put(words);
    }
}

// SAFETY: as that of a slice.
unsafe impl Argument for Utf16<'_> {
    const KIND: ArgumentKind = ArgumentKind::Utf16;
    #[inline(always)]
    fn put<const N: usize>(&self, words: &mut Words<'_, N>) {
        self.0.put(words);
    }
}

/// An NTSTATUS, which the reader shows by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

/// A GUID, as its 16 bytes lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Makes a GUID from the fields of the C structure.
    #[inline]
    #[must_use]
    pub const fn new(data1: u32, data2: u16, data3: u16, data4: [u8; 8]) -> Self {
        let first = data1 as u64 | (data2 as u64) << 32 | (data3 as u64) << 48;
        Self((first as u128 | (u64::from_le_bytes(data4) as u128) << 64).to_le_bytes())
    }
}

/// A UTF-16 string, such as the text of a UNICODE_STRING.
#[derive(Clone, Copy, Debug)]
pub struct Utf16<'a>(pub &'a [u16]);

impl Utf16<'_> {
    /// The text of a UNICODE_STRING with this `Buffer` and this `Length` in bytes; empty if the buffer is null.
    ///
    /// # Safety
    /// The buffer is null, or valid for `length` bytes, at the IRQL of the log call, for as long as the value is used.
    #[inline]
    #[must_use]
    pub const unsafe fn from_unicode_string(buffer: *const u16, length: u16) -> Self {
        if buffer.is_null() {
            return Self(&[]);
        }
        // SAFETY: as the caller promises; not null.
        Self(unsafe { core::slice::from_raw_parts(buffer, length as usize / 2) })
    }
}

/// Defines a trait for each notation, and the types that can be shown in it.
macro_rules! styles {
    ($($(#[$meta:meta])* $trait:ident by $check:ident, $message:literal: $($type:ty),+;)+) => {$(
        $(#[$meta])*
        #[diagnostic::on_unimplemented(message = $message)]
        pub trait $trait {}
        impl<T: $trait + ?Sized> $trait for &T {}
        impl<T: $trait + ?Sized> $trait for &mut T {}
        $(impl $trait for $type {})+

        /// Gives back what it is given, and only takes what can be shown so.
        #[inline(always)]
        pub const fn $check<T: Argument + $trait + ?Sized>(argument: &T) -> &T {
            argument
        }
    )+};
}

styles! {
    /// Types that `{}` can show.
    Display by display, "`{Self}` cannot be shown as `{{}}`":
        u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char, f32, f64, str, [u16], Utf16<'_>, Status, Guid;
    /// Types that `{:?}` can show.
    Debug by debug, "`{Self}` cannot be shown as `{{:?}}`":
        u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char, f32, f64, str, [u8], [u16], Utf16<'_>, Status,
        Guid;
    /// Types that `{:x}`, `{:X}`, `{:o}` and `{:b}` can show.
    Radix by radix, "`{Self}` cannot be shown as `{{:x}}`, `{{:X}}`, `{{:o}}` or `{{:b}}`":
        u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, Status;
    /// Types that `{:e}` and `{:E}` can show.
    Exponent by exponent, "`{Self}` cannot be shown as `{{:e}}` or `{{:E}}`":
        u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64;
    /// The type that can be a width or a precision.
    Count by count, "a width or a precision is a usize, not a `{Self}`":
        usize;
}

impl<const M: usize> Debug for [u8; M] {}
impl<const M: usize> Debug for [u16; M] {}
impl<const M: usize> Display for [u16; M] {}
impl<T: ?Sized> Debug for *const T {}
impl<T: ?Sized> Debug for *mut T {}
impl<T: ?Sized> Debug for NonNull<T> {}

/// Types that `{:p}` can show.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shown as `{{:p}}`",
    note = "a reference can as `&raw const *it`"
)]
pub trait Pointer {}
impl<T: ?Sized> Pointer for *const T {}
impl<T: ?Sized> Pointer for *mut T {}
impl<T: ?Sized> Pointer for NonNull<T> {}

/// Gives back what it is given, and only takes pointers.
#[inline(always)]
pub const fn pointer<T: Argument + Pointer>(argument: &T) -> &T {
    argument
}
