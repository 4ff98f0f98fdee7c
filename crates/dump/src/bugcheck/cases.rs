//! The meanings of bug checks of which one parameter decides what the others are, and names of single values.

use super::{
    Case, Parameter,
    parameter::{
        BYTES, CORRUPTED_AT, CURRENT_IRQL, DEVICE, EXCEPTION, FREED, IRP, MDL, POOL_TYPE, RESERVED, irql, is, of,
        status,
    },
};

const fn case(value: u64, cause: &'static str, others: [Parameter; 3]) -> Case {
    Case { value, cause, others }
}

const NOTHING: [Parameter; 3] = [RESERVED; 3];

/// `irqlog_ring::lock::checked::Violation`.
pub(super) const LOCK_VIOLATION: &[Case] = &[
    case(1, "the processor that owns the lock acquires it again", LOCK),
    case(2, "a processor releases a lock that nobody owns", LOCK),
    case(3, "a processor releases a lock that another processor owns", LOCK),
    case(4, "a processor waited for the lock for longer than the budget", LOCK),
];
const LOCK: [Parameter; 3] = [is("lock"), is("processor that owns it, plus one; 0 for none"), is("current processor")];

pub(super) const BAD_POOL_HEADER: &[Case] = &[
    case(0x2, "the pattern of special pool is damaged", [is("pool entry"), is("size of the block"), RESERVED]),
    case(
        0x3,
        "the free list of the pool is corrupt",
        [is("pool entry"), is("flink that was read back"), is("blink that was read back")],
    ),
    case(0x5, "two adjacent pool entries contradict each other", [is("pool entry"), RESERVED, is("other pool entry")]),
    case(0x6, "the previous size in a pool header is too large", [is("wrong entry"), RESERVED, is("bad entry")]),
    case(0x7, "the size in a pool header is corrupt", [RESERVED, RESERVED, is("bad entry")]),
    case(0x8, "the size in a pool header is zero", [RESERVED, RESERVED, is("bad entry")]),
    case(0x9, "the size in a pool header is too large", [is("wrong entry"), RESERVED, is("bad entry")]),
    case(0xa, "the size in a pool header is corrupt", [is("entry that should be there"), RESERVED, is("its page")]),
    case(0x20, "the size in a pool header is corrupt", [is("entry that should be there"), is("next entry"), RESERVED]),
    case(0x21, "bytes behind the block being freed are corrupt", [FREED, BYTES, is("value found behind the block")]),
    case(0x22, "the address being freed was not allocated, or is free already", [FREED, RESERVED, RESERVED]),
];

pub(super) const MEMORY_MANAGEMENT: &[Case] = &[
    case(0x411, "a page table entry is corrupt", [is("page table entry"), RESERVED, RESERVED]),
    case(0x1010, "a pageable section is unlocked that is not locked", NOTHING),
    case(
        0x1233,
        "a driver maps a physical page that is not locked",
        [is("number of the physical page"), RESERVED, RESERVED],
    ),
    case(
        0x1236,
        "an MDL has a page that is unlocked or invalid",
        [MDL, is("address of the invalid page number"), is("invalid page number")],
    ),
    case(0x1240, "an MDL is built for memory that is not resident", [MDL, is("page table entry"), RESERVED]),
];

pub(super) const PFN_LIST_CORRUPT: &[Case] = &[
    case(0x1, "the head of a list is corrupt", [is("head of the list"), is("number of pages"), RESERVED]),
    case(
        0x2,
        "an entry of a list is corrupt",
        [is("entry being removed"), is("highest physical page"), is("its reference count")],
    ),
    case(
        0x9a,
        "a driver frees a page that is still locked for I/O",
        [is("number of the page"), is("state of the page"), is("its reference count")],
    ),
];

pub(super) const PAGE_FAULTS: &[(u64, &str)] = &[
    (0x0, "the page table entry is free"),
    (0x2, "there is no valid page table entry"),
    (0x3, "session memory from a process without a session"),
    (0x4, "the address is not canonical"),
    (0xf, "a user-mode address where that is not allowed"),
];

