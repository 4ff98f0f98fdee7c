//! The pool routines, those of the C library that move memory, and what says whether memory is mapped.

use std::ffi::c_void;

use super::{heap, import::routines, report};

const PAGED: u64 = 0x100;
const NON_PAGED: u64 = 0x40;
const UNINITIALIZED: u64 = 0x2;

fn free(memory: *mut c_void, tag: Option<u32>) {
    if let Err(what) = heap::free(memory as usize, tag) {
        report::broken(&what);
    }
}

routines! {
    fn ExAllocatePool2(flags: u64, size: usize, tag: u32) -> *mut c_void {
        if flags & !(NON_PAGED | UNINITIALIZED) != 0 || flags & PAGED != 0 || size == 0 || tag == 0 {
            report::broken(&format!("ExAllocatePool2 with flags {flags:#x}, {size} bytes, tag {tag:#x}: not supported by the rig"));
        }
        heap::allocate(size, tag)
    }

    fn ExFreePool(memory: *mut c_void) {
        free(memory, None);
    }

    fn ExFreePoolWithTag(memory: *mut c_void, tag: u32) {
        free(memory, Some(tag));
    }

    /// Linux knows whether a page is mapped: mincore() fails with ENOMEM if it is not (man page mincore(2)).
    fn MmIsAddressValid(address: *mut c_void) -> u8 {
        const PAGE: usize = 4096;
        let mut is_resident = 0_u8;
        let page = std::ptr::without_provenance_mut(address.addr() / PAGE * PAGE);
        // SAFETY: it only looks, whatever the address is; the answer for one page goes to this stack.
        u8::from(unsafe { libc::mincore(page, PAGE, &raw mut is_resident) } == 0)
    }

    fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: the driver's memory; a bad range faults and is reported.
        unsafe { std::ptr::copy(from, to, length) };
        to
    }

    fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { std::ptr::copy(from, to, length) };
        to
    }

    fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { std::ptr::write_bytes(to, value as u8, length) };
        to
    }

    fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
        // SAFETY: as above.
        let (a, b) = unsafe { (std::slice::from_raw_parts(a, length), std::slice::from_raw_parts(b, length)) };
        a.cmp(b) as i32
    }

    fn strlen(text: *const std::ffi::c_char) -> usize {
        // SAFETY: as above.
        unsafe { std::ffi::CStr::from_ptr(text) }.count_bytes()
    }
}
