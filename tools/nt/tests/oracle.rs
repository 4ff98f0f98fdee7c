//! Our structures and constants against an oracle that is not ours: the `Wdk` modules of `windows-sys`, which Microsoft
//! generates from the headers of the WDK.
//!
//! Offsets and sizes are compared for this machine's 64-bit target; x64 and ARM64 Windows have the same ones. What the
//! oracle lacks, and what is therefore from documentation alone, is in [`what_the_oracle_lacks`], with the value it has
//! instead: a later `windows-sys` that mends one of them is noticed.

use core::mem::{offset_of, size_of};

use irqlog_nt as nt;
use windows_sys::{
    Wdk::{
        Foundation::{
            DEVICE_OBJECT, DISPATCHER_HEADER, DRIVER_OBJECT, FILE_OBJECT, IO_STACK_LOCATION, IO_STACK_LOCATION_0_16,
            IRP, KDPC, KDPC_0_0, KEVENT, MDL, OBJECT_ATTRIBUTES,
        },
        Storage::FileSystem::DO_DEVICE_INITIALIZING,
        System::{
            Registry::KeyValuePartialInformation,
            SystemServices::{
                CONNECT_FULLY_SPECIFIED, IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS,
                IO_CONNECT_INTERRUPT_PARAMETERS, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
                IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_MAXIMUM_FUNCTION, KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA,
                KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS, KBUGCHECK_REASON_CALLBACK_RECORD,
                KBUGCHECK_SECONDARY_DUMP_DATA, KBUGCHECK_SECONDARY_DUMP_DATA_EX, KBUGCHECK_TRIAGE_DUMP_DATA,
                KEY_VALUE_PARTIAL_INFORMATION, KTIMER, KTRIAGE_DUMP_DATA_ARRAY, KbCallbackSecondaryDumpData,
                KbCallbackSecondaryMultiPartDumpData, KbCallbackTriageDumpData, SL_PENDING_RETURNED,
            },
        },
    },
    Win32::{
        Foundation::{OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, UNICODE_STRING},
        System::{
            IO::IO_STATUS_BLOCK,
            Ioctl::{METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_OUT_DIRECT},
            Kernel::{LIST_ENTRY, PROCESSOR_NUMBER},
            Registry::{REG_DWORD, REG_SZ},
            SystemInformation::GROUP_AFFINITY,
        },
    },
};

/// Size of what a pointer points to, of which there need be no value.
const fn pointee<T>(_: *const T) -> usize {
    size_of::<T>()
}

/// Offset and size of a field, which may be nested in structures and unions.
macro_rules! place {
    ($type:ty, $($field:ident).+) => {{
        let whole = core::mem::MaybeUninit::<$type>::uninit();
        // SAFETY: only the address of the field is taken, of memory that is a whole structure.
        let size = pointee(unsafe { &raw const (*whole.as_ptr()).$($field).+ });
        (offset_of!($type, $($field).+), size)
    }};
}

/// Compares fields of a structure of ours with those of the oracle.
macro_rules! same {
    ($ours:ty, $theirs:ty: $($field:ident = $($their:ident).+),+ $(,)?) => {
        $(assert_eq!(
            place!($ours, $field),
            place!($theirs, $($their).+),
            "offset and size of {}",
            stringify!($ours::$field)
        );)+
    };
}

macro_rules! same_size {
    ($($ours:ty = $theirs:ty),+ $(,)?) => {
        $(assert_eq!(size_of::<$ours>(), size_of::<$theirs>(), "size of {}", stringify!($ours));)+
    };
}

#[test]
fn sizes() {
    same_size! {
        nt::UnicodeString = UNICODE_STRING,
        nt::ListEntry = LIST_ENTRY,
        nt::IoStatusBlock = IO_STATUS_BLOCK,
        nt::Irp = IRP,
        nt::IoStackLocation = IO_STACK_LOCATION,
        nt::DriverObject = DRIVER_OBJECT,
        nt::FileObject = FILE_OBJECT,
        nt::Mdl = MDL,
        nt::Kdpc = KDPC,
        nt::Kevent = KEVENT,
        nt::Kevent = DISPATCHER_HEADER,
        nt::Ktimer = KTIMER,
        nt::ObjectAttributes = OBJECT_ATTRIBUTES,
        nt::IoConnectInterruptParameters = IO_CONNECT_INTERRUPT_PARAMETERS,
        nt::ProcessorNumber = PROCESSOR_NUMBER,
        nt::GroupAffinity = GROUP_AFFINITY,
        nt::KbugcheckReasonCallbackRecord = KBUGCHECK_REASON_CALLBACK_RECORD,
        nt::SecondaryDumpData = KBUGCHECK_SECONDARY_DUMP_DATA,
        nt::SecondaryDumpDataEx = KBUGCHECK_SECONDARY_DUMP_DATA_EX,
        nt::TriageDumpData = KBUGCHECK_TRIAGE_DUMP_DATA,
    }
}