pub(super) const LOCKED_PAGES: &[Case] = &[
    case(
        0x0,
        "a process ends that has locked pages: a driver did not unlock them",
        [is("process"), is("number of locked pages"), is("stacks of the driver, or 0")],
    ),
    case(
        0x1,
        "a driver unlocks pages of a process that has none locked",
        [MDL, is("number of locked pages of the process"), is("stacks of the driver, or 0")],
    ),
];

pub(super) const TRAPS: &[(u64, &str)] = &[
    (0x0, "divide by zero"),
    (0x1, "debug"),
    (0x3, "breakpoint"),
    (0x4, "overflow"),
    (0x5, "bounds check"),
    (0x6, "invalid opcode"),
    (0x7, "no coprocessor"),
    (0x8, "double fault: often a stack overflow"),
    (0xa, "invalid task state segment"),
    (0xb, "segment not present"),
    (0xc, "stack fault"),
    (0xd, "general protection"),
    (0x10, "coprocessor error"),
    (0x11, "alignment check"),
];

pub(super) const POWER_STATE: &[Case] = &[
    case(0x1, "a device object is freed that still has a power request", [DEVICE, RESERVED, RESERVED]),
    case(
        0x2,
        "a system power IRP was completed without PoStartNextPowerIrp",
        [is("target device object"), DEVICE, is("driver object")],
    ),
    case(
        0x3,
        "a device object has held up an IRP for too long",
        [is("physical device object of the stack"), is("nt!_TRIAGE_9F_POWER"), is("the IRP that is held up")],
    ),
    case(
        0x4,
        "a power transition waited too long for plug and play",
        [is("time-out in seconds"), is("thread that holds the lock"), is("nt!_TRIAGE_9F_PNP")],
    ),
    case(
        0x5,
        "a device did not complete a directed power transition in time",
        [is("physical device object of the stack"), is("POP_FX_DEVICE"), RESERVED],
    ),
    case(
        0x6,
        "a directed power transition failed",
        [is("POP_FX_DEVICE"), of("direction", &[(0, "up"), (1, "down")]), RESERVED],
    ),
    case(
        0x500,
        "a system power IRP was completed without PoStartNextPowerIrp",
        [RESERVED, is("target device object"), DEVICE],
    ),
];

pub(super) const SPECIAL_POOL: &[Case] = &[
    case(0x20, "a driver frees pool that was not allocated", [FREED, RESERVED, RESERVED]),
    case(0x21, "a driver frees a bad address", [FREED, is("bytes requested"), is("bytes given")]),
    case(0x22, "a driver frees a bad address", [FREED, is("bytes requested"), is("bytes given")]),
    case(0x23, "bytes near the block being freed are corrupt, on the same page", [FREED, CORRUPTED_AT, RESERVED]),
    case(0x24, "bytes behind the end of the block being freed are overwritten", [FREED, CORRUPTED_AT, RESERVED]),
    case(0x30, "a driver allocates pool at a wrong IRQL", [CURRENT_IRQL, POOL_TYPE, BYTES]),
    case(0x31, "a driver frees pool at a wrong IRQL", [CURRENT_IRQL, POOL_TYPE, FREED]),
    case(0x32, "a single bit near the block being freed is wrong", [FREED, CORRUPTED_AT, RESERVED]),
];

