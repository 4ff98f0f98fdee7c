//! The table of kernel routines: one row for each routine that anything here calls or provides.
//!
//! Everything else that names a routine is made from its row:
//!
//! | Made from the rows | Where |
//! |---|---|
//! | extern blocks of the small KMDF, the test driver and the Wine shim | [`imports`] |
//! | import libraries and declarations in C | `tools/kit`, when the kit is assembled |
//! | what irqlog.sys and its record path may import, and from which module | `tools/imagecheck` |
//! | the check that the rig has every routine, with arguments of these sizes | `tools/rig/src/nt/import.rs` |
//! | what ntosshim.sys exports and what it forwards to Wine | `tools/wine/build.rs` |
//! | the table "Imports" of `docs/windows-provenance.md` | `tests/generated.rs` |
//! | the exports that `irqlog first-run` looks for | `tools/first-run/src/steps.rs` |
//!
//! If the documentation page and the annotation in the header differ, the annotation is the IRQL rule. A waiver stands in
//! the table, by name, with the ADR that argues it.

use crate::{
    irql::{APC_LEVEL, DIRQL_MAX, DISPATCH_LEVEL, IPI_LEVEL, PASSIVE_LEVEL, Rule},
    verifier::{
        ComplianceRule, IRQL_DISPATCH, IRQL_IO_APC_LTE, IRQL_IO_PASSIVE_1, IRQL_IO_PASSIVE_3, IRQL_IO_PASSIVE_4,
        IRQL_IO_PASSIVE_5, IRQL_KE_APC_LTE_1, IRQL_KE_APC_LTE_2, IRQL_KE_DISPATCH_LTE, IRQL_KE_RELEASE_SPIN_LOCK,
        IRQL_KE_SET_EVENT, IRQL_OB_PASSIVE, IRQL_PS_PASSIVE, IRQL_ZW_PASSIVE, SPIN_LOCK,
    },
};

/// The modules that export a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modules {
    /// On x64; `None` if no module exports it there.
    pub x64: Option<&'static str>,
    /// On ARM64; `None` if no module exports it there.
    pub arm64: Option<&'static str>,
}

impl Modules {
    const fn both(name: &'static str) -> Self {
        Self { x64: Some(name), arm64: Some(name) }
    }
}

/// Who may import a routine. The text says who states that the module exports it, in the letters that
/// `docs/windows-provenance.md` explains; only what irqlog.sys may import has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importer {
    /// irqlog.sys, and its record path may reach the routine.
    RecordPath(&'static str),
    /// irqlog.sys, but not from its record path.
    Driver(&'static str),
    /// irqlog.sys, but only from its bug-check callbacks, which may reach what the record path may reach too.
    CrashPath(&'static str),
    /// The samples, the test drivers and the test worlds alone.
    Others,
}

impl Importer {
    /// Who states that the module exports the routine; `None` if irqlog.sys may not import it.
    pub const fn module_source(self) -> Option<&'static str> {
        match self {
            Self::RecordPath(source) | Self::Driver(source) | Self::CrashPath(source) => Some(source),
            Self::Others => None,
        }
    }
}

/// Which module gives a routine to a driver under Wine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderWine {
    /// ntosshim.sys has its own.
    Shim,
    /// ntosshim.sys forwards it to Wine's ntoskrnl.exe.
    Forwarded,
    /// ntosshim.sys does not export it.
    NotExported,
}

/// Who gives a routine in the test worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worlds {
    /// Whether the rig does.
    pub rig: bool,
    /// Who does under Wine.
    pub wine: UnderWine,
}

/// One parameter of a routine.
#[derive(Clone, Copy, Debug)]
pub struct RoutineParameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, as the row writes it.
    pub type_name: &'static str,
    /// Size in bytes.
    pub size: usize,
}

/// One exported routine.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Its name.
    pub name: &'static str,
    /// The parameters, of those with a name.
    pub parameters: &'static [RoutineParameter],
    /// The type that it returns, as the row writes it: `()` for nothing, `!` if it does not return.
    pub result_name: &'static str,
    /// Size in bytes of what it returns; 0 if it returns nothing, or not at all.
    pub result: usize,
    /// Whether more arguments follow those with a name.
    pub is_variadic: bool,
    /// The modules that export it.
    pub modules: Modules,
    /// Who may import it.
    pub importer: Importer,
    /// Who gives it in the test worlds.
    pub worlds: Worlds,
    /// At which IRQL it may be called.
    pub rule: Rule,
    /// Who states the rule: a page of the DDI reference, as its path below
    /// `https://learn.microsoft.com/windows-hardware/drivers/ddi/`; the header whose annotation it is; or an address. A
    /// colon and a remark may follow.
    pub source: &'static str,
    /// What Driver Verifier asks for besides.
    pub compliance: &'static [ComplianceRule],
}