#[test]
fn requests() {
    same!(nt::Irp, IRP:
        Type = Type, Size = Size, MdlAddress = MdlAddress, Flags = Flags, SystemBuffer = AssociatedIrp.SystemBuffer,
        ThreadListEntry = ThreadListEntry, IoStatus = IoStatus, RequestorMode = RequestorMode,
        PendingReturned = PendingReturned, StackCount = StackCount, CurrentLocation = CurrentLocation,
        Cancel = Cancel, CancelIrql = CancelIrql, ApcEnvironment = ApcEnvironment, AllocationFlags = AllocationFlags,
        UserIosb = Anonymous.UserIosb, UserEvent = UserEvent, Overlay = Overlay, CancelRoutine = CancelRoutine,
        UserBuffer = UserBuffer, DriverContext = Tail.Overlay.Anonymous1.Anonymous.DriverContext,
        Thread = Tail.Overlay.Thread, AuxiliaryBuffer = Tail.Overlay.AuxiliaryBuffer,
        ListEntry = Tail.Overlay.Anonymous2.ListEntry,
        CurrentStackLocation = Tail.Overlay.Anonymous2.Anonymous.CurrentStackLocation,
        OriginalFileObject = Tail.Overlay.OriginalFileObject,
    );
    same!(nt::IoStackLocation, IO_STACK_LOCATION:
        MajorFunction = MajorFunction, MinorFunction = MinorFunction, Flags = Flags, Control = Control,
        DeviceObject = DeviceObject, FileObject = FileObject, CompletionRoutine = CompletionRoutine,
        Context = Context,
    );
    assert_eq!(offset_of!(nt::IoStackLocation, OutputBufferLength), offset_of!(IO_STACK_LOCATION, Parameters));
    same!(nt::IoStatusBlock, IO_STATUS_BLOCK: Status = Anonymous.Status, Information = Information);
    same!(nt::Mdl, MDL:
        Next = Next, Size = Size, MdlFlags = MdlFlags, Process = Process, MappedSystemVa = MappedSystemVa,
        StartVa = StartVa, ByteCount = ByteCount, ByteOffset = ByteOffset,
    );
}

#[test]
fn objects() {
    same!(nt::DriverObject, DRIVER_OBJECT:
        Type = Type, Size = Size, DeviceObject = DeviceObject, Flags = Flags, DriverStart = DriverStart,
        DriverSize = DriverSize, DriverSection = DriverSection, DriverExtension = DriverExtension,
        DriverName = DriverName, HardwareDatabase = HardwareDatabase, FastIoDispatch = FastIoDispatch,
        DriverInit = DriverInit, DriverStartIo = DriverStartIo, DriverUnload = DriverUnload,
        MajorFunction = MajorFunction,
    );
    same!(nt::DeviceObject, DEVICE_OBJECT:
        Type = Type, Size = Size, ReferenceCount = ReferenceCount, DriverObject = DriverObject,
        NextDevice = NextDevice, AttachedDevice = AttachedDevice, CurrentIrp = CurrentIrp, Timer = Timer,
        Flags = Flags, Characteristics = Characteristics, Vpb = Vpb, DeviceExtension = DeviceExtension,
        DeviceType = DeviceType, StackSize = StackSize,
    );
    assert_eq!(offset_of!(nt::DeviceObject, Rest), offset_of!(DEVICE_OBJECT, Queue));
    same!(nt::FileObject, FILE_OBJECT:
        Type = Type, Size = Size, DeviceObject = DeviceObject, Vpb = Vpb, FsContext = FsContext,
        FsContext2 = FsContext2,
    );
    assert_eq!(offset_of!(nt::FileObject, Rest), offset_of!(FILE_OBJECT, SectionObjectPointer));
}

