//! The kernel routines that the test driver imports.

use core::ffi::c_void;

use irqlog_nt::{
    ConnectInterrupt, DeferredRoutine, DeviceObject, DriverObject, FileObject, GroupAffinity, IoStatusBlock, Irp, Kdpc,
    Kevent, NtStatus, ProcessorNumber, UnicodeString,
};

unsafe extern "system" {
    pub fn IoBuildDeviceIoControlRequest(
        code: u32,
        device: *mut DeviceObject,
        input: *mut c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
        internal: u8,
        event: *mut Kevent,
        status: *mut IoStatusBlock,
    ) -> *mut Irp;
    pub fn IoConnectInterruptEx(parameters: *mut ConnectInterrupt) -> NtStatus;
    pub fn IoCreateDevice(
        driver: *mut DriverObject,
        extension: u32,
        name: *const UnicodeString,
        kind: u32,
        characteristics: u32,
        exclusive: u8,
        device: *mut *mut DeviceObject,
    ) -> NtStatus;
    pub fn IoDeleteDevice(device: *mut DeviceObject);
    pub fn IoDisconnectInterruptEx(parameters: *const c_void);
    pub fn IoGetDeviceObjectPointer(
        name: *const UnicodeString,
        access: u32,
        file: *mut *mut FileObject,
        device: *mut *mut DeviceObject,
    ) -> NtStatus;
    pub fn IofCallDriver(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus;
    pub fn IofCompleteRequest(irp: *mut Irp, boost: i8);
    pub fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) -> !;
    pub fn KeDeregisterNmiCallback(handle: *mut c_void) -> NtStatus;
    pub fn KeFlushQueuedDpcs();
    pub fn KeGetCurrentIrql() -> u8;
    pub fn KeGetCurrentProcessorNumberEx(number: *mut ProcessorNumber) -> u32;
    pub fn KeGetProcessorNumberFromIndex(index: u32, number: *mut ProcessorNumber) -> NtStatus;
    pub fn KeInitializeDpc(dpc: *mut Kdpc, routine: DeferredRoutine, context: *mut c_void);
    pub fn KeInitializeEvent(event: *mut Kevent, kind: u32, state: u8);
    pub fn KeInsertQueueDpc(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> u8;
    pub fn KeIpiGenericCall(worker: unsafe extern "system" fn(usize) -> usize, argument: usize) -> usize;
    // On ARM64 KeLowerIrql is a macro over this export (wdm.h).
    #[cfg_attr(target_arch = "aarch64", link_name = "KfLowerIrql")]
    pub fn KeLowerIrql(level: u8);
    pub fn KeSetSystemGroupAffinityThread(affinity: *const GroupAffinity, previous: *mut GroupAffinity);
    pub fn KeQueryActiveProcessorCountEx(group: u16) -> u32;
    pub fn KeRegisterNmiCallback(
        routine: unsafe extern "system" fn(*mut c_void, u8) -> u8,
        context: *mut c_void,
    ) -> *mut c_void;
    pub fn KeSetTargetProcessorDpcEx(dpc: *mut Kdpc, number: *mut ProcessorNumber) -> NtStatus;
    pub fn KeWaitForSingleObject(
        object: *mut c_void,
        reason: u32,
        mode: i8,
        alertable: u8,
        timeout: *const i64,
    ) -> NtStatus;
    pub fn KfRaiseIrql(level: u8) -> u8;
    pub fn ObfDereferenceObject(object: *mut c_void) -> isize;
    pub fn PsCreateSystemThread(
        handle: *mut *mut c_void,
        access: u32,
        attributes: *const c_void,
        process: *mut c_void,
        client: *mut c_void,
        start: unsafe extern "system" fn(*mut c_void),
        context: *mut c_void,
    ) -> NtStatus;
}
