//! Routines that need no state: bug checks, time, and what only checks its rule before Wine's routine.

use core::ffi::c_void;

use irqlog_nt::{
    BugCheckReasonRoutine, KbugcheckReasonCallbackRecord, KtriageDumpDataArray, NtStatus, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS,
};

use crate::{host, processor::routines};

routines! {
    /// Under Wine the driver host ends; what the parameters were is said first.
    fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) {
        // SAFETY: the arguments are those that the format names.
        unsafe { host::DbgPrint(c"*** bug check %#x (%#Ix, %#Ix, %#Ix, %#Ix)\n".as_ptr(), code, a, b, c, d) };
        // SAFETY: it takes numbers.
        unsafe { host::KeBugCheckEx(code, a, b, c, d) }
    }

    fn KeQuerySystemTimePrecise(time: *mut i64) {
        // SAFETY: a driver gives the place for the time.
        unsafe { host::KeQuerySystemTime(time) };
    }

    /// No processor is ever added under Wine, so the routine is never called.
    fn KeRegisterProcessorChangeCallback(_routine: *mut c_void, _context: *mut c_void, _flags: u32) -> *mut c_void {
        static REGISTRATION: u8 = 0;
        (&raw const REGISTRATION).cast_mut().cast()
    }

    fn KeDeregisterProcessorChangeCallback(_registration: *mut c_void) {}

    /// Registered once, and never called: under Wine a bug check ends the driver host.
    fn KeRegisterBugCheckReasonCallback(
        record: *mut KbugcheckReasonCallbackRecord,
        routine: BugCheckReasonRoutine,
        reason: u32,
        component: *mut u8,
    ) -> u8 {
        // SAFETY: the caller's record, resident until it deregisters; while it registers nobody else touches it.
        let record = unsafe { &mut *record };
        if record.State != 0 {
            return 0;
        }
        (record.CallbackRoutine, record.Component, record.Reason) = (Some(routine), component, reason);
        record.State = 1;
        1
    }

    fn KeDeregisterBugCheckReasonCallback(record: *mut KbugcheckReasonCallbackRecord) -> u8 {
        // SAFETY: the record that the caller registered; while it deregisters nobody else touches it.
        core::mem::replace(unsafe { &mut (*record).State }, 0)
    }

    fn KeInitializeTriageDumpDataArray(array: *mut KtriageDumpDataArray, _size: u32) -> NtStatus {
        if array.is_null() { STATUS_INVALID_PARAMETER } else { STATUS_SUCCESS }
    }

    /// No callback runs that could call it.
    fn KeAddTriageDumpDataBlock(_array: *mut KtriageDumpDataArray, _address: *mut c_void, _size: usize) -> NtStatus {
        STATUS_INVALID_PARAMETER
    }

    /// Wine's, once the rule has been checked.
    fn KeWaitForSingleObject(
        object: *mut c_void,
        reason: u32,
        mode: i8,
        alertable: u8,
        timeout: *mut i64,
    ) -> NtStatus {
        // SAFETY: as the driver called it.
        unsafe { host::KeWaitForSingleObject(object, reason, mode, alertable, timeout) }
    }

    /// Wine's, once the rule has been checked.
    fn PsGetCurrentThreadId() -> *mut c_void {
        // SAFETY: it takes no argument.
        unsafe { host::PsGetCurrentThreadId() }
    }
}
