//! Layouts of the NT kernel's public structures on 64-bit Windows, and constants that go with them.
//!
//! They serve both sides of the test worlds: the small KMDF (`tools/kmdf`) is WDM code, and the rig (`tools/rig`) is the
//! kernel under it. Written from wdm.h as documented (learn.microsoft.com, DDI reference of each structure). Offsets
//! that a driver compiled against the real wdm.h relies on are asserted below.

#![allow(missing_docs, reason = "the fields are those of wdm.h, documented there under the same names")]
#![allow(non_snake_case, reason = "the names are those of wdm.h")]

use core::{
    ffi::c_void,
    sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize},
};

pub use crate::NtStatus;

pub const IRP_MJ_CREATE: u8 = 0;
pub const IRP_MJ_CLOSE: u8 = 2;
pub const IRP_MJ_DEVICE_CONTROL: u8 = 14;
pub const IRP_MJ_INTERNAL_DEVICE_CONTROL: u8 = 15;
pub const IRP_MJ_CLEANUP: u8 = 18;
pub const IRP_MJ_COUNT: usize = 28;

/// Bit of [`IoStackLocation::Control`]: IoMarkIrpPending sets it.
pub const SL_PENDING_RETURNED: u8 = 1;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UnicodeString {
    pub Length: u16,
    pub MaximumLength: u16,
    pub Buffer: *mut u16,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ListEntry {
    pub Flink: *mut Self,
    pub Blink: *mut Self,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct IoStatusBlock {
    pub Status: NtStatus,
    pub Information: usize,
}

/// `LARGE_INTEGER`, whose value is its `QuadPart`.
pub type LargeInteger = i64;

// Enumerations, of which a routine's row says which one it takes. Their numbers are those of wdm.h.
pub type EventType = u32;
pub type KeyValueInformationClass = u32;
pub type KwaitReason = u32;
pub type MemoryCachingType = u32;
pub type TimerType = u32;
pub type WorkQueueType = u32;

// What nothing here looks into.
pub type ClientId = c_void;
pub type IoDisconnectInterruptParameters = c_void;
pub type IoWorkitem = c_void;
pub type ObjectHandleInformation = c_void;
pub type ObjectType = c_void;

pub type CancelRoutine = unsafe extern "system" fn(*mut DeviceObject, *mut Irp);

#[derive(Debug)]
#[repr(C)]
pub struct Irp {
    pub Type: i16,
    pub Size: u16,
    pub AllocationProcessorNumber: u16,
    pub Reserved: u16,
    pub MdlAddress: *mut Mdl,
    pub Flags: u32,
    pub SystemBuffer: *mut c_void,
    pub ThreadListEntry: ListEntry,
    pub IoStatus: IoStatusBlock,
    pub RequestorMode: i8,
    pub PendingReturned: u8,
    pub StackCount: i8,
    pub CurrentLocation: i8,
    pub Cancel: AtomicU8,
    pub CancelIrql: u8,
    pub ApcEnvironment: i8,
    pub AllocationFlags: u8,
    pub UserIosb: *mut IoStatusBlock,
    pub UserEvent: *mut c_void,
    pub Overlay: [usize; 2],
    pub CancelRoutine: AtomicPtr<c_void>,
    pub UserBuffer: *mut c_void,
    pub DriverContext: [*mut c_void; 4],
    pub Thread: *mut c_void,
    pub AuxiliaryBuffer: *mut c_void,
    pub ListEntry: ListEntry,
    pub CurrentStackLocation: *mut IoStackLocation,
    pub OriginalFileObject: *mut FileObject,
    pub IrpExtension: *mut c_void,
}

#[derive(Debug)]
#[repr(C)]
pub struct IoStackLocation {
    pub MajorFunction: u8,
    pub MinorFunction: u8,
    pub Flags: u8,
    pub Control: u8,
    /// `Parameters.DeviceIoControl`, whose members are pointer-aligned.
    pub OutputBufferLength: usize,
    pub InputBufferLength: usize,
    pub IoControlCode: usize,
    pub Type3InputBuffer: *mut c_void,
    pub DeviceObject: *mut DeviceObject,
    pub FileObject: *mut FileObject,
    pub CompletionRoutine: *mut c_void,
    pub Context: *mut c_void,
}

pub type DriverDispatch = unsafe extern "system" fn(*mut DeviceObject, *mut Irp) -> NtStatus;
pub type DriverInitialize = unsafe extern "system" fn(*mut DriverObject, *const UnicodeString) -> NtStatus;
pub type DriverUnload = unsafe extern "system" fn(*mut DriverObject);

#[derive(Debug)]
#[repr(C)]
pub struct DriverObject {
    pub Type: i16,
    pub Size: i16,
    pub DeviceObject: *mut DeviceObject,
    pub Flags: u32,
    pub DriverStart: *mut c_void,
    pub DriverSize: u32,
    pub DriverSection: *mut c_void,
    pub DriverExtension: *mut c_void,
    pub DriverName: UnicodeString,
    pub HardwareDatabase: *mut UnicodeString,
    pub FastIoDispatch: *mut c_void,
    pub DriverInit: *mut c_void,
    pub DriverStartIo: *mut c_void,
    pub DriverUnload: Option<DriverUnload>,
    pub MajorFunction: [Option<DriverDispatch>; IRP_MJ_COUNT],
}

#[derive(Debug)]
#[repr(C, align(16))]
pub struct DeviceObject {
    pub Type: i16,
    pub Size: u16,
    pub ReferenceCount: i32,
    pub DriverObject: *mut DriverObject,
    pub NextDevice: *mut Self,
    pub AttachedDevice: *mut Self,
    pub CurrentIrp: *mut Irp,
    pub Timer: *mut c_void,
    pub Flags: u32,
    pub Characteristics: u32,
    pub Vpb: *mut c_void,
    pub DeviceExtension: *mut c_void,
    pub DeviceType: u32,
    pub StackSize: i8,
    /// Queue, AlignmentRequirement, DeviceQueue, Dpc and what follows: not used here.
    pub Rest: [u64; 32],
}

/// `DO_DEVICE_INITIALIZING` of [`DeviceObject::Flags`]: opens fail until the driver clears it.
pub const DO_DEVICE_INITIALIZING: u32 = 0x80;

#[derive(Debug)]
#[repr(C)]
pub struct FileObject {
    pub Type: i16,
    pub Size: i16,
    pub DeviceObject: *mut DeviceObject,
    pub Vpb: *mut c_void,
    pub FsContext: *mut c_void,
    pub FsContext2: *mut c_void,
    /// What follows is the I/O manager's.
    pub Rest: [u64; 22],
}

#[derive(Debug)]
#[repr(C)]
pub struct Mdl {
    pub Next: *mut Self,
    pub Size: i16,
    pub MdlFlags: i16,
    pub AllocationProcessorNumber: u16,
    pub Reserved: u16,
    pub Process: *mut c_void,
    pub MappedSystemVa: *mut c_void,
    pub StartVa: *mut c_void,
    pub ByteCount: u32,
    pub ByteOffset: u32,
}

/// `MDL_MAPPED_TO_SYSTEM_VA` and `MDL_SOURCE_IS_NONPAGED_POOL`: `MappedSystemVa` is valid.
pub const MDL_IS_MAPPED: i16 = 0x0001 | 0x0004;

pub type DeferredRoutine = unsafe extern "system" fn(*mut Kdpc, *mut c_void, *mut c_void, *mut c_void);

#[derive(Debug)]
#[repr(C)]
pub struct Kdpc {
    pub Type: u8,
    pub Importance: u8,
    pub Number: u16,
    pub DpcListEntry: *mut Self,
    pub ProcessorHistory: usize,
    pub DeferredRoutine: Option<DeferredRoutine>,
    pub DeferredContext: *mut c_void,
    pub SystemArgument1: *mut c_void,
    pub SystemArgument2: *mut c_void,
    pub DpcData: *mut c_void,
}

#[derive(Debug)]
#[repr(C)]
pub struct Kevent {
    pub Type: u8,
    pub Signalling: u8,
    pub Size: u8,
    pub Reserved: u8,
    pub SignalState: i32,
    pub WaitListHead: ListEntry,
}

#[derive(Debug)]
#[repr(C)]
pub struct Ktimer {
    pub Header: Kevent,
    pub DueTime: u64,
    pub TimerListEntry: ListEntry,
    pub Dpc: *mut Kdpc,
    pub Processor: u32,
    pub Period: u32,
}

#[derive(Debug)]
#[repr(C)]
pub struct ObjectAttributes {
    pub Length: u32,
    pub RootDirectory: *mut c_void,
    pub ObjectName: *mut UnicodeString,
    pub Attributes: u32,
    pub SecurityDescriptor: *mut c_void,
    pub SecurityQualityOfService: *mut c_void,
}

/// `OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE`.
pub const OBJ_KERNEL: u32 = 0x40 | 0x200;

/// `KeyValuePartialInformation` of KEY_VALUE_INFORMATION_CLASS.
pub const KEY_VALUE_PARTIAL_INFORMATION: u32 = 2;
pub const REG_SZ: u32 = 1;
pub const REG_DWORD: u32 = 4;

/// `KEY_VALUE_PARTIAL_INFORMATION`; the data follows.
#[derive(Debug)]
#[repr(C)]
pub struct KeyValuePartialInformation {
    pub TitleIndex: u32,
    pub Type: u32,
    pub DataLength: u32,
}

/// `CONNECT_FULLY_SPECIFIED` of IoConnectInterruptEx.
pub const CONNECT_FULLY_SPECIFIED: u32 = 1;

pub type BroadcastRoutine = unsafe extern "system" fn(usize) -> usize;
pub type NmiRoutine = unsafe extern "system" fn(*mut c_void, u8) -> u8;
pub type ProcessorChangeRoutine = unsafe extern "system" fn(*mut c_void, *mut c_void, *mut NtStatus);
pub type ThreadRoutine = unsafe extern "system" fn(*mut c_void);
pub type WorkItemRoutine = unsafe extern "system" fn(*mut DeviceObject, *mut c_void);

pub type ServiceRoutine = unsafe extern "system" fn(*mut c_void, *mut c_void) -> u8;

/// `IO_CONNECT_INTERRUPT_PARAMETERS` with `FullySpecified`.
#[derive(Debug)]
#[repr(C)]
pub struct IoConnectInterruptParameters {
    pub Version: u32,
    pub PhysicalDeviceObject: *mut DeviceObject,
    pub InterruptObject: *mut *mut c_void,
    pub ServiceRoutine: Option<ServiceRoutine>,
    pub ServiceContext: *mut c_void,
    pub SpinLock: *mut usize,
    pub SynchronizeIrql: u8,
    pub FloatingSave: u8,
    pub ShareVector: u8,
    pub Vector: u32,
    pub Irql: u8,
    pub InterruptMode: u32,
    pub ProcessorEnableMask: usize,
    pub Group: u16,
}

/// `KBUGCHECK_REASON_CALLBACK_ROUTINE`: reason, record, data of the reason, and its length.
pub type BugCheckReasonRoutine =
    unsafe extern "system" fn(KbugcheckCallbackReason, *mut KbugcheckReasonCallbackRecord, *mut c_void, u32);

/// An enum of C.
pub type KbugcheckCallbackReason = u32;
/// `KbCallbackSecondaryDumpData`, and two more of the enum.
pub const KB_CALLBACK_SECONDARY_DUMP_DATA: KbugcheckCallbackReason = 2;
pub const KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA: KbugcheckCallbackReason = 5;
pub const KB_CALLBACK_TRIAGE_DUMP_DATA: KbugcheckCallbackReason = 7;
pub const KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA: u32 = 1;
pub const KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS: u32 = 2;

/// `KBUGCHECK_REASON_CALLBACK_RECORD`.
#[derive(Debug)]
#[repr(C)]
pub struct KbugcheckReasonCallbackRecord {
    pub Entry: ListEntry,
    pub CallbackRoutine: Option<BugCheckReasonRoutine>,
    pub Component: *mut u8,
    pub Checksum: usize,
    pub Reason: u32,
    /// `BufferEmpty` (0) in a record that is initialised, `BufferInserted` (1) in one that is registered.
    pub State: u8,
}

/// `KBUGCHECK_SECONDARY_DUMP_DATA`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SecondaryDumpData {
    pub InBuffer: *mut c_void,
    pub InBufferLength: u32,
    pub MaximumAllowed: u32,
    pub Guid: [u32; 4],
    pub OutBuffer: *mut c_void,
    pub OutBufferLength: u32,
}

/// `KBUGCHECK_SECONDARY_DUMP_DATA_EX`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SecondaryDumpDataEx {
    pub InBuffer: *mut c_void,
    pub InBufferLength: u32,
    pub MaximumAllowed: u32,
    pub Guid: [u32; 4],
    pub OutBuffer: *mut c_void,
    pub OutBufferLength: u32,
    pub Context: *mut c_void,
    pub Flags: u32,
    pub DumpType: u32,
    pub BugCheckCode: u32,
    pub BugCheckParameter1: usize,
    pub BugCheckParameter2: usize,
    pub BugCheckParameter3: usize,
    pub BugCheckParameter4: usize,
}