pub(super) const BAD_POOL_CALLER: &[Case] = &[
    case(0x0, "zero bytes of pool are requested", [RESERVED, POOL_TYPE, is("pool tag")]),
    case(0x1, "a pool header is corrupt", [is("pool header"), is("its first part"), RESERVED]),
    case(0x2, "a pool header is corrupt", [is("pool header"), is("its first part"), RESERVED]),
    case(0x4, "a pool header is corrupt", [is("pool header"), is("its first part"), RESERVED]),
    case(0x6, "pool is freed that is free already", [RESERVED, is("pool header"), is("content of the pool header")]),
    case(0x7, "pool is freed that is free already", [RESERVED, is("content of the pool header"), FREED]),
    case(0x8, "pool is allocated at a wrong IRQL", [CURRENT_IRQL, POOL_TYPE, BYTES]),
    case(0x9, "pool is freed at a wrong IRQL", [CURRENT_IRQL, POOL_TYPE, is("pool")]),
    case(0xa, "pool is freed with another tag", [is("pool"), is("tag of the allocation"), is("tag of the free")]),
    case(
        0x40,
        "kernel pool is freed at a user-mode address",
        [FREED, is("start of the system address space"), RESERVED],
    ),
    case(0x41, "non-paged pool is freed that is not allocated", [FREED, is("physical page"), is("highest page")]),
    case(0x42, "an address is freed that was never in a pool", [FREED, RESERVED, RESERVED]),
    case(0x43, "an address is freed that was never in a pool", [FREED, RESERVED, RESERVED]),
    case(0x44, "non-paged pool is freed that is not allocated", [FREED, RESERVED, RESERVED]),
    case(0x46, "an invalid pool address is freed", [FREED, RESERVED, RESERVED]),
    case(0x47, "non-paged pool is freed that is not allocated", [FREED, is("physical page"), is("highest page")]),
    case(0x48, "paged pool is freed that is not allocated", [FREED, RESERVED, RESERVED]),
    case(
        0x50,
        "paged pool is freed that is not allocated",
        [FREED, is("offset in pages in the paged pool"), is("bytes of the paged pool")],
    ),
    case(0x60, "MmFreeContiguousMemory gets a bad address", [FREED, RESERVED, RESERVED]),
    case(0x99, "pool is freed with an invalid address, or its header is corrupt", [FREED, RESERVED, RESERVED]),
    case(0x9b, "pool is allocated with tag 0", [POOL_TYPE, BYTES, is("address of the caller")]),
];

