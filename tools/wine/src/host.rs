//! What the shim imports of Wine: its kernel, and kernel32, which a driver under Wine can use because it is a process.

use core::ffi::{c_char, c_void};

use irqlog_nt::{DeviceObject, DriverObject, Irp, Kdpc, Ktimer, Mdl, NtStatus, UnicodeString};

#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "system" {
    pub fn IoAllocateWorkItem(device: *mut DeviceObject) -> *mut c_void;
    pub fn IoAttachDeviceToDeviceStack(source: *mut DeviceObject, target: *mut DeviceObject) -> *mut DeviceObject;
    pub fn IoCreateDevice(
        driver: *mut DriverObject,
        extension: u32,
        name: *const UnicodeString,
        kind: u32,
        characteristics: u32,
        exclusive: u8,
        device: *mut *mut DeviceObject,
    ) -> NtStatus;
    pub fn IoCreateDriver(
        name: *const UnicodeString,
        entry: unsafe extern "system" fn(*mut DriverObject, *const UnicodeString) -> NtStatus,
    ) -> NtStatus;
    pub fn IoDeleteDevice(device: *mut DeviceObject);
    pub fn IoDeleteDriver(driver: *mut DriverObject);
    pub fn IoDetachDevice(target: *mut DeviceObject);
    pub fn IofCallDriver(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus;
    pub fn IoFreeWorkItem(item: *mut c_void);
    pub fn IoQueueWorkItem(
        item: *mut c_void,
        routine: unsafe extern "system" fn(*mut DeviceObject, *mut c_void),
        kind: u32,
        context: *mut c_void,
    );
    pub fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) -> !;
    pub fn KeCancelTimer(timer: *mut Ktimer) -> u8;
    pub fn KeInitializeDpc(dpc: *mut Kdpc, routine: irqlog_nt::DeferredRoutine, context: *mut c_void);
    pub fn KeQuerySystemTime(time: *mut i64);
    pub fn KeSetTimerEx(timer: *mut Ktimer, due: i64, period: i32, dpc: *mut Kdpc) -> u8;
    pub fn KeWaitForSingleObject(
        object: *mut c_void,
        reason: u32,
        mode: i8,
        alertable: u8,
        timeout: *const i64,
    ) -> NtStatus;
    pub fn MmMapLockedPagesSpecifyCache(
        mdl: *mut Mdl,
        mode: i8,
        cache: u32,
        address: *mut c_void,
        bug_check: u32,
        priority: u32,
    ) -> *mut c_void;
    pub fn PsGetCurrentThreadId() -> *mut c_void;
}

#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    pub fn DbgPrint(format: *const c_char, ...) -> u32;
}

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
