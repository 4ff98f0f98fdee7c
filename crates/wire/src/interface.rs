//! The function table that another driver gets from irqlog.sys.
//!
//! At `PASSIVE_LEVEL` a driver opens the device by name (`IoGetDeviceObjectPointer`), sends
//! [`CONNECT`](crate::ioctl::CONNECT) as an internal device control request and keeps the reference to the file object
//! for as long as it logs: that keeps irqlog.sys loaded. Before it drops the reference its ISRs, DPCs and callbacks have
//! to be quiet. The functions may be called at any IRQL, from any processor, by any number of callers at once.
//!
//! Text and blobs are read before the IRQL is raised; they may be pageable only if the caller is at `APC_LEVEL` or
//! below, like any memory a driver touches.

use crate::{Version, open_enum};

/// Version of this table. A field is only ever added at the end; `size` tells which are there.
pub const INTERFACE_VERSION: Version = Version { major: 1, minor: 0 };

/// Writes a text record. `text` points to `length` bytes of UTF-8; what does not fit is cut and flagged.
///
/// IRQL: any. The result is an [`Outcome`].
///
/// # Safety
/// `text` is valid for `length` bytes at the caller's IRQL.
pub type WriteText = unsafe extern "system" fn(level: u8, text: *const u8, length: usize) -> u32;

/// Writes raw bytes under a tag of the caller's, split over as many records as needed.
///
/// IRQL: any. Every piece is tried; the result is the [`Outcome`] of the first one that was not written, or of the last.
///
/// # Safety
/// `bytes` is valid for `length` bytes at the caller's IRQL.
pub type WriteBlob = unsafe extern "system" fn(level: u8, tag: u32, bytes: *const u8, length: usize) -> u32;

/// What irqlog.sys hands to a driver that connects.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Interface {
    /// `major` of [`INTERFACE_VERSION`].
    pub major: u16,
    /// `minor` of [`INTERFACE_VERSION`].
    pub minor: u16,
    /// Size of the structure that the driver knows.
    pub size: u32,
    /// For every caller but NMI and machine-check callbacks.
    pub write_text: WriteText,
    /// For every caller but NMI and machine-check callbacks.
    pub write_blob: WriteBlob,
    /// For NMI and machine-check callbacks: tries the lock once and else writes the NMI lane.
    pub write_text_never_waits: WriteText,
    /// For NMI and machine-check callbacks.
    pub write_blob_never_waits: WriteBlob,
}

const _: () = assert!(size_of::<Interface>() == 8 + 4 * size_of::<usize>());

open_enum! {
    /// What became of a log call.
    Outcome: u32 {
        /// It is in a lane.
        Written = 0 "written",
        /// Its level is not enabled; not counted anywhere.
        Filtered = 1 "filtered",
        /// Counted as a drop.
        Dropped = 2 "dropped",
    }
}