/// The violations that need no option of their own, and those of the commonest options.
pub(super) const VERIFIER: &[Case] = &[
    case(0x0, "zero bytes of pool are requested", [CURRENT_IRQL, POOL_TYPE, BYTES]),
    case(0x1, "paged pool is allocated above APC_LEVEL", [CURRENT_IRQL, POOL_TYPE, BYTES]),
    case(0x2, "non-paged pool is allocated above DISPATCH_LEVEL", [CURRENT_IRQL, POOL_TYPE, BYTES]),
    case(0x10, "an address is freed that no allocation returned", [is("bad address"), RESERVED, RESERVED]),
    case(0x11, "paged pool is freed above APC_LEVEL", [CURRENT_IRQL, POOL_TYPE, is("pool")]),
    case(0x12, "non-paged pool is freed above DISPATCH_LEVEL", [CURRENT_IRQL, POOL_TYPE, is("pool")]),
    case(0x13, "pool is freed that is free already", [RESERVED, is("pool header"), is("content of the pool header")]),
    case(0x14, "pool is freed that is free already", [RESERVED, is("pool header"), is("content of the pool header")]),
    case(0x15, "pool is freed that has an active timer in it", [is("timer"), POOL_TYPE, FREED]),
    case(0x17, "pool is freed that has an active ERESOURCE in it", [is("resource"), POOL_TYPE, FREED]),
    case(0x30, "KeRaiseIrql to an IRQL that is lower, or too high", [CURRENT_IRQL, irql("requested IRQL"), RESERVED]),
    case(
        0x31,
        "KeLowerIrql to an IRQL that is higher, or wrong",
        [CURRENT_IRQL, irql("requested IRQL"), of("where", &[(0, "anywhere"), (1, "in a DPC routine")])],
    ),
    case(0x32, "KeReleaseSpinLock not at DISPATCH_LEVEL", [CURRENT_IRQL, is("spin lock"), RESERVED]),
    case(0x33, "a fast mutex is acquired above APC_LEVEL", [CURRENT_IRQL, is("fast mutex"), RESERVED]),
    case(0x34, "a fast mutex is released not at APC_LEVEL", [CURRENT_IRQL, is("APC disable count"), is("fast mutex")]),
    case(0x35, "a spin lock is released not at DISPATCH_LEVEL", [CURRENT_IRQL, is("spin lock"), irql("old IRQL")]),
    case(
        0x36,
        "a queued spin lock is released not at DISPATCH_LEVEL",
        [CURRENT_IRQL, is("number of the spin lock"), irql("old IRQL")],
    ),
    case(
        0x37,
        "a resource is acquired while APCs are enabled",
        [CURRENT_IRQL, is("APC disable count"), is("resource")],
    ),
    case(
        0x38,
        "a resource is released while APCs are enabled",
        [CURRENT_IRQL, is("APC disable count"), is("resource")],
    ),
    case(
        0x3b,
        "a thread waits at DISPATCH_LEVEL or higher",
        [CURRENT_IRQL, is("object that is waited for"), is("time-out")],
    ),
    case(0x40, "KeAcquireSpinLockAtDpcLevel below DISPATCH_LEVEL", [CURRENT_IRQL, is("spin lock"), RESERVED]),
    case(
        0x60,
        "the driver unloads without having freed its pool",
        [is("bytes of paged pool"), is("bytes of non-paged pool"), is("allocations that are left")],
    ),
    case(
        0x61,
        "a thread of the driver allocates pool while the driver unloads",
        [is("bytes of paged pool"), is("bytes of non-paged pool"), is("allocations that are left")],
    ),
    case(
        0x62,
        "the driver unloads without having freed its pool",
        [is("name of the driver"), RESERVED, is("allocations that are left")],
    ),
    case(0x78, "MmUnlockPages above DISPATCH_LEVEL", [CURRENT_IRQL, MDL, RESERVED]),
    case(0x7c, "MmUnlockPages of an MDL whose pages were never locked", [MDL, is("flags of the MDL"), RESERVED]),
    case(0x80, "KeSetEvent above DISPATCH_LEVEL", [CURRENT_IRQL, is("event"), RESERVED]),
    case(0xe5, "a kernel routine is called at a wrong IRQL", [CURRENT_IRQL, RESERVED, RESERVED]),
    case(
        0xe6,
        "a Zw routine is called above PASSIVE_LEVEL, or with special kernel APCs disabled",
        [is("address in the driver"), CURRENT_IRQL, is("special kernel APCs")],
    ),
    case(
        0xfa,
        "a completion routine returns at another IRQL",
        [is("completion routine"), irql("IRQL before it"), irql("IRQL after it")],
    ),
];

const DPC: [Parameter; 3] = [is("DPC routine"), is("APC disable count before it"), is("APC disable count after it")];
pub(super) const TIMER_OR_DPC: &[Case] = &[
    case(0x0, "memory is freed that has a timer in it", [is("timer"), is("start of the memory"), is("its end")]),
    case(0x1, "memory is freed that has a DPC in it", [is("DPC"), is("start of the memory"), is("its end")]),
    case(
        0x2,
        "memory is freed that has a DPC routine in it",
        [is("DPC routine"), is("start of the memory"), is("its end")],
    ),
    case(0x3, "the processor of a DPC is wrong", [is("DPC"), is("processor"), is("number of processors")]),
    case(0x4, "a DPC routine changes the APC disable count", DPC),
    case(0x5, "the DPC routine of a timer changes the APC disable count", DPC),
];

pub(super) const IO_VERIFICATION: &[Case] = &[
    case(0x1, "an object is freed as an IRP that is none", [IRP, RESERVED, RESERVED]),
    case(0x2, "an IRP is freed that still belongs to a thread", [IRP, RESERVED, RESERVED]),
    case(0x3, "IoCallDriver with an object that is no IRP", [IRP, RESERVED, RESERVED]),
    case(0x4, "IoCallDriver with an invalid device object", [DEVICE, RESERVED, RESERVED]),
    case(
        0x5,
        "a dispatch routine returns at another IRQL",
        [DEVICE, irql("IRQL before IoCallDriver"), irql("IRQL after it")],
    ),
    case(0x6, "IoCompleteRequest with a status that is pending or -1", [status("status"), IRP, RESERVED]),
    case(0x7, "IoCompleteRequest while a cancel routine is set", [is("cancel routine"), IRP, RESERVED]),
    case(0x8, "IoBuildAsynchronousFsdRequest with an invalid buffer", [DEVICE, is("major function"), EXCEPTION]),
    case(0xe, "IoCompleteRequest above DISPATCH_LEVEL", [CURRENT_IRQL, IRP, RESERVED]),
    case(0x10, "IoCallDriver above DISPATCH_LEVEL", [CURRENT_IRQL, RESERVED, RESERVED]),
];

