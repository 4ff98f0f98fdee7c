//! The one driver that is bound: its globals, and what the framework remembers of it.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use irqlog_nt::{DriverObject, UnicodeString};

use crate::{
    lock::{Guarded, Locked},
    object::{Callback, Reference},
};

/// WDF_DRIVER_GLOBALS, the first argument of every table call. The driver only reads it.
#[repr(C)]
pub struct Globals {
    driver: AtomicPtr<c_void>,
    flags: u32,
    tag: u32,
    name: [u8; 32],
    displace_driver_unload: u8,
}

static GLOBALS: Globals =
    Globals { driver: AtomicPtr::new(null_mut()), flags: 0, tag: 0, name: [0; 32], displace_driver_unload: 1 };

/// The driver, once it has called WdfDriverCreate.
#[derive(Clone)]
pub struct Bound {
    pub object: Reference,
    pub wdm: *mut DriverObject,
    pub unload: Option<Callback>,
}

static BOUND: Guarded<Option<Bound>> = Guarded::new(None);
static REGISTRY_PATH: Guarded<Vec<u16>> = Guarded::new(Vec::new());

/// The globals of the one driver that is bound. A second driver may be loaded only if it is no KMDF driver.
pub fn globals() -> *const Globals {
    &raw const GLOBALS
}

/// The driver, once it has called WdfDriverCreate.
pub fn bound() -> Option<Bound> {
    BOUND.get(&mut Locked::new()).clone()
}

/// Sets the driver, or that there is none; gives the one before.
pub fn set_bound(bound: Option<Bound>) -> Option<Bound> {
    let driver = bound.as_ref().map_or(null_mut(), |bound| bound.object.raw().as_ptr());
    GLOBALS.driver.store(driver, Ordering::Release);
    core::mem::replace(BOUND.get(&mut Locked::new()), bound)
}

/// Path of the service's key.
pub fn registry_path() -> Vec<u16> {
    REGISTRY_PATH.get(&mut Locked::new()).clone()
}

/// Sets the path of the service's key.
pub fn set_registry_path(path: Vec<u16>) {
    let before = core::mem::replace(REGISTRY_PATH.get(&mut Locked::new()), path);
    drop(before);
}

/// The text of a counted string; none is empty.
pub fn text(string: Option<&UnicodeString>) -> Vec<u16> {
    match string {
        Some(string) if !string.Buffer.is_null() => {
            // SAFETY: a UNICODE_STRING's buffer holds `Length` bytes of UTF-16, aligned, which the caller of the
            // function that got the string does not change during the call.
            unsafe { core::slice::from_raw_parts(string.Buffer, usize::from(string.Length) / 2) }.to_vec()
        }
        _ => Vec::new(),
    }
}

/// A counted string over `text`, which has to outlive it.
pub const fn unicode_string(text: &[u16]) -> UnicodeString {
    let bytes = size_of_val(text) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: text.as_ptr().cast_mut() }
}
