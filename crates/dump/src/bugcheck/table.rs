//! The rows, by code.

use super::{
    Case, Cases, Known, Parameter,
    cases::{
        BAD_POOL_CALLER, BAD_POOL_HEADER, CRITICAL_STRUCTURES, DMA, DPC_WATCHDOG, DRIVER_VIOLATION, HEAP,
        IO_VERIFICATION, LOCK_VIOLATION, LOCKED_PAGES, MEMORY_MANAGEMENT, PAGE_FAULTS, PFN_LIST_CORRUPT, POWER_STATE,
        SECURITY_CHECKS, SPECIAL_POOL, TIMER_OR_DPC, TRAPS, VERIFIER, WDF, WHEA, WORKER,
    },
    parameter::{
        ACCESS, ACCESS_50, ACCESS_BITS, ACCESS_D1, BY, CONTEXT_RECORD, CURRENT_IRQL, EXCEPTION, EXCEPTION_AT,
        EXCEPTION_RECORD, IRP, IRQL, KIND, MDL, PTE, REFERENCED, RESERVED, THREAD, TRAP_FRAME, irql, is, of, status,
    },
};

const fn known(code: u32, name: &'static str, parameters: [Parameter; 4]) -> Known {
    Known { code, name, parameters, cases: None }
}

/// A bug check whose first parameter says what the others are.
const fn by_first(code: u32, name: &'static str, kind: Parameter, all: &'static [Case]) -> Known {
    let parameters = [kind, RESERVED, RESERVED, RESERVED];
    Known { code, name, parameters, cases: Some(Cases { by: 0, all }) }
}

