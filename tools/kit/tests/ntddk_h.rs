//! Compares the structures and constants of the clean-room `ntddk.h` with `tools/nt`, whose own oracle is windows-sys.
//!
//! The test writes static assertions on sizes and offsets, which clang checks while it compiles the header for both
//! architectures. It reads the names of structures and members from the header's text, so a structure that nobody compares
//! fails the test.

use std::{collections::BTreeMap, fmt::Write, mem::offset_of, path::Path, process::Command};

use irqlog_nt as nt;
use irqlog_wire::irql;
use windows_sys::{
    Wdk::System::SystemServices::{
        IO_DISCONNECT_INTERRUPT_PARAMETERS, KADDRESS_RANGE, KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT, KSPIN_LOCK_QUEUE,
    },
    Win32::System::Kernel::SINGLE_LIST_ENTRY,
    core::GUID,
};

const CLANG: &str = "clang-cl-19";

/// A structure of the header: its size, and its members by their path in C with offset and size, all in bytes.
struct Layout {
    name: &'static str,
    size: usize,
    members: Vec<(&'static str, usize, usize)>,
}

/// Size of the type that a pointer points to; there need be no value.
const fn pointee<T>(_: *const T) -> usize {
    size_of::<T>()
}

/// The layout of a Rust structure. A member is named as in Rust, or with its path in C before it.
macro_rules! layout {
    ($name:literal, $type:ty: $($field:ident $(as $path:literal)?),* $(,)?) => {{
        let whole = core::mem::MaybeUninit::<$type>::uninit();
        let _ = &whole;
        Layout {
            name: $name,
            size: size_of::<$type>(),
            members: vec![$({
                // SAFETY: only the address of the field is taken, of memory that is a whole structure.
                let size = pointee(unsafe { &raw const (*whole.as_ptr()).$field });
                (layout!(@ $field $($path)?), offset_of!($type, $field), size)
            }),*],
        }
    }};
    (@ $field:ident) => { stringify!($field) };
    (@ $field:ident $path:literal) => { $path };
}

/// Size of a pointer, and of each other word of 64-bit Windows.
const WORD: usize = 8;

/// Requests and what they go through.
fn requests() -> Vec<Layout> {
    let mut location = layout!("IO_STACK_LOCATION", nt::IoStackLocation:
        MajorFunction, MinorFunction, Flags, Control, DeviceObject, FileObject, CompletionRoutine, Context);
    let parameters = offset_of!(nt::IoStackLocation, OutputBufferLength);
    location.members.push(("Parameters", parameters, offset_of!(nt::IoStackLocation, DeviceObject) - parameters));
    vec![
        location,
        layout!("IO_STATUS_BLOCK", nt::IoStatusBlock: Status, Information),
        layout!("DRIVER_OBJECT", nt::DriverObject:
            Type, Size, DeviceObject, Flags, DriverStart, DriverSize, DriverSection, DriverExtension, DriverName,
            HardwareDatabase, FastIoDispatch, DriverInit, DriverStartIo, DriverUnload, MajorFunction),
        layout!("IRP", nt::Irp:
            Type, Size, AllocationProcessorNumber, Reserved, MdlAddress, Flags,
            SystemBuffer as "AssociatedIrp.SystemBuffer", ThreadListEntry, IoStatus, RequestorMode, PendingReturned,
            StackCount, CurrentLocation, Cancel, CancelIrql, ApcEnvironment, AllocationFlags, UserIosb, UserEvent, Overlay,
            CancelRoutine, UserBuffer, DriverContext as "Tail.Overlay.DriverContext", Thread as "Tail.Overlay.Thread",
            AuxiliaryBuffer as "Tail.Overlay.AuxiliaryBuffer", ListEntry as "Tail.Overlay.ListEntry",
            CurrentStackLocation as "Tail.Overlay.CurrentStackLocation",
            OriginalFileObject as "Tail.Overlay.OriginalFileObject", IrpExtension as "Tail.Overlay.IrpExtension"),
    ]
}

/// Bug-check callbacks and their data.
fn crashes() -> Vec<Layout> {
    let mut array = layout!("KTRIAGE_DUMP_DATA_ARRAY", nt::KtriageDumpDataArray:
        List, NumBlocksUsed, NumBlocksTotal, DataSize, MaxDataSize, ComponentNameBufferLength, ComponentName);
    // In C the first block is a member.
    array.members.push(("Blocks", array.size, size_of::<KADDRESS_RANGE>()));
    array.size += size_of::<KADDRESS_RANGE>();
    vec![
        array,
        layout!("KBUGCHECK_REASON_CALLBACK_RECORD", nt::KbugcheckReasonCallbackRecord:
            Entry, CallbackRoutine, Component, Checksum, Reason, State),
        layout!("KBUGCHECK_SECONDARY_DUMP_DATA", nt::SecondaryDumpData:
            InBuffer, InBufferLength, MaximumAllowed, Guid, OutBuffer, OutBufferLength),
        layout!("KBUGCHECK_SECONDARY_DUMP_DATA_EX", nt::SecondaryDumpDataEx:
            InBuffer, InBufferLength, MaximumAllowed, Guid, OutBuffer, OutBufferLength, Context, Flags, DumpType,
            BugCheckCode, BugCheckParameter1, BugCheckParameter2, BugCheckParameter3, BugCheckParameter4),
        layout!("KBUGCHECK_TRIAGE_DUMP_DATA", nt::TriageDumpData:
            DataArray, Flags, MaxVirtMemSize, BugCheckCode, BugCheckParameter1, BugCheckParameter2, BugCheckParameter3,
            BugCheckParameter4),
        layout!("KADDRESS_RANGE", KADDRESS_RANGE: Address, Size),
    ]
}

/// Parameters of routines.
fn parameters() -> Vec<Layout> {
    let mut value =
        layout!("KEY_VALUE_PARTIAL_INFORMATION", nt::KeyValuePartialInformation: TitleIndex, Type, DataLength);
    // In C the first byte of the data is a member, and the structure is padded.
    value.members.push(("Data", value.size, 1));
    value.size = (value.size + 1).next_multiple_of(4);
    vec![
        value,
        layout!("UNICODE_STRING", nt::UnicodeString: Length, MaximumLength, Buffer),
        layout!("LIST_ENTRY", nt::ListEntry: Flink, Blink),
        layout!("SINGLE_LIST_ENTRY", SINGLE_LIST_ENTRY: Next),
        layout!("GUID", GUID: data1 as "Data1", data2 as "Data2", data3 as "Data3", data4 as "Data4"),
        layout!("OBJECT_ATTRIBUTES", nt::ObjectAttributes:
            Length, RootDirectory, ObjectName, Attributes, SecurityDescriptor, SecurityQualityOfService),
        layout!("PROCESSOR_NUMBER", nt::ProcessorNumber: Group, Number, Reserved),
        layout!("GROUP_AFFINITY", nt::GroupAffinity: Mask, Group, Reserved),
        layout!("KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT", KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT:
            State, NtNumber, Status, ProcNumber),
        layout!("KSPIN_LOCK_QUEUE", KSPIN_LOCK_QUEUE: Next, Lock),
        layout!("KLOCK_QUEUE_HANDLE", nt::KlockQueueHandle: Next as "LockQueue.Next", Lock as "LockQueue.Lock", OldIrql),
        layout!("IO_DISCONNECT_INTERRUPT_PARAMETERS", IO_DISCONNECT_INTERRUPT_PARAMETERS: Version, ConnectionContext),
        // Opaque in the header: only the size counts.
        layout!("KDPC", nt::Kdpc:),
        layout!("KEVENT", nt::Kevent:),
        layout!("KTIMER", nt::Ktimer:),
    ]
}

/// The parameters of IoConnectInterruptEx: in C a structure within a union, in `tools/nt` one structure.
fn interrupts() -> Vec<Layout> {
    let outer = layout!("IO_CONNECT_INTERRUPT_PARAMETERS", nt::IoConnectInterruptParameters:
        Version, PhysicalDeviceObject as "FullySpecified.PhysicalDeviceObject");
    let mut inner = layout!("IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS", nt::IoConnectInterruptParameters:
        PhysicalDeviceObject, InterruptObject, ServiceRoutine, ServiceContext, SpinLock, SynchronizeIrql, FloatingSave,
        ShareVector, Vector, Irql, InterruptMode, ProcessorEnableMask, Group);
    let start = offset_of!(nt::IoConnectInterruptParameters, PhysicalDeviceObject);
    inner.size -= start;
    for (_, offset, _) in &mut inner.members {
        *offset -= start;
    }
    vec![outer, inner]
}

fn layouts() -> Vec<Layout> {
    [requests(), crashes(), parameters(), interrupts()].into_iter().flatten().collect()
}

fn header() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/km/ntddk.h");
    std::fs::read_to_string(path).unwrap()
}