const ITEM: Parameter = is("work item");
pub(super) const WORKER: &[Case] = &[
    case(
        0x0,
        "memory is freed that has an active work item in it",
        [ITEM, is("start of the pool block"), is("its end")],
    ),
    case(0x1, "a work item is queued that is active", [ITEM, is("queue"), RESERVED]),
    case(0x2, "an I/O work item is freed that is queued", [ITEM, is("its routine"), RESERVED]),
    case(0x3, "an I/O work item is initialised with an invalid object", [ITEM, is("object"), RESERVED]),
    case(0x5, "a work item is queued before there are queues", [ITEM, is("queue"), is("NUMA node, or -1")]),
    case(0x6, "a work item is queued in a queue of an invalid type", [ITEM, is("queue"), RESERVED]),
    case(0x7, "a work item is queued with an invalid routine", [ITEM, is("queue"), RESERVED]),
];

pub(super) const DMA: &[(u64, &str)] = &[
    (0x1, "the performance counter has gone back"),
    (0x2, "the performance counter has gone on too fast"),
    (0x3, "too many common buffers are freed"),
    (0x4, "too many adapter channels are freed"),
    (0x5, "too many map registers are freed"),
    (0x6, "too many scatter/gather lists are freed"),
    (0x7, "the adapter is released before its common buffers"),
];

pub(super) const CRITICAL_STRUCTURES: &[(u64, &str)] =
    &[(0x0, "a data region"), (0x1, "a function"), (0x2, "an interrupt dispatch table")];

/// The names are those of `WDF_BUGCHECK_CODES` in wdfbugcodes.h (github.com/microsoft/Windows-Driver-Frameworks). It
/// also has the last of the fatal errors of a request.
pub(super) const WDF: &[Case] = &[
    case(
        0x1,
        "a power routine took too long (WDF_POWER_ROUTINE_TIMED_OUT)",
        [is("WDF_POWER_ROUTINE_TIMED_OUT_DATA"), RESERVED, RESERVED],
    ),
    case(0x2, "a lock is acquired by its owner (WDF_RECURSIVE_LOCK)", NOTHING),
    case(
        0x3,
        "a completed request still has references to its buffers (WDF_VERIFIER_FATAL_ERROR)",
        [is("WDFREQUEST"), is("references that remain"), RESERVED],
    ),
    case(
        0x4,
        "a parameter is NULL that must not be (WDF_REQUIRED_PARAMETER_IS_NULL)",
        [RESERVED, is("address of the caller"), RESERVED],
    ),
    case(0x5, "a handle is of the wrong type (WDF_INVALID_HANDLE)", [is("handle"), RESERVED, RESERVED]),
    case(
        0x6,
        "fatal error in the handling of a request",
        [of("error", WDF_REQUEST), is("IRP, WDFREQUEST, or a structure with both"), RESERVED],
    ),
    case(
        0x7,
        "an object is deleted by WdfObjectDereference (WDF_OBJECT_ERROR)",
        [is("handle of the object"), RESERVED, RESERVED],
    ),
    case(
        0x8,
        "a DMA transaction is in the wrong state (WDF_DMA_FATAL_ERROR)",
        [is("WDFDMATRANSACTION"), RESERVED, RESERVED],
    ),
    case(
        0xa,
        "fatal error with a request in a queue (WDF_QUEUE_FATAL_ERROR)",
        [is("WDF_QUEUE_FATAL_ERROR_DATA"), RESERVED, RESERVED],
    ),
    case(
        0xb,
        "a lock operation is invalid (WDF_INVALID_LOCK_OPERATION)",
        [
            is("handle"),
            of("error", &[(0, "the object has no lock"), (1, "a thread releases it that did not acquire it")]),
            RESERVED,
        ],
    ),
    case(
        0xc,
        "a plug and play IRP arrived during another one (WDF_PNP_FATAL_ERROR)",
        [is("WDFDEVICE"), is("new IRP"), RESERVED],
    ),
    case(
        0xd,
        "a power IRP arrived that the policy owner did not request (WDF_POWER_MULTIPLE_PPO)",
        [is("WDFDEVICE"), is("power IRP"), RESERVED],
    ),
    case(
        0xe,
        "an event callback returned at another IRQL (WDF_VERIFIER_IRQL_MISMATCH)",
        [irql("IRQL before it"), irql("IRQL after it"), RESERVED],
    ),
    case(
        0xf,
        "an event callback did not leave a critical region (WDF_VERIFIER_CRITICAL_REGION_MISMATCH)",
        [is("callback"), RESERVED, RESERVED],
    ),
];