/// The bug checks that are explained, by code.
pub const TABLE: &[Known] = &[
    known(
        0x01,
        "APC_INDEX_MISMATCH",
        [
            is("system function or worker routine"),
            is("ApcStateIndex of the thread"),
            is("CombinedApcDisable of the thread"),
            of("kind of call", &[(0, "system call"), (1, "worker routine")]),
        ],
    ),
    known(0x0a, "IRQL_NOT_LESS_OR_EQUAL", [REFERENCED, IRQL, ACCESS_BITS, BY]),
    known(0x18, "REFERENCE_BY_POINTER", [is("type of the object"), is("object"), RESERVED, RESERVED]),
    by_first(0x19, "BAD_POOL_HEADER", KIND, BAD_POOL_HEADER),
    by_first(0x1a, "MEMORY_MANAGEMENT", KIND, MEMORY_MANAGEMENT),
    known(
        0x1e,
        "KMODE_EXCEPTION_NOT_HANDLED",
        [EXCEPTION, EXCEPTION_AT, is("exception information 0"), is("exception information 1")],
    ),
    known(
        0x20,
        "KERNEL_APC_PENDING_DURING_EXIT",
        [is("APC"), is("APC disable count of the thread"), CURRENT_IRQL, RESERVED],
    ),
    known(0x35, "NO_MORE_IRP_STACK_LOCATIONS", [IRP, RESERVED, RESERVED, RESERVED]),
    known(
        0x3b,
        "SYSTEM_SERVICE_EXCEPTION",
        [EXCEPTION, is("address of the instruction that caused it"), CONTEXT_RECORD, RESERVED],
    ),
    known(0x44, "MULTIPLE_IRP_COMPLETE_REQUESTS", [IRP, RESERVED, RESERVED, RESERVED]),
    known(0x48, "CANCEL_STATE_IN_COMPLETED_IRP", [IRP, is("cancel routine that is set"), RESERVED, RESERVED]),
    known(
        0x4a,
        "IRQL_GT_ZERO_AT_SYSTEM_SERVICE",
        [is("system function (system call routine)"), CURRENT_IRQL, RESERVED, RESERVED],
    ),
    by_first(0x4e, "PFN_LIST_CORRUPT", KIND, PFN_LIST_CORRUPT),
    known(0x50, "PAGE_FAULT_IN_NONPAGED_AREA", [REFERENCED, ACCESS_50, BY, of("kind of page fault", PAGE_FAULTS)]),
    by_first(0x76, "PROCESS_HAS_LOCKED_PAGES", KIND, LOCKED_PAGES),
    known(
        0x7b,
        "INACCESSIBLE_BOOT_DEVICE",
        [is("name, or device object that could not be mounted"), RESERVED, RESERVED, RESERVED],
    ),
    known(0x7e, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED", [EXCEPTION, EXCEPTION_AT, EXCEPTION_RECORD, CONTEXT_RECORD]),
    known(0x7f, "UNEXPECTED_KERNEL_MODE_TRAP", [of("trap number", TRAPS), RESERVED, RESERVED, RESERVED]),
    known(0x8e, "KERNEL_MODE_EXCEPTION_NOT_HANDLED", [EXCEPTION, EXCEPTION_AT, TRAP_FRAME, RESERVED]),
    by_first(0x9f, "DRIVER_POWER_STATE_FAILURE", KIND, POWER_STATE),
    known(
        0xb8,
        "ATTEMPTED_SWITCH_FROM_DPC",
        [is("thread that caused it"), is("new thread"), is("stack of the first thread"), RESERVED],
    ),
    known(0xbe, "ATTEMPTED_WRITE_TO_READONLY_MEMORY", [is("address of the attempted write"), PTE, RESERVED, RESERVED]),
    Known {
        code: 0xc1,
        name: "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION",
        parameters: [RESERVED, RESERVED, RESERVED, KIND],
        cases: Some(Cases { by: 3, all: SPECIAL_POOL }),
    },
    by_first(0xc2, "BAD_POOL_CALLER", KIND, BAD_POOL_CALLER),
    by_first(0xc4, "DRIVER_VERIFIER_DETECTED_VIOLATION", KIND, VERIFIER),
    known(0xc5, "DRIVER_CORRUPTED_EXPOOL", [REFERENCED, IRQL, ACCESS, BY]),
    known(
        0xc6,
        "DRIVER_CAUGHT_MODIFYING_FREED_POOL",
        [REFERENCED, ACCESS, of("mode", &[(0, "kernel"), (1, "user")]), RESERVED],
    ),
    by_first(0xc7, "TIMER_OR_DPC_INVALID", KIND, TIMER_OR_DPC),
    known(
        0xc8,
        "IRQL_UNEXPECTED_VALUE",
        [
            is("current IRQL << 16 | expected IRQL << 8 | a number that says who noticed"),
            is("routine, by that number"),
            is("its object, by that number"),
            is("APC's NormalRoutine, if the number is 0 or 1"),
        ],
    ),
    by_first(0xc9, "DRIVER_VERIFIER_IOMANAGER_VIOLATION", KIND, IO_VERIFICATION),
    known(
        0xcb,
        "DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS",
        [is("internal structure that tracks the lock"), RESERVED, MDL, is("number of locked pages")],
    ),
    known(0xcc, "PAGE_FAULT_IN_FREED_SPECIAL_POOL", [REFERENCED, ACCESS, BY, RESERVED]),
    known(0xcd, "PAGE_FAULT_BEYOND_END_OF_ALLOCATION", [REFERENCED, ACCESS, BY, RESERVED]),
    known(0xce, "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS", [REFERENCED, ACCESS, BY, RESERVED]),
    known(0xd0, "DRIVER_CORRUPTED_MMPOOL", [REFERENCED, IRQL, ACCESS, BY]),
    known(0xd1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL", [REFERENCED, IRQL, ACCESS_D1, BY]),
    known(0xd3, "DRIVER_PORTION_MUST_BE_NONPAGED", [REFERENCED, IRQL, ACCESS, BY]),
    known(0xd4, "SYSTEM_SCAN_AT_RAISED_IRQL_CAUGHT_IMPROPER_DRIVER_UNLOAD", [REFERENCED, IRQL, ACCESS, BY]),
    known(0xd5, "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL", [REFERENCED, ACCESS, BY, RESERVED]),
    known(0xd6, "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION", [REFERENCED, ACCESS, BY, RESERVED]),
    known(
        0xd8,
        "DRIVER_USED_EXCESSIVE_PTES",
        [
            is("name of the driver, or 0"),
            is("page table entries that it uses"),
            is("free system page table entries"),
            is("system page table entries in all"),
        ],
    ),
    known(0xdb, "DRIVER_CORRUPTED_SYSPTES", [REFERENCED, IRQL, ACCESS, BY]),
    known(
        0xe1,
        "WORKER_THREAD_RETURNED_AT_BAD_IRQL",
        [is("worker routine"), irql("IRQL at which it returned"), is("parameter of the work item"), is("work item")],
    ),
    known(0xe2, "MANUALLY_INITIATED_CRASH", [RESERVED; 4]),
    known(0xe3, "RESOURCE_NOT_OWNED", [is("resource"), THREAD, is("owner table, if there is one"), RESERVED]),
    by_first(0xe4, "WORKER_INVALID", KIND, WORKER),
    known(0xe6, "DRIVER_VERIFIER_DMA_VIOLATION", [of("kind of violation", DMA), RESERVED, RESERVED, RESERVED]),
    known(
        0xea,
        "THREAD_STUCK_IN_DEVICE_DRIVER",
        [is("stuck thread"), is("DEFERRED_WATCHDOG"), is("name of the driver"), is("times that it was hit")],
    ),
    known(
        0xef,
        "CRITICAL_PROCESS_DIED",
        [is("process"), of("what ended", &[(0, "a process"), (1, "a thread")]), RESERVED, RESERVED],
    ),
    known(
        0xf4,
        "CRITICAL_OBJECT_TERMINATION",
        [
            of("what ended", &[(3, "a process"), (6, "a thread")]),
            is("object"),
            is("file name of the process"),
            is("message"),
        ],
    ),
    known(
        0xf7,
        "DRIVER_OVERRAN_STACK_BUFFER",
        [is("security cookie on the stack"), is("expected cookie"), is("complement of the expected cookie"), RESERVED],
    ),
    known(
        0xfc,
        "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY",
        [is("address of the attempted execution"), PTE, RESERVED, RESERVED],
    ),
    known(
        0x101,
        "CLOCK_WATCHDOG_TIMEOUT",
        [
            is("time-out in nominal clock ticks"),
            RESERVED,
            is("control block of the processor that does not answer"),
            is("index of that processor"),
        ],
    ),
    known(
        0x109,
        "CRITICAL_STRUCTURE_CORRUPTION",
        [RESERVED, RESERVED, RESERVED, of("what is corrupted", CRITICAL_STRUCTURES)],
    ),
    by_first(0x10d, "WDF_VIOLATION", KIND, WDF),
    known(
        0x116,
        "VIDEO_TDR_FAILURE",
        [is("recovery context"), is("address in the driver"), status("error of the last operation"), RESERVED],
    ),
    by_first(0x121, "DRIVER_VIOLATION", KIND, DRIVER_VIOLATION),
    by_first(0x124, "WHEA_UNCORRECTABLE_ERROR", is("kind of error"), WHEA),
    by_first(0x133, "DPC_WATCHDOG_VIOLATION", KIND, DPC_WATCHDOG),
    known(
        0x139,
        "KERNEL_SECURITY_CHECK_FAILURE",
        [of("kind of corruption", SECURITY_CHECKS), TRAP_FRAME, EXCEPTION_RECORD, RESERVED],
    ),
    known(
        0x13a,
        "KERNEL_MODE_HEAP_CORRUPTION",
        [of("kind of corruption", HEAP), is("heap"), is("address of the corruption"), RESERVED],
    ),
    known(
        0x154,
        "UNEXPECTED_STORE_EXCEPTION",
        [is("store context or data manager"), is("exception information"), RESERVED, RESERVED],
    ),
    known(0x161, "LIVE_SYSTEM_DUMP", [RESERVED; 4]),
    known(0x162, "KERNEL_AUTO_BOOST_INVALID_LOCK_RELEASE", [THREAD, is("lock"), is("session of the thread"), RESERVED]),
    known(
        0x192,
        "KERNEL_AUTO_BOOST_LOCK_ACQUISITION_WITH_RAISED_IRQL",
        [THREAD, is("lock"), irql("IRQL at which the lock was acquired"), RESERVED],
    ),
    known(
        0x1c8,
        "MANUALLY_INITIATED_POWER_BUTTON_HOLD",
        [is("milliseconds that the button was held"), is("triage block"), RESERVED, RESERVED],
    ),
    known(
        0x1ca,
        "SYNTHETIC_WATCHDOG_TIMEOUT",
        [
            is("interrupt time since the watchdog was reset"),
            is("current interrupt time"),
            is("current performance counter"),
            is("index of the clock processor"),
        ],
    ),
    known(
        0x1d5,
        "DRIVER_PNP_WATCHDOG",
        [
            is("first characters of the service's name"),
            is("triage block"),
            is("thread that holds up plug and play"),
            is("milliseconds since the watchdog was armed"),
        ],
    ),
    by_first(
        irqlog_wire::bugcheck::LOCK_VIOLATION,
        "misuse of a lock of irqlog (checked build)",
        is("kind of misuse"),
        LOCK_VIOLATION,
    ),
];
