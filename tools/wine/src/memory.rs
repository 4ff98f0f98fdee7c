//! Pool: from the process's heap, zeroed, and page-aligned from a page on, as ExAllocatePool2 promises.

use core::ffi::c_void;

use irqlog_nt::{MDL_IS_MAPPED, Mdl};

use crate::{host, processor::routines};

const PAGE: usize = 4096;
const HEAP_ZERO_MEMORY: u32 = 8;
/// Bytes before each allocation, of which the last word is the address that the heap gave.
const BEFORE: usize = 16;

/// Where the address that the heap gave for some memory lies.
const fn of(memory: *mut u8) -> *mut *mut u8 {
    memory.wrapping_sub(size_of::<*mut u8>()).cast()
}

fn heap() -> *mut c_void {
    // SAFETY: it takes no argument.
    unsafe { host::GetProcessHeap() }
}

routines! {
    fn ExAllocatePool2(_flags: u64, bytes: usize, _tag: u32) -> *mut c_void {
        let align = if bytes >= PAGE { PAGE } else { BEFORE };
        let Some(room) = bytes.checked_add(align + BEFORE) else { return core::ptr::null_mut() };
        // SAFETY: the heap is the process's own.
        let given = unsafe { host::HeapAlloc(heap(), HEAP_ZERO_MEMORY, room) };
        if given.is_null() {
            return core::ptr::null_mut();
        }
        let start = given.wrapping_add(BEFORE);
        let memory = start.wrapping_add(start.align_offset(align));
        // SAFETY: the word lies at or behind `given`, since `memory` is at least `BEFORE` bytes behind it.
        unsafe { of(memory).write_unaligned(given) };
        memory.cast()
    }

    fn ExFreePoolWithTag(memory: *mut c_void, _tag: u32) {
        // SAFETY: ExAllocatePool2 gave the memory, and wrote this word before it.
        let given = unsafe { of(memory.cast()).read_unaligned() };
        // SAFETY: the heap gave this, and a driver frees it once.
        unsafe { host::HeapFree(heap(), 0, given) };
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
        // SAFETY: the MDL is that of a request that the driver has, so it is whole and nobody else changes it.
        let described = unsafe { &*mdl };
        if described.MdlFlags & MDL_IS_MAPPED != 0 {
            return described.MappedSystemVa;
        }
        // SAFETY: as the driver called it.
        unsafe { host::MmMapLockedPagesSpecifyCache(mdl, mode, cache, address, bug_check, priority) }
    }
}
