//! Raising and lowering, the IRQL rules of every routine, and the routines about processors.

use core::ffi::CStr;

use irqlog_nt::{GroupAffinity, NtStatus, ProcessorNumber, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};
use irqlog_nt::{
    irql::{DISPATCH_LEVEL, HIGH_LEVEL, IPI_LEVEL},
    routines::Export,
};

use crate::{
    broadcast, host,
    thread::{COUNT, ThreadState},
};

/// Ends the run if a routine may not be called at the current IRQL.
pub fn check(row: &'static Export) {
    let irql = ThreadState::current().irql;
    if !row.rule.allows(irql) {
        let mut name = [0_u8; 64];
        for (to, from) in name.iter_mut().zip(row.name.bytes().take(63)) {
            *to = from;
        }
        let name = CStr::from_bytes_until_nul(&name).unwrap_or(c"?");
        broken(name, usize::from(irql), usize::from(row.rule.least) << 8 | usize::from(row.rule.most));
    }
}

/// A rule was broken: says so, and ends the driver host as a bug check would end Windows.
pub fn broken(what: &CStr, irql: usize, rule: usize) -> ! {
    /// IRQL_NOT_LESS_OR_EQUAL.
    const BUG_CHECK: u32 = 0xa;
    // SAFETY: the arguments are those that the format names, and the string ends with a zero.
    unsafe { host::DbgPrint(c"*** rule broken: %s at IRQL %d\n".as_ptr(), what.as_ptr(), irql as u32) };
    // SAFETY: it takes numbers.
    unsafe { host::KeBugCheckEx(BUG_CHECK, irql, rule, 0, 0) }
}

/// Raises the calling thread, and gives the level before.
pub fn raise(new: u8) -> u8 {
    let mut thread = ThreadState::current();
    let old = thread.irql;
    if new < old || new > HIGH_LEVEL {
        broken(c"KfRaiseIrql to a level below", usize::from(old), usize::from(new));
    }
    if old < DISPATCH_LEVEL && new >= DISPATCH_LEVEL {
        thread.acquire();
    }
    thread.irql = new;
    thread.store();
    old
}

/// Lowers the calling thread. A call of KeIpiGenericCall that waits for its processor is served as soon as the level lets
/// it in.
pub fn lower(new: u8) {
    let mut thread = ThreadState::current();
    let old = thread.irql;
    if new > old {
        broken(c"KeLowerIrql to a level above", usize::from(old), usize::from(new));
    }
    if old >= IPI_LEVEL && new < IPI_LEVEL {
        broadcast::serve();
    }
    thread.irql = new;
    if new < DISPATCH_LEVEL {
        thread.release();
    }
    thread.store();
}

/// Runs `work` at DISPATCH_LEVEL on that processor; the calling thread is the processor's own.
pub fn on(index: usize, work: impl FnOnce()) {
    let mut thread = ThreadState::current();
    thread.affinity = 1 << index;
    thread.last = index as u8;
    thread.store();
    let old = raise(DISPATCH_LEVEL);
    work();
    lower(old);
}

/// Defines routines of the kernel, exported as `shim_NAME` (see `build.rs`), each with its IRQL rule checked first.
macro_rules! routines {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {
        $(
            $(#[$meta])*
            #[unsafe(export_name = concat!("shim_", stringify!($name)))]
            unsafe extern "system" fn $name($($argument: $type),*) $(-> $result)? {
                const ROW: &irqlog_nt::routines::Export = irqlog_nt::routines::row_of(stringify!($name));
                const {
                    let result = size_of::<<fn() $(-> $result)? as irqlog_nt::routines::Returns>::Result>();
                    assert!(ROW.has_shape(&[$(size_of::<$type>()),*], result), "the row has another signature");
                    assert!(matches!(ROW.worlds.wine, irqlog_nt::routines::UnderWine::Shim), "the row says that the shim does not give it");
                }
                $crate::processor::check(ROW);
                $body
            }
        )+
    };
}
pub(crate) use routines;

/// The number of a processor, as Windows gives it.
const fn number(index: usize) -> ProcessorNumber {
    ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 }
}

routines! {
    fn KeGetCurrentIrql() -> u8 {
        ThreadState::current().irql
    }

    fn KfRaiseIrql(new: u8) -> u8 {
        raise(new)
    }

    fn KeLowerIrql(new: u8) {
        lower(new);
    }

    /// The one that is held; below DISPATCH_LEVEL the last one, from which the thread may go away at any time.
    fn KeGetCurrentProcessorNumberEx(out: *mut ProcessorNumber) -> u32 {
        let index = usize::from(ThreadState::current().last);
        if !out.is_null() {
            // SAFETY: a driver gives the place for the number.
            unsafe { *out = number(index) };
        }
        index as u32
    }

    fn KeGetProcessorNumberFromIndex(index: u32, out: *mut ProcessorNumber) -> NtStatus {
        if index as usize >= COUNT {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: a driver gives the place for the number.
        unsafe { *out = number(index as usize) };
        STATUS_SUCCESS
    }

    fn KeQueryActiveProcessorCountEx(_group: u16) -> u32 {
        COUNT as u32
    }

    fn KeQueryMaximumProcessorCountEx(_group: u16) -> u32 {
        COUNT as u32
    }

    fn KeSetSystemGroupAffinityThread(affinity: *const GroupAffinity, previous: *mut GroupAffinity) {
        let mut thread = ThreadState::current();
        if !previous.is_null() {
            // SAFETY: a driver gives the place for what was before.
            unsafe { *previous = GroupAffinity { Mask: usize::from(thread.affinity), Group: 0, Reserved: [0; 3] } };
        }
        // SAFETY: a driver gives a whole GROUP_AFFINITY.
        thread.affinity = unsafe { (*affinity).Mask } as u8;
        // It goes there at once.
        if thread.mask() & 1 << thread.last == 0 {
            thread.last = thread.mask().trailing_zeros() as u8 % COUNT as u8;
        }
        thread.store();
    }

    fn KeRevertToUserGroupAffinityThread(previous: *const GroupAffinity) {
        let mut thread = ThreadState::current();
        // SAFETY: a driver gives what KeSetSystemGroupAffinityThread filled.
        thread.affinity = unsafe { (*previous).Mask } as u8;
        thread.store();
    }
}
