//! The exported routines: which may be called at which IRQL, and who says so.
//!
//! One table for all worlds that are not Windows. Where the documentation page and the annotation in the header differ
//! the annotation is the rule. A waiver stands in the table, by name, with the ADR that argues it; there is none today.

use crate::irql::{APC_LEVEL, DIRQL_MAX, DISPATCH_LEVEL, IPI_LEVEL, PASSIVE_LEVEL, Rule};

/// One exported routine.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Its name.
    pub name: &'static str,
    /// Its rule.
    pub rule: Rule,
    /// Who says so: a page of the DDI reference on learn.microsoft.com, or the annotation in a header.
    pub source: &'static str,
}

const fn row(name: &'static str, rule: Rule, source: &'static str) -> Export {
    Export { name, rule, source }
}

const ANY: Rule = Rule::ANY;
const AT_MOST_DISPATCH: Rule = Rule::at_most(DISPATCH_LEVEL);
const AT_LEAST_DISPATCH: Rule = Rule::at_least(DISPATCH_LEVEL);
const AT_MOST_APC: Rule = Rule::at_most(APC_LEVEL);
const PASSIVE_ONLY: Rule = Rule::at_most(PASSIVE_LEVEL);

/// Every export there is, sorted by name.
pub const EXPORTS: &[Export] = &[
    row(
        "BCryptGenRandom",
        PASSIVE_ONLY,
        "bcrypt/nf-bcrypt-bcryptgenrandom: kernel callers at PASSIVE_LEVEL, but for a provider opened for DISPATCH_LEVEL",
    ),
    row("DbgPrint", Rule::at_most(DIRQL_MAX), "wdm/nf-wdm-dbgprint: <= DIRQL"),
    row("ExAllocatePool2", AT_MOST_DISPATCH, "wdm/nf-wdm-exallocatepool2: <= DISPATCH_LEVEL for non-paged pool"),
    row("ExFreePool", AT_MOST_DISPATCH, "ntddk/nf-ntddk-exfreepool: <= DISPATCH_LEVEL for non-paged pool"),
    row("ExFreePoolWithTag", AT_MOST_DISPATCH, "wdm/nf-wdm-exfreepoolwithtag: <= DISPATCH_LEVEL for non-paged pool"),
    row("IoAcquireCancelSpinLock", AT_MOST_DISPATCH, "wdm/nf-wdm-ioacquirecancelspinlock"),
    row("IoBuildDeviceIoControlRequest", PASSIVE_ONLY, "wdm/nf-wdm-iobuilddeviceiocontrolrequest"),
    row("IoConnectInterruptEx", PASSIVE_ONLY, "wdm/nf-wdm-ioconnectinterruptex"),
    row("IoCreateDevice", AT_MOST_APC, "wdm/nf-wdm-iocreatedevice"),
    row("IoCreateDeviceSecure", AT_MOST_APC, "wdmsec/nf-wdmsec-wdmlibiocreatedevicesecure"),
    row("IoCreateSymbolicLink", PASSIVE_ONLY, "wdm/nf-wdm-iocreatesymboliclink"),
    row("IoDeleteDevice", AT_MOST_APC, "wdm/nf-wdm-iodeletedevice"),
    row("IoDeleteSymbolicLink", PASSIVE_ONLY, "wdm/nf-wdm-iodeletesymboliclink"),
    row("IoDisconnectInterruptEx", PASSIVE_ONLY, "wdm/nf-wdm-iodisconnectinterruptex"),
    row("IoGetDeviceObjectPointer", PASSIVE_ONLY, "wdm/nf-wdm-iogetdeviceobjectpointer"),
    row(
        "IoReleaseCancelSpinLock",
        Rule { least: DISPATCH_LEVEL, most: DISPATCH_LEVEL },
        "wdm/nf-wdm-ioreleasecancelspinlock",
    ),
    row("IofCallDriver", AT_MOST_DISPATCH, "wdm/nf-wdm-iofcalldriver"),
    row("IofCompleteRequest", AT_MOST_DISPATCH, "wdm/nf-wdm-iofcompleterequest"),
    row(
        "KeAcquireInStackQueuedSpinLockAtDpcLevel",
        AT_LEAST_DISPATCH,
        "wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel: >= DISPATCH_LEVEL",
    ),
    row("KeAcquireSpinLockAtDpcLevel", AT_LEAST_DISPATCH, "wdm/nf-wdm-keacquirespinlockatdpclevel: >= DISPATCH_LEVEL"),
    row("KeAcquireSpinLockRaiseToDpc", AT_MOST_DISPATCH, "wdm/nf-wdm-keacquirespinlockraisetodpc"),
    row("KeBugCheckEx", ANY, "wdm/nf-wdm-kebugcheckex"),
    row("KeCancelTimer", AT_MOST_DISPATCH, "wdm/nf-wdm-kecanceltimer"),
    row("KeDelayExecutionThread", AT_MOST_APC, "wdm/nf-wdm-kedelayexecutionthread"),
    row("KeDeregisterNmiCallback", AT_MOST_APC, "wdm/nf-wdm-kederegisternmicallback"),
    row("KeDeregisterProcessorChangeCallback", AT_MOST_APC, "wdm/nf-wdm-kederegisterprocessorchangecallback"),
    row("KeFlushQueuedDpcs", PASSIVE_ONLY, "wdm/nf-wdm-keflushqueueddpcs"),
    row("KeGetCurrentIrql", ANY, "wdm/nf-wdm-kegetcurrentirql"),
    row("KeGetCurrentProcessorNumberEx", ANY, "wdm/nf-wdm-kegetcurrentprocessornumberex"),
    row("KeGetProcessorNumberFromIndex", ANY, "wdm/nf-wdm-kegetprocessornumberfromindex"),
    row("KeInitializeDpc", ANY, "wdm/nf-wdm-keinitializedpc"),
    row("KeInitializeEvent", ANY, "wdm/nf-wdm-keinitializeevent"),
    row("KeInitializeSpinLock", ANY, "wdm/nf-wdm-keinitializespinlock"),
    row("KeInitializeTimerEx", AT_MOST_DISPATCH, "wdm/nf-wdm-keinitializetimerex"),
    row("KeInsertQueueDpc", ANY, "wdm.h: _IRQL_requires_max_(HIGH_LEVEL)"),
    row("KeIpiGenericCall", Rule::at_most(IPI_LEVEL - 1), "wdm/nf-wdm-keipigenericcall: < IPI_LEVEL"),
    row("KeLowerIrql", ANY, "wdm/nf-wdm-kelowerirql: the level of the matching raise"),
    row("KeQueryActiveProcessorCountEx", ANY, "wdm/nf-wdm-kequeryactiveprocessorcountex"),
    row("KeQueryMaximumProcessorCountEx", ANY, "wdm/nf-wdm-kequerymaximumprocessorcountex"),
    row("KeQueryPerformanceCounter", ANY, "wdm/nf-wdm-kequeryperformancecounter"),
    row("KeQuerySystemTimePrecise", ANY, "wdm/nf-wdm-kequerysystemtimeprecise"),
    row("KeRegisterNmiCallback", AT_MOST_APC, "wdm/nf-wdm-keregisternmicallback"),
    row("KeRegisterProcessorChangeCallback", AT_MOST_APC, "wdm/nf-wdm-keregisterprocessorchangecallback"),
    // The annotation says DISPATCH_LEVEL exactly. The lock `os-queued` releases at HIGH_LEVEL, opt-in: docs/adr/0006.
    row(
        "KeReleaseInStackQueuedSpinLockFromDpcLevel",
        AT_LEAST_DISPATCH,
        "wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel: the IRQL of the acquisition",
    ),
    row(
        "KeReleaseSpinLock",
        Rule { least: DISPATCH_LEVEL, most: DISPATCH_LEVEL },
        "wdm/nf-wdm-kereleasespinlock: DISPATCH_LEVEL",
    ),
    row("KeReleaseSpinLockFromDpcLevel", AT_LEAST_DISPATCH, "wdm.h: _IRQL_requires_min_(DISPATCH_LEVEL)"),
    row("KeRevertToUserGroupAffinityThread", AT_MOST_APC, "wdm.h: _IRQL_requires_max_(APC_LEVEL)"),
    row("KeSetEvent", AT_MOST_DISPATCH, "wdm/nf-wdm-kesetevent: <= DISPATCH_LEVEL with Wait FALSE"),
    row("KeSetSystemGroupAffinityThread", AT_MOST_APC, "wdm.h: _IRQL_requires_max_(APC_LEVEL)"),
    row("KeSetTargetProcessorDpcEx", ANY, "wdm/nf-wdm-kesettargetprocessordpcex"),
    row("KeSetTimerEx", AT_MOST_DISPATCH, "wdm/nf-wdm-kesettimerex"),
    row("KeTryToAcquireSpinLockAtDpcLevel", AT_LEAST_DISPATCH, "wdm.h: _IRQL_requires_min_(DISPATCH_LEVEL)"),
    row("KeWaitForSingleObject", AT_MOST_APC, "wdm/nf-wdm-kewaitforsingleobject: <= APC_LEVEL when it may wait"),
    row("KfLowerIrql", ANY, "wdm.h: what KeLowerIrql is on ARM64"),
    row("KfRaiseIrql", ANY, "wdm/nf-wdm-keraiseirql: the new level is not below the current one"),
    row("MmMapLockedPagesSpecifyCache", AT_MOST_DISPATCH, "wdm/nf-wdm-mmmaplockedpagesspecifycache"),
    row("ObReferenceObjectByHandle", PASSIVE_ONLY, "wdm/nf-wdm-obreferenceobjectbyhandle"),
    row("ObfDereferenceObject", AT_MOST_DISPATCH, "wdm/nf-wdm-obdereferenceobject"),
    row("PsCreateSystemThread", PASSIVE_ONLY, "wdm/nf-wdm-pscreatesystemthread"),
    row("PsGetCurrentProcessId", ANY, "ntddk/nf-ntddk-psgetcurrentprocessid"),
    row("PsGetCurrentThreadId", AT_MOST_DISPATCH, "ntddk.h: _IRQL_requires_max_(DISPATCH_LEVEL)"),
    row("ZwClose", PASSIVE_ONLY, "wdm/nf-wdm-zwclose"),
    row("ZwOpenKey", PASSIVE_ONLY, "wdm/nf-wdm-zwopenkey"),
    row("ZwQueryValueKey", PASSIVE_ONLY, "wdm/nf-wdm-zwqueryvaluekey"),
    row("memcmp", ANY, "wdm/nf-wdm-rtlcomparememory: any, for resident memory"),
    row("memcpy", ANY, "wdm/nf-wdm-rtlcopymemory: any, for resident memory"),
    row("memmove", ANY, "wdm/nf-wdm-rtlmovememory: any, for resident memory"),
    row("memset", ANY, "wdm/nf-wdm-rtlfillmemory: any, for resident memory"),
    row("strlen", ANY, "C library, on resident memory"),
];

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
    fn the_table_is_sorted_and_has_sources() {
        assert!(EXPORTS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(EXPORTS.iter().all(|export| export.source.len() > 8));
    }

    #[test]
    fn no_rule_allows_the_level_at_which_it_is_broken() {
        for export in EXPORTS {
            assert!(export.rule.broken_at().is_none_or(|irql| !export.rule.allows(irql)));
        }
    }
}