impl Export {
    /// Whether a function with arguments and a result of these sizes in bytes may stand for it.
    pub const fn has_shape(&self, arguments: &[usize], result: usize) -> bool {
        let is_long_enough = self.is_variadic && arguments.len() >= self.parameters.len();
        if !(is_long_enough || arguments.len() == self.parameters.len()) || result != self.result {
            return false;
        }
        let mut index = 0;
        while index < self.parameters.len() {
            if arguments[index] != self.parameters[index].size {
                return false;
            }
            index += 1;
        }
        true
    }

    /// Whether irqlog.sys may import it.
    pub const fn is_for_driver(&self) -> bool {
        self.importer.module_source().is_some()
    }

    /// Whether the record path of irqlog.sys may reach it.
    pub const fn is_for_record_path(&self) -> bool {
        matches!(self.importer, Importer::RecordPath(_))
    }

    /// Whether the bug-check callbacks of irqlog.sys may reach it.
    pub const fn is_for_crash_path(&self) -> bool {
        matches!(self.importer, Importer::RecordPath(_) | Importer::CrashPath(_))
    }
}

/// What a function type returns, also if that is `!`.
pub trait Returns {
    /// The type that is returned.
    type Result;
}

impl<R> Returns for fn() -> R {
    type Result = R;
}

/// The parameters of a signature.
macro_rules! parameters {
    ($($name:ident: $type:ty),* $(,)?) => {
        &[$(RoutineParameter { name: stringify!($name), type_name: stringify!($type), size: size_of::<$type>() }),*]
    };
    ($($name:ident: $type:ty),*, ...) => { parameters!($($name: $type),*) };
}

/// What a signature returns, in Rust; `()` if it returns nothing.
macro_rules! result_name {
    () => {
        "()"
    };
    ($type:ty) => {
        stringify!($type)
    };
}

/// Whether a signature is variadic.
macro_rules! is_variadic {
    ($($argument:ident: $type:ty),* $(,)?) => {
        false
    };
    ($($argument:ident: $type:ty),*, ...) => {
        true
    };
}

