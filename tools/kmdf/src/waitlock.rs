//! Wait locks: a synchronization event.

use alloc::boxed::Box;
use core::ptr::null;

use irqlog_nt::{Kevent, NtStatus, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use crate::{
    nt,
    object::{self, Attributes, Body, Object},
    table::Globals,
};

/// SynchronizationEvent (wdm.h, EVENT_TYPE): it lets one waiter through.
const SYNCHRONIZATION: u32 = 1;

pub struct WaitLock(*mut Kevent);

pub unsafe extern "system" fn wait_lock_create(
    globals: *mut Globals,
    attributes: *const Attributes,
    out: *mut *mut Object,
) -> NtStatus {
    unsafe {
        let event = Box::into_raw(Box::new(core::mem::zeroed::<Kevent>()));
        nt::KeInitializeEvent(event, SYNCHRONIZATION, 1);
        // Whose attributes name no parent belongs to the driver.
        *out = object::create(Body::WaitLock(WaitLock(event)), (*globals).driver.cast(), attributes);
    }
    STATUS_SUCCESS
}

pub unsafe extern "system" fn wait_lock_acquire(_: *mut Globals, lock: *mut Object, timeout: *mut i64) -> NtStatus {
    // Nobody here gives up.
    if !timeout.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    unsafe { nt::KeWaitForSingleObject(object::wait_lock(lock).0.cast(), 0, 0, 0, null()) }
}

pub unsafe extern "system" fn wait_lock_release(_: *mut Globals, lock: *mut Object) {
    unsafe { nt::KeSetEvent(object::wait_lock(lock).0, 0, 0) };
}

impl WaitLock {
    /// Frees what the kernel knows of it.
    pub fn dispose(&mut self) {
        drop(unsafe { Box::from_raw(self.0) });
    }
}
