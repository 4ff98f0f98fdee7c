//! Bug checks of the framework: what was wrong is said, and the run ends.

use core::ffi::{CStr, c_void};

use irqlog_nt::framework::FrameworkRule;

use crate::nt;

/// WDF_VIOLATION (bugcodes.h).
const WDF_VIOLATION: u32 = 0x10d;
/// First parameter of WDF_VIOLATION: a request was completed twice.
pub const REQUEST_COMPLETED_TWICE: usize = 4;
/// First parameter of WDF_VIOLATION: a handle is none, or is of another type.
pub const BAD_HANDLE: usize = 5;
/// First parameter of WDF_VIOLATION: the driver unloads and its control device is still there.
pub const DEVICE_LEFT: usize = 0;

/// Ends the run with WDF_VIOLATION, after `what` and the object's address were printed. Any IRQL.
pub fn violation(reason: usize, what: &CStr, object: *const c_void) -> ! {
    // SAFETY: the format takes a string and a pointer; `what` ends with a zero and lives during the call.
    unsafe { nt::DbgPrint(c"WDFLDR (test framework): %s: %p\n".as_ptr(), what.as_ptr(), object) };
    bug_check(WDF_VIOLATION, reason, object as usize)
}

/// First parameter of WDF_VIOLATION for a broken rule. Ours: the real framework has a status or a break instead.
const BROKEN_RULE: usize = 0x1000;

/// Ends the run: the driver broke a rule, which is named with its source. Any IRQL.
pub fn broken(rule: &FrameworkRule) -> ! {
    let FrameworkRule { name, text, source } = *rule;
    // SAFETY: the format takes three strings; each ends with a zero and lives during the call.
    unsafe {
        nt::DbgPrint(
            c"WDFLDR (test framework): rule %s is broken: %s (%s)\n".as_ptr(),
            name.as_ptr(),
            text.as_ptr(),
            source.as_ptr(),
        )
    };
    bug_check(WDF_VIOLATION, BROKEN_RULE, core::ptr::from_ref(rule) as usize)
}

/// Ends the run if a rule is broken. Any IRQL.
pub fn require(kept: bool, rule: &FrameworkRule) {
    if !kept {
        broken(rule);
    }
}

/// Ends the run: the driver called the function at `index`, which this framework does not have. Any IRQL.
pub fn not_implemented(index: usize, name: &CStr) -> ! {
    // SAFETY: the format takes a string; `name` ends with a zero and lives during the call.
    unsafe { nt::DbgPrint(c"WDFLDR (test framework): %s is not implemented\n".as_ptr(), name.as_ptr()) };
    bug_check(WDF_VIOLATION, index, name.as_ptr() as usize)
}

/// Ends the run. Any IRQL.
pub fn bug_check(code: u32, first: usize, second: usize) -> ! {
    // SAFETY: KeBugCheckEx takes any values, at any IRQL, and does not return.
    unsafe { nt::KeBugCheckEx(code, first, second, 0, 0) }
}
