//! Logging from kernel drivers, at any IRQL, into irqlog's flight recorder.
//!
//! ```
//! # let (port, status) = (3_u16, irqlog_provider::Status(0));
//! irqlog_provider::info!("port {port} status {}", status);
//! irqlog_provider::error!(never_waits, "machine check in bank {:#x}", 4);
//! ```
//!
//! A log call stores the id of its **site** and the raw arguments; the reader makes the text. The format is that of
//! `core::fmt`, and is checked when the driver is compiled. An argument is an integer, `bool`, `char`, `f32`, `f64`, a
//! pointer (hashed by irqlog.sys unless its parameter `RawPointers` is 1), `&str`, `&[u8]`, UTF-16 ([`Utf16`],
//! `&[u16]`), [`Status`] or [`Guid`]. A string that does not fit into the record is cut, and the record flagged.
//!
//! An argument that cannot be shown as the format says does not compile:
//!
//! ```compile_fail,E0277
//! irqlog_provider::info!("{:x}", "no number");
//! ```
//! ```compile_fail,E0277
//! irqlog_provider::info!("{}", std::string::String::new());
//! ```
//! ```compile_fail
//! irqlog_provider::info!("{} {}", 1);
//! ```
//!
//! The path that is shown with a site has no build folder: it is relative to the workspace, or to the package if that is a
//! dependency from elsewhere. The environment variable `IRQLOG_ROOT` states another root when a driver is compiled, and
//! `--remap-path-prefix` of the compiler changes paths before that.
//!
//! A log call whose level is not enabled costs a load and a branch, and its arguments are not evaluated. No log call
//! allocates, formats or panics.
//!
//! | Call | IRQL |
//! |---|---|
//! | [`error!`], [`warn!`], [`info!`], [`debug!`], [`trace!`], [`event!`], [`span!`], [`counter!`] | any; strings are read at the caller's IRQL |
//! | [`blob!`] | any; the bytes are read at the caller's IRQL |
//! | the same with `never_waits,` first | for NMI and machine-check callbacks |
//! | [`connect`], [`disconnect`] | PASSIVE_LEVEL |
//!
//! Until a driver has [connected](connect), no level is enabled: the driver runs without irqlog just as well, and may
//! try again later. This crate knows no kernel. A driver on windows-drivers-rs depends on `irqlog-provider-wdk`, which asks
//! irqlog.sys for the function table and has all of this crate's macros; another driver asks itself, and calls [`connect`].
//!
//! # What it does not do
//!
//! It keeps no records while the driver is not connected. It cannot know whether the driver is quiet when it
//! disconnects; the driver owes that by the contract of [`disconnect`].

#![no_std]
#![allow(clippy::inline_always, reason = "a log call is to become a few stores where it stands")]
mod argument;
mod site;
mod span;

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

pub use argument::{Argument, Guid, Status, Utf16};
use irqlog_wire::interface::{Register, Registration, Unregister, WriteBlob, WriteEvent, WriteResult};
pub use irqlog_wire::{
    interface::{Interface, Registered},
    record::Level,
};
pub use span::Span;

/// Logs that something failed. IRQL: any.
#[macro_export]
macro_rules! error {
    ($($call:tt)*) => { $crate::private::call!($crate; $crate::Level::Error; $($call)*) };
}

/// Logs that something is wrong, and that the driver dealt with it. IRQL: any.
#[macro_export]
macro_rules! warn {
    ($($call:tt)*) => { $crate::private::call!($crate; $crate::Level::Warn; $($call)*) };
}

/// Logs that something worth knowing happened. IRQL: any.
#[macro_export]
macro_rules! info {
    ($($call:tt)*) => { $crate::private::call!($crate; $crate::Level::Info; $($call)*) };
}

/// Logs detail for a person who debugs the driver. IRQL: any.
#[macro_export]
macro_rules! debug {
    ($($call:tt)*) => { $crate::private::call!($crate; $crate::Level::Debug; $($call)*) };
}

/// Logs a step. IRQL: any.
#[macro_export]
macro_rules! trace {
    ($($call:tt)*) => { $crate::private::call!($crate; $crate::Level::Trace; $($call)*) };
}

/// Logs at a level that is the first argument, before the format, and is a constant. IRQL: any.
#[macro_export]
macro_rules! event {
    ($level:expr, $($call:tt)*) => { $crate::private::call!($crate; $level; $($call)*) };
}