const WDF_REQUEST: &[(u64, &str)] = &[
    (0x1, "the IRP has no more stack locations"),
    (0x2, "the request has no IRP"),
    (0x3, "a request was sent that had been sent already"),
    (0x4, "more bytes were written than the output buffer has"),
    (0x5, "the request is not in the queue"),
];

pub(super) const DRIVER_VIOLATION: &[Case] = &[
    case(0x1, "a function is called at a wrong IRQL", [CURRENT_IRQL, irql("required IRQL"), RESERVED]),
    case(0x2, "a function is called at too high an IRQL", [CURRENT_IRQL, irql("highest IRQL allowed"), RESERVED]),
];

const WHEA_RECORD: Parameter = is("WHEA_ERROR_RECORD");
pub(super) const WHEA: &[Case] = &[
    case(0x0, "machine check exception", [WHEA_RECORD, is("high half of MCi_STATUS"), is("low half of MCi_STATUS")]),
    case(0x1, "corrected machine check", [WHEA_RECORD, RESERVED, RESERVED]),
    case(0x2, "corrected platform error", [WHEA_RECORD, RESERVED, RESERVED]),
    case(0x3, "non-maskable interrupt", [WHEA_RECORD, RESERVED, RESERVED]),
    case(0x4, "uncorrectable PCI Express error", [WHEA_RECORD, RESERVED, RESERVED]),
    case(0x5, "generic hardware error", [WHEA_RECORD, RESERVED, RESERVED]),
];

pub(super) const DPC_WATCHDOG: &[Case] = &[
    case(
        0,
        "one DPC or ISR took too long",
        [is("its time in ticks"), is("time allowed in ticks"), is("nt!DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK")],
    ),
    case(
        1,
        "too much time at DISPATCH_LEVEL or above",
        [is("period of the watchdog"), is("nt!DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK"), RESERVED],
    ),
];

pub(super) const SECURITY_CHECKS: &[(u64, &str)] = &[
    (0, "a stack buffer was overrun (legacy)"),
    (1, "an illegal virtual function table"),
    (2, "a stack buffer was overrun"),
    (3, "a LIST_ENTRY is corrupt, for instance removed twice"),
    (5, "an invalid parameter where that is fatal"),
    (6, "the stack cookie was not initialised by the loader"),
    (7, "a fatal exit was requested"),
    (8, "an array index is out of bounds"),
    (10, "indirect control transfer to an invalid target"),
    (14, "a reference count is invalid"),
    (29, "a RTL_BALANCED_NODE is corrupt"),
];

pub(super) const HEAP: &[(u64, &str)] = &[
    (0x3, "a corrupt entry header"),
    (0x4, "several corrupt entry headers"),
    (0x5, "a corrupt entry header of a large allocation"),
    (0x6, "like a buffer overrun"),
    (0x7, "like a buffer underrun"),
    (0x8, "a free block where a busy one is needed"),
    (0x9, "an invalid argument"),
    (0xa, "an internal error of the heap"),
    (0xb, "like the use of a block after it was freed"),
];
