//! Wait locks: a synchronization event.

use core::{cell::UnsafeCell, ffi::c_void, mem::MaybeUninit, ptr::null_mut};

use irqlog_nt::{Kevent, NtStatus, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use crate::{
    check, globals, nt,
    object::{self, Attributes, Body, ObjectKind, RawHandle},
};

/// SynchronizationEvent (wdm.h, EVENT_TYPE): it lets one waiter through.
const SYNCHRONIZATION: u32 = 1;

/// WDFWAITLOCK. The event lies in it: the body of an object does not move.
pub struct WdfWaitLock(UnsafeCell<MaybeUninit<Kevent>>);

impl Body for WdfWaitLock {
    const KIND: ObjectKind = ObjectKind::WaitLock;
}

pub unsafe extern "system" fn wait_lock_create(
    _: *const c_void,
    attributes: Option<&Attributes>,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    check::attributes(attributes, check::PLAIN);
    // A lock whose attributes name no parent belongs to the driver.
    let driver = globals::bound().map(|bound| bound.object);
    let lock = object::create(WdfWaitLock(UnsafeCell::new(MaybeUninit::zeroed())), driver, attributes);
    // SAFETY: memory for a KEVENT that stays where it is until the object is freed; the driver has no handle yet.
    unsafe { nt::KeInitializeEvent(lock.0.get().cast(), SYNCHRONIZATION, 1) };
    out.write(lock.raw());
    STATUS_SUCCESS
}

pub unsafe extern "system" fn wait_lock_acquire(_: *const c_void, lock: RawHandle, timeout: *mut i64) -> NtStatus {
    // No caller here gives up.
    if !timeout.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    check::passive();
    let lock = lock.of::<WdfWaitLock>();
    // SAFETY: `wait_lock_create` initialised it, and `lock` keeps it alive during the wait. A wait without timeout is for
    // IRQL <= APC_LEVEL, and so is WdfWaitLockAcquire.
    unsafe { nt::KeWaitForSingleObject(lock.0.get().cast(), 0, 0, 0, null_mut()) }
}

pub unsafe extern "system" fn wait_lock_release(_: *const c_void, lock: RawHandle) {
    let lock = lock.of::<WdfWaitLock>();
    // SAFETY: `wait_lock_create` initialised it, and `lock` keeps it alive; Wait is FALSE.
    unsafe { nt::KeSetEvent(lock.0.get().cast(), 0, 0) };
}