#[test]
fn dispatcher_objects_and_dpcs() {
    same!(nt::Kdpc, KDPC:
        DpcListEntry = DpcListEntry, ProcessorHistory = ProcessorHistory, DeferredRoutine = DeferredRoutine,
        DeferredContext = DeferredContext, SystemArgument1 = SystemArgument1, SystemArgument2 = SystemArgument2,
        DpcData = DpcData,
    );
    same!(nt::Kdpc, KDPC_0_0: Type = Type, Importance = Importance, Number = Number);
    same!(nt::Kevent, DISPATCHER_HEADER: SignalState = SignalState, WaitListHead = WaitListHead);
    same!(nt::Ktimer, KTIMER: Header = Header, DueTime = DueTime, TimerListEntry = TimerListEntry, Dpc = Dpc);
}

#[test]
fn bug_check_callbacks() {
    same!(nt::KbugcheckReasonCallbackRecord, KBUGCHECK_REASON_CALLBACK_RECORD:
        Entry = Entry, CallbackRoutine = CallbackRoutine, Component = Component, Checksum = Checksum, Reason = Reason,
        State = State,
    );
    same!(nt::SecondaryDumpData, KBUGCHECK_SECONDARY_DUMP_DATA:
        InBuffer = InBuffer, InBufferLength = InBufferLength, MaximumAllowed = MaximumAllowed, Guid = Guid,
        OutBuffer = OutBuffer, OutBufferLength = OutBufferLength,
    );
    same!(nt::SecondaryDumpDataEx, KBUGCHECK_SECONDARY_DUMP_DATA_EX:
        InBuffer = InBuffer, InBufferLength = InBufferLength, MaximumAllowed = MaximumAllowed, Guid = Guid,
        OutBuffer = OutBuffer, OutBufferLength = OutBufferLength, Context = Context, Flags = Flags,
        DumpType = DumpType, BugCheckCode = BugCheckCode, BugCheckParameter1 = BugCheckParameter1,
        BugCheckParameter2 = BugCheckParameter2, BugCheckParameter3 = BugCheckParameter3,
        BugCheckParameter4 = BugCheckParameter4,
    );
    same!(nt::TriageDumpData, KBUGCHECK_TRIAGE_DUMP_DATA:
        DataArray = DataArray, Flags = Flags, MaxVirtMemSize = MaxVirtMemSize, BugCheckCode = BugCheckCode,
        BugCheckParameter1 = BugCheckParameter1, BugCheckParameter2 = BugCheckParameter2,
        BugCheckParameter3 = BugCheckParameter3, BugCheckParameter4 = BugCheckParameter4,
    );
    same!(nt::KtriageDumpDataArray, KTRIAGE_DUMP_DATA_ARRAY:
        List = List, NumBlocksUsed = NumBlocksUsed, NumBlocksTotal = NumBlocksTotal, DataSize = DataSize,
        MaxDataSize = MaxDataSize, ComponentNameBufferLength = ComponentNameBufferLength,
        ComponentName = ComponentName,
    );
    assert_eq!(size_of::<nt::KtriageDumpDataArray>(), offset_of!(KTRIAGE_DUMP_DATA_ARRAY, Blocks));
}

#[test]
fn parameters_of_routines() {
    same!(nt::UnicodeString, UNICODE_STRING: Length = Length, MaximumLength = MaximumLength, Buffer = Buffer);
    same!(nt::ListEntry, LIST_ENTRY: Flink = Flink, Blink = Blink);
    same!(nt::ObjectAttributes, OBJECT_ATTRIBUTES:
        Length = Length, RootDirectory = RootDirectory, ObjectName = ObjectName, Attributes = Attributes,
        SecurityDescriptor = SecurityDescriptor, SecurityQualityOfService = SecurityQualityOfService,
    );
    same!(nt::ProcessorNumber, PROCESSOR_NUMBER: Group = Group, Number = Number, Reserved = Reserved);
    same!(nt::GroupAffinity, GROUP_AFFINITY: Mask = Mask, Group = Group, Reserved = Reserved);
    same!(nt::KeyValuePartialInformation, KEY_VALUE_PARTIAL_INFORMATION:
        TitleIndex = TitleIndex, Type = Type, DataLength = DataLength,
    );
    assert_eq!(size_of::<nt::KeyValuePartialInformation>(), offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Data));
    let union = offset_of!(IO_CONNECT_INTERRUPT_PARAMETERS, Anonymous);
    macro_rules! fully_specified {
        ($($field:ident),+ $(,)?) => {
            $({
                let (offset, size) = place!(IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS, $field);
                assert_eq!(place!(nt::IoConnectInterruptParameters, $field), (union + offset, size), "{}", stringify!($field));
            })+
        };
    }
    fully_specified!(
        PhysicalDeviceObject,
        InterruptObject,
        ServiceRoutine,
        ServiceContext,
        SpinLock,
        SynchronizeIrql,
        FloatingSave,
        ShareVector,
        Vector,
        Irql,
        InterruptMode,
        ProcessorEnableMask,
        Group,
    );
    assert_eq!(
        offset_of!(nt::IoConnectInterruptParameters, Version),
        offset_of!(IO_CONNECT_INTERRUPT_PARAMETERS, Version)
    );
}

