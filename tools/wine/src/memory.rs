//! Pool: from the process's heap, zeroed, and page-aligned from a page on, as ExAllocatePool2 promises.

use core::ffi::c_void;

use irqlog_nt::{MDL_IS_MAPPED, Mdl};

use crate::{host, routines};

const PAGE: usize = 4096;
const HEAP_ZERO_MEMORY: u32 = 8;
/// Before each allocation lies what the heap gave.
const BEFORE: usize = 16;

routines! {
    fn ExAllocatePool2(_flags: u64, bytes: usize, _tag: u32) -> *mut c_void {
        let align = if bytes >= PAGE { PAGE } else { BEFORE };
        unsafe {
            let Some(room) = bytes.checked_add(align + BEFORE) else { return core::ptr::null_mut() };
            let given = host::HeapAlloc(host::GetProcessHeap(), HEAP_ZERO_MEMORY, room);
            if given.is_null() {
                return core::ptr::null_mut();
            }
            let start = given.add(BEFORE);
            let memory = start.add(start.align_offset(align));
            memory.sub(size_of::<*mut u8>()).cast::<*mut u8>().write_unaligned(given);
            memory.cast()
        }
    }

    fn ExFreePoolWithTag(memory: *mut c_void, _tag: u32) {
        unsafe {
            let given = memory.cast::<u8>().sub(size_of::<*mut u8>()).cast::<*mut u8>().read_unaligned();
            host::HeapFree(host::GetProcessHeap(), 0, given);
        }
    }

    /// Wine gives MDLs that are mapped already, and from its routine of this name nothing.
    fn MmMapLockedPagesSpecifyCache(
        mdl: *mut Mdl,
        mode: i8,
        cache: u32,
        address: *mut c_void,
        bug_check: u32,
        priority: u32,
    ) -> *mut c_void {
        unsafe {
            if (*mdl).MdlFlags & MDL_IS_MAPPED != 0 {
                return (*mdl).MappedSystemVa;
            }
            host::MmMapLockedPagesSpecifyCache(mdl, mode, cache, address, bug_check, priority)
        }
    }
}
