//! The kernel routines that the framework imports.

use core::ffi::{c_char, c_void};

use irqlog_nt::{
    DeviceObject, DriverObject, Irp, Kdpc, Kevent, Ktimer, Mdl, NtStatus, ObjectAttributes, UnicodeString,
};

unsafe extern "system" {
    pub fn DbgPrint(format: *const c_char, ...) -> u32;
    pub fn ExAllocatePool2(flags: u64, bytes: usize, tag: u32) -> *mut c_void;
    pub fn ExFreePoolWithTag(memory: *mut c_void, tag: u32);
    pub fn IoCreateDeviceSecure(
        driver: *mut DriverObject,
        extension: u32,
        name: *const UnicodeString,
        kind: u32,
        characteristics: u32,
        exclusive: u8,
        sddl: *const UnicodeString,
        class: *const c_void,
        device: *mut *mut DeviceObject,
    ) -> NtStatus;
    pub fn IoCreateSymbolicLink(link: *const UnicodeString, device: *const UnicodeString) -> NtStatus;
    pub fn IoDeleteDevice(device: *mut DeviceObject);
    pub fn IoDeleteSymbolicLink(link: *const UnicodeString) -> NtStatus;
    pub fn IoReleaseCancelSpinLock(irql: u8);
    pub fn IofCompleteRequest(irp: *mut Irp, boost: i8);
    pub fn KeAcquireSpinLockRaiseToDpc(lock: *mut usize) -> u8;
    pub fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) -> !;
    pub fn KeCancelTimer(timer: *mut Ktimer) -> u8;
    pub fn KeFlushQueuedDpcs();
    pub fn KeInitializeDpc(dpc: *mut Kdpc, routine: irqlog_nt::DeferredRoutine, context: *mut c_void);
    pub fn KeInitializeEvent(event: *mut Kevent, kind: u32, state: u8);
    pub fn KeInitializeTimerEx(timer: *mut Ktimer, kind: u32);
    pub fn KeReleaseSpinLock(lock: *mut usize, irql: u8);
    pub fn KeSetEvent(event: *mut Kevent, increment: i32, wait: u8) -> i32;
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
    pub fn ZwClose(handle: *mut c_void) -> NtStatus;
    pub fn ZwOpenKey(key: *mut *mut c_void, access: u32, attributes: *const ObjectAttributes) -> NtStatus;
    pub fn ZwQueryValueKey(
        key: *mut c_void,
        name: *const UnicodeString,
        class: u32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NtStatus;
}