#[test]
fn constants() {
    for (ours, theirs) in [
        (nt::IRP_MJ_CREATE, IRP_MJ_CREATE),
        (nt::IRP_MJ_CLOSE, IRP_MJ_CLOSE),
        (nt::IRP_MJ_DEVICE_CONTROL, IRP_MJ_DEVICE_CONTROL),
        (nt::IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL),
        (nt::IRP_MJ_CLEANUP, IRP_MJ_CLEANUP),
        (nt::SL_PENDING_RETURNED, SL_PENDING_RETURNED),
    ] {
        assert_eq!(u32::from(ours), theirs);
    }
    assert_eq!(nt::IRP_MJ_COUNT, IRP_MJ_MAXIMUM_FUNCTION as usize + 1);
    assert_eq!(nt::DO_DEVICE_INITIALIZING, DO_DEVICE_INITIALIZING);
    assert_eq!(nt::CONNECT_FULLY_SPECIFIED, CONNECT_FULLY_SPECIFIED);
    assert_eq!(nt::OBJ_KERNEL, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE);
    assert_eq!(nt::KEY_VALUE_PARTIAL_INFORMATION, KeyValuePartialInformation.cast_unsigned());
    assert_eq!((nt::REG_SZ, nt::REG_DWORD), (REG_SZ, REG_DWORD));
    for (ours, theirs) in [
        (nt::KB_CALLBACK_SECONDARY_DUMP_DATA, KbCallbackSecondaryDumpData),
        (nt::KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA, KbCallbackSecondaryMultiPartDumpData),
        (nt::KB_CALLBACK_TRIAGE_DUMP_DATA, KbCallbackTriageDumpData),
    ] {
        assert_eq!(ours, theirs.cast_unsigned());
    }
    assert_eq!(nt::KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA, KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA);
    assert_eq!(nt::KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS, KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS);
    assert_eq!(
        [nt::METHOD_BUFFERED, nt::METHOD_IN_DIRECT, nt::METHOD_OUT_DIRECT],
        [METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_OUT_DIRECT]
    );
}

/// Each line is a difference that stays: what wdm.h says, as documented, and the oracle does not.
#[test]
fn what_the_oracle_lacks() {
    // DECLSPEC_ALIGN(16) of DEVICE_OBJECT.
    assert_eq!((size_of::<nt::DeviceObject>(), size_of::<DEVICE_OBJECT>()), (0x150, 0x148));
    // KTIMER: the field Processor before Period, on everything but x86.
    assert_eq!((offset_of!(nt::Ktimer, Period), offset_of!(KTIMER, Period)), (0x3c, 0x38));
    // POINTER_ALIGNMENT of the members of Parameters.DeviceIoControl.
    let parameters = offset_of!(IO_STACK_LOCATION, Parameters);
    let input = parameters + offset_of!(IO_STACK_LOCATION_0_16, InputBufferLength);
    assert_eq!((offset_of!(nt::IoStackLocation, InputBufferLength), input), (0x10, 0xc));
    let code = parameters + offset_of!(IO_STACK_LOCATION_0_16, IoControlCode);
    assert_eq!((offset_of!(nt::IoStackLocation, IoControlCode), code), (0x18, 0x10));
    let buffer = parameters + offset_of!(IO_STACK_LOCATION_0_16, Type3InputBuffer);
    assert_eq!((offset_of!(nt::IoStackLocation, Type3InputBuffer), buffer), (0x20, 0x18));
    // Not in the oracle at all, in padding of the structures that it has: AllocationProcessorNumber and Reserved of IRP
    // and MDL, and IrpExtension at the end of IRP.
    assert_eq!(offset_of!(nt::Irp, AllocationProcessorNumber), offset_of!(IRP, Size) + 2);
    assert_eq!(offset_of!(nt::Mdl, AllocationProcessorNumber), offset_of!(MDL, MdlFlags) + 2);
    assert_eq!(offset_of!(nt::Irp, IrpExtension) + size_of::<usize>(), size_of::<IRP>());
}