/// The structures of the header, each with the names of its outermost members. `Opaque` is none.
fn declared(header: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut structures = BTreeMap::new();
    for body in header.split("typedef struct _").skip(1) {
        let Some((name, body)) = body.split_once(" {\n") else { continue };
        // A forward declaration has no body: `DEVICE_OBJECT, *PDEVICE_OBJECT;`.
        if name.contains([' ', ';', '\n']) {
            continue;
        }
        let body = body.split("\n}").next().unwrap_or_default();
        let outermost = body.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
        let members = outermost.filter_map(|line| {
            let declarator = line.trim_end().strip_suffix(';')?.rsplit([' ', '*']).next()?;
            let member = declarator.split('[').next()?;
            (!["}", "Opaque"].contains(&member.trim())).then_some(member)
        });
        structures.insert(name, members.collect());
    }
    structures
}

fn assertions(layouts: &[Layout]) -> String {
    let mut out = String::from("#include <ntddk.h>\n");
    let mut check = |condition: String| writeln!(out, "_Static_assert({condition}, \"{condition}\");").unwrap();
    for Layout { name, size, members } in layouts {
        check(format!("sizeof({name}) == {size}"));
        for (path, offset, size) in members {
            check(format!("__builtin_offsetof({name}, {path}) == {offset}"));
            check(format!("sizeof((({name} *)0)->{path}) == {size}"));
        }
    }
    check(format!("sizeof(LARGE_INTEGER) == {}", size_of::<nt::LargeInteger>()));
    check(format!("sizeof(PVOID) == {WORD} && sizeof(SIZE_T) == {WORD} && sizeof(KSPIN_LOCK) == {WORD}"));
    for (name, value) in [
        ("STATUS_SUCCESS", nt::STATUS_SUCCESS),
        ("STATUS_PENDING", nt::STATUS_PENDING),
        ("STATUS_UNSUCCESSFUL", nt::STATUS_UNSUCCESSFUL),
        ("STATUS_ACCESS_DENIED", nt::STATUS_ACCESS_DENIED),
        ("STATUS_INSUFFICIENT_RESOURCES", nt::STATUS_INSUFFICIENT_RESOURCES),
        ("STATUS_REVISION_MISMATCH", nt::STATUS_REVISION_MISMATCH),
    ] {
        check(format!("{name} == (NTSTATUS){:#x}", value.cast_unsigned()));
    }
    for (name, value) in [
        ("PASSIVE_LEVEL", irql::PASSIVE_LEVEL.into()),
        ("APC_LEVEL", irql::APC_LEVEL.into()),
        ("DISPATCH_LEVEL", irql::DISPATCH_LEVEL.into()),
        ("HIGH_LEVEL", irql::HIGH_LEVEL.into()),
        ("(OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE)", nt::OBJ_KERNEL),
        ("KeyValuePartialInformation", nt::KEY_VALUE_PARTIAL_INFORMATION),
        ("CONNECT_FULLY_SPECIFIED", nt::CONNECT_FULLY_SPECIFIED),
        ("KbCallbackSecondaryDumpData", nt::KB_CALLBACK_SECONDARY_DUMP_DATA),
        ("KbCallbackSecondaryMultiPartDumpData", nt::KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA),
        ("KbCallbackTriageDumpData", nt::KB_CALLBACK_TRIAGE_DUMP_DATA),
        ("KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA", nt::KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA),
        ("KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS", nt::KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS),
    ] {
        check(format!("{name} == {value}"));
    }
    out
}

