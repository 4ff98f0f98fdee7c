//! The bug checks that drivers meet: name, and what each parameter is.
//!
//! From the "Bug Check Code Reference" (learn.microsoft.com/windows-hardware/drivers/debugger), each under its own page;
//! the last one is irqlog's (`irqlog_wire::bugcheck`).

/// What a bug check is called, and what its parameters say; an empty text for one that is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its code.
    pub code: u32,
    /// The name on the blue screen.
    pub name: &'static str,
    /// For each parameter what it is.
    pub parameters: [&'static str; 4],
}

const ACCESS: &str = "access: 0 read, 1 write, 2 or 8 execute";
const REFERENCED: &str = "address that was referenced";
const BY: &str = "address of the instruction";
const EXCEPTION: &str = "exception code";
const EXCEPTION_AT: &str = "address at which the exception occurred";

const fn known(code: u32, name: &'static str, parameters: [&'static str; 4]) -> Known {
    Known { code, name, parameters }
}

/// The table, by code.
pub const TABLE: &[Known] = &[
    known(0x0a, "IRQL_NOT_LESS_OR_EQUAL", [REFERENCED, "IRQL", ACCESS, BY]),
    known(0x19, "BAD_POOL_HEADER", ["kind of corruption", "pool block", "", ""]),
    known(0x1a, "MEMORY_MANAGEMENT", ["kind of corruption", "", "", ""]),
    known(
        0x1e,
        "KMODE_EXCEPTION_NOT_HANDLED",
        [EXCEPTION, EXCEPTION_AT, "exception parameter 0", "exception parameter 1"],
    ),
    known(0x3b, "SYSTEM_SERVICE_EXCEPTION", [EXCEPTION, EXCEPTION_AT, "context record", ""]),
    known(0x44, "MULTIPLE_IRP_COMPLETE_REQUESTS", ["IRP", "", "", ""]),
    known(0x4e, "PFN_LIST_CORRUPT", ["kind of corruption", "", "", ""]),
    known(0x50, "PAGE_FAULT_IN_NONPAGED_AREA", [REFERENCED, ACCESS, BY, "kind of fault"]),
    known(0x7e, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED", [EXCEPTION, EXCEPTION_AT, "exception record", "context record"]),
    known(0x7f, "UNEXPECTED_KERNEL_MODE_TRAP", ["trap: 8 is a double fault", "", "", ""]),
    known(0x9f, "DRIVER_POWER_STATE_FAILURE", ["kind: 3 is an IRP that took too long", "device object", "", "IRP"]),
    known(0xb8, "ATTEMPTED_SWITCH_FROM_DPC", ["thread", "thread", "stack", ""]),
    known(0xbe, "ATTEMPTED_WRITE_TO_READONLY_MEMORY", [REFERENCED, "page table entry", "", ""]),
    known(0xc1, "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION", ["address that was freed", "", "", "kind of corruption"]),
    known(0xc2, "BAD_POOL_CALLER", ["kind of violation", "", "", ""]),
    known(0xc4, "DRIVER_VERIFIER_DETECTED_VIOLATION", ["kind of violation", "", "", ""]),
    known(0xc5, "DRIVER_CORRUPTED_EXPOOL", [REFERENCED, "IRQL", ACCESS, BY]),
    known(0xc7, "TIMER_OR_DPC_INVALID", ["what is in freed memory: 0 a timer, 1 a DPC", "its address", "", ""]),
    known(0xc9, "DRIVER_VERIFIER_IOMANAGER_VIOLATION", ["kind of violation", "", "", ""]),
    known(0xcb, "DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS", ["address in the driver", "", "MDL", "pages"]),
    known(0xce, "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS", [REFERENCED, ACCESS, BY, "kind of fault"]),
    known(0xd0, "DRIVER_CORRUPTED_MMPOOL", [REFERENCED, "IRQL", ACCESS, BY]),
    known(0xd1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL", [REFERENCED, "IRQL", ACCESS, BY]),
    known(0xd5, "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL", [REFERENCED, ACCESS, BY, ""]),
    known(0xd6, "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION", [REFERENCED, ACCESS, BY, ""]),
    known(0xe2, "MANUALLY_INITIATED_CRASH", ["", "", "", ""]),
    known(0xe6, "DRIVER_VERIFIER_DMA_VIOLATION", ["kind of violation", "", "", ""]),
    known(0xea, "THREAD_STUCK_IN_DEVICE_DRIVER", ["thread", "", "", ""]),
    known(0xef, "CRITICAL_PROCESS_DIED", ["process", "0 a process, 1 a thread", "", ""]),
    known(
        0xf7,
        "DRIVER_OVERRAN_STACK_BUFFER",
        ["cookie that was found", "cookie that was expected", "its complement", ""],
    ),
    known(0xfc, "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY", [REFERENCED, "page table entry", "", ""]),
    known(0x101, "CLOCK_WATCHDOG_TIMEOUT", ["time-out in clock ticks", "", "processor control block", "processor"]),
    known(0x10d, "WDF_VIOLATION", ["kind of violation", "", "", ""]),
    known(0x124, "WHEA_UNCORRECTABLE_ERROR", ["kind of error", "error record", "", ""]),
    known(
        0x133,
        "DPC_WATCHDOG_VIOLATION",
        ["0 one DPC, 1 all time at DISPATCH_LEVEL or above", "time in ticks", "limit in ticks", ""],
    ),
    known(
        0x139,
        "KERNEL_SECURITY_CHECK_FAILURE",
        ["kind: 3 is a corrupted list", "trap frame", "exception record", ""],
    ),
    known(0x13a, "KERNEL_MODE_HEAP_CORRUPTION", ["kind of corruption", "heap", "address", ""]),
    known(0x15f, "CONNECTED_STANDBY_WATCHDOG_TIMEOUT_LIVEDUMP", ["kind", "", "", ""]),
    known(0x161, "LIVE_SYSTEM_DUMP", ["", "", "", ""]),
    known(
        irqlog_wire::bugcheck::LOCK_VIOLATION,
        "misuse of a lock of irqlog (checked build)",
        ["kind of misuse", "lock", "processor that owns it, plus one", "current processor"],
    ),
];

/// A bug check of the table.
#[must_use]
pub fn find(code: u32) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_each_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!(find(0xd1).map(|known| known.name), Some("DRIVER_IRQL_NOT_LESS_OR_EQUAL"));
        assert_eq!(find(0xe149_5251).map(|known| known.parameters[1]), Some("lock"));
        assert_eq!(find(0xdead), None);
    }
}
