//! Failures of the framework: its function table is changed on the way to irqlog.sys, so that each function that gives a
//! status is counted, and fails when a scenario has planted that.
//!
//! Left out are functions that without a defect fail by what they say of their queue alone, which here would be a lie:
//! WdfIoQueueRetrieveNextRequest and WdfIoQueueRetrieveRequestByFileObject (STATUS_NO_MORE_ENTRIES); and
//! WdfWaitLockAcquire, which without a timeout always succeeds (its page).

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use irqlog_nt::{
    NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_NOT_FOUND,
    STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND,
};

use crate::planted::FRAMEWORK_CALLS;

/// The functions, and with what each fails; 0 is the null that a function gives instead of a pointer.
const FUNCTIONS: [(&str, NtStatus); 16] = [
    ("WdfControlDeviceInitAllocate", 0),
    ("WdfDeviceCreate", STATUS_OBJECT_NAME_COLLISION),
    ("WdfDeviceCreateSymbolicLink", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfDeviceInitAssignName", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfDriverCreate", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfDriverOpenParametersRegistryKey", STATUS_OBJECT_NAME_NOT_FOUND),
    ("WdfIoQueueCreate", STATUS_INSUFFICIENT_RESOURCES),
    // The request behind which to look, or that was found, has left the queue meanwhile.
    ("WdfIoQueueFindRequest", STATUS_NOT_FOUND),
    ("WdfIoQueueRetrieveFoundRequest", STATUS_NOT_FOUND),
    ("WdfRegistryQueryULong", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfRegistryQueryUnicodeString", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfRequestForwardToIoQueue", STATUS_INVALID_DEVICE_REQUEST),
    ("WdfRequestRetrieveInputBuffer", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfRequestRetrieveOutputBuffer", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfTimerCreate", STATUS_INSUFFICIENT_RESOURCES),
    ("WdfWaitLockCreate", STATUS_INSUFFICIENT_RESOURCES),
];

static ORIGINALS: [AtomicUsize; FUNCTIONS.len()] = [const { AtomicUsize::new(0) }; FUNCTIONS.len()];
static BIND: AtomicUsize = AtomicUsize::new(0);

type Function = extern "efiapi" fn(usize, usize, usize, usize, usize, usize, usize, usize) -> usize;

/// Stands for a function. None has more arguments; what one has no parameter for it does not look at.
extern "efiapi" fn counted<const INDEX: usize>(
    globals: usize,
    first: usize,
    second: usize,
    third: usize,
    fourth: usize,
    fifth: usize,
    sixth: usize,
    seventh: usize,
) -> usize {
    if FRAMEWORK_CALLS.fails() {
        return FUNCTIONS[INDEX].1 as u32 as usize;
    }
    // SAFETY: the table's entry before it was changed.
    let original: Function = unsafe { std::mem::transmute(ORIGINALS[INDEX].load(Ordering::SeqCst)) };
    original(globals, first, second, third, fourth, fifth, sixth, seventh)
}

/// The stand-ins, in the order of [`FUNCTIONS`].
fn stand_ins() -> [usize; FUNCTIONS.len()] {
    macro_rules! all {
        ($($index:literal)+) => { [$(counted::<$index> as *const () as usize),+] };
    }
    all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}

/// WdfVersionBind: binds, and changes the table that the driver got.
extern "efiapi" fn bind(driver: usize, path: usize, info: usize, globals: usize) -> NtStatus {
    // SAFETY: `wrap` stored WDFLDR.sys's WdfVersionBind, which has these parameters.
    let original: extern "efiapi" fn(usize, usize, usize, usize) -> NtStatus =
        unsafe { std::mem::transmute(BIND.load(Ordering::SeqCst)) };
    let status = original(driver, path, info, globals);
    if status >= 0
        && let Err(error) = change_table(info)
    {
        crate::nt::report::broken(&format!("the framework's table: {error:#}"));
    }
    status
}

fn change_table(info: usize) -> Result<()> {
    /// `FuncTable` of WDF_BIND_INFO (`testdata/kmdf-abi.json`).
    const FUNCTION_TABLE: usize = 32;
    let facts: serde_json::Value = serde_json::from_str(include_str!("../../../testdata/kmdf-abi.json"))?;
    // SAFETY: the driver's bind structure, which WdfVersionBind has accepted: it names the driver's variable for the
    // table, which has an entry for each function and which nobody has called yet.
    let table = unsafe { **((info + FUNCTION_TABLE) as *const *const *mut usize) };
    for (((name, _), stand_in), original) in FUNCTIONS.iter().zip(stand_ins()).zip(&ORIGINALS) {
        let index = facts["functions"][name].as_u64().with_context(|| format!("{name} is no function"))?;
        // SAFETY: as above.
        let entry = unsafe { &mut *table.add(index as usize) };
        original.store(*entry, Ordering::SeqCst);
        *entry = stand_in;
    }
    Ok(())
}

/// What a driver gets for WdfVersionBind, which lies at `original`.
pub fn wrap(original: usize) -> usize {
    BIND.store(original, Ordering::SeqCst);
    bind as *const () as usize
}