/// `KBUGCHECK_TRIAGE_DUMP_DATA`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TriageDumpData {
    pub DataArray: *mut KtriageDumpDataArray,
    pub Flags: u32,
    pub MaxVirtMemSize: u32,
    pub BugCheckCode: u32,
    pub BugCheckParameter1: usize,
    pub BugCheckParameter2: usize,
    pub BugCheckParameter3: usize,
    pub BugCheckParameter4: usize,
}

/// `KTRIAGE_DUMP_DATA_ARRAY` without its blocks, of address and size each, which follow.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct KtriageDumpDataArray {
    pub List: ListEntry,
    pub NumBlocksUsed: u32,
    pub NumBlocksTotal: u32,
    pub DataSize: u32,
    pub MaxDataSize: u32,
    pub ComponentNameBufferLength: u32,
    pub ComponentName: *mut u8,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ProcessorNumber {
    pub Group: u16,
    pub Number: u8,
    pub Reserved: u8,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct GroupAffinity {
    pub Mask: usize,
    pub Group: u16,
    pub Reserved: [u16; 3],
}

/// KLOCK_QUEUE_HANDLE: the place of a waiter, or of the owner, in the queue of an in-stack queued spin lock. The
/// processors before and behind it in the queue write to it too.
#[derive(Debug)]
#[repr(C)]
pub struct KlockQueueHandle {
    /// `LockQueue.Next`: the handle behind it, or 0.
    pub Next: AtomicUsize,
    /// `LockQueue.Lock`: the lock; its spare bits are the kernel's.
    pub Lock: AtomicUsize,
    pub OldIrql: u8,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Irp>() == 0xd0);
    assert!(offset_of!(Irp, SystemBuffer) == 0x18 && offset_of!(Irp, IoStatus) == 0x30);
    assert!(offset_of!(Irp, RequestorMode) == 0x40 && offset_of!(Irp, CancelRoutine) == 0x68);
    assert!(offset_of!(Irp, DriverContext) == 0x78 && offset_of!(Irp, CurrentStackLocation) == 0xb8);
    assert!(size_of::<IoStackLocation>() == 0x48 && offset_of!(IoStackLocation, FileObject) == 0x30);
    assert!(size_of::<DriverObject>() == 0x150 && offset_of!(DriverObject, DriverUnload) == 0x68);
    assert!(size_of::<DeviceObject>() == 0x150 && offset_of!(DeviceObject, DeviceExtension) == 0x40);
    assert!(size_of::<FileObject>() == 0xd8);
    assert!(size_of::<Mdl>() == 0x30 && offset_of!(Mdl, MappedSystemVa) == 0x18);
    assert!(size_of::<KlockQueueHandle>() == 0x18 && offset_of!(KlockQueueHandle, OldIrql) == 0x10);
    assert!(size_of::<Kdpc>() == 0x40 && size_of::<Kevent>() == 0x18 && size_of::<Ktimer>() == 0x40);
};

/// METHOD_xxx of a control code.
pub const fn method(code: u32) -> u32 {
    code & 3
}

pub const METHOD_BUFFERED: u32 = 0;
pub const METHOD_IN_DIRECT: u32 = 1;
pub const METHOD_OUT_DIRECT: u32 = 2;
