//! What the shim imports of Wine: its kernel, and kernel32, which a driver under Wine can use because it is a process.

use core::ffi::c_void;

pub use irqlog_nt::routines::imports::*;

#[link(name = "kernel32.dll", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "system" {
    pub fn CloseHandle(handle: *mut c_void) -> i32;
    pub fn CreateThread(
        attributes: *const c_void,
        stack: usize,
        start: unsafe extern "system" fn(*mut c_void) -> u32,
        argument: *mut c_void,
        flags: u32,
        id: *mut u32,
    ) -> *mut c_void;
    pub fn GetProcessHeap() -> *mut c_void;
    pub fn HeapAlloc(heap: *mut c_void, flags: u32, bytes: usize) -> *mut u8;
    pub fn HeapFree(heap: *mut c_void, flags: u32, memory: *mut u8) -> i32;
    pub fn Sleep(milliseconds: u32);
    pub fn SwitchToThread() -> i32;
    pub fn TlsAlloc() -> u32;
    pub fn TlsGetValue(slot: u32) -> usize;
    pub fn TlsSetValue(slot: u32, value: usize) -> i32;
    pub fn WaitForSingleObject(handle: *mut c_void, milliseconds: u32) -> u32;
}

/// Lets another thread run.
pub fn give_way() {
    // SAFETY: it takes no argument, and any thread may call it.
    unsafe { SwitchToThread() };
}

/// Lets other threads run for some milliseconds.
pub fn sleep(milliseconds: u32) {
    // SAFETY: it takes a number, and any thread may call it.
    unsafe { Sleep(milliseconds) };
}
