//! The kernel routines that the test driver calls in many places, each with the proof that the call is safe.

use core::{ffi::c_void, ptr::null_mut};

use irqlog_nt::{GroupAffinity, NtStatus};

use crate::nt;

/// Index of the processor on which the caller runs. IRQL: any.
pub fn processor() -> u32 {
    // SAFETY: callable at any IRQL; a null pointer means that the number within the group is not wanted.
    unsafe { nt::KeGetCurrentProcessorNumberEx(null_mut()) }
}

/// Runs `work` at an IRQL that is at least the caller's. IRQL: at most `level`.
pub fn at_irql<T>(level: u8, work: impl FnOnce() -> T) -> T {
    // SAFETY: every caller is a thread at PASSIVE_LEVEL, so the level is not below its own.
    let old = unsafe { nt::KfRaiseIrql(level) };
    let result = work();
    // SAFETY: back to the level that this thread had, from the one that it raised itself to.
    unsafe { nt::KeLowerIrql(old) };
    result
}

/// Moves the calling thread to a processor of group 0. IRQL: PASSIVE_LEVEL.
pub fn move_to(processor: usize) {
    let mut affinity = GroupAffinity { Mask: 1 << processor, Group: 0, Reserved: [0; 3] };
    // SAFETY: the affinity lies on this stack and names one processor; the old affinity is not wanted.
    unsafe { nt::KeSetSystemGroupAffinityThread(&raw mut affinity, null_mut()) };
}

/// Starts a system thread. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of PsCreateSystemThread.
pub fn start_thread(routine: unsafe extern "system" fn(*mut c_void), context: *mut c_void) -> Result<(), NtStatus> {
    let mut handle = null_mut();
    // SAFETY: the handle goes to this stack, and the routines of this driver take any context. The rig unloads the driver
    // only after all threads have ended, so their code stays.
    let status =
        unsafe { nt::PsCreateSystemThread(&raw mut handle, 0, null_mut(), null_mut(), null_mut(), routine, context) };
    if status < 0 { Err(status) } else { Ok(()) }
}

/// Stops the machine. IRQL: any.
pub fn bug_check(code: u32, parameters: [usize; 4]) -> ! {
    let [first, second, third, fourth] = parameters;
    // SAFETY: callable at any IRQL; it does not return.
    unsafe { nt::KeBugCheckEx(code, first, second, third, fourth) }
}