/// Logs raw bytes under a tag, a `u32` that the caller chooses: `blob!(Level::Info, TAG, &bytes)`. IRQL: any; the bytes are
/// read at the caller's IRQL.
///
/// They are split over as many records as needed, which the reader shows with tag, number and offset
/// (`irqlog read --hex`). `blob!(never_waits, Level::Info, TAG, &bytes)` is for NMI and machine-check callbacks. If the
/// level is not enabled, tag and bytes are not evaluated.
///
/// ```
/// # let descriptor = [0x12_u8, 0x01, 0x00, 0x02];
/// irqlog_provider::blob!(irqlog_provider::Level::Debug, 0x1201, &descriptor);
/// ```
#[macro_export]
macro_rules! blob {
    (never_waits, $level:expr, $tag:expr, $bytes:expr $(,)?) => { $crate::blob!(@ true, $level, $tag, $bytes) };
    (@ $never_waits:expr, $level:expr, $tag:expr, $bytes:expr) => {
        match $level {
            level => {
                if $crate::is_enabled(level) {
                    $crate::private::write_blob(level, $tag, $bytes, $never_waits);
                }
            }
        }
    };
    ($level:expr, $tag:expr, $bytes:expr $(,)?) => { $crate::blob!(@ false, $level, $tag, $bytes) };
}

/// Logs the begin of a span, and gives a guard that logs its end when it is dropped.
///
/// The reader pairs the two, and shows how long it took. The level is the first argument, as in [`event!`]; the rest is a
/// log call: `let _span = span!(Level::Info, "round {round}");`. `span!(Level::Info, never_waits, "..")` is for NMI and
/// machine-check callbacks. The guard stays on its thread. Each of the two events costs what any event costs. An end
/// that comes when its level is not enabled any more is not written.
///
/// IRQL: any. A guard may be dropped at another IRQL than that at which it was made.
///
/// ```
/// use irqlog_provider::{Level, span};
/// let round = 3;
/// let _span = span!(Level::Info, "round {round}");
/// ```
#[macro_export]
macro_rules! span {
    ($level:expr, $($call:tt)*) => { $crate::private::span!($crate; $level; $($call)*) };
}

/// Logs the value of a counter: `counter!("queue depth", depth)`. IRQL: any.
///
/// The reader draws the values of one name as a line. The value is a number. The level is debug; another one may come
/// first: `counter!(Level::Info, "queue depth", depth)`.
///
/// ```
/// # let depth = 3;
/// irqlog_provider::counter!("queue depth", depth);
/// ```
#[macro_export]
macro_rules! counter {
    ($name:literal, $value:expr $(,)?) => { $crate::counter!($crate::Level::Debug, $name, $value) };
    ($level:expr, $name:literal, $value:expr $(,)?) => {
        $crate::private::counter!($crate; $level; concat!($name, " = {}"), $value)
    };
}

/// Items that the macros' expansions call.
#[doc(hidden)]
pub mod private {
    pub use core::{file, line, module_path, option_env};

    pub use irqlog_provider_macros::{call, counter, span};

    pub use crate::{
        argument::{count, debug, display, exponent, pointer, radix},
        log,
        site::{SiteBytes, site_size, source_path},
        span::begin,
        write_blob,
    };
}

/// The least important level that is written; 0 for none. irqlog.sys changes it while the driver is connected.
static LEVEL: AtomicU32 = AtomicU32::new(0);
/// The id of the first word of the section of sites. irqlog.sys sets it before the level.
static BASE: AtomicU32 = AtomicU32::new(0);
/// The functions of irqlog.sys that write an event: first the function that may wait, then the function that never
/// waits. Set before the level; until then they do nothing, so that no log call has to look whether there is one.
static WRITE: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(write_nothing as WriteEvent as *mut ()) }; 2];

/// What [`WRITE`] has before irqlog.sys has answered.
unsafe extern "system" fn write_nothing(_: u32, _: u8, _: *const u64, _: usize) -> u32 {
    WriteResult::Filtered.0
}

/// The functions of irqlog.sys that write a blob, in the same order; null until the driver has connected.
static WRITE_BLOB: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];
/// The function of irqlog.sys that removes the registration; null if the driver is not connected.
static UNREGISTER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Whether events of `level` are written. IRQL: any.
#[inline(always)]
#[must_use]
pub fn is_enabled(level: Level) -> bool {
    // Pairs with the release in irqlog.sys: a caller that sees the level also sees base and functions. On x64 it is a
    // plain load.
    u32::from(level.0) <= LEVEL.load(Ordering::Acquire)
}

