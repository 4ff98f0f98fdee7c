//! The function table for other drivers.
//!
//! Its functions are the roots of the record path: `cargo xtask verify-sys` finds them by name in the linked image and
//! follows every call from there, so they are never inlined.

use core::sync::atomic::AtomicU32;
use irqlog_recorder::{
    draft::Draft,
    log::{Entry, Outcome},
};

use irqlog_wire::{
    interface::{INTERFACE_VERSION, Interface, Registered, Registration, WriteResult},
    record::Level,
};

use crate::{instance, text::Text};

/// The function table that CONNECT answers. IRQL: any.
pub const fn table() -> Interface {
    Interface {
        major: INTERFACE_VERSION.major,
        minor: INTERFACE_VERSION.minor,
        size: size_of::<Interface>() as u32,
        write_text: irqlog_write_text,
        write_blob: irqlog_write_blob,
        write_text_never_waits: irqlog_write_text_never_waits,
        write_blob_never_waits: irqlog_write_blob_never_waits,
        register: irqlog_register,
        unregister: irqlog_unregister,
        write_event: irqlog_write_event,
        write_event_never_waits: irqlog_write_event_never_waits,
    }
}

/// IRQL: any.
///
/// # Safety
/// `text` is valid for `length` bytes.
#[inline(never)]
unsafe extern "system" fn irqlog_write_text(level: u8, text: *const u8, length: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { write_text(level, text, length, Entry::MayWait) }
}

/// IRQL: any.
///
/// # Safety
/// `bytes` is valid for `length` bytes.
#[inline(never)]
unsafe extern "system" fn irqlog_write_blob(level: u8, tag: u32, bytes: *const u8, length: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { write_blob(level, tag, bytes, length, Entry::MayWait) }
}

/// IRQL: any.
///
/// # Safety
/// `text` is valid for `length` bytes.
#[inline(never)]
unsafe extern "system" fn irqlog_write_text_never_waits(level: u8, text: *const u8, length: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { write_text(level, text, length, Entry::NeverWaits) }
}

/// IRQL: any.
///
/// # Safety
/// `bytes` is valid for `length` bytes.
#[inline(never)]
unsafe extern "system" fn irqlog_write_blob_never_waits(level: u8, tag: u32, bytes: *const u8, length: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { write_blob(level, tag, bytes, length, Entry::NeverWaits) }
}

/// IRQL: any.
///
/// # Safety
/// As [`irqlog_wire::interface::WriteEvent`] says.
#[inline(never)]
unsafe extern "system" fn irqlog_write_event(site: u32, level: u8, words: *const u64, count: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { write_event(site, level, words, count, Entry::MayWait) }
}

/// IRQL: any.
///
/// # Safety
/// As [`irqlog_wire::interface::WriteEvent`] says.
#[inline(never)]
unsafe extern "system" fn irqlog_write_event_never_waits(site: u32, level: u8, words: *const u64, count: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { write_event(site, level, words, count, Entry::NeverWaits) }
}

/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// As [`irqlog_wire::interface::Register`] says.
unsafe extern "system" fn irqlog_register(registration: *const Registration) -> u32 {
    let Some((recorder, providers)) = instance::with_providers() else { return Registered::Stopping.0 };
    // SAFETY: as the caller promises.
    let registered = unsafe { providers.register(recorder, registration) };
    if registered != Registered::Accepted {
        let mut text = Text::new();
        text.push("a provider was refused: ").push(registered.name().unwrap_or_default());
        recorder.log_own(Level::Error, text.bytes());
    }
    registered.0
}

/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// None: a level word that is not registered is ignored.
unsafe extern "system" fn irqlog_unregister(level: *const AtomicU32) {
    if let Some((recorder, providers)) = instance::with_providers() {
        providers.unregister(recorder, level);
    }
}

/// IRQL: any.
///
/// # Safety
/// `text` is valid for `length` bytes.
#[inline]
unsafe fn write_text(level: u8, text: *const u8, length: usize, entry: Entry) -> u32 {
    let Some(recorder) = instance::get() else { return WriteResult::Filtered.0 };
    // SAFETY: as the caller promises.
    let text = unsafe { slice(text, length) };
    write_result(recorder.log(&Draft::text(Level(level), text), entry))
}

/// IRQL: any.
///
/// # Safety
/// `bytes` is valid for `length` bytes.
#[inline]
unsafe fn write_blob(level: u8, tag: u32, bytes: *const u8, length: usize, entry: Entry) -> u32 {
    let Some(recorder) = instance::get() else { return WriteResult::Filtered.0 };
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice(bytes, length) };
    write_result(recorder.log_blob(Level(level), tag, bytes, entry))
}

/// The record path of events, inlined into both functions of the table: one call from a driver to the ring.
///
/// IRQL: any.
///
/// # Safety
/// As [`irqlog_wire::interface::WriteEvent`] says.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is what this is for; measured: docs/performance.md")]
unsafe fn write_event(site: u32, level: u8, words: *const u64, count: usize, entry: Entry) -> u32 {
    let Some(recorder) = instance::get() else { return WriteResult::Filtered.0 };
    if words.is_null() || count == 0 {
        return WriteResult::Filtered.0;
    }
    // SAFETY: as the caller promises; not null.
    let words = unsafe { core::slice::from_raw_parts(words, count) };
    // SAFETY: as the caller promises.
    unsafe { recorder.log_event_here(Level(level), site, words, entry) }.0
}

/// IRQL: any.
///
/// # Safety
/// `bytes` is valid for `length` bytes, or null with none.
#[inline]
unsafe fn slice<'a>(bytes: *const u8, length: usize) -> &'a [u8] {
    if bytes.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: as the caller promises; not null, as was just checked.
    unsafe { core::slice::from_raw_parts(bytes, length) }
}

/// IRQL: any.
#[inline]
const fn write_result(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Written { .. } => WriteResult::Written.0,
        Outcome::Filtered => WriteResult::Filtered.0,
        Outcome::Dropped(_) => WriteResult::Dropped.0,
    }
}
