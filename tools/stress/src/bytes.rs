//! Little-endian numbers at offsets, and arithmetic on a circle of 64-bit numbers.

use anyhow::{Context as _, Result};

/// The bytes `at..at + N`.
///
/// # Errors
/// If there are fewer.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk::<N>);
    found.copied().with_context(|| format!("{N} bytes at {at} are behind the end at {}", bytes.len()))
}

/// The number of 16 bits at `at`.
///
/// # Errors
/// If it lies behind the end.
pub fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The number of 32 bits at `at`.
///
/// # Errors
/// If it lies behind the end.
pub fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The number of 64 bits at `at`.
///
/// # Errors
/// If it lies behind the end.
pub fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Whether `a` comes before `b`; the numbers wrap.
pub const fn before(a: u64, b: u64) -> bool {
    (a.wrapping_sub(b) as i64) < 0
}

/// The steps from `from` up to `to`; 0 if `to` comes first.
pub const fn steps(from: u64, to: u64) -> u64 {
    if before(from, to) { to.wrapping_sub(from) } else { 0 }
}

/// The later of two numbers.
pub const fn later(a: u64, b: u64) -> u64 {
    if before(a, b) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        assert!(before(u64::MAX, 0) && !before(0, u64::MAX) && !before(5, 5));
        assert_eq!((steps(u64::MAX, 2), steps(2, u64::MAX), steps(7, 7)), (3, 0, 0));
        assert_eq!((later(u64::MAX, 2), later(2, u64::MAX)), (2, 2));
    }

    #[test]
    fn behind_the_end_is_an_error() {
        assert_eq!(u32_at(&[0, 1, 0, 0, 0], 1).ok(), Some(1));
        assert!(u32_at(&[0; 5], 2).is_err() && u64_at(&[], usize::MAX).is_err());
    }
}