/// Passes an event of at most `N` words to irqlog.sys. The caller has seen [`is_enabled`] answer true. IRQL: any.
#[doc(hidden)]
#[inline(always)]
pub fn log<const N: usize, const SIZE: usize, A: argument::Arguments>(
    site: &'static site::SiteBytes<SIZE>,
    level: Level,
    arguments: A,
    never_waits: bool,
) {
    let mut room = argument::EventRoom::<N>::new();
    let mut words = argument::Words::of(&mut room);
    words.head::<A>();
    arguments.put(&mut words);
    let function = WRITE[usize::from(never_waits)].load(Ordering::Relaxed);
    // SAFETY: `write_nothing`, or what `connect` has stored: a function of this type.
    let write = unsafe { core::mem::transmute::<*mut (), WriteEvent>(function) };
    let offset = site.start().addr() - site::start().addr();
    let id = BASE.load(Ordering::Relaxed).wrapping_add((offset / 8) as u32);
    let words = words.as_slice();
    // SAFETY: the words of an event, whose strings are borrowed by `arguments`; the function is there, as the contract
    // of `disconnect` says.
    unsafe { write(id, level.0, words.as_ptr(), words.len()) };
}

/// Passes bytes to irqlog.sys. The caller has seen [`is_enabled`] answer true. IRQL: any.
#[doc(hidden)]
#[inline]
pub fn write_blob(level: Level, tag: u32, bytes: &[u8], never_waits: bool) {
    let function = WRITE_BLOB[usize::from(never_waits)].load(Ordering::Relaxed);
    // SAFETY: null, or what `connect` has stored: a function of this type.
    let Some(write) = (unsafe { core::mem::transmute::<*mut (), Option<WriteBlob>>(function) }) else { return };
    // SAFETY: borrowed bytes; the function is there, as the contract of `disconnect` says.
    unsafe { write(level.0, tag, bytes.as_ptr(), bytes.len()) };
}

/// Why a driver could not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// irqlog.sys is older than events: its interface is 1.0.
    TooOld,
    /// The driver is connected already.
    Connected,
    /// irqlog.sys refused the registration, for this reason.
    Registration(Registered),
}

/// Registers the sites of this image under a name of at most 64 bytes, and begins to log.
///
/// IRQL: PASSIVE_LEVEL. At most one thread calls this or [`disconnect`] at a time: DriverEntry, or a work item that
/// tries again.
///
/// # Errors
/// See [`Refused`]; nothing is logged then, and the driver may try again.
///
/// # Safety
/// `interface` is the answer of irqlog.sys to CONNECT, and the file object through which the driver sent CONNECT is
/// referenced until [`disconnect`] has returned.
pub unsafe fn connect(name: &str, interface: &Interface) -> Result<(), Refused> {
    if (interface.size as usize) < size_of::<Interface>() {
        return Err(Refused::TooOld);
    }
    if !UNREGISTER.load(Ordering::Relaxed).is_null() {
        return Err(Refused::Connected);
    }
    let (first, second): (WriteEvent, WriteEvent) = (interface.write_event, interface.write_event_never_waits);
    WRITE[0].store(first as *mut (), Ordering::Relaxed);
    WRITE[1].store(second as *mut (), Ordering::Relaxed);
    let (first, second): (WriteBlob, WriteBlob) = (interface.write_blob, interface.write_blob_never_waits);
    WRITE_BLOB[0].store(first as *mut (), Ordering::Relaxed);
    WRITE_BLOB[1].store(second as *mut (), Ordering::Relaxed);
    let section = site::section();
    let registration = Registration {
        size: size_of::<Registration>() as u32,
        name_length: name.len() as u32,
        name: name.as_ptr(),
        sites: section.as_ptr(),
        sites_length: section.len(),
        base: &raw const BASE,
        level: &raw const LEVEL,
    };
    let register: Register = interface.register;
    // SAFETY: name and section are borrowed for the call, base and level are static; irqlog.sys is kept loaded, as the
    // caller promises.
    let registered = Registered(unsafe { register(&raw const registration) });
    if registered != Registered::Accepted {
        return Err(Refused::Registration(registered));
    }
    let unregister: Unregister = interface.unregister;
    UNREGISTER.store(unregister as *mut (), Ordering::Relaxed);
    Ok(())
}

/// Ends logging and removes the registration, if there is one. Afterwards the driver may drop its reference to irqlog's
/// file object.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Contract
/// The driver's ISRs, DPCs, timers, threads and callbacks are quiet, so that none of them is in the middle of a log
/// call. A later log call is not written; but one that has begun executes code of irqlog.sys, which may be unloaded as
/// soon as the reference is gone.
pub fn disconnect() {
    LEVEL.store(0, Ordering::Relaxed);
    let unregister = UNREGISTER.swap(core::ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: null, or what `connect` has stored: a function of this type.
    if let Some(unregister) = unsafe { core::mem::transmute::<*mut (), Option<Unregister>>(unregister) } {
        // SAFETY: irqlog.sys is still referenced.
        unsafe { unregister(&raw const LEVEL) };
    }
}

/// Whether the driver is connected. IRQL: any.
#[must_use]
pub fn is_connected() -> bool {
    !UNREGISTER.load(Ordering::Relaxed).is_null()
}