/// The table. A row is a signature, then modules, importer, worlds, rule, source of the rule, and in brackets what Driver
/// Verifier asks for besides, if it does.
macro_rules! exports {
    ($(
        $(#[$meta:meta])*
        fn $name:ident($($arguments:tt)*) $(-> $result:ty)?
            => $modules:expr, $importer:expr, $worlds:expr, $rule:expr, $source:literal $(, [$($compliance:ident),+])?;
    )+) => {
        /// Every export there is, sorted by name.
        pub const EXPORTS: &[Export] = {
            use core::ffi::{c_char, c_void};

            use crate::types::*;

            &[$(Export {
                name: stringify!($name),
                parameters: parameters!($($arguments)*),
                result_name: result_name!($($result)?),
                result: size_of::<<fn() $(-> $result)? as Returns>::Result>(),
                is_variadic: is_variadic!($($arguments)*),
                modules: $modules,
                importer: $importer,
                worlds: $worlds,
                rule: $rule,
                source: $source,
                compliance: &[$($($compliance),+)?],
            }),+]
        };

        /// The routines, for a driver that links with the kit's import libraries.
        ///
        /// A routine may be called at the levels that its row in [`EXPORTS`] allows.
        pub mod imports {
            #![allow(missing_docs, reason = "the routines are the kernel's, documented there under the same names")]

            use core::ffi::{c_char, c_void};

            use crate::types::*;

            unsafe extern "system" {
                $($(#[$meta])* pub fn $name($($arguments)*) $(-> $result)?;)+
            }
        }
    };
}

const NTOSKRNL: Modules = Modules::both("ntoskrnl.exe");
const NTOSKRNL_X64: Modules = Modules { x64: Some("ntoskrnl.exe"), arm64: None };
const NTOSKRNL_ARM64: Modules = Modules { x64: None, arm64: Some("ntoskrnl.exe") };
/// From Windows 10 2004 on, HAL.dll forwards to the kernel; the name has to keep working (`docs/windows-provenance.md`).
const HAL: Modules = Modules::both("HAL.dll");
/// The kernel's cryptography; its import library in the WDK is cng.lib.
const CNG: Modules = Modules::both("cng.sys");
const WDFLDR: Modules = Modules::both("WDFLDR.SYS");

const RIG: Worlds = Worlds { rig: true, wine: UnderWine::NotExported };
const RIG_AND_SHIM: Worlds = Worlds { rig: true, wine: UnderWine::Shim };
const RIG_AND_WINE: Worlds = Worlds { rig: true, wine: UnderWine::Forwarded };
/// Wine has it, and ntosshim.sys alone calls it.
const WINE_ALONE: Worlds = Worlds { rig: false, wine: UnderWine::NotExported };
/// The small KMDF gives it in every test world.
const KMDF: Worlds = Worlds { rig: false, wine: UnderWine::NotExported };

const ANY: Rule = Rule::ANY;
const AT_MOST_DISPATCH: Rule = Rule::at_most(DISPATCH_LEVEL);
const AT_LEAST_DISPATCH: Rule = Rule::at_least(DISPATCH_LEVEL);
const AT_MOST_APC: Rule = Rule::at_most(APC_LEVEL);
const PASSIVE_ONLY: Rule = Rule::at_most(PASSIVE_LEVEL);
const DISPATCH_ONLY: Rule = Rule { least: DISPATCH_LEVEL, most: DISPATCH_LEVEL };

use Importer::{CrashPath, Driver, Others, RecordPath};

exports! {
    fn BCryptGenRandom(provider: *mut c_void, buffer: *mut u8, length: u32, flags: u32) -> NtStatus
        => CNG, Driver("C"), RIG, PASSIVE_ONLY,
        "https://learn.microsoft.com/windows/win32/api/bcrypt/nf-bcrypt-bcryptgenrandom: PASSIVE_LEVEL with the system's generator";
    fn DbgPrint(format: *const c_char, ...) -> u32
        => NTOSKRNL, Others, RIG_AND_WINE, Rule::at_most(DIRQL_MAX), "wdm/nf-wdm-dbgprint: <= DIRQL";
    fn ExAllocatePool2(flags: u64, bytes: usize, tag: u32) -> *mut c_void
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, AT_MOST_DISPATCH,
        "wdm/nf-wdm-exallocatepool2: <= DISPATCH_LEVEL for non-paged pool";
    fn ExFreePool(memory: *mut c_void)
        => NTOSKRNL, Driver("M"), RIG, AT_MOST_DISPATCH,
        "ntddk/nf-ntddk-exfreepool: <= DISPATCH_LEVEL for non-paged pool";
    fn ExFreePoolWithTag(memory: *mut c_void, tag: u32)
        => NTOSKRNL, Driver("M, W"), RIG_AND_SHIM, AT_MOST_DISPATCH,
        "wdm/nf-wdm-exfreepoolwithtag: <= DISPATCH_LEVEL for non-paged pool";
    fn IoAcquireCancelSpinLock(irql: *mut u8)
        => NTOSKRNL, Others, RIG, AT_MOST_DISPATCH, "wdm/nf-wdm-ioacquirecancelspinlock";
    fn IoAllocateWorkItem(device: *mut DeviceObject) -> *mut IoWorkitem
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "wdm/nf-wdm-ioallocateworkitem";
    fn IoAttachDeviceToDeviceStack(source: *mut DeviceObject, target: *mut DeviceObject) -> *mut DeviceObject
        => NTOSKRNL, Others, WINE_ALONE, AT_MOST_DISPATCH, "wdm/nf-wdm-ioattachdevicetodevicestack";
    fn IoBuildDeviceIoControlRequest(
        code: u32, device: *mut DeviceObject, input: *mut c_void, input_length: u32, output: *mut c_void,
        output_length: u32, internal: u8, event: *mut Kevent, status: *mut IoStatusBlock,
    ) -> *mut Irp
        => NTOSKRNL, Others, RIG, PASSIVE_ONLY,
        "wdm/nf-wdm-iobuilddeviceiocontrolrequest: <= APC_LEVEL, and PASSIVE_LEVEL by its compliance rule IrqlIoPassive1",
        [IRQL_IO_PASSIVE_1];
    fn IoConnectInterruptEx(parameters: *mut IoConnectInterruptParameters) -> NtStatus
        => NTOSKRNL, Others, RIG, PASSIVE_ONLY, "wdm/nf-wdm-ioconnectinterruptex";
    fn IoCreateDevice(
        driver: *mut DriverObject, extension: u32, name: *mut UnicodeString, kind: u32, characteristics: u32,
        exclusive: u8, device: *mut *mut DeviceObject,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG, AT_MOST_APC, "wdm/nf-wdm-iocreatedevice",
        [IRQL_IO_PASSIVE_1];
    fn IoCreateDeviceSecure(
        driver: *mut DriverObject, extension: u32, name: *mut UnicodeString, kind: u32, characteristics: u32,
        exclusive: u8, sddl: *const UnicodeString, class: *const c_void, device: *mut *mut DeviceObject,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_SHIM, PASSIVE_ONLY, "wdmsec/nf-wdmsec-wdmlibiocreatedevicesecure";
    fn IoCreateDriver(name: *mut UnicodeString, entry: DriverInitialize) -> NtStatus
        => NTOSKRNL, Others, WINE_ALONE, PASSIVE_ONLY,
        "https://gitlab.winehq.org/wine/wine/-/blob/wine-8.0/dlls/ntoskrnl.exe/ntoskrnl.c: Microsoft documents no rule; called at PASSIVE_LEVEL only";
    fn IoCreateSymbolicLink(link: *mut UnicodeString, device: *mut UnicodeString) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_WINE, PASSIVE_ONLY, "wdm/nf-wdm-iocreatesymboliclink",
        [IRQL_IO_PASSIVE_3, IRQL_IO_PASSIVE_4];
    fn IoDeleteDevice(device: *mut DeviceObject)
        => NTOSKRNL, Others, RIG_AND_SHIM, AT_MOST_APC, "wdm/nf-wdm-iodeletedevice",
        [IRQL_IO_APC_LTE];
    fn IoDeleteDriver(driver: *mut DriverObject)
        => NTOSKRNL, Others, WINE_ALONE, PASSIVE_ONLY,
        "https://gitlab.winehq.org/wine/wine/-/blob/wine-8.0/dlls/ntoskrnl.exe/ntoskrnl.c: Microsoft documents no rule; called at PASSIVE_LEVEL only";
    fn IoDeleteSymbolicLink(link: *mut UnicodeString) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_WINE, PASSIVE_ONLY, "wdm/nf-wdm-iodeletesymboliclink",
        [IRQL_IO_PASSIVE_4];
    fn IoDetachDevice(target: *mut DeviceObject)
        => NTOSKRNL, Others, WINE_ALONE, PASSIVE_ONLY, "wdm/nf-wdm-iodetachdevice",
        [IRQL_IO_PASSIVE_3];
    fn IoDisconnectInterruptEx(parameters: *mut IoDisconnectInterruptParameters)
        => NTOSKRNL, Others, RIG, PASSIVE_ONLY, "wdm/nf-wdm-iodisconnectinterruptex";
    fn IoFreeWorkItem(item: *mut IoWorkitem)
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "wdm/nf-wdm-iofreeworkitem";
    fn IoGetDeviceObjectPointer(
        name: *mut UnicodeString, access: u32, file: *mut *mut FileObject, device: *mut *mut DeviceObject,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG, PASSIVE_ONLY, "wdm/nf-wdm-iogetdeviceobjectpointer",
        [IRQL_IO_PASSIVE_5];
    fn IoQueueWorkItem(item: *mut IoWorkitem, routine: WorkItemRoutine, kind: WorkQueueType, context: *mut c_void)
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "wdm/nf-wdm-ioqueueworkitem";
    fn IoReleaseCancelSpinLock(irql: u8)
        => NTOSKRNL, Others, RIG_AND_WINE, DISPATCH_ONLY,
        "wdm/nf-wdm-ioreleasecancelspinlock";
    fn IofCallDriver(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus
        => NTOSKRNL, Others, RIG, AT_MOST_DISPATCH, "wdm/nf-wdm-iofcalldriver";
    fn IofCompleteRequest(irp: *mut Irp, boost: i8)
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "wdm/nf-wdm-iocompleterequest";
    fn KeAcquireInStackQueuedSpinLockAtDpcLevel(lock: *mut usize, handle: *mut KlockQueueHandle)
        => NTOSKRNL, RecordPath("M"), RIG_AND_SHIM, AT_LEAST_DISPATCH,
        "wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel: >= DISPATCH_LEVEL";
    fn KeAcquireSpinLockAtDpcLevel(lock: *mut usize)
        => NTOSKRNL, RecordPath("G for x64 and for 32-bit ARM; ARM64: K"), RIG_AND_SHIM, AT_LEAST_DISPATCH,
        "wdm/nf-wdm-keacquirespinlockatdpclevel: >= DISPATCH_LEVEL",
        [IRQL_DISPATCH];
    fn KeAcquireSpinLockRaiseToDpc(lock: *mut usize) -> u8
        => NTOSKRNL, Others, RIG_AND_SHIM, AT_MOST_DISPATCH, "wdm/nf-wdm-keacquirespinlockraisetodpc",
        [SPIN_LOCK];
    fn KeAddTriageDumpDataBlock(array: *mut KtriageDumpDataArray, address: *mut c_void, size: usize) -> NtStatus
        => NTOSKRNL, CrashPath("M"), RIG_AND_SHIM, ANY,
        "wdm/nf-wdm-keaddtriagedumpdatablock: from a bug-check callback, so at HIGH_LEVEL";
    fn KeAreApcsDisabled() -> u8
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "ntddk/nf-ntddk-keareapcsdisabled: <= DISPATCH_LEVEL";
    fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) -> !
        => NTOSKRNL, Others, RIG_AND_SHIM, ANY, "wdm/nf-wdm-kebugcheckex";
    fn KeCancelTimer(timer: *mut Ktimer) -> u8
        => NTOSKRNL, Others, RIG_AND_SHIM, AT_MOST_DISPATCH, "wdm/nf-wdm-kecanceltimer",
        [IRQL_KE_DISPATCH_LTE];
    fn KeDelayExecutionThread(mode: i8, alertable: u8, interval: *mut LargeInteger) -> NtStatus
        => NTOSKRNL, Others, RIG, AT_MOST_APC, "wdm/nf-wdm-kedelayexecutionthread",
        [IRQL_KE_APC_LTE_1];
    fn KeDeregisterBugCheckReasonCallback(record: *mut KbugcheckReasonCallbackRecord) -> u8
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kederegisterbugcheckreasoncallback";
    fn KeDeregisterNmiCallback(handle: *mut c_void) -> NtStatus
        => NTOSKRNL, Others, RIG, AT_MOST_APC, "wdm/nf-wdm-kederegisternmicallback",
        [IRQL_KE_APC_LTE_2];
    fn KeDeregisterProcessorChangeCallback(handle: *mut c_void)
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, PASSIVE_ONLY, "wdm/nf-wdm-kederegisterprocessorchangecallback";
    fn KeEnterCriticalRegion()
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_APC, "wdm/nf-wdm-keentercriticalregion: <= APC_LEVEL";
    fn KeFlushQueuedDpcs()
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, PASSIVE_ONLY, "wdm/nf-wdm-keflushqueueddpcs";
    fn KeGetCurrentIrql() -> u8
        => NTOSKRNL, RecordPath("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kegetcurrentirql";
    fn KeGetCurrentProcessorNumberEx(number: *mut ProcessorNumber) -> u32
        => NTOSKRNL, RecordPath("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kegetcurrentprocessornumberex";
    fn KeGetProcessorNumberFromIndex(index: u32, number: *mut ProcessorNumber) -> NtStatus
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kegetprocessornumberfromindex";
    fn KeInitializeDpc(dpc: *mut Kdpc, routine: DeferredRoutine, context: *mut c_void)
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-keinitializedpc";
    fn KeInitializeEvent(event: *mut Kevent, kind: EventType, state: u8)
        => NTOSKRNL, Others, RIG_AND_WINE, ANY, "wdm/nf-wdm-keinitializeevent";
    fn KeInitializeSpinLock(lock: *mut usize)
        => NTOSKRNL, Others, RIG, ANY, "wdm/nf-wdm-keinitializespinlock";
    fn KeInitializeTimerEx(timer: *mut Ktimer, kind: TimerType)
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "wdm/nf-wdm-keinitializetimerex",
        [IRQL_KE_DISPATCH_LTE];
    fn KeInitializeTriageDumpDataArray(array: *mut KtriageDumpDataArray, size: u32) -> NtStatus
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-keinitializetriagedumpdataarray: names no limit";
    fn KeInsertQueueDpc(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> u8
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm.h: _IRQL_requires_max_(HIGH_LEVEL)";
    fn KeIpiGenericCall(worker: BroadcastRoutine, argument: usize) -> usize
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, Rule::at_most(IPI_LEVEL - 1),
        "wdm/nf-wdm-keipigenericcall: < IPI_LEVEL";
    fn KeLeaveCriticalRegion()
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_APC, "wdm/nf-wdm-keleavecriticalregion: <= APC_LEVEL";
    // On ARM64 KeLowerIrql is a macro over KfLowerIrql (wdm.h).
    #[cfg_attr(target_arch = "aarch64", link_name = "KfLowerIrql")]
    fn KeLowerIrql(level: u8)
        => NTOSKRNL_X64, RecordPath("G"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kelowerirql: the level of the matching raise";
    fn KeQueryActiveProcessorCountEx(group: u16) -> u32
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kequeryactiveprocessorcountex";
    fn KeQueryMaximumProcessorCountEx(group: u16) -> u32
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kequerymaximumprocessorcountex";
    fn KeQueryPerformanceCounter(frequency: *mut LargeInteger) -> LargeInteger
        => HAL, RecordPath("M, W"), RIG, ANY, "wdm/nf-wdm-kequeryperformancecounter";
    fn KeQuerySystemTime(time: *mut LargeInteger)
        => NTOSKRNL, Others, WINE_ALONE, ANY,
        "https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequerysystemtime~r1: inline in 64-bit wdm.h";
    fn KeQuerySystemTimePrecise(time: *mut LargeInteger)
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kequerysystemtimeprecise";
    fn KeRegisterBugCheckReasonCallback(
        record: *mut KbugcheckReasonCallbackRecord, routine: BugCheckReasonRoutine,
        reason: KbugcheckCallbackReason, component: *mut u8,
    ) -> u8
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-keregisterbugcheckreasoncallback";
    fn KeRegisterNmiCallback(routine: NmiRoutine, context: *mut c_void) -> *mut c_void
        => NTOSKRNL, Others, RIG, AT_MOST_APC, "wdm/nf-wdm-keregisternmicallback",
        [IRQL_KE_APC_LTE_2];
    fn KeRegisterProcessorChangeCallback(routine: ProcessorChangeRoutine, context: *mut c_void, flags: u32) -> *mut c_void
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, PASSIVE_ONLY, "wdm/nf-wdm-keregisterprocessorchangecallback";
    // The annotation says DISPATCH_LEVEL exactly. The lock `os-queued` releases at HIGH_LEVEL, opt-in: docs/adr/0006.
    fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut KlockQueueHandle)
        => NTOSKRNL, RecordPath("M"), RIG_AND_SHIM, AT_LEAST_DISPATCH,
        "wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel: the IRQL of the acquisition";
    fn KeReleaseSpinLock(lock: *mut usize, irql: u8)
        => NTOSKRNL, Others, RIG_AND_SHIM, DISPATCH_ONLY,
        "wdm/nf-wdm-kereleasespinlock: DISPATCH_LEVEL",
        [IRQL_KE_RELEASE_SPIN_LOCK, SPIN_LOCK];
    fn KeReleaseSpinLockFromDpcLevel(lock: *mut usize)
        => NTOSKRNL, RecordPath("G for x64 and for 32-bit ARM; ARM64: K"), RIG_AND_SHIM, AT_LEAST_DISPATCH,
        "wdm.h: _IRQL_requires_min_(DISPATCH_LEVEL)",
        [IRQL_DISPATCH];
    fn KeRevertToUserGroupAffinityThread(previous: *mut GroupAffinity)
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, AT_MOST_APC, "wdm.h: _IRQL_requires_max_(APC_LEVEL)";
    fn KeSetEvent(event: *mut Kevent, increment: i32, wait: u8) -> i32
        => NTOSKRNL, Others, RIG_AND_WINE, AT_MOST_DISPATCH, "wdm/nf-wdm-kesetevent: <= DISPATCH_LEVEL with Wait FALSE",
        [IRQL_KE_SET_EVENT];
    fn KeSetSystemGroupAffinityThread(affinity: *mut GroupAffinity, previous: *mut GroupAffinity)
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, AT_MOST_APC, "wdm.h: _IRQL_requires_max_(APC_LEVEL)";
    fn KeSetTargetProcessorDpcEx(dpc: *mut Kdpc, number: *mut ProcessorNumber) -> NtStatus
        => NTOSKRNL, Driver("M"), RIG_AND_SHIM, ANY, "wdm/nf-wdm-kesettargetprocessordpcex";
    fn KeSetTimerEx(timer: *mut Ktimer, due: LargeInteger, period: i32, dpc: *mut Kdpc) -> u8
        => NTOSKRNL, Others, RIG_AND_SHIM, AT_MOST_DISPATCH, "wdm/nf-wdm-kesettimerex",
        [IRQL_KE_DISPATCH_LTE];
    fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut usize) -> u8
        => NTOSKRNL, RecordPath("M"), RIG_AND_SHIM, AT_LEAST_DISPATCH, "wdm.h: _IRQL_requires_min_(DISPATCH_LEVEL)",
        [SPIN_LOCK];
    fn KeWaitForSingleObject(
        object: *mut c_void, reason: KwaitReason, mode: i8, alertable: u8, timeout: *mut LargeInteger,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_SHIM, AT_MOST_APC,
        "wdm/nf-wdm-kewaitforsingleobject: <= APC_LEVEL when it may wait";
    fn KfLowerIrql(level: u8)
        => NTOSKRNL_ARM64, RecordPath("K; open question below"), RIG, ANY, "wdm.h: what KeLowerIrql is on ARM64";
    fn KfRaiseIrql(level: u8) -> u8
        => NTOSKRNL, RecordPath("M; open question below"), RIG_AND_SHIM, ANY,
        "wdm/nf-wdm-keraiseirql: the new level is not below the current one";
    fn MmIsAddressValid(address: *mut c_void) -> u8
        => NTOSKRNL, Driver("M"), RIG_AND_WINE, AT_MOST_DISPATCH, "ntddk/nf-ntddk-mmisaddressvalid";
    fn MmMapLockedPagesSpecifyCache(
        mdl: *mut Mdl, mode: i8, cache: MemoryCachingType, address: *mut c_void, bug_check: u32, priority: u32,
    ) -> *mut c_void
        => NTOSKRNL, Others, RIG_AND_SHIM, AT_MOST_DISPATCH, "wdm/nf-wdm-mmmaplockedpagesspecifycache";
    fn ObReferenceObjectByHandle(
        handle: *mut c_void, access: u32, kind: *mut ObjectType, mode: i8, object: *mut *mut c_void,
        information: *mut ObjectHandleInformation,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG, PASSIVE_ONLY, "wdm/nf-wdm-obreferenceobjectbyhandle",
        [IRQL_OB_PASSIVE];
    fn ObfDereferenceObject(object: *mut c_void) -> isize
        => NTOSKRNL, Others, RIG, AT_MOST_DISPATCH, "wdm/nf-wdm-obdereferenceobject";
    fn PsCreateSystemThread(
        handle: *mut *mut c_void, access: u32, attributes: *mut ObjectAttributes, process: *mut c_void, client: *mut ClientId,
        start: ThreadRoutine, context: *mut c_void,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG, PASSIVE_ONLY, "wdm/nf-wdm-pscreatesystemthread",
        [IRQL_PS_PASSIVE];
    fn PsGetCurrentProcessId() -> *mut c_void
        => NTOSKRNL, RecordPath("M, W"), RIG_AND_WINE, ANY, "ntddk/nf-ntddk-psgetcurrentprocessid";
    fn PsGetCurrentThreadId() -> *mut c_void
        => NTOSKRNL, RecordPath("M"), RIG_AND_SHIM, AT_MOST_DISPATCH, "ntddk.h: _IRQL_requires_max_(DISPATCH_LEVEL)";
    fn WdfVersionBind(
        driver: *mut DriverObject, registry_path: *const UnicodeString, info: *mut c_void,
        globals: *mut *mut c_void,
    ) -> NtStatus
        => WDFLDR, Driver("V; ARM64: Microsoft's WdfDriverEntry.lib is the same source"), KMDF, PASSIVE_ONLY,
        "https://github.com/microsoft/Windows-Driver-Frameworks/blob/main/src/framework/shared/inc/private/common/fxldr.h: pageable, and called by DriverEntry";
    fn WdfVersionUnbind(registry_path: *const UnicodeString, info: *mut c_void, globals: *mut c_void) -> NtStatus
        => WDFLDR, Driver("V; as above"), KMDF, PASSIVE_ONLY,
        "https://github.com/microsoft/Windows-Driver-Frameworks/blob/main/src/framework/shared/inc/private/common/fxldr.h: pageable, and called by DriverEntry and Unload";
    fn ZwClose(handle: *mut c_void) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_WINE, PASSIVE_ONLY, "wdm/nf-wdm-zwclose",
        [IRQL_ZW_PASSIVE];
    fn ZwOpenKey(key: *mut *mut c_void, access: u32, attributes: *mut ObjectAttributes) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_WINE, PASSIVE_ONLY, "wdm/nf-wdm-zwopenkey",
        [IRQL_ZW_PASSIVE];
    fn ZwQueryValueKey(
        key: *mut c_void, name: *mut UnicodeString, information_class: KeyValueInformationClass, buffer: *mut c_void, length: u32,
        needed: *mut u32,
    ) -> NtStatus
        => NTOSKRNL, Others, RIG_AND_WINE, PASSIVE_ONLY, "wdm/nf-wdm-zwqueryvaluekey",
        [IRQL_ZW_PASSIVE];
    fn memcmp(a: *const c_void, b: *const c_void, length: usize) -> i32
        => NTOSKRNL, RecordPath("G for x64 and for 32-bit ARM; ARM64: K"), RIG_AND_WINE, ANY,
        "wdm/nf-wdm-rtlcomparememory: any, for resident memory";
    fn memcpy(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void
        => NTOSKRNL, RecordPath("G for x64 and for 32-bit ARM; ARM64: K"), RIG_AND_WINE, ANY,
        "wdm/nf-wdm-rtlcopymemory: any, for resident memory";
    fn memmove(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void
        => NTOSKRNL, RecordPath("G for x64 and for 32-bit ARM; ARM64: K"), RIG_AND_WINE, ANY,
        "wdm/nf-wdm-rtlmovememory: any, for resident memory";
    fn memset(to: *mut c_void, value: i32, length: usize) -> *mut c_void
        => NTOSKRNL, RecordPath("G for x64 and for 32-bit ARM; ARM64: K"), RIG_AND_WINE, ANY,
        "wdm/nf-wdm-rtlfillmemory: any, for resident memory";
    fn strlen(text: *const c_char) -> usize
        => NTOSKRNL, Others, RIG, ANY, "https://learn.microsoft.com/cpp/c-runtime-library/reference/strlen-wcslen-mbslen-mbslen-l-mbstrlen-mbstrlen-l: reads memory alone";
}

/// The row of an export. In a constant, a name without a row does not compile.
///
/// # Panics
/// If there is no row of that name.
pub const fn row_of(name: &str) -> &'static Export {
    let mut index = 0;
    while index < EXPORTS.len() {
        if is_equal(EXPORTS[index].name.as_bytes(), name.as_bytes()) {
            return &EXPORTS[index];
        }
        index += 1;
    }
    panic!("an export has no row in the table of IRQL rules")
}

const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(EXPORTS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    /// Whether a text is a page of the DDI reference, an annotation in a header, or an address.
    fn is_source(text: &str) -> bool {
        let is_page = |page: &str| {
            let (header, page) = page.split_once('/').unwrap_or_default();
            let page = page.strip_prefix("nf-").and_then(|page| page.strip_prefix(header)).unwrap_or_default();
            page.strip_prefix('-').is_some_and(|name| name.len() > 3 && !name.contains(' '))
        };
        if let Some(address) = text.strip_prefix("https://") {
            return address.split(": ").next().is_some_and(|address| address.contains('/') && !address.contains(' '));
        }
        match text.split_once(": ") {
            Some((place, remark)) => is_page(place) || (["wdm.h", "ntddk.h"].contains(&place) && !remark.is_empty()),
            None => is_page(text),
        }
    }

    #[test]
    fn each_row_has_a_source() {
        for export in EXPORTS {
            assert!(is_source(export.source), "{}: {:?} is no source", export.name, export.source);
        }
        for wrong in ["", "C library, on resident memory", "not documented; Wine exports it", "wdm.h", "wdm/kestop"] {
            assert!(!is_source(wrong), "{wrong:?} is taken for a source");
        }
    }

    #[test]
    fn no_rule_allows_the_level_at_which_it_is_broken() {
        for export in EXPORTS {
            assert!(export.rule.broken_at().is_none_or(|irql| !export.rule.allows(irql)));
        }
    }
}
