//! Processors that are added while the system runs: each gets its lanes before it starts.
//!
//! "The system calls the callback routine [with KeProcessorAddStartNotify] before it starts the processor" and again
//! when the processor runs, or could not be started (DDI wdm/nf-wdm-keregisterprocessorchangecallback). irqlog never
//! keeps a processor from starting: without memory for its lanes its records are dropped and counted.

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use irqlog_wire::record::Level;
use wdk_sys::{
    _KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT, NTSTATUS,
    ntddk::{KeDeregisterProcessorChangeCallback, KeRegisterProcessorChangeCallback},
};

use crate::{
    instance::{self, Added},
    text::Text,
};

/// KeProcessorAddStartNotify (wdm.h, KE_PROCESSOR_CHANGE_NOTIFY_STATE).
const ADD_START: i32 = 0;
/// KE_PROCESSOR_CHANGE_ADD_EXISTING (wdm.h): processors that were added before the registration are reported too.
const ADD_EXISTING: u32 = 1;

static REGISTRATION: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Registers the callback. Without it processors that are added later have no lane, and their records are dropped and
/// counted. IRQL: PASSIVE_LEVEL.
pub fn listen() {
    // SAFETY: PASSIVE_LEVEL; the routine is in the driver, which stops listening before it goes.
    let registration = unsafe { KeRegisterProcessorChangeCallback(Some(on_change), null_mut(), ADD_EXISTING) };
    REGISTRATION.store(registration, Ordering::Release);
}

/// Removes the callback; afterwards it does not run any more. IRQL: PASSIVE_LEVEL.
pub fn stop_listening() {
    let registration = REGISTRATION.swap(null_mut(), Ordering::AcqRel);
    if !registration.is_null() {
        // SAFETY: PASSIVE_LEVEL; a registration that was not given back yet.
        unsafe { KeDeregisterProcessorChangeCallback(registration) };
    }
}

/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// Called by the system.
unsafe extern "C" fn on_change(
    _context: *mut c_void,
    change: *mut _KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT,
    _status: *mut NTSTATUS,
) {
    // SAFETY: the system's, for the duration of the call.
    let change = unsafe { &*change };
    if change.State != ADD_START {
        return;
    }
    let result = instance::add_processor(change.NtNumber);
    if result == Ok(Added::Nothing) {
        return;
    }
    let Some(recorder) = instance::get() else { return };
    let mut text = Text::new();
    text.push("processor ").number(change.NtNumber);
    let (level, rest) = if result.is_ok() {
        (Level::Info, " is coming, and has lanes")
    } else {
        (Level::Error, " is coming, and there is no memory for its lanes: what it logs is dropped and counted")
    };
    text.push(rest);
    recorder.log_own(level, text.bytes());
}