/// Compiles the assertions with this header for both architectures; gives the compiler's messages if one fails.
fn compile(code: &str, header: &str, what: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ntddk-h-{what}"));
    irqlog_kit::write_kernel_headers(&folder).unwrap();
    std::fs::write(folder.join("ntddk.h"), header).unwrap();
    let file = folder.join("layouts.c");
    std::fs::write(&file, code).unwrap();
    for (target, define) in [("x86_64", "_AMD64_"), ("aarch64", "_ARM64_")] {
        let output = Command::new(CLANG)
            .arg(format!("--target={target}-pc-windows-msvc"))
            .args(["/Zs", "/kernel", "/WX"])
            .arg(format!("/D{define}"))
            .arg("-imsvc")
            .arg(&folder)
            .arg("--")
            .arg(&file)
            .output()
            .unwrap_or_else(|error| panic!("{CLANG}: {error}; `cargo xtask build` installs it"));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(())
}

#[test]
fn every_structure_and_member_of_the_header_is_compared() {
    let header = header();
    let declared = declared(&header);
    let layouts = layouts();
    let compared: BTreeMap<_, _> = layouts.iter().map(|layout| (layout.name, layout)).collect();
    let names: Vec<_> = declared.keys().copied().collect();
    assert_eq!(names, compared.keys().copied().collect::<Vec<_>>());
    for (name, members) in declared {
        for member in members {
            let is_it = |(path, ..): &(&str, usize, usize)| path.split('.').next() == Some(member);
            assert!(compared[name].members.iter().any(is_it), "{name}.{member} is not compared");
        }
    }
}

#[test]
fn layouts_are_those_of_tools_nt() {
    let code = assertions(&layouts());
    assert!(code.matches("_Static_assert").count() > 250, "too little was checked");
    compile(&code, &header(), "same").unwrap();
}

#[test]
fn a_wrong_header_is_found() {
    let (code, header) = (assertions(&layouts()), header());
    for (what, from, to) in [
        ("size", "    ULONG64 Opaque[3];\n", "    ULONG64 Opaque[4];\n"),
        ("offset", "    PVOID Thread;\n", "    PVOID Before; PVOID Thread;\n"),
        ("width", "    ULONG DumpType;\n    ULONG BugCheckCode;\n", "    USHORT DumpType;\n    ULONG BugCheckCode;\n"),
        ("order", "    USHORT Length;\n    USHORT MaximumLength;\n", "    USHORT MaximumLength;\n    USHORT Length;\n"),
        ("status", "0xC0000059L", "0xC000005AL"),
        ("enumerator", "    KbCallbackAddPages,\n", ""),
    ] {
        assert!(header.contains(from), "{what}: the header has changed");
        let wrong = header.replacen(from, to, 1);
        let messages = compile(&code, &wrong, "wrong").expect_err(what);
        assert!(messages.contains("static assertion failed"), "{what}: {messages}");
    }
}
