//! The function table that irqlog.sys gives to another driver, and the contract of its use.
//!
//! At `PASSIVE_LEVEL` a driver opens the device by name (`IoGetDeviceObjectPointer`), sends
//! [`CONNECT`](crate::ioctl::CONNECT) as an internal device control request, and keeps the reference to the file object
//! for as long as it logs: the reference keeps irqlog.sys loaded. The functions that write may be called at any IRQL,
//! from any processor, by any number of callers at once.
//!
//! A driver that logs events registers its [sites](crate::site) first. irqlog.sys copies them, stores the id of the
//! first, and from then on changes the provider's level word when the user changes the level.
//!
//! # The contract of disconnect
//!
//! Before a driver drops the reference, and before it unloads:
//!
//! 1. it has unregistered, so that irqlog.sys does not write its level word any more;
//! 2. its ISRs, DPCs, timers, threads and callbacks are quiet: none of them is inside a function of this table, or will
//!    call one.
//!
//! If a driver breaks the first rule, irqlog.sys writes to memory that is no longer the driver's. If it breaks the
//! second, it calls code that may have been unloaded.
//!
//! Text, blobs and strings are read before the IRQL is raised; they may be pageable only if the caller is at
//! `APC_LEVEL` or below, like any memory a driver touches.

use core::sync::atomic::AtomicU32;

use crate::{Version, open_enum};

/// Version of this table. New fields are only ever added at the end; `size` tells which fields are there.
pub const INTERFACE_VERSION: Version = Version { major: 1, minor: 1 };

/// Writes a text record. `text` points to `length` bytes of UTF-8; a text that does not fit is cut and flagged.
///
/// IRQL: any. The result is a [`WriteResult`].
///
/// # Safety
/// `text` is valid for `length` bytes at the caller's IRQL.
pub type WriteText = unsafe extern "system" fn(level: u8, text: *const u8, length: usize) -> u32;

/// Writes raw bytes under a tag that the caller chooses, split over as many records as needed.
///
/// IRQL: any. Every piece is tried; the result is the [`WriteResult`] of the first piece that was not written, or of the
/// last.
///
/// # Safety
/// `bytes` is valid for `length` bytes at the caller's IRQL.
pub type WriteBlob = unsafe extern "system" fn(level: u8, tag: u32, bytes: *const u8, length: usize) -> u32;

/// Writes an event. `words` points to `count` words in the form in which a provider passes an [`event`](crate::event).
///
/// IRQL: any. The result is a [`WriteResult`]; a call with a `count` of 0 is no event, and filtered.
///
/// # Safety
/// `words` is valid for `count` words and resident, as memory on a kernel stack is; each string in it is valid for its
/// length, at the caller's IRQL.
pub type WriteEvent = unsafe extern "system" fn(site: u32, level: u8, words: *const u64, count: usize) -> u32;

/// Registers a provider's sites. The result is a [`Registered`]. A level word that is registered already is refused, and
/// its first registration stays as it is.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// The registration describes valid memory: the name and the section for the duration of the call, `base` and `level`
/// until the provider has unregistered.
pub type Register = unsafe extern "system" fn(registration: *const Registration) -> u32;

/// Removes the registration that has this level word; afterwards irqlog.sys does not touch the word any more. A level
/// word that is not registered is ignored.
///
/// IRQL: PASSIVE_LEVEL.
pub type Unregister = unsafe extern "system" fn(level: *const AtomicU32);

/// What a provider passes to [`Register`]: its name, its sites, and the words that irqlog.sys writes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Registration {
    /// Size of this structure.
    pub size: u32,
    /// Bytes of the name, at most [`MAX_PROVIDER_NAME`](crate::site::MAX_PROVIDER_NAME).
    pub name_length: u32,
    /// The provider's name: UTF-8.
    pub name: *const u8,
    /// First byte of the provider's section of sites; aligned to eight.
    pub sites: *const u8,
    /// Bytes of the section, a multiple of eight.
    pub sites_length: usize,
    /// irqlog.sys stores the id of the section's first word here, before it sets the level.
    pub base: *const AtomicU32,
    /// The least important [`Level`](crate::record::Level) at which the provider's events are written; 0 for none.
    /// irqlog.sys changes it while the provider is registered. Its address identifies the registration.
    pub level: *const AtomicU32,
}

/// The function table, which irqlog.sys gives to a driver that connects.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Interface {
    /// `major` of [`INTERFACE_VERSION`].
    pub major: u16,
    /// `minor` of [`INTERFACE_VERSION`].
    pub minor: u16,
    /// Size in bytes of the structure that the driver knows.
    pub size: u32,
    /// For every caller but NMI and machine-check callbacks.
    pub write_text: WriteText,
    /// For every caller but NMI and machine-check callbacks.
    pub write_blob: WriteBlob,
    /// For NMI and machine-check callbacks: tries the lock once, and writes the NMI lane if it is taken.
    pub write_text_never_waits: WriteText,
    /// For NMI and machine-check callbacks.
    pub write_blob_never_waits: WriteBlob,
    /// Since 1.1.
    pub register: Register,
    /// Since 1.1.
    pub unregister: Unregister,
    /// Since 1.1. For every caller but NMI and machine-check callbacks.
    pub write_event: WriteEvent,
    /// Since 1.1. For NMI and machine-check callbacks.
    pub write_event_never_waits: WriteEvent,
}

/// Size in bytes of the table of version 1.0, the smallest that a driver may ask for.
pub const MIN_INTERFACE: usize = core::mem::offset_of!(Interface, register);

const _: () = {
    assert!(MIN_INTERFACE == 8 + 4 * size_of::<usize>());
    assert!(size_of::<Interface>() == MIN_INTERFACE + 4 * size_of::<usize>());
};

open_enum! {
    /// Result of a registration.
    Registered: u32 {
        /// The provider may log.
        Accepted = 0 "accepted",
        /// The name is empty, too long or not UTF-8, or a pointer is null.
        BadName = 1 "bad name",
        /// The section contains something other than sites and zero words.
        Malformed = 2 "malformed table of sites",
        /// The site table has no room for the section: see the service parameter `SitesKiB`.
        NoRoom = 3 "no room in the site table",
        /// Too many providers are registered at once.
        TooMany = 4 "too many providers at once",
        /// irqlog.sys is stopping.
        Stopping = 5 "irqlog is stopping",
        /// The level word is that of a registration that is still there: one word is one registration, and unregistering
        /// it once has to end all that irqlog.sys does with it.
        AlreadyRegistered = 6 "its level word is registered already",
    }
}

open_enum! {
    /// Result of a function that writes, as the number that crosses the function table.
    WriteResult: u32 {
        /// The record is in a lane.
        Written = 0 "written",
        /// The level of the call is not enabled; the call is not counted anywhere.
        Filtered = 1 "filtered",
        /// The record was not written; the drop is counted under its reason.
        Dropped = 2 "dropped",
    }
}
