// irqlog under WinDbg: the log of a running target, of a crash dump, or of an address.
//
//     .scriptload irqlog.js
//     !irqlog                                   the last lines, and what there is to look at
//     dx @$irqlog().Records.Where(r => r.Irql == "HIGH")
//     dx @$irqlog(0xfffff80212340000)           the log whose image or anchor lies at that address
//
// This file is put together from debugger/src by `IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger`; change it there.
// docs/windbg.md shows how to use it.
//
// The text of each record, the losses between them, and the sentences about what is missing are those of irqlog.exe:
// the tests compare the two. Bytes of a log are never trusted: each count is clamped to what is there.
//
// The language is ECMAScript 2017 without BigInt, which both engines of WinDbg's script provider know (Chakra, and V8
// from WinDbg 1.2407 on). 64-bit numbers are pairs of 32 bits (U64) in here, and host.Int64 outside.
//
// Facts about the host are from "Native Debugger Objects in JavaScript Extensions", "Debugger Data Model Function
// Aliases" and "File Objects" (learn.microsoft.com/windows-hardware/drivers/debugger).

"use strict";

// ---- debugger/src/tables.js

// The tables of the format. Made from crates/wire and crates/reader by tools/debugger/src/tables.rs; do not change
// them here: `IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger` makes them anew.

const WIRE = {
    version: { major: 1, minor: 4 },
    driver: "irqlog",
    anchorName: "IrqlogAnchor",
    guid: [208, 225, 165, 179, 111, 108, 103, 73, 138, 114, 113, 95, 100, 117, 109, 112],
    magic: {
        image: [73, 82, 81, 76, 79, 71, 13, 10],
        part: [73, 82, 81, 80, 65, 82, 84, 10],
        anchor: [73, 82, 81, 65, 78, 67, 72, 82],
    },
    limits: {
        maxRecord: 1024,
        maxArguments: 23,
        needsDriver: 128,
        maxProviderName: 64,
        siteMagic: 1399943753,
        providerMagic: 1349612105,
        maxText: 8192,
        maxPieces: 1024,
        widest: 4096,
    },
    structures: {
        ImageHeader: {
            size: 512,
            fields: [
                ["magic", 0, "u8", 8], ["major", 8, "u16"], ["minor", 10, "u16"], ["header_size", 12, "u32"],
                ["total_size", 16, "u64"], ["processors_offset", 24, "u32"], ["processor_size", 28, "u32"],
                ["processor_count", 32, "u32"], ["active_processors", 36, "u32"], ["lanes_offset", 40, "u32"],
                ["lane_size", 44, "u32"], ["lane_count", 48, "u32"], ["engine", 52, "u32"], ["lock", 56, "u32"],
                ["machine", 60, "u32"], ["tick_frequency", 64, "u64"], ["tick_base", 72, "u64"],
                ["time_base", 80, "u64"], ["start_id", 88, "u64"], ["driver_version", 96, "u16", 4],
                ["build_flags", 104, "u32"], ["reserved0", 108, "u32"], ["sites_offset", 112, "u64"],
                ["sites_size", 120, "u64"], ["level", 128, "u64"], ["policy", 136, "u64"], ["paused", 144, "u64"],
                ["own_calls", 152, "u64"], ["blobs", 160, "u64"], ["drops", 168, "u64", 8],
                ["refused_providers", 232, "u64"], ["crashed", 240, "u64"], ["crash_code", 248, "u64"],
                ["crash_parameters", 256, "u64", 4], ["crash_processor", 288, "u64"], ["crash_tick", 296, "u64"],
                ["sites_replaced", 304, "u64"], ["checksums_offset", 312, "u64"], ["checksum_block", 320, "u64"],
                ["reserved1", 328, "u64", 23],
            ],
        },
        ProcessorControl: {
            size: 128,
            fields: [["nesting", 0, "u64"], ["drops", 8, "u64", 8], ["reserved", 72, "u64", 7]],
        },
        LaneControl: {
            size: 512,
            fields: [
                ["kind", 0, "u32"], ["processor", 4, "u32"], ["data_offset", 8, "u64"], ["data_words", 16, "u64"],
                ["first_seq", 24, "u64"], ["first_position", 32, "u64"], ["floor", 40, "u64"], ["tail", 48, "u64"],
                ["reserved0", 56, "u64"], ["contended", 64, "u64"], ["longest_wait", 72, "u64"],
                ["longest_hold", 80, "u64"], ["hold_samples", 88, "u64"], ["reserved1", 96, "u64", 4],
                ["head", 128, "u64"], ["next_seq", 136, "u64"], ["nesting", 144, "u64"], ["reserved2", 152, "u64", 13],
                ["marks", 256, "u64", 32],
            ],
        },
        LaneControlBefore4: {
            size: 256,
            fields: [
                ["kind", 0, "u32"], ["processor", 4, "u32"], ["data_offset", 8, "u64"], ["data_words", 16, "u64"],
                ["first_seq", 24, "u64"], ["first_position", 32, "u64"], ["floor", 40, "u64"],
                ["reserved0", 48, "u64", 10], ["head", 128, "u64"], ["tail", 136, "u64"], ["next_seq", 144, "u64"],
                ["contended", 152, "u64"], ["longest_wait", 160, "u64"], ["longest_hold", 168, "u64"],
                ["hold_samples", 176, "u64"], ["reserved1", 184, "u64", 9],
            ],
        },
        RecordHeader: {
            size: 40,
            fields: [
                ["size", 0, "u16"], ["kind", 2, "u8"], ["level", 3, "u8"], ["flags", 4, "u16"], ["irql", 6, "u8"],
                ["reserved", 7, "u8"], ["processor", 8, "u16"], ["payload_size", 10, "u16"], ["site", 12, "u32"],
                ["seq", 16, "u64"], ["tick", 24, "u64"], ["thread", 32, "u32"], ["process", 36, "u32"],
            ],
        },
        BlobHeader: {
            size: 16,
            fields: [["tag", 0, "u32"], ["blob", 4, "u32"], ["total", 8, "u32"], ["offset", 12, "u32"]],
        },
        SiteHeader: {
            size: 24,
            fields: [
                ["magic", 0, "u32"], ["size", 4, "u32"], ["line", 8, "u32"], ["level", 12, "u8"],
                ["arguments", 13, "u8"], ["role", 14, "u16"], ["format", 16, "u16"], ["names", 18, "u16"],
                ["module", 20, "u16"], ["file", 22, "u16"],
            ],
        },
        ProviderHeader: {
            size: 64,
            fields: [
                ["magic", 0, "u32"], ["size", 4, "u32"], ["name_size", 8, "u32"], ["sites_offset", 12, "u32"],
                ["sites_size", 16, "u32"], ["site_count", 20, "u32"], ["level", 24, "u64"], ["registered", 32, "u64"],
                ["registrations", 40, "u64"], ["first_site", 48, "u64"], ["vanished", 56, "u64"],
            ],
        },
        PartHeader: {
            size: 88,
            fields: [
                ["magic", 0, "u8", 8], ["major", 8, "u16"], ["minor", 10, "u16"], ["header_size", 12, "u32"],
                ["start_id", 16, "u64"], ["index", 24, "u32"], ["count", 28, "u32"], ["offset", 32, "u64"],
                ["length", 40, "u32"], ["form", 44, "u32"], ["total", 48, "u64"], ["records_left_out", 56, "u64"],
                ["records", 64, "u64"], ["allowed", 72, "u64"], ["kept", 80, "u32"], ["reserved", 84, "u32"],
            ],
        },
        ChunkHeader: { size: 16, fields: [["kind", 0, "u32"], ["index", 4, "u32"], ["length", 8, "u64"]] },
        LaneSummary: {
            size: 64,
            fields: [
                ["kind", 0, "u32"], ["processor", 4, "u32"], ["first_seq", 8, "u64"], ["floor", 16, "u64"],
                ["next_seq", 24, "u64"], ["contended", 32, "u64"], ["longest_wait", 40, "u64"],
                ["longest_hold", 48, "u64"], ["hold_samples", 56, "u64"],
            ],
        },
        Anchor: {
            size: 56,
            fields: [
                ["magic", 0, "u8", 8], ["version", 8, "u64"], ["image", 16, "u64"], ["image_size", 24, "u64"],
                ["pieces", 32, "u64"], ["piece_count", 40, "u64"], ["piece_size", 48, "u64"],
            ],
        },
    },
    enums: {
        Kind: { values: { Event: 1, Text: 2, Blob: 3 }, names: { 1: "event", 2: "text", 3: "blob" } },
        Level: {
            values: { Error: 1, Warn: 2, Info: 3, Debug: 4, Trace: 5 },
            names: { 1: "error", 2: "warn", 3: "info", 4: "debug", 5: "trace" },
        },
        ArgumentKind: {
            values: {
                U8: 1,
                U16: 2,
                U32: 3,
                U64: 4,
                U128: 5,
                Usize: 6,
                I8: 7,
                I16: 8,
                I32: 9,
                I64: 10,
                I128: 11,
                Isize: 12,
                Bool: 13,
                Char: 14,
                F32: 15,
                F64: 16,
                Pointer: 17,
                Status: 18,
                Guid: 19,
                Str: 20,
                Bytes: 21,
                Utf16: 22,
            },
            names: {
                1: "u8",
                2: "u16",
                3: "u32",
                4: "u64",
                5: "u128",
                6: "usize",
                7: "i8",
                8: "i16",
                9: "i32",
                10: "i64",
                11: "i128",
                12: "isize",
                13: "bool",
                14: "char",
                15: "f32",
                16: "f64",
                17: "pointer",
                18: "status",
                19: "guid",
                20: "str",
                21: "bytes",
                22: "utf16",
            },
        },
        Engine: { values: { Shared: 1, Percpu: 2 }, names: { 1: "shared", 2: "percpu" } },
        Lock: {
            values: { None: 0, Kernel: 1, OsQueued: 2, Swap: 3, Queued: 4 },
            names: { 0: "none", 1: "kernel", 2: "os-queued", 3: "swap", 4: "queued" },
        },
        Policy: { values: { Overwrite: 0, Keep: 1 }, names: { 0: "overwrite", 1: "keep" } },
        LaneKind: { values: { Shared: 1, Processor: 2, Nmi: 3 }, names: { 1: "shared", 2: "processor", 3: "nmi" } },
        DropReason: {
            values: { TooLarge: 0, ReEntered: 1, Refused: 2, Paused: 3, NoLane: 4, Budget: 5 },
            names: { 0: "too-large", 1: "re-entered", 2: "refused", 3: "paused", 4: "no-lane", 5: "budget" },
        },
        StreamForm: { values: { Whole: 1, Cut: 2 }, names: { 1: "whole", 2: "cut" } },
        ChunkKind: {
            values: { Header: 1, Processor: 2, Lane: 3, Records: 4, Sites: 5 },
            names: { 1: "header", 2: "processor", 3: "lane", 4: "records", 5: "sites" },
        },
        SiteRole: {
            values: { Event: 0, Begin: 1, End: 2, Counter: 3 },
            names: { 0: "event", 1: "begin", 2: "end", 3: "counter" },
        },
    },
    flags: { NO_THREAD: 1, TRUNCATED: 2, NEVER_WAITS: 4, OWN: 8, USER: 16, POINTERS_HASHED: 32, POINTERS_RAW: 64 },
    irqls: [
        "PASSIVE", "APC", "DISPATCH", "DIRQL 3", "DIRQL 4", "DIRQL 5", "DIRQL 6", "DIRQL 7", "DIRQL 8", "DIRQL 9",
        "DIRQL 10", "DIRQL 11", "DIRQL 12", "CLOCK", "IPI", "HIGH",
    ],
    format: {
        styles: [
            ["", "Display"], ["?", "Debug"], ["x?", "DebugLowerHex"], ["X?", "DebugUpperHex"], ["x", "LowerHex"],
            ["X", "UpperHex"], ["o", "Octal"], ["b", "Binary"], ["e", "LowerExp"], ["E", "UpperExp"], ["p", "Pointer"],
        ],
        aligns: [["<", "Left"], ["^", "Center"], [">", "Right"]],
    },
    statuses: {
        3221225506: "STATUS_ACCESS_DENIED",
        3221225477: "STATUS_ACCESS_VIOLATION",
        3221225666: "STATUS_ADAPTER_HARDWARE_ERROR",
        257: "STATUS_ALERTED",
        3221225505: "STATUS_ALREADY_COMMITTED",
        3221226528: "STATUS_ASSERTION_FAILURE",
        3221225675: "STATUS_BAD_DEVICE_TYPE",
        3221225637: "STATUS_BAD_IMPERSONATION_LEVEL",
        3221225481: "STATUS_BAD_INITIAL_STACK",
        3221225662: "STATUS_BAD_NETWORK_PATH",
        2147483651: "STATUS_BREAKPOINT",
        2147483653: "STATUS_BUFFER_OVERFLOW",
        3221225507: "STATUS_BUFFER_TOO_SMALL",
        2147483677: "STATUS_BUS_RESET",
        3221225760: "STATUS_CANCELLED",
        3221225761: "STATUS_CANNOT_DELETE",
        3221225496: "STATUS_CONFLICTING_ADDRESSES",
        3221225996: "STATUS_CONNECTION_DISCONNECTED",
        3221225997: "STATUS_CONNECTION_RESET",
        3221227524: "STATUS_CONTENT_BLOCKED",
        3221225535: "STATUS_CRC_ERROR",
        2147483650: "STATUS_DATATYPE_MISALIGNMENT",
        3221225534: "STATUS_DATA_ERROR",
        3221225533: "STATUS_DATA_LATE_ERROR",
        3221225532: "STATUS_DATA_OVERRUN",
        3221226514: "STATUS_DELAY_LOAD_FAILED",
        3221225558: "STATUS_DELETE_PENDING",
        3221225528: "STATUS_DEVICE_ALREADY_ATTACHED",
        2147483665: "STATUS_DEVICE_BUSY",
        3221225858: "STATUS_DEVICE_CONFIGURATION_ERROR",
        3221225628: "STATUS_DEVICE_DATA_ERROR",
        3221225664: "STATUS_DEVICE_DOES_NOT_EXIST",
        3221226627: "STATUS_DEVICE_HARDWARE_ERROR",
        3221225629: "STATUS_DEVICE_NOT_CONNECTED",
        3221225635: "STATUS_DEVICE_NOT_READY",
        2147483664: "STATUS_DEVICE_OFF_LINE",
        2147483662: "STATUS_DEVICE_PAPER_EMPTY",
        3221225630: "STATUS_DEVICE_POWER_FAILURE",
        3221225862: "STATUS_DEVICE_PROTOCOL_ERROR",
        3221226166: "STATUS_DEVICE_REMOVED",
        3221226596: "STATUS_DEVICE_UNREACHABLE",
        3221225522: "STATUS_DISK_CORRUPT_ERROR",
        3221225599: "STATUS_DISK_FULL",
        3221225781: "STATUS_DLL_NOT_FOUND",
        3221226348: "STATUS_DRIVER_BLOCKED",
        3221226014: "STATUS_DRIVER_CANCEL_TIMEOUT",
        3221226083: "STATUS_DRIVER_ENTRYPOINT_NOT_FOUND",
        3221226092: "STATUS_DRIVER_UNABLE_TO_LOAD",
        3221225661: "STATUS_DUPLICATE_NAME",
        3221225551: "STATUS_EAS_NOT_SUPPORTED",
        3221225552: "STATUS_EA_TOO_LARGE",
        3221225489: "STATUS_END_OF_FILE",
        3221225785: "STATUS_ENTRYPOINT_NOT_FOUND",
        3221225768: "STATUS_FILE_CLOSED",
        3221225763: "STATUS_FILE_DELETED",
        3221225654: "STATUS_FILE_FORCED_CLOSED",
        3221225658: "STATUS_FILE_IS_A_DIRECTORY",
        3221225556: "STATUS_FILE_LOCK_CONFLICT",
        3221225685: "STATUS_FILE_RENAMED",
        3223060487: "STATUS_FLT_NOT_INITIALIZED",
        3221225631: "STATUS_FREE_VM_NOT_AT_BASE",
        3221266689: "STATUS_HASH_NOT_PRESENT",
        3221225501: "STATUS_ILLEGAL_INSTRUCTION",
        3221225476: "STATUS_INFO_LENGTH_MISMATCH",
        3221226206: "STATUS_INSUFFICIENT_POWER",
        3221225626: "STATUS_INSUFFICIENT_RESOURCES",
        3221225620: "STATUS_INTEGER_DIVIDE_BY_ZERO",
        3221225621: "STATUS_INTEGER_OVERFLOW",
        3221225701: "STATUS_INTERNAL_ERROR",
        3221225991: "STATUS_INVALID_ADDRESS_COMPONENT",
        3221225990: "STATUS_INVALID_BUFFER_SIZE",
        3221225483: "STATUS_INVALID_CID",
        3221225488: "STATUS_INVALID_DEVICE_REQUEST",
        3221225860: "STATUS_INVALID_DEVICE_STATE",
        3221225480: "STATUS_INVALID_HANDLE",
        3221225595: "STATUS_INVALID_IMAGE_FORMAT",
        3221226536: "STATUS_INVALID_IMAGE_HASH",
        3221225475: "STATUS_INVALID_INFO_CLASS",
        3221225502: "STATUS_INVALID_LOCK_SEQUENCE",
        3221225667: "STATUS_INVALID_NETWORK_RESPONSE",
        3221225562: "STATUS_INVALID_OWNER",
        3221225541: "STATUS_INVALID_PAGE_PROTECTION",
        3221225485: "STATUS_INVALID_PARAMETER",
        3221225538: "STATUS_INVALID_PORT_HANDLE",
        3221225652: "STATUS_INVALID_READ_MODE",
        3221266432: "STATUS_INVALID_SIGNATURE",
        3221225704: "STATUS_INVALID_USER_BUFFER",
        3221225503: "STATUS_INVALID_VIEW_SIZE",
        3221225478: "STATUS_IN_PAGE_ERROR",
        3221225861: "STATUS_IO_DEVICE_ERROR",
        3221225653: "STATUS_IO_TIMEOUT",
        3221225557: "STATUS_LOCK_NOT_GRANTED",
        3221225634: "STATUS_MEDIA_WRITE_PROTECTED",
        3221225632: "STATUS_MEMORY_NOT_ALLOCATED",
        261: "STATUS_MORE_ENTRIES",
        3221225494: "STATUS_MORE_PROCESSING_REQUIRED",
        3221225542: "STATUS_MUTANT_NOT_OWNED",
        3221225663: "STATUS_NETWORK_BUSY",
        3221225509: "STATUS_NONCONTINUABLE_EXCEPTION",
        3221225493: "STATUS_NONEXISTENT_SECTOR",
        268: "STATUS_NOTIFY_ENUM_DIR",
        3221226021: "STATUS_NOT_FOUND",
        3221225474: "STATUS_NOT_IMPLEMENTED",
        3221225514: "STATUS_NOT_LOCKED",
        3221225497: "STATUS_NOT_MAPPED_VIEW",
        3221225659: "STATUS_NOT_SUPPORTED",
        3221226072: "STATUS_NO_CALLBACK_ACTIVE",
        3221226098: "STATUS_NO_MATCH",
        3221225848: "STATUS_NO_MEDIA",
        3221225491: "STATUS_NO_MEDIA_IN_DEVICE",
        3221225495: "STATUS_NO_MEMORY",
        2147483674: "STATUS_NO_MORE_ENTRIES",
        2147483654: "STATUS_NO_MORE_FILES",
        3221225486: "STATUS_NO_SUCH_DEVICE",
        3221225487: "STATUS_NO_SUCH_FILE",
        3221225596: "STATUS_NO_TOKEN",
        3221225525: "STATUS_OBJECT_NAME_COLLISION",
        3221225523: "STATUS_OBJECT_NAME_INVALID",
        3221225524: "STATUS_OBJECT_NAME_NOT_FOUND",
        3221225529: "STATUS_OBJECT_PATH_INVALID",
        3221225530: "STATUS_OBJECT_PATH_NOT_FOUND",
        3221225531: "STATUS_OBJECT_PATH_SYNTAX_BAD",
        3221225508: "STATUS_OBJECT_TYPE_MISMATCH",
        3221267105: "STATUS_OFFLOAD_READ_FLT_NOT_SUPPORTED",
        3221225782: "STATUS_OPEN_FAILED",
        3221225479: "STATUS_PAGEFILE_QUOTA",
        259: "STATUS_PENDING",
        3221225646: "STATUS_PIPE_BUSY",
        3221225649: "STATUS_PIPE_CLOSING",
        3221225650: "STATUS_PIPE_CONNECTED",
        3221225648: "STATUS_PIPE_DISCONNECTED",
        3221225651: "STATUS_PIPE_LISTENING",
        3221225644: "STATUS_PIPE_NOT_AVAILABLE",
        3221225537: "STATUS_PORT_CONNECTION_REFUSED",
        3221225527: "STATUS_PORT_DISCONNECTED",
        3221226195: "STATUS_POWER_STATE_INVALID",
        3221225569: "STATUS_PRIVILEGE_NOT_HELD",
        3221225655: "STATUS_PROFILING_NOT_STARTED",
        3221225540: "STATUS_QUOTA_EXCEEDED",
        3221225660: "STATUS_REMOTE_NOT_LISTENING",
        260: "STATUS_REPARSE",
        3221226029: "STATUS_RETRY",
        3221225561: "STATUS_REVISION_MISMATCH",
        3221225536: "STATUS_SECTION_TOO_BIG",
        3221225543: "STATUS_SEMAPHORE_LIMIT_EXCEEDED",
        3221225539: "STATUS_SHARING_VIOLATION",
        3221226238: "STATUS_SHUTDOWN_IN_PROGRESS",
        2147483652: "STATUS_SINGLE_STEP",
        3221226505: "STATUS_STACK_BUFFER_OVERRUN",
        3221225725: "STATUS_STACK_OVERFLOW",
        2147483693: "STATUS_STOPPED_ON_SYMLINK",
        0: "STATUS_SUCCESS",
        258: "STATUS_TIMEOUT",
        3221225865: "STATUS_TOO_LATE",
        3221225993: "STATUS_TOO_MANY_ADDRESSES",
        3221225665: "STATUS_TOO_MANY_COMMANDS",
        3221225498: "STATUS_UNABLE_TO_FREE_VM",
        3221225668: "STATUS_UNEXPECTED_NETWORK_ERROR",
        3221225796: "STATUS_UNHANDLED_EXCEPTION",
        3221225560: "STATUS_UNKNOWN_REVISION",
        3221225492: "STATUS_UNRECOGNIZED_MEDIA",
        3221225473: "STATUS_UNSUCCESSFUL",
        192: "STATUS_USER_APC",
        3221226094: "STATUS_VOLUME_DISMOUNTED",
        3221225633: "STATUS_WORKING_SET_QUOTA",
        3221225490: "STATUS_WRONG_VOLUME",
    },
    unicode: {
        version: "17.0.0",
        blank: [4447, 4448, 10240, 12644, 65440],
        escaped: [
            1, 8, 2, 2, 1, 18, 95, 34, 12, 1, 594, 112, 8, 2, 6, 4, 7, 1, 1, 1, 20, 1, 224, 7, 166, 1, 38, 2, 50, 2, 3,
            46, 1, 1, 1, 2, 1, 2, 1, 9, 27, 4, 6, 17, 10, 11, 1, 1, 46, 21, 16, 1, 101, 8, 1, 6, 2, 2, 1, 4, 32, 2, 1,
            1, 30, 29, 89, 11, 1, 14, 43, 9, 7, 3, 24, 4, 1, 9, 1, 3, 1, 7, 15, 1, 25, 5, 1, 1, 11, 5, 32, 16, 42, 57,
            55, 1, 1, 1, 4, 8, 4, 1, 3, 7, 10, 2, 29, 1, 2, 1, 8, 2, 2, 2, 22, 1, 7, 1, 1, 3, 4, 3, 1, 1, 2, 6, 2, 2,
            2, 1, 1, 13, 2, 1, 3, 4, 24, 5, 1, 1, 6, 4, 2, 2, 22, 1, 7, 1, 2, 1, 2, 1, 2, 4, 3, 24, 4, 1, 1, 7, 10, 2,
            3, 1, 1, 12, 1, 1, 9, 1, 3, 1, 22, 1, 7, 1, 2, 1, 5, 3, 4, 8, 1, 1, 2, 3, 1, 15, 2, 4, 12, 7, 1, 8, 2, 1,
            8, 2, 2, 2, 22, 1, 7, 1, 2, 1, 5, 3, 1, 2, 1, 6, 2, 2, 2, 15, 2, 1, 3, 4, 18, 11, 1, 1, 6, 3, 3, 1, 4, 3,
            2, 1, 1, 1, 2, 3, 2, 3, 3, 3, 12, 5, 1, 1, 2, 3, 3, 1, 3, 3, 1, 21, 21, 6, 3, 1, 8, 1, 3, 1, 23, 1, 16, 3,
            1, 3, 4, 19, 3, 1, 2, 2, 2, 4, 10, 7, 10, 1, 11, 1, 3, 1, 23, 1, 10, 1, 5, 3, 2, 2, 1, 1, 2, 23, 3, 1, 2,
            4, 10, 1, 3, 14, 11, 1, 3, 1, 41, 2, 1, 1, 2, 5, 3, 1, 3, 1, 2, 4, 3, 1, 10, 4, 26, 2, 2, 1, 18, 3, 24, 1,
            9, 1, 1, 2, 7, 9, 2, 6, 7, 7, 10, 2, 3, 12, 48, 1, 2, 11, 8, 8, 13, 37, 2, 1, 1, 1, 5, 1, 24, 1, 1, 1, 10,
            1, 2, 9, 1, 2, 5, 1, 1, 9, 10, 2, 4, 32, 24, 2, 27, 1, 1, 1, 1, 1, 14, 1, 36, 18, 1, 5, 1, 2, 5, 49, 8, 1,
            6, 1, 13, 37, 45, 4, 1, 6, 1, 2, 2, 2, 25, 2, 4, 3, 16, 4, 13, 1, 2, 2, 6, 1, 15, 1, 40, 1, 1, 5, 1, 2,
            377, 1, 4, 2, 7, 1, 1, 1, 4, 2, 41, 1, 4, 2, 33, 1, 4, 2, 7, 1, 1, 1, 4, 2, 15, 1, 57, 1, 4, 2, 67, 5, 29,
            3, 26, 6, 86, 2, 6, 2, 640, 1, 28, 3, 89, 7, 18, 13, 19, 3, 2, 9, 18, 14, 13, 1, 3, 15, 52, 2, 1, 7, 8, 1,
            2, 11, 9, 3, 10, 6, 10, 6, 11, 5, 10, 6, 89, 7, 5, 2, 34, 1, 1, 5, 70, 10, 31, 4, 4, 2, 3, 4, 2, 1, 6, 7,
            1, 3, 42, 2, 5, 11, 44, 4, 26, 6, 11, 3, 57, 2, 2, 3, 56, 1, 1, 9, 1, 1, 2, 8, 6, 13, 10, 6, 10, 6, 14, 86,
            48, 10, 4, 3, 8, 1, 29, 9, 12, 2, 32, 4, 2, 6, 56, 1, 1, 2, 3, 1, 1, 13, 48, 8, 2, 5, 15, 3, 62, 5, 43, 2,
            11, 11, 1, 13, 1, 7, 4, 1, 6, 1, 3, 2, 1, 5, 192, 64, 278, 2, 6, 2, 38, 2, 6, 2, 8, 1, 1, 1, 1, 1, 1, 1,
            31, 2, 53, 1, 15, 1, 14, 2, 6, 1, 19, 2, 3, 1, 9, 17, 24, 8, 47, 17, 2, 2, 27, 1, 13, 3, 34, 62, 140, 4,
            666, 22, 11, 21, 1812, 2, 377, 3, 2, 5, 45, 1, 1, 5, 1, 2, 56, 7, 2, 15, 23, 9, 7, 1, 7, 1, 7, 1, 7, 1, 7,
            1, 7, 1, 7, 1, 7, 33, 94, 34, 26, 1, 89, 12, 214, 26, 16, 1, 41, 6, 16, 1, 86, 4, 101, 5, 43, 1, 94, 1, 86,
            9, 48, 1, 29293, 3, 55, 9, 348, 20, 47, 4, 1, 10, 32, 2, 80, 2, 6, 8, 221, 20, 17, 1, 3, 1, 4, 1, 25, 2, 5,
            4, 10, 6, 56, 8, 68, 10, 12, 24, 13, 1, 38, 8, 25, 11, 1, 12, 30, 6, 48, 1, 2, 4, 2, 2, 2, 1, 13, 1, 11, 4,
            7, 1, 25, 1, 41, 6, 2, 2, 2, 11, 3, 1, 8, 1, 1, 2, 10, 2, 32, 1, 51, 1, 1, 3, 2, 2, 5, 2, 1, 1, 1, 24, 17,
            2, 8, 11, 6, 2, 6, 2, 6, 9, 7, 1, 7, 1, 60, 4, 117, 1, 2, 1, 4, 3, 10, 6, 11172, 12, 23, 4, 49, 4, 2048,
            6400, 366, 2, 106, 38, 7, 12, 5, 5, 1, 1, 24, 1, 5, 1, 1, 1, 2, 1, 2, 1, 650, 32, 16, 16, 10, 22, 35, 1,
            19, 1, 4, 4, 5, 1, 135, 4, 157, 2, 31, 3, 6, 2, 6, 2, 6, 2, 3, 3, 7, 1, 7, 13, 2, 2, 12, 1, 26, 1, 19, 1,
            2, 1, 15, 2, 14, 34, 123, 5, 3, 4, 45, 3, 88, 1, 13, 3, 1, 47, 45, 131, 29, 3, 49, 16, 27, 4, 36, 9, 30, 5,
            38, 10, 30, 1, 37, 4, 14, 42, 158, 2, 10, 6, 36, 4, 36, 4, 40, 8, 52, 11, 12, 1, 15, 1, 7, 1, 2, 1, 11, 1,
            15, 1, 7, 1, 2, 3, 52, 12, 311, 9, 22, 10, 8, 24, 6, 1, 42, 1, 9, 69, 6, 2, 1, 1, 44, 1, 2, 3, 1, 2, 23, 1,
            72, 8, 9, 48, 19, 1, 2, 5, 33, 3, 27, 5, 27, 38, 56, 4, 20, 2, 47, 15, 4, 1, 3, 1, 29, 10, 9, 7, 9, 7, 64,
            32, 37, 6, 12, 9, 54, 3, 29, 2, 27, 5, 26, 7, 4, 12, 7, 80, 73, 55, 51, 13, 51, 7, 42, 12, 10, 6, 38, 8,
            24, 8, 2, 208, 31, 1, 42, 3, 1, 2, 2, 16, 6, 8, 9, 39, 40, 8, 22, 11, 9, 22, 18, 4, 4, 38, 28, 20, 23, 9,
            1, 1, 54, 15, 7, 4, 30, 1, 2, 2, 1, 12, 49, 4, 2, 2, 2, 1, 4, 14, 25, 7, 10, 9, 36, 5, 1, 9, 18, 8, 35, 1,
            3, 11, 52, 9, 1, 1, 8, 4, 2, 1, 16, 1, 20, 11, 18, 1, 28, 3, 2, 4, 6, 1, 2, 63, 7, 1, 1, 1, 4, 1, 15, 1,
            11, 6, 47, 1, 3, 13, 10, 8, 2, 1, 8, 2, 2, 2, 22, 1, 7, 1, 2, 1, 5, 3, 1, 1, 1, 1, 4, 2, 2, 2, 2, 3, 1, 12,
            7, 28, 10, 1, 1, 2, 1, 1, 38, 1, 1, 1, 2, 15, 1, 1, 2, 3, 1, 1, 3, 1, 2, 39, 56, 8, 2, 3, 1, 1, 21, 1, 1,
            1, 3, 30, 48, 1, 2, 6, 1, 1, 2, 1, 1, 2, 1, 2, 4, 8, 10, 166, 47, 1, 2, 6, 4, 2, 1, 2, 27, 36, 51, 8, 2, 1,
            1, 2, 4, 11, 10, 6, 13, 19, 43, 1, 1, 1, 2, 8, 2, 6, 10, 6, 20, 28, 27, 3, 1, 1, 2, 4, 1, 9, 23, 185, 47,
            9, 1, 2, 1, 100, 83, 12, 8, 2, 1, 2, 8, 1, 2, 1, 24, 1, 5, 1, 2, 6, 4, 1, 3, 9, 10, 70, 8, 2, 42, 8, 4, 1,
            4, 27, 1, 10, 40, 6, 2, 4, 8, 9, 1, 6, 2, 3, 46, 13, 1, 2, 9, 13, 73, 7, 10, 87, 1, 3, 1, 1, 1, 88, 34, 14,
            10, 6, 9, 1, 38, 14, 1, 1, 6, 10, 29, 3, 32, 25, 1, 7, 1, 2, 1, 75, 7, 1, 2, 1, 38, 21, 1, 9, 10, 6, 6, 1,
            2, 1, 37, 4, 2, 1, 1, 1, 1, 7, 10, 6, 44, 4, 10, 246, 19, 2, 4, 9, 15, 1, 36, 8, 2, 3, 23, 86, 1, 15, 50,
            13, 923, 102, 111, 1, 5, 11, 196, 2636, 99, 13, 1072, 17, 6, 25, 3995, 5, 583, 6841, 30, 12, 3, 3, 10,
            1734, 569, 7, 31, 1, 10, 4, 81, 1, 10, 6, 30, 7, 1, 10, 48, 7, 15, 10, 10, 1, 7, 1, 21, 5, 19, 432, 58,
            198, 91, 5, 25, 2, 25, 44, 75, 5, 56, 11, 13, 64, 4, 14, 5, 9, 7382, 41, 32, 97, 115, 8701, 4, 1, 7, 1, 2,
            1, 291, 15, 1, 29, 3, 2, 1, 14, 4, 8, 396, 2308, 107, 5, 13, 3, 9, 7, 10, 2, 1, 2, 1, 3936, 253, 3, 436, 6,
            23, 15, 17, 95, 116, 60, 246, 10, 39, 2, 60, 5, 3, 22, 2, 7, 30, 4, 61, 21, 66, 3, 1, 122, 20, 12, 20, 12,
            87, 9, 25, 135, 85, 1, 71, 1, 2, 2, 1, 2, 2, 2, 4, 1, 12, 1, 1, 1, 7, 1, 65, 1, 4, 2, 8, 1, 7, 1, 28, 1, 4,
            1, 5, 1, 1, 3, 7, 1, 340, 2, 292, 2, 562, 55, 4, 50, 8, 1, 14, 1, 7, 1140, 31, 6, 6, 261, 62, 146, 45, 10,
            7, 2, 10, 4, 2, 320, 30, 18, 44, 4, 10, 5, 1, 464, 28, 4, 10, 214, 30, 2, 11, 4, 1, 192, 31, 1, 3, 1, 2, 1,
            7, 2, 5, 9, 2, 224, 7, 1, 4, 1, 2, 1, 15, 1, 197, 2, 9, 48, 68, 7, 1, 4, 10, 4, 2, 785, 68, 76, 61, 194, 4,
            1, 27, 1, 2, 1, 1, 2, 1, 1, 10, 1, 4, 1, 1, 1, 1, 6, 1, 4, 1, 1, 1, 1, 1, 1, 3, 1, 2, 1, 1, 2, 1, 1, 1, 1,
            1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 4, 1, 7, 1, 4, 1, 4, 1, 1, 1, 10, 1, 17, 5, 3, 1, 5, 1, 17, 52, 2, 270, 44,
            4, 100, 12, 15, 2, 15, 1, 15, 1, 37, 10, 174, 56, 29, 13, 44, 4, 9, 7, 2, 14, 6, 154, 985, 3, 17, 3, 13, 3,
            218, 6, 12, 4, 1, 15, 12, 4, 56, 8, 10, 6, 40, 8, 30, 2, 12, 4, 2, 14, 9, 39, 344, 8, 14, 2, 13, 3, 11, 3,
            57, 1, 1, 4, 16, 2, 12, 4, 10, 7, 147, 1, 103, 1029, 42720, 32, 4382, 2, 5774, 2, 7473, 15, 622, 2466, 542,
            1506, 4939, 5, 8490, 904070,
        ],
        alphabetic: [
            65, 26, 6, 26, 47, 1, 10, 1, 4, 1, 5, 23, 1, 31, 1, 458, 4, 12, 14, 5, 7, 1, 1, 1, 86, 1, 29, 18, 1, 2, 2,
            4, 1, 1, 6, 1, 1, 3, 1, 1, 1, 20, 1, 83, 1, 139, 8, 166, 1, 38, 2, 1, 6, 41, 39, 14, 1, 1, 1, 2, 1, 2, 1,
            1, 8, 27, 4, 4, 29, 11, 5, 56, 1, 7, 14, 102, 1, 8, 4, 8, 4, 3, 10, 3, 2, 1, 16, 48, 13, 101, 24, 33, 9, 2,
            4, 1, 5, 24, 2, 19, 19, 25, 7, 11, 5, 24, 1, 7, 7, 1, 8, 42, 10, 12, 3, 7, 6, 76, 1, 16, 1, 3, 4, 15, 13,
            19, 1, 8, 2, 2, 2, 22, 1, 7, 1, 1, 3, 4, 3, 8, 2, 2, 2, 2, 1, 1, 8, 1, 4, 2, 1, 5, 12, 2, 10, 1, 4, 3, 1,
            6, 4, 2, 2, 22, 1, 7, 1, 2, 1, 2, 1, 2, 4, 5, 4, 2, 2, 2, 4, 1, 7, 4, 1, 1, 17, 6, 11, 3, 1, 9, 1, 3, 1,
            22, 1, 7, 1, 2, 1, 5, 3, 9, 1, 3, 1, 2, 3, 1, 15, 4, 21, 4, 4, 3, 1, 8, 2, 2, 2, 22, 1, 7, 1, 2, 1, 5, 3,
            8, 2, 2, 2, 2, 9, 2, 4, 2, 1, 5, 13, 1, 16, 2, 1, 6, 3, 3, 1, 4, 3, 2, 1, 1, 1, 2, 3, 2, 3, 3, 3, 12, 4, 5,
            3, 3, 1, 3, 3, 1, 6, 1, 40, 13, 1, 3, 1, 23, 1, 16, 3, 8, 1, 3, 1, 3, 8, 2, 1, 3, 1, 2, 2, 4, 28, 4, 1, 8,
            1, 3, 1, 23, 1, 10, 1, 5, 3, 8, 1, 3, 1, 3, 8, 2, 5, 3, 1, 4, 13, 3, 12, 13, 1, 3, 1, 41, 2, 8, 1, 3, 1, 3,
            1, 1, 5, 4, 7, 5, 22, 6, 1, 3, 1, 18, 3, 24, 1, 9, 1, 1, 2, 7, 8, 6, 1, 1, 1, 8, 18, 2, 13, 58, 5, 7, 6, 1,
            51, 2, 1, 1, 1, 5, 1, 24, 1, 1, 1, 19, 1, 3, 2, 5, 1, 1, 6, 1, 14, 4, 32, 1, 63, 8, 1, 36, 4, 19, 4, 16, 1,
            36, 67, 55, 1, 1, 2, 5, 16, 64, 10, 4, 2, 38, 1, 1, 5, 1, 2, 43, 1, 333, 1, 4, 2, 7, 1, 1, 1, 4, 2, 41, 1,
            4, 2, 33, 1, 4, 2, 7, 1, 1, 1, 4, 2, 15, 1, 57, 1, 4, 2, 67, 37, 16, 16, 86, 2, 6, 3, 620, 2, 17, 1, 26, 5,
            75, 3, 11, 7, 20, 11, 21, 12, 20, 12, 13, 1, 3, 1, 2, 12, 52, 2, 19, 14, 1, 4, 1, 67, 89, 7, 43, 5, 70, 10,
            31, 1, 12, 4, 9, 23, 30, 2, 5, 11, 44, 4, 26, 54, 28, 4, 63, 2, 20, 50, 1, 23, 2, 11, 3, 49, 52, 1, 15, 1,
            8, 51, 42, 2, 4, 10, 44, 1, 11, 14, 55, 22, 3, 10, 36, 2, 11, 5, 43, 2, 3, 41, 4, 1, 6, 1, 2, 3, 1, 5, 192,
            19, 34, 11, 278, 2, 6, 2, 38, 2, 6, 2, 8, 1, 1, 1, 1, 1, 1, 1, 31, 2, 53, 1, 7, 1, 1, 3, 3, 1, 7, 3, 4, 2,
            6, 4, 13, 5, 3, 1, 7, 116, 1, 13, 1, 16, 13, 101, 1, 4, 1, 2, 10, 1, 1, 3, 5, 6, 1, 1, 1, 1, 1, 1, 4, 1,
            11, 2, 4, 5, 5, 4, 1, 17, 41, 813, 52, 1814, 229, 6, 4, 3, 2, 12, 38, 1, 1, 5, 1, 2, 56, 7, 1, 16, 23, 9,
            7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 32, 47, 1, 469, 3, 25, 9, 7, 5, 2, 5, 4, 86, 6, 3, 1, 90,
            1, 4, 5, 43, 1, 94, 17, 32, 48, 16, 512, 6592, 64, 22157, 67, 46, 2, 269, 3, 16, 10, 2, 20, 47, 5, 8, 3,
            113, 39, 9, 2, 103, 2, 82, 20, 21, 1, 33, 24, 52, 12, 68, 1, 1, 44, 6, 3, 1, 1, 3, 10, 33, 5, 35, 13, 29,
            3, 51, 1, 12, 15, 1, 16, 16, 10, 5, 1, 55, 9, 14, 18, 23, 3, 69, 1, 1, 1, 1, 24, 3, 2, 16, 2, 4, 11, 6, 2,
            6, 2, 6, 9, 7, 1, 7, 1, 43, 1, 14, 6, 123, 21, 11172, 12, 23, 4, 49, 8452, 366, 2, 106, 38, 7, 12, 5, 5,
            12, 1, 13, 1, 5, 1, 1, 1, 2, 1, 2, 1, 108, 33, 363, 18, 64, 2, 54, 40, 12, 116, 5, 1, 135, 36, 26, 6, 26,
            11, 89, 3, 6, 2, 6, 2, 6, 2, 3, 35, 12, 1, 26, 1, 19, 1, 2, 1, 15, 2, 14, 34, 123, 69, 53, 267, 29, 3, 49,
            47, 32, 13, 30, 5, 43, 5, 30, 2, 36, 4, 8, 1, 5, 42, 158, 18, 36, 4, 36, 4, 40, 8, 52, 12, 11, 1, 15, 1, 7,
            1, 2, 1, 11, 1, 15, 1, 7, 1, 2, 3, 52, 12, 311, 9, 22, 10, 8, 24, 6, 1, 42, 1, 9, 69, 6, 2, 1, 1, 44, 1, 2,
            3, 1, 2, 23, 10, 23, 9, 31, 65, 19, 1, 2, 10, 22, 10, 26, 6, 26, 38, 56, 6, 2, 64, 4, 1, 2, 5, 8, 1, 3, 1,
            29, 42, 29, 3, 29, 35, 8, 1, 28, 27, 54, 10, 22, 10, 19, 13, 18, 110, 73, 55, 51, 13, 51, 13, 40, 34, 28,
            3, 1, 5, 23, 250, 42, 1, 2, 3, 2, 16, 6, 50, 3, 3, 29, 10, 1, 8, 22, 42, 18, 46, 21, 27, 23, 9, 70, 43, 5,
            10, 57, 9, 1, 13, 25, 23, 51, 17, 4, 8, 35, 3, 1, 9, 64, 1, 4, 9, 2, 10, 1, 1, 1, 35, 18, 1, 34, 2, 1, 6,
            4, 62, 7, 1, 1, 1, 4, 1, 15, 1, 10, 7, 57, 23, 4, 1, 8, 2, 2, 2, 22, 1, 7, 1, 2, 1, 5, 3, 8, 2, 2, 2, 2, 3,
            1, 6, 1, 5, 7, 28, 10, 1, 1, 2, 1, 1, 38, 1, 10, 1, 1, 2, 1, 1, 4, 1, 2, 3, 1, 1, 1, 44, 66, 1, 3, 1, 4,
            20, 3, 30, 66, 2, 2, 1, 1, 184, 54, 2, 7, 25, 6, 34, 63, 1, 1, 3, 1, 59, 54, 2, 1, 71, 27, 2, 14, 21, 7,
            185, 57, 103, 64, 31, 8, 2, 1, 2, 8, 1, 2, 1, 30, 1, 2, 2, 2, 2, 4, 93, 8, 2, 46, 2, 6, 1, 1, 1, 2, 27, 51,
            2, 10, 17, 72, 5, 1, 18, 73, 103, 8, 88, 33, 31, 9, 1, 45, 1, 7, 1, 1, 49, 30, 2, 22, 1, 14, 73, 7, 1, 2,
            1, 44, 3, 1, 1, 2, 1, 3, 1, 1, 2, 2, 24, 6, 1, 2, 1, 37, 1, 2, 1, 4, 1, 1, 23, 44, 260, 23, 9, 17, 1, 41,
            3, 3, 111, 1, 79, 922, 102, 111, 17, 196, 2636, 97, 15, 1072, 17, 6, 25, 3995, 5, 583, 6841, 47, 1745, 569,
            7, 31, 17, 79, 17, 30, 18, 48, 16, 4, 31, 21, 5, 19, 432, 45, 211, 64, 32, 25, 2, 25, 44, 75, 4, 57, 7, 17,
            64, 2, 1, 1, 12, 7, 9, 7382, 41, 32, 97, 115, 8701, 4, 1, 7, 1, 2, 1, 291, 15, 1, 29, 3, 2, 1, 14, 4, 8,
            396, 2308, 107, 5, 13, 3, 9, 7, 10, 4, 1, 5985, 85, 1, 71, 1, 2, 2, 1, 2, 2, 2, 4, 1, 12, 1, 1, 1, 7, 1,
            65, 1, 4, 2, 8, 1, 7, 1, 28, 1, 4, 1, 5, 1, 1, 3, 7, 1, 340, 2, 25, 1, 25, 1, 31, 1, 25, 1, 31, 1, 25, 1,
            31, 1, 25, 1, 31, 1, 25, 1, 8, 1844, 31, 6, 6, 213, 7, 1, 17, 2, 7, 1, 2, 1, 5, 5, 62, 33, 1, 112, 45, 10,
            7, 16, 1, 321, 30, 18, 44, 484, 28, 228, 30, 2, 1, 207, 31, 1, 22, 8, 2, 224, 7, 1, 4, 1, 2, 1, 15, 1, 197,
            59, 68, 3, 1, 3, 1, 1204, 4, 1, 27, 1, 2, 1, 1, 2, 1, 1, 10, 1, 4, 1, 1, 1, 1, 6, 1, 4, 1, 1, 1, 1, 1, 1,
            3, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 4, 1, 7, 1, 4, 1, 4, 1, 1, 1, 10, 1, 17, 5, 3,
            1, 5, 1, 17, 628, 26, 6, 26, 6, 26, 3702, 42720, 32, 4382, 2, 5774, 2, 7473, 15, 622, 2466, 542, 1506,
            4939, 5, 8490,
        ],
        alphanumeric: [
            48, 10, 7, 26, 6, 26, 47, 1, 7, 2, 1, 1, 3, 2, 1, 3, 1, 23, 1, 31, 1, 458, 4, 12, 14, 5, 7, 1, 1, 1, 86, 1,
            29, 18, 1, 2, 2, 4, 1, 1, 6, 1, 1, 3, 1, 1, 1, 20, 1, 83, 1, 139, 8, 166, 1, 38, 2, 1, 6, 41, 39, 14, 1, 1,
            1, 2, 1, 2, 1, 1, 8, 27, 4, 4, 29, 11, 5, 56, 1, 17, 4, 102, 1, 8, 4, 8, 4, 16, 2, 1, 16, 48, 13, 101, 14,
            43, 9, 2, 4, 1, 5, 24, 2, 19, 19, 25, 7, 11, 5, 24, 1, 7, 7, 1, 8, 42, 10, 12, 3, 7, 6, 76, 1, 16, 1, 3, 4,
            15, 2, 10, 1, 19, 1, 8, 2, 2, 2, 22, 1, 7, 1, 1, 3, 4, 3, 8, 2, 2, 2, 2, 1, 1, 8, 1, 4, 2, 1, 5, 2, 12, 2,
            6, 2, 1, 4, 3, 1, 6, 4, 2, 2, 22, 1, 7, 1, 2, 1, 2, 1, 2, 4, 5, 4, 2, 2, 2, 4, 1, 7, 4, 1, 1, 7, 16, 11, 3,
            1, 9, 1, 3, 1, 22, 1, 7, 1, 2, 1, 5, 3, 9, 1, 3, 1, 2, 3, 1, 15, 4, 2, 10, 9, 4, 4, 3, 1, 8, 2, 2, 2, 22,
            1, 7, 1, 2, 1, 5, 3, 8, 2, 2, 2, 2, 9, 2, 4, 2, 1, 5, 2, 10, 1, 7, 10, 2, 1, 6, 3, 3, 1, 4, 3, 2, 1, 1, 1,
            2, 3, 2, 3, 3, 3, 12, 4, 5, 3, 3, 1, 3, 3, 1, 6, 1, 14, 13, 13, 13, 1, 3, 1, 23, 1, 16, 3, 8, 1, 3, 1, 3,
            8, 2, 1, 3, 1, 2, 2, 4, 2, 10, 8, 7, 1, 4, 1, 8, 1, 3, 1, 23, 1, 10, 1, 5, 3, 8, 1, 3, 1, 3, 8, 2, 5, 3, 1,
            4, 2, 10, 1, 3, 12, 13, 1, 3, 1, 41, 2, 8, 1, 3, 1, 3, 1, 1, 5, 16, 2, 19, 1, 6, 1, 3, 1, 18, 3, 24, 1, 9,
            1, 1, 2, 7, 8, 6, 1, 1, 1, 8, 6, 10, 2, 2, 13, 58, 5, 7, 6, 1, 2, 10, 39, 2, 1, 1, 1, 5, 1, 24, 1, 1, 1,
            19, 1, 3, 2, 5, 1, 1, 6, 1, 2, 10, 2, 4, 32, 1, 31, 20, 12, 8, 1, 36, 4, 19, 4, 16, 1, 36, 67, 55, 1, 1, 2,
            15, 6, 78, 2, 38, 1, 1, 5, 1, 2, 43, 1, 333, 1, 4, 2, 7, 1, 1, 1, 4, 2, 41, 1, 4, 2, 33, 1, 4, 2, 7, 1, 1,
            1, 4, 2, 15, 1, 57, 1, 4, 2, 67, 14, 20, 3, 16, 16, 86, 2, 6, 3, 620, 2, 17, 1, 26, 5, 75, 3, 11, 7, 20,
            11, 21, 12, 20, 12, 13, 1, 3, 1, 2, 12, 52, 2, 19, 14, 1, 4, 1, 3, 10, 6, 10, 22, 10, 6, 89, 7, 43, 5, 70,
            10, 31, 1, 12, 4, 9, 13, 40, 2, 5, 11, 44, 4, 26, 6, 11, 37, 28, 4, 63, 2, 20, 11, 10, 6, 10, 13, 1, 23, 2,
            11, 3, 49, 52, 1, 15, 1, 8, 3, 10, 38, 42, 2, 58, 1, 11, 14, 55, 9, 10, 3, 49, 2, 11, 5, 43, 2, 3, 41, 4,
            1, 6, 1, 2, 3, 1, 5, 192, 19, 34, 11, 278, 2, 6, 2, 38, 2, 6, 2, 8, 1, 1, 1, 1, 1, 1, 1, 31, 2, 53, 1, 7,
            1, 1, 3, 3, 1, 7, 3, 4, 2, 6, 4, 13, 5, 3, 1, 7, 115, 2, 2, 6, 5, 11, 6, 13, 101, 1, 4, 1, 2, 10, 1, 1, 3,
            5, 6, 1, 1, 1, 1, 1, 1, 4, 1, 11, 2, 4, 5, 5, 4, 1, 1, 58, 726, 60, 26, 74, 630, 30, 1132, 229, 6, 4, 3, 2,
            9, 1, 2, 38, 1, 1, 5, 1, 2, 56, 7, 1, 16, 23, 9, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 32, 47, 1,
            469, 3, 25, 9, 7, 5, 2, 5, 4, 86, 6, 3, 1, 90, 1, 4, 5, 43, 1, 94, 3, 4, 10, 32, 48, 16, 32, 10, 30, 8, 1,
            15, 32, 10, 39, 15, 320, 6592, 64, 22157, 67, 46, 2, 269, 3, 28, 20, 47, 5, 8, 3, 113, 39, 9, 2, 103, 2,
            82, 20, 21, 1, 33, 8, 6, 10, 52, 12, 68, 1, 1, 10, 10, 24, 6, 3, 1, 1, 46, 5, 35, 13, 29, 3, 51, 1, 12, 15,
            11, 6, 31, 1, 55, 9, 14, 2, 10, 6, 23, 3, 69, 1, 1, 1, 1, 24, 3, 2, 16, 2, 4, 11, 6, 2, 6, 2, 6, 9, 7, 1,
            7, 1, 43, 1, 14, 6, 123, 5, 10, 6, 11172, 12, 23, 4, 49, 8452, 366, 2, 106, 38, 7, 12, 5, 5, 12, 1, 13, 1,
            5, 1, 1, 1, 2, 1, 2, 1, 108, 33, 363, 18, 64, 2, 54, 40, 12, 116, 5, 1, 135, 19, 10, 7, 26, 6, 26, 11, 89,
            3, 6, 2, 6, 2, 6, 2, 3, 35, 12, 1, 26, 1, 19, 1, 2, 1, 15, 2, 14, 34, 123, 12, 45, 12, 57, 17, 2, 244, 29,
            3, 49, 16, 27, 4, 36, 9, 30, 5, 43, 5, 30, 2, 36, 4, 8, 1, 5, 42, 158, 2, 10, 6, 36, 4, 36, 4, 40, 8, 52,
            12, 11, 1, 15, 1, 7, 1, 2, 1, 11, 1, 15, 1, 7, 1, 2, 3, 52, 12, 311, 9, 22, 10, 8, 24, 6, 1, 42, 1, 9, 69,
            6, 2, 1, 1, 44, 1, 2, 3, 1, 2, 23, 2, 31, 2, 38, 8, 9, 48, 19, 1, 2, 5, 33, 4, 26, 6, 26, 38, 56, 4, 20, 2,
            50, 1, 2, 5, 8, 1, 3, 1, 29, 10, 9, 23, 31, 1, 32, 32, 8, 1, 28, 6, 5, 16, 54, 10, 22, 2, 27, 5, 26, 23, 7,
            80, 73, 55, 51, 13, 51, 7, 46, 8, 10, 6, 38, 3, 1, 5, 23, 218, 31, 1, 42, 1, 2, 3, 2, 16, 6, 50, 3, 3, 40,
            8, 22, 11, 4, 27, 18, 46, 28, 20, 23, 9, 70, 12, 30, 1, 5, 10, 57, 9, 1, 13, 25, 7, 10, 6, 51, 3, 10, 4, 4,
            8, 35, 3, 1, 9, 64, 1, 4, 9, 13, 1, 1, 4, 20, 11, 18, 1, 34, 2, 1, 6, 4, 62, 7, 1, 1, 1, 4, 1, 15, 1, 10,
            7, 57, 7, 10, 6, 4, 1, 8, 2, 2, 2, 22, 1, 7, 1, 2, 1, 5, 3, 8, 2, 2, 2, 2, 3, 1, 6, 1, 5, 7, 28, 10, 1, 1,
            2, 1, 1, 38, 1, 10, 1, 1, 2, 1, 1, 4, 1, 2, 3, 1, 1, 1, 44, 66, 1, 3, 1, 4, 5, 10, 5, 3, 30, 66, 2, 2, 1,
            1, 8, 10, 166, 54, 2, 7, 25, 6, 34, 63, 1, 1, 3, 1, 11, 10, 38, 54, 2, 1, 7, 10, 6, 20, 28, 27, 2, 14, 5,
            12, 4, 7, 185, 57, 103, 83, 12, 8, 2, 1, 2, 8, 1, 2, 1, 30, 1, 2, 2, 2, 2, 4, 13, 10, 70, 8, 2, 46, 2, 6,
            1, 1, 1, 2, 27, 51, 2, 10, 17, 72, 5, 1, 18, 73, 103, 8, 88, 33, 15, 10, 6, 9, 1, 45, 1, 7, 1, 1, 15, 29,
            5, 30, 2, 22, 1, 14, 73, 7, 1, 2, 1, 44, 3, 1, 1, 2, 1, 3, 1, 1, 2, 2, 8, 10, 6, 6, 1, 2, 1, 37, 1, 2, 1,
            4, 1, 1, 7, 10, 6, 44, 4, 10, 246, 23, 9, 17, 1, 41, 3, 3, 15, 10, 86, 1, 15, 21, 43, 922, 102, 111, 17,
            196, 2636, 97, 15, 1072, 17, 6, 25, 3995, 5, 583, 6841, 47, 1, 10, 1734, 569, 7, 31, 1, 10, 6, 79, 1, 10,
            6, 30, 18, 48, 16, 4, 12, 10, 1, 7, 1, 21, 5, 19, 432, 45, 3, 10, 198, 87, 9, 25, 2, 25, 44, 75, 4, 57, 7,
            17, 64, 2, 1, 1, 12, 7, 9, 7382, 41, 32, 97, 115, 8701, 4, 1, 7, 1, 2, 1, 291, 15, 1, 29, 3, 2, 1, 14, 4,
            8, 396, 2308, 107, 5, 13, 3, 9, 7, 10, 4, 1, 4177, 10, 1478, 20, 12, 20, 108, 25, 135, 85, 1, 71, 1, 2, 2,
            1, 2, 2, 2, 4, 1, 12, 1, 1, 1, 7, 1, 65, 1, 4, 2, 8, 1, 7, 1, 28, 1, 4, 1, 5, 1, 1, 3, 7, 1, 340, 2, 25, 1,
            25, 1, 31, 1, 25, 1, 31, 1, 25, 1, 31, 1, 25, 1, 31, 1, 25, 1, 8, 2, 50, 1792, 31, 6, 6, 213, 7, 1, 17, 2,
            7, 1, 2, 1, 5, 5, 62, 33, 1, 112, 45, 10, 7, 2, 10, 4, 1, 321, 30, 18, 44, 4, 10, 470, 28, 4, 10, 214, 30,
            2, 11, 197, 31, 1, 22, 8, 2, 224, 7, 1, 4, 1, 2, 1, 15, 1, 197, 2, 9, 48, 68, 3, 1, 3, 1, 4, 10, 791, 59,
            1, 3, 1, 4, 76, 45, 1, 15, 194, 4, 1, 27, 1, 2, 1, 1, 2, 1, 1, 10, 1, 4, 1, 1, 1, 1, 6, 1, 4, 1, 1, 1, 1,
            1, 1, 3, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 4, 1, 7, 1, 4, 1, 4, 1, 1, 1, 10, 1, 17,
            5, 3, 1, 5, 1, 17, 580, 13, 35, 26, 6, 26, 6, 26, 2662, 10, 1030, 42720, 32, 4382, 2, 5774, 2, 7473, 15,
            622, 2466, 542, 1506, 4939, 5, 8490,
        ],
    },
};

// ---- debugger/src/numbers.js

// Numbers: 64 bits as a pair of 32, and integers of any width as decimal digits.

/** An unsigned number of 64 bits; all arithmetic wraps. */
class U64 {
    constructor(high, low) {
        this.high = high >>> 0;
        this.low = low >>> 0;
    }

    /** A number below 2^53 as one of 64 bits. */
    static of(number) {
        return new U64(Math.floor(number / 0x100000000), number % 0x100000000);
    }

    /** What the host calls an address: a number, a host.Int64, or a pointer object. */
    static ofHost(value) {
        if (typeof value === "number") {
            // An address in the upper half may come as a negative number.
            return value < 0 ? new U64(0, 0).sub(U64.of(-value)) : U64.of(value);
        }
        const number = value.address === undefined ? value : value.address;
        return new U64(number.getHighPart(), number.getLowPart());
    }

    add(other) {
        const low = this.low + other.low;
        return new U64(this.high + other.high + (low > 0xffffffff ? 1 : 0), low);
    }

    sub(other) {
        return new U64(this.high - other.high - (this.low < other.low ? 1 : 0), this.low - other.low);
    }

    plus(number) {
        return this.add(U64.of(number));
    }

    /** Negative, zero or positive, as this number is below, equal to or above the other. */
    compare(other) {
        return this.high - other.high || this.low - other.low;
    }

    equals(other) {
        return this.compare(other) === 0;
    }

    get isZero() {
        return this.high === 0 && this.low === 0;
    }

    /** Whether it is negative when it is read as a signed number. */
    get isNegative() {
        return this.high >= 0x80000000;
    }

    /** The number, rounded once if it is beyond 2^53. */
    toNumber() {
        return this.high * 0x100000000 + this.low;
    }

    /** The same for a signed number. */
    toSigned() {
        return this.isNegative ? -new U64(0, 0).sub(this).toNumber() : this.toNumber();
    }

    /** The number modulo a power of two of at most 2^53. */
    modulo(power) {
        const FOUR_GI = 0x100000000;
        return power <= FOUR_GI ? this.low % power : this.high % (power / FOUR_GI) * FOUR_GI + this.low;
    }

    /** Eight times the number, or the largest there is. */
    timesEight() {
        return this.high >= 0x20000000 ? U64_MAX : new U64(this.high << 3 | this.low >>> 29, this.low << 3);
    }

    get isPowerOfTwo() {
        const isPower = word => word !== 0 && (word & word - 1) === 0;
        return this.high === 0 ? isPower(this.low) : this.low === 0 && isPower(this.high);
    }

    toHost() {
        return new host.Int64(this.low, this.high);
    }

    toBytes() {
        const bytes = [];
        for (const word of [this.low, this.high]) {
            bytes.push(word & 0xff, word >>> 8 & 0xff, word >>> 16 & 0xff, word >>> 24);
        }
        return bytes;
    }

    /** Decimal digits. */
    toString() {
        return decimal(this.toBytes());
    }
}

const U64_ZERO = new U64(0, 0);
const U64_MAX = new U64(0xffffffff, 0xffffffff);

/** Limb of a large number: seven decimal digits, so that a limb times 2^24 stays exact. */
const LIMB = 10000000;

/** A large number, multiplied and increased: limbs, the lowest first. */
function multiply(limbs, factor, carry) {
    for (let at = 0; at < limbs.length; at++) {
        const value = limbs[at] * factor + carry;
        limbs[at] = value % LIMB;
        carry = Math.floor(value / LIMB);
    }
    while (carry !== 0) {
        limbs.push(carry % LIMB);
        carry = Math.floor(carry / LIMB);
    }
}

/** The decimal digits of a large number; "0" for zero. */
function digitsOf(limbs) {
    let digits = "";
    for (const limb of limbs) {
        digits = String(limb).padStart(7, "0") + digits;
    }
    digits = digits.replace(/^0+/, "");
    return digits === "" ? "0" : digits;
}

/** The decimal digits of an unsigned number, given as bytes, the lowest first. */
function decimal(bytes) {
    const limbs = [];
    for (let at = bytes.length - 1; at >= 0; at--) {
        multiply(limbs, 256, bytes[at]);
    }
    return digitsOf(limbs);
}

/** The digits of an unsigned number in a base of 2, 8 or 16; "0" for zero. */
function digitsInBase(bytes, bitsOfDigit) {
    let digits = "";
    const bits = bytes.length * 8;
    for (let at = 0; at < bits; at += bitsOfDigit) {
        let digit = 0;
        for (let bit = 0; bit < bitsOfDigit && at + bit < bits; bit++) {
            digit |= (bytes[at + bit >> 3] >> (at + bit & 7) & 1) << bit;
        }
        digits = digit.toString(16) + digits;
    }
    digits = digits.replace(/^0+/, "");
    return digits === "" ? "0" : digits;
}

/** The two's complement of a number that is given as bytes. */
function negated(bytes) {
    let carry = 1;
    return bytes.map(byte => {
        const value = (byte ^ 0xff) + carry;
        carry = value >> 8;
        return value & 0xff;
    });
}

/** Rounds a row of decimal digits to the first `count` of them, half to even. Answers the digits; one more if they carry. */
function roundDigits(digits, count) {
    const kept = digits.slice(0, count);
    const next = digits.charCodeAt(count) - 48;
    const isExact = /^0*$/.test(digits.slice(count + 1));
    const isOdd = count > 0 && (kept.charCodeAt(count - 1) & 1) === 1;
    if (next < 5 || next === 5 && isExact && !isOdd) {
        return kept;
    }
    let at = count - 1;
    while (at >= 0 && kept[at] === "9") {
        at--;
    }
    const zeros = "0".repeat(count - 1 - at);
    return at < 0 ? "1" + zeros : kept.slice(0, at) + String(Number(kept[at]) + 1) + zeros;
}

// ---- debugger/src/characters.js

// Text: UTF-8 and UTF-16 as Rust decodes them, and what is escaped where a person reads it.

const REPLACEMENT = "\ufffd";

/** Whether a code point is in a table of ranges: distances from bound to bound, the first bound begins a range. */
class CodePointSet {
    constructor(distances) {
        this.bounds = [];
        let bound = 0;
        for (const distance of distances) {
            bound += distance;
            this.bounds.push(bound);
        }
    }

    has(codePoint) {
        let [low, high] = [0, this.bounds.length];
        while (low < high) {
            const middle = low + high >> 1;
            if (this.bounds[middle] <= codePoint) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low % 2 === 1;
    }
}

const ESCAPED = new CodePointSet(WIRE.unicode.escaped);
const ALPHABETIC = new CodePointSet(WIRE.unicode.alphabetic);
const ALPHANUMERIC = new CodePointSet(WIRE.unicode.alphanumeric);

/** Characters that Rust's `trim` takes from the ends: White_Space of Unicode. */
const BLANKS = /^[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const BLANKS_AT_END = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

/** Text out of code points. */
class TextBuilder {
    constructor() {
        this.text = "";
    }

    push(codePoint) {
        this.text += String.fromCodePoint(codePoint);
    }
}

/**
 * The length of the sequence that a lead byte begins, and the bounds of the byte behind it (Unicode, table 3-7); null for
 * a byte that begins none.
 */
function leadOf(byte) {
    if (byte >= 0xc2 && byte <= 0xdf) return [1, 0x80, 0xbf];
    if (byte === 0xe0) return [2, 0xa0, 0xbf];
    if (byte === 0xed) return [2, 0x80, 0x9f];
    if (byte >= 0xe1 && byte <= 0xef) return [2, 0x80, 0xbf];
    if (byte === 0xf0) return [3, 0x90, 0xbf];
    if (byte >= 0xf1 && byte <= 0xf3) return [3, 0x80, 0xbf];
    if (byte === 0xf4) return [3, 0x80, 0x8f];
    return null;
}

/** Bytes as characters of the same numbers. */
function latin1(bytes) {
    // As many arguments as every engine takes.
    const MOST = 4096;
    let text = "";
    for (let at = 0; at < bytes.length; at += MOST) {
        text += String.fromCharCode.apply(null, bytes.subarray(at, at + MOST));
    }
    return text;
}

/** UTF-8 as text; each longest beginning of a sequence that does not end is one replacement character. */
function decodeUtf8(bytes) {
    if (bytes.every(byte => byte < 0x80)) return latin1(bytes);
    const out = new TextBuilder();
    let at = 0;
    while (at < bytes.length) {
        const byte = bytes[at++];
        if (byte < 0x80) {
            out.push(byte);
            continue;
        }
        const lead = leadOf(byte);
        if (lead === null) {
            out.text += REPLACEMENT;
            continue;
        }
        let [more, low, high] = lead;
        let codePoint = byte & 0x3f >> more;
        while (more > 0 && at < bytes.length && bytes[at] >= low && bytes[at] <= high) {
            codePoint = codePoint << 6 | bytes[at++] & 0x3f;
            [more, low, high] = [more - 1, 0x80, 0xbf];
        }
        if (more === 0) {
            out.push(codePoint);
        } else {
            out.text += REPLACEMENT;
        }
    }
    return out.text;
}

/** Whether bytes are UTF-8. */
function isUtf8(bytes) {
    let at = 0;
    while (at < bytes.length) {
        const byte = bytes[at++];
        if (byte < 0x80) continue;
        const lead = leadOf(byte);
        if (lead === null) return false;
        let [more, low, high] = lead;
        while (more > 0) {
            if (at >= bytes.length || bytes[at] < low || bytes[at] > high) return false;
            [at, more, low, high] = [at + 1, more - 1, 0x80, 0xbf];
        }
    }
    return true;
}

/** Little-endian UTF-16 as text; a lone half of a pair is a replacement character, an odd byte at the end is none. */
function decodeUtf16(bytes) {
    const out = new TextBuilder();
    for (let at = 0; at + 1 < bytes.length; at += 2) {
        const unit = bytes[at] | bytes[at + 1] << 8;
        const next = at + 3 < bytes.length ? bytes[at + 2] | bytes[at + 3] << 8 : 0;
        if (unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
            out.push(0x10000 + (unit - 0xd800 << 10 | next - 0xdc00));
            at += 2;
        } else if (unit >= 0xd800 && unit < 0xe000) {
            out.text += REPLACEMENT;
        } else {
            out.push(unit);
        }
    }
    return out.text;
}

/** Bytes that a code point takes in UTF-8. */
function utf8Size(codePoint) {
    return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** Bytes that a text takes in UTF-8. */
function utf8Length(text) {
    let length = 0;
    for (const character of text) {
        length += utf8Size(character.codePointAt(0));
    }
    return length;
}

/** The number of characters of a text. */
function characterCount(text) {
    let count = 0;
    for (const _ of text) {
        count++;
    }
    return count;
}

/** A character as `{:?}` of Rust shows it in a text: escaped if it would not show as itself. `quote` is escaped too. */
function escapeDebug(character, quote) {
    const codePoint = character.codePointAt(0);
    switch (character) {
        case "\0": return "\\0";
        case "\t": return "\\t";
        case "\r": return "\\r";
        case "\n": return "\\n";
        case "\\": return "\\\\";
        case quote: return "\\" + quote;
        default: return ESCAPED.has(codePoint) ? escapeUnicode(codePoint) : character;
    }
}

function escapeUnicode(codePoint) {
    return "\\u{" + codePoint.toString(16) + "}";
}

/** A text as `{:?}` of Rust shows it. */
function debugText(text) {
    let shown = "\"";
    for (const character of text) {
        shown += escapeDebug(character, "\"");
    }
    return shown + "\"";
}

/** Whether a character has to be escaped where a person reads it. */
function isDeceptive(codePoint) {
    if (codePoint >= 0x20 && codePoint <= 0x7e) return false;
    return codePoint < 0x20 || ESCAPED.has(codePoint) || WIRE.unicode.blank.indexOf(codePoint) !== -1;
}

/** A character of a text of others, in one line of what a person reads. */
function shownCharacter(character) {
    const codePoint = character.codePointAt(0);
    if (!isDeceptive(codePoint)) return character;
    const escaped = escapeDebug(character, "");
    return escaped === character ? escapeUnicode(codePoint) : escaped;
}

/** A text of others, with everything escaped that does not show as itself in one line. */
function shown(text) {
    if (/^[ -~]*$/.test(text)) return text;
    let out = "";
    for (const character of text) {
        out += shownCharacter(character);
    }
    return out;
}

/** The same in quotes, with quotes and backslashes escaped. */
function shownInQuotes(text) {
    let out = "\"";
    for (const character of text) {
        out += character === "\"" || character === "\\" ? "\\" + character : shownCharacter(character);
    }
    return out + "\"";
}

/** A text that takes at most `most` bytes where it is shown, and whether it was longer. */
function shorten(text, most) {
    let [takes, kept, at] = [0, 0, 0];
    for (const character of text) {
        const codePoint = character.codePointAt(0);
        if (character === "\"" || character === "\\") {
            takes += 2;
        } else if (!isDeceptive(codePoint)) {
            takes += utf8Size(codePoint);
        } else {
            takes += codePoint <= 0xffff ? 8 : 12;
        }
        if (takes > most) {
            return { text: text.slice(0, kept) + "...", isShortened: true };
        }
        at += character.length;
        if (takes <= most - 3) {
            kept = at;
        }
    }
    return { text, isShortened: false };
}

// ---- debugger/src/bytes.js

// Bytes: structures out of them, by the tables of the format, and the places that they come from.

/** Part of an array of bytes, as far as it is there. */
function slice(bytes, start, size) {
    return bytes.subarray(Math.min(start, bytes.length), Math.min(start + size, bytes.length));
}

function u16At(bytes, at) {
    return bytes[at] | bytes[at + 1] << 8;
}

function u32At(bytes, at) {
    return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
}

function u64At(bytes, at) {
    return new U64(u32At(bytes, at + 4), u32At(bytes, at));
}

const READERS = { u8: (bytes, at) => bytes[at], u16: u16At, u32: u32At, u64: u64At };
const WIDTHS = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** A structure of the tables at an offset: an object with its fields. The bytes must be there. */
function structure(layout, bytes, start) {
    const value = {};
    for (const [name, offset, type, count] of layout.fields) {
        const read = index => READERS[type](bytes, start + offset + index * WIDTHS[type]);
        value[name] = count === undefined ? read(0) : Array.from({ length: count }, (_, index) => read(index));
    }
    return value;
}

/** Whether bytes begin with those of a mark. */
function startsWith(bytes, mark) {
    return bytes.length >= mark.length && mark.every((byte, at) => bytes[at] === byte);
}

/** Joins arrays of bytes. */
function concatenate(parts) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

/** An array of bytes as a source: `read` gives the bytes from an offset on, as far as they are there. */
class Buffered {
    constructor(bytes) {
        this.bytes = bytes;
        this.length = bytes.length;
        /** Bytes that were asked for and are not there; they are zero. */
        this.missing = 0;
    }

    read(offset, size) {
        return slice(this.bytes, offset, size);
    }
}

const PAGE = 4096;

/** Memory of the target by virtual address. Pages that cannot be read are zero, and are counted. */
class TargetMemory {
    /** Bytes at an address, and the number of them that the target does not have. */
    read(address, size) {
        const whole = this.tryRead(address, size);
        if (whole !== null) return { bytes: whole, missing: 0 };
        const bytes = new Uint8Array(size);
        let [at, missing] = [0, 0];
        while (at < size) {
            const here = Math.min(PAGE - address.plus(at).modulo(PAGE), size - at);
            const part = this.tryRead(address.plus(at), here);
            if (part === null) {
                missing += here;
            } else {
                bytes.set(part, at);
            }
            at += here;
        }
        return { bytes, missing };
    }

    /** The same if all of them can be read; else null. */
    tryRead(address, size) {
        // A debugger over a network reads in packets anyway, and a request of many megabytes cannot be interrupted.
        const MOST = 1 << 20;
        const bytes = new Uint8Array(size);
        for (let at = 0; at < size; at += MOST) {
            const here = Math.min(MOST, size - at);
            try {
                bytes.set(host.memory.readMemoryValues(address.plus(at).toHost(), here, 1), at);
            } catch (error) {
                return null;
            }
        }
        return bytes;
    }

    u64(address) {
        const bytes = this.tryRead(address, 8);
        return bytes === null ? null : u64At(bytes, 0);
    }
}

/** A row of places in memory, one behind the other, as a source. */
class MemorySource {
    constructor(memory, places) {
        this.memory = memory;
        /** Each: address, or null for bytes that are zero; size; whether the bytes are missing. */
        this.places = places;
        this.length = places.reduce((sum, place) => sum + place.size, 0);
        this.missing = places.reduce((sum, place) => sum + (place.isMissing ? place.size : 0), 0);
    }

    read(offset, size) {
        const parts = [];
        let start = 0;
        for (const place of this.places) {
            const from = Math.max(offset, start);
            const to = Math.min(offset + size, start + place.size);
            if (from < to) {
                parts.push(this.readPlace(place, from - start, to - from));
            }
            start += place.size;
        }
        return parts.length === 1 ? parts[0] : concatenate(parts);
    }

    readPlace(place, offset, size) {
        if (place.address === null) return new Uint8Array(size);
        const { bytes, missing } = this.memory.read(place.address.plus(offset), size);
        this.missing += missing;
        return bytes;
    }

    /** All bytes at once, so that what is missing is counted once. */
    buffered() {
        const all = new Buffered(this.read(0, this.length));
        all.missing = this.missing;
        return all;
    }
}

/** A file of the debugger's machine as a source. */
class HostFile {
    constructor(path) {
        this.file = host.namespace.Debugger.Utility.FileSystem.OpenFile(path);
        const size = this.file.Size;
        this.length = typeof size === "number" ? size : U64.ofHost(size).toNumber();
    }

    close() {
        this.file.Close();
    }

    read(offset, size) {
        const there = Math.max(0, Math.min(size, this.length - offset));
        const bytes = new Uint8Array(there);
        const MOST = 1 << 16;
        for (let at = 0; at < there; at += MOST) {
            this.file.Position = U64.of(offset + at).toHost();
            let index = at;
            // Something that can be iterated and indexed, and is no array.
            for (const byte of this.file.ReadBytes(Math.min(MOST, there - at))) {
                bytes[index++] = byte;
            }
        }
        return bytes;
    }

    u32(offset) {
        const bytes = this.read(offset, 4);
        return bytes.length < 4 ? null : u32At(bytes, 0);
    }

    u64(offset) {
        const bytes = this.read(offset, 8);
        return bytes.length < 8 ? null : u64At(bytes, 0);
    }
}

// ---- debugger/src/format.js

// Formats of events: the grammar of core::fmt ("Syntax", doc.rust-lang.org/std/fmt), as crates/wire/src/format.rs has it.

const ALIGNS = new Map(WIRE.format.aligns);
const STYLES = new Map(WIRE.format.styles);

/** What a hole says about an argument, a width or a precision: the next one, one by number, or one by name. */
const NEXT = { kind: "next" };

/** A format as a row of pieces: texts and holes. Behind an error nothing comes: the last piece is null then. */
function* pieces(format) {
    let rest = format;
    while (rest !== "") {
        const taken = takePiece(rest);
        if (taken === null) {
            yield null;
            return;
        }
        yield taken.piece;
        rest = rest.slice(taken.used);
    }
}

function takePiece(rest) {
    const literal = rest.search(/[{}]/);
    if (literal !== 0) {
        const end = literal === -1 ? rest.length : literal;
        return { piece: rest.slice(0, end), used: end };
    }
    if (rest.startsWith("{{") || rest.startsWith("}}")) return { piece: rest[0], used: 2 };
    if (rest[0] === "}") return null;
    const inside = rest.slice(1);
    const end = closing(inside);
    const hole = end === -1 ? null : parseHole(inside.slice(0, end));
    return hole === null ? null : { piece: hole, used: end + 2 };
}

/** Offset of the `}` that ends a hole. A `}` may also be the fill: `{:}<5}`. */
function closing(inside) {
    const first = inside.indexOf("}");
    const behind = inside.slice(first + 1);
    const isFill = first !== -1 && inside.slice(0, first).endsWith(":") && ALIGNS.has(behind[0]);
    return isFill ? inside.indexOf("}", first + 1) : first;
}

/** A hole, or null if it is none. */
function parseHole(inside) {
    const colon = inside.indexOf(":");
    const name = colon === -1 ? inside : inside.slice(0, colon);
    const argument = parseWhich(name.replace(BLANKS, "").replace(BLANKS_AT_END, ""));
    if (argument === null) return null;
    const hole = {
        argument, fill: " ", align: null, plus: false, alternate: false, zero: false, width: null, precision: null, style: "",
    };
    let rest = colon === -1 ? "" : inside.slice(colon + 1).replace(BLANKS_AT_END, "");
    rest = parseFillAndAlign(rest, hole);
    hole.plus = rest[0] === "+";
    rest = rest.replace(/^[+-]/, "");
    hole.alternate = rest[0] === "#";
    rest = rest.replace(/^#/, "");
    // `0$` is a width that argument 0 gives.
    hole.zero = /^0(?!\$)/.test(rest);
    rest = hole.zero ? rest.slice(1) : rest;
    [hole.width, rest] = parseCount(rest);
    if (rest[0] === ".") {
        [hole.precision, rest] = rest[1] === "*" ? [NEXT, rest.slice(2)] : parseCount(rest.slice(1));
        if (hole.precision === null) return null;
    }
    if (!STYLES.has(rest)) return null;
    hole.style = STYLES.get(rest);
    return hole;
}

function parseFillAndAlign(spec, hole) {
    const [first, second] = spec === "" ? [] : Array.from(spec.slice(0, 4));
    if (ALIGNS.has(second)) {
        [hole.fill, hole.align] = [first, ALIGNS.get(second)];
        return spec.slice(first.length + 1);
    }
    if (ALIGNS.has(first)) {
        hole.align = ALIGNS.get(first);
        return spec.slice(1);
    }
    return spec;
}

const isWordCharacter = character => character === "_" || ALPHANUMERIC.has(character.codePointAt(0));

/** A number, or an argument and `$`, at the start of a text; and what is behind it. */
function parseCount(rest) {
    let word = "";
    for (const character of rest) {
        if (!isWordCharacter(character)) break;
        word += character;
    }
    if (rest[word.length] === "$") {
        const argument = parseWhich(word);
        if (argument !== null && argument !== NEXT) return [argument, rest.slice(word.length + 1)];
    }
    const digits = /^[0-9]*/.exec(rest)[0];
    const number = parseNumber(digits);
    return number === null ? [null, rest] : [{ kind: "number", number }, rest.slice(digits.length)];
}

/** The argument that a text names, or null if it names none. */
function parseWhich(text) {
    if (text === "") return NEXT;
    if (/^[0-9]/.test(text)) {
        const index = parseNumber(text);
        return index === null ? null : { kind: "index", index };
    }
    const [first, ...others] = Array.from(text);
    const isName = (first === "_" || ALPHABETIC.has(first.codePointAt(0))) && others.every(isWordCharacter);
    return isName ? { kind: "name", name: text } : null;
}

/** A number of decimal digits that 64 bits hold, rounded where it is beyond 2^53; or null. */
function parseNumber(digits) {
    if (!/^[0-9]+$/.test(digits)) return null;
    const significant = digits.replace(/^0+/, "");
    const most = U64_MAX.toString();
    const isTooLarge = significant.length > most.length || significant.length === most.length && significant > most;
    return isTooLarge ? null : Number(digits);
}

// ---- debugger/src/render.js

// Values as core::fmt renders them: crates/reader/src/render.rs does it with `format!` itself.

/** The widest that a field gets. */
const WIDEST = WIRE.limits.widest;

const PLAIN_SPEC = {
    fill: " ", align: null, plus: false, alternate: false, zero: false, width: null, precision: null, style: "Display",
};

/** A specification with some of its parts changed. */
function changed(spec, changes) {
    return Object.assign({}, spec, changes);
}

/** Fills a value up to the width of a specification. */
function pad(value, spec, side) {
    const missing = Math.max(0, (spec.width === null ? 0 : spec.width) - characterCount(value));
    const align = spec.align === null ? side : spec.align;
    const before = align === "Left" ? 0 : align === "Center" ? Math.floor(missing / 2) : missing;
    return spec.fill.repeat(before) + value + spec.fill.repeat(missing - before);
}

/** Sign, prefix and digits of a number, with zeros between them up to the width if the specification wants them. */
function padNumber(sign, prefix, digits, spec) {
    const width = spec.zero && spec.width !== null ? spec.width : 0;
    const zeros = "0".repeat(Math.max(0, width - sign.length - prefix.length - digits.length));
    return pad(sign + prefix + zeros + digits, spec, "Right");
}

const BASES = {
    LowerHex: { bits: 4, prefix: "0x" }, DebugLowerHex: { bits: 4, prefix: "0x" },
    UpperHex: { bits: 4, prefix: "0x", isUpper: true }, DebugUpperHex: { bits: 4, prefix: "0x", isUpper: true },
    Octal: { bits: 3, prefix: "0o" }, Binary: { bits: 1, prefix: "0b" },
};

const isExponential = style => style === "LowerExp" || style === "UpperExp";
const isDebug = style => style === "Debug" || style === "DebugLowerHex" || style === "DebugUpperHex";

/** An integer: its bytes, the lowest first. Digits in a base other than ten are those of its two's complement. */
function renderInteger(bytes, isSigned, spec) {
    const base = BASES[spec.style];
    if (base !== undefined) {
        const digits = digitsInBase(bytes, base.bits);
        const prefix = spec.alternate ? base.prefix : "";
        return padNumber(spec.plus ? "+" : "", prefix, base.isUpper ? digits.toUpperCase() : digits, spec);
    }
    const isNegative = isSigned && bytes[bytes.length - 1] >= 0x80;
    const digits = decimal(isNegative ? negated(bytes) : bytes);
    const sign = isNegative ? "-" : spec.plus ? "+" : "";
    return padNumber(sign, "", isExponential(spec.style) ? integerExponent(digits, spec) : digits, spec);
}

function integerExponent(digits, spec) {
    let exponent = digits.length - 1;
    let coefficient;
    if (spec.precision === null) {
        coefficient = digits.replace(/0+$/, "");
        coefficient = coefficient === "" ? "0" : coefficient;
    } else if (spec.precision >= exponent) {
        coefficient = digits + "0".repeat(spec.precision - exponent);
    } else {
        coefficient = roundDigits(digits, spec.precision + 1);
        if (coefficient.length > spec.precision + 1) {
            coefficient = coefficient.slice(0, -1);
            exponent++;
        }
    }
    return scientific(coefficient, exponent, spec);
}

/** `1.234e5`, out of the digits and the exponent. */
function scientific(digits, exponent, spec) {
    const fraction = digits.length > 1 ? "." + digits.slice(1) : "";
    return digits[0] + fraction + (spec.style === "UpperExp" ? "E" : "e") + exponent;
}

/** An f64, or an f32 if `isSingle`. */
function renderFloat(number, isSingle, spec) {
    if (Number.isNaN(number)) return padNumber("", "", "NaN", spec);
    const isNegative = number < 0 || Object.is(number, -0);
    const sign = isNegative ? "-" : spec.plus ? "+" : "";
    const magnitude = Math.abs(number);
    if (magnitude === Infinity) return padNumber(sign, "", "inf", spec);
    return padNumber(sign, "", floatDigits(magnitude, isSingle, spec), spec);
}

function floatDigits(magnitude, isSingle, spec) {
    // `{:?}` without a precision is exponential where a number without a sign of its size would be long.
    const isLong = magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16);
    // An f32 is compared with bounds of its own type.
    const isLongSingle = magnitude !== 0 && (magnitude < Math.fround(1e-4) || magnitude >= Math.fround(1e16));
    const isDebugExponential = isDebug(spec.style) && spec.precision === null && (isSingle ? isLongSingle : isLong);
    if (isExponential(spec.style) || isDebugExponential) {
        const { digits, exponent } = spec.precision === null
            ? shortest(magnitude, isSingle)
            : exactExponential(magnitude, spec.precision);
        return scientific(digits, exponent, spec);
    }
    if (spec.precision !== null) return exactFixed(magnitude, spec.precision);
    const { digits, exponent } = shortest(magnitude, isSingle);
    const point = exponent + 1;
    const whole = point <= 0 ? "0" : digits.slice(0, point).padEnd(point, "0");
    const fraction = point <= 0 ? "0".repeat(-point) + digits : digits.slice(point);
    const isZero = magnitude === 0;
    if (isZero || fraction === "") return whole + (isDebug(spec.style) ? ".0" : "");
    return whole + "." + fraction;
}

/** The fewest digits that read back as a number, and the exponent of the first. */
function shortest(magnitude, isSingle) {
    if (magnitude === 0) return { digits: "0", exponent: 0 };
    return splitExponential(isSingle ? shortestSingle(magnitude) : shortestDouble(magnitude));
}

function splitExponential(text) {
    const [coefficient, exponent] = text.split("e");
    const digits = coefficient.replace(".", "").replace(/0+$/, "");
    return { digits: digits === "" ? "0" : digits, exponent: Number(exponent) };
}

/** Of two that are equally near, JavaScript takes the even one here, and Rust the larger one. */
function shortestDouble(magnitude) {
    const even = magnitude.toExponential();
    const larger = magnitude.toExponential(splitExponential(even).digits.length - 1);
    return Number(larger) === magnitude ? larger : even;
}

/** The same for an f32, which JavaScript does not know: one digit more, until the number comes back. */
function shortestSingle(magnitude) {
    for (let fraction = 0; fraction < 9; fraction++) {
        const nearest = magnitude.toExponential(fraction);
        const { digits, exponent } = splitExponential(nearest);
        const neighbour = step => `${Number(digits.padEnd(fraction + 1, "0")) + step}e${exponent - fraction}`;
        // At a power of two the numbers below are closer, so that a decimal above may read back though the nearest does not.
        const found = [nearest, neighbour(1), neighbour(-1)].find(text => Math.fround(Number(text)) === magnitude);
        if (found !== undefined) return Number(found).toExponential(fraction);
    }
    return magnitude.toExponential(9);
}

/** A finite number as an integer of decimal digits, and the number of them behind the point. */
function exactDecimal(magnitude) {
    const words = new Uint32Array(new Float64Array([magnitude]).buffer);
    const biased = words[1] >>> 20;
    const high = (words[1] & 0xfffff) + (biased === 0 ? 0 : 0x100000);
    let exponent = Math.max(biased, 1) - 1075;
    const limbs = [];
    // 2^32 in two steps, since a limb times 2^32 would not be exact.
    multiply(limbs, 1, high);
    multiply(limbs, 0x10000, 0);
    multiply(limbs, 0x10000, words[0]);
    const fraction = Math.max(0, -exponent);
    const factor = exponent > 0 ? 2 : 5;
    for (let left = Math.abs(exponent); left > 0; left -= 8) {
        multiply(limbs, Math.pow(factor, Math.min(left, 8)), 0);
    }
    return { digits: digitsOf(limbs), fraction };
}

/** A number with as many digits behind the point. */
function exactFixed(magnitude, precision) {
    // JavaScript rounds a half up, and Rust to even. A number that is half between two has few binary digits.
    const mayBeHalf = precision > 100 || Number.isInteger(magnitude * Math.pow(2, precision + 1));
    if (!mayBeHalf && magnitude < 1e21) return magnitude.toFixed(precision);
    let { digits, fraction } = exactDecimal(magnitude);
    digits = digits.padStart(fraction + 1, "0");
    if (fraction > precision) {
        digits = roundDigits(digits, digits.length - (fraction - precision));
    } else {
        digits += "0".repeat(precision - fraction);
    }
    digits = digits.padStart(precision + 1, "0");
    return precision === 0 ? digits : digits.slice(0, -precision) + "." + digits.slice(-precision);
}

/** A number's first digits, one and `precision` more, and the exponent of the first. */
function exactExponential(magnitude, precision) {
    if (magnitude === 0) return { digits: "0".repeat(precision + 1), exponent: 0 };
    const { digits, fraction } = exactDecimal(magnitude);
    let exponent = digits.length - 1 - fraction;
    if (digits.length <= precision + 1) return { digits: digits.padEnd(precision + 1, "0"), exponent };
    let rounded = roundDigits(digits, precision + 1);
    if (rounded.length > precision + 1) {
        rounded = rounded.slice(0, -1);
        exponent++;
    }
    return { digits: rounded, exponent };
}

/** An address: hexadecimal with `0x`; in the alternate form with all of its digits. */
function renderPointer(address, spec) {
    const ALL_DIGITS = 2 + 16;
    return renderInteger(address.toBytes(), false, changed(spec, {
        alternate: true,
        zero: spec.zero || spec.alternate,
        width: spec.alternate && spec.width === null ? ALL_DIGITS : spec.width,
        precision: null,
        style: "LowerHex",
    }));
}

/** The hash of an address: `#` and all of its digits, so that nobody takes it for an address. */
function renderHash(hash, spec) {
    return pad("#" + digitsInBase(hash.toBytes(), 4).padStart(16, "0"), spec, "Right");
}

/** A text: the precision is the largest number of characters. */
function renderText(value, spec) {
    const kept = spec.precision === null ? value : Array.from(value).slice(0, spec.precision).join("");
    return pad(kept, spec, "Left");
}

/** Bytes as `{:?}` shows a slice, each byte by the same flags. `room` is what the text of the event may still take. */
function renderBytes(bytes, spec, room) {
    const isHex = spec.style === "DebugLowerHex" || spec.style === "DebugUpperHex";
    const element = changed(spec, { style: isHex ? spec.style : "Debug" });
    const [before, behind] = spec.alternate ? ["\n    ", ","] : ["", ""];
    let [out, size] = ["[", 1];
    for (let index = 0; index < bytes.length; index++) {
        if (size > room) return out;
        const one = (index !== 0 && !spec.alternate ? ", " : "") + before
            + renderInteger([bytes[index]], false, element) + behind;
        out += one;
        size += utf8Length(one);
    }
    return out + (spec.alternate && bytes.length !== 0 ? "\n" : "") + "]";
}

const hex = (bytes, digits) => Array.from(bytes, byte => byte.toString(16).padStart(digits, "0"));

/** A GUID in the registry's form, without braces. */
function renderGuid(bytes) {
    const digits = hex(bytes, 2);
    const backwards = (from, to) => digits.slice(from, to).reverse().join("");
    const parts = [backwards(0, 4), backwards(4, 6), backwards(6, 8)];
    return parts.concat(digits.slice(8, 10).join(""), digits.slice(10).join("")).join("-");
}

// ---- debugger/src/event.js

// An event: its arguments, and its text by the format of its site.

/** The most bytes that the text of an event has where it is shown. */
const MAX_TEXT = WIRE.limits.maxText;
/** The most pieces of a format that are looked at. */
const MAX_PIECES = WIRE.limits.maxPieces;

const KIND = WIRE.enums.ArgumentKind.values;

/** Width in bytes, and whether it is signed, of each kind that is an integer. */
const INTEGERS = {};
for (const name of ["U8", "U16", "U32", "U64", "U128", "I8", "I16", "I32", "I64", "I128"]) {
    INTEGERS[KIND[name]] = { bytes: Number(name.slice(1)) / 8, isSigned: name[0] === "I" };
}
INTEGERS[KIND.Usize] = { bytes: 8, isSigned: false };
INTEGERS[KIND.Isize] = { bytes: 8, isSigned: true };

const STRINGS = [KIND.Str, KIND.Bytes, KIND.Utf16];
const TWO_WORDS = [KIND.U128, KIND.I128, KIND.Guid];

/**
 * The arguments of an event's payload, as far as they are there: kind, value, bytes that were cut from a string, and
 * whether the value is the hash of an address. Null is never hashed.
 */
function parseArguments(payload, areHashed) {
    const count = payload.length === 0 ? 0 : payload[0] & ~WIRE.limits.needsDriver;
    let at = Math.ceil((1 + count) / 8) * 8;
    const args = [];
    // A head that is cut off has no kinds.
    if (1 + count > payload.length) return args;
    for (const kind of payload.subarray(1, 1 + Math.min(count, WIRE.limits.maxArguments))) {
        const taken = takeArgument(kind, slice(payload, at, payload.length));
        if (taken === null) break;
        taken.argument.isHashed = areHashed && kind === KIND.Pointer && !taken.argument.value.isZero;
        args.push(taken.argument);
        at += taken.used;
    }
    return args;
}

function takeArgument(kind, bytes) {
    if (bytes.length < 8) return null;
    if (STRINGS.indexOf(kind) !== -1) {
        const [kept, had] = [u32At(bytes, 0), u32At(bytes, 4)];
        const used = 8 + Math.ceil(kept / 8) * 8;
        if (used > bytes.length) return null;
        const string = slice(bytes, 8, kept);
        const value = kind === KIND.Bytes ? string : kind === KIND.Utf16 ? decodeUtf16(string) : decodeUtf8(string);
        return { argument: { kind, value, cut: Math.max(0, had - kept) }, used };
    }
    const used = TWO_WORDS.indexOf(kind) !== -1 ? 16 : 8;
    if (used > bytes.length) return null;
    return { argument: { kind, value: valueOf(kind, slice(bytes, 0, used)), cut: 0 }, used };
}

function valueOf(kind, bytes) {
    const integer = INTEGERS[kind];
    if (integer !== undefined) return Array.from(slice(bytes, 0, integer.bytes));
    switch (kind) {
        case KIND.Bool: return !u64At(bytes, 0).isZero;
        case KIND.Char: return characterOf(u32At(bytes, 0));
        case KIND.F32: return floatOf(bytes, true);
        case KIND.F64: return floatOf(bytes, false);
        case KIND.Status: return u32At(bytes, 0);
        case KIND.Guid: return bytes;
        default: return u64At(bytes, 0);
    }
}

function characterOf(codePoint) {
    const isScalar = codePoint < 0xd800 || codePoint >= 0xe000 && codePoint <= 0x10ffff;
    return isScalar ? String.fromCodePoint(codePoint) : REPLACEMENT;
}

function floatOf(bytes, isSingle) {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, u32At(bytes, 0), true);
    view.setUint32(4, u32At(bytes, 4), true);
    return isSingle ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

const statusName = status => WIRE.statuses[status];

const statusDigits = status => "0x" + status.toString(16).padStart(8, "0");

/** An argument as a specification says, or, where they do not fit each other, as it shows best. */
function renderArgument(argument, spec, room) {
    const { kind, value } = argument;
    const integer = INTEGERS[kind];
    if (integer !== undefined) return renderInteger(value, integer.isSigned, spec);
    switch (kind) {
        case KIND.Bool: return renderText(value ? "true" : "false", spec);
        case KIND.Char: return isDebug(spec.style) ? "'" + escapeDebug(value, "'") + "'" : renderText(value, spec);
        case KIND.F32: return renderFloat(value, true, spec);
        case KIND.F64: return renderFloat(value, false, spec);
        case KIND.Pointer: return argument.isHashed ? renderHash(value, spec) : renderPointer(value, spec);
        case KIND.Status: return renderStatus(value, spec);
        case KIND.Guid: return renderText(renderGuid(value), spec);
        case KIND.Str:
        case KIND.Utf16: return isDebug(spec.style) ? debugText(value) : renderText(value, spec);
        case KIND.Bytes: return renderBytes(value, spec, room);
        default: return renderInteger(value.toBytes(), false, changed(spec, { alternate: true, style: "LowerHex" }));
    }
}

function renderStatus(status, spec) {
    const NUMBERS = ["LowerHex", "UpperHex", "Octal", "Binary"];
    if (NUMBERS.indexOf(spec.style) !== -1) return renderInteger(new U64(0, status).toBytes().slice(0, 4), false, spec);
    const name = statusName(status);
    return renderText(name === undefined ? statusDigits(status) : name, spec);
}

/** The arguments that a format is given. */
class Given {
    constructor(names, args) {
        this.names = names;
        this.args = args;
        /** The one that the next hole takes that says nothing. */
        this.next = 0;
        /** Those that a hole has taken. */
        this.taken = args.map(() => false);
    }

    find(which) {
        const index = which === NEXT ? this.next++ : which.kind === "index" ? which.index : this.names.indexOf(which.name);
        if (index >= 0 && index < this.args.length) this.taken[index] = true;
        return this.args[index];
    }

    /** Those that no hole has taken, in brackets. */
    rest(room) {
        const rest = this.args.filter((_, index) => !this.taken[index]);
        const shown = rest.map((argument) => renderArgument(argument, PLAIN_SPEC, room));
        return rest.length === 0 ? "" : ` [+ ${shown.join(", ")}]`;
    }

    count(count) {
        if (count === null) return null;
        if (count.kind === "number") return Math.min(count.number, WIDEST);
        const argument = this.find(count);
        const integer = argument === undefined ? undefined : INTEGERS[argument.kind];
        if (integer === undefined || integer.isSigned) return null;
        const digits = decimal(argument.value);
        return digits.length > 4 ? WIDEST : Math.min(Number(digits), WIDEST);
    }
}

/**
 * The text of an event by a format, and whether a part of it was left out. A hole without its argument is `{?}`; arguments
 * that no hole takes follow in brackets; a format that is wrong is shown as it is, with the arguments behind it.
 */
function eventText(format, names, args) {
    const given = new Given(names.split(",").slice(0, args.length), args);
    let [text, size, index] = ["", 0, 0];
    for (const piece of pieces(format)) {
        if (size > MAX_TEXT) break;
        if (index++ === MAX_PIECES) {
            return { text: shorten(text + "...", MAX_TEXT).text, isShortened: true };
        }
        if (piece === null) {
            return shorten(wrongFormat(format, args), MAX_TEXT);
        }
        const part = typeof piece === "string" ? piece : renderHole(piece, given, MAX_TEXT - size);
        text += part;
        size += utf8Length(part);
    }
    return shorten(text + given.rest(Math.max(MAX_TEXT - size, 0)), MAX_TEXT);
}

function renderHole(hole, given, room) {
    // `.*` takes its precision before the value.
    const precision = given.count(hole.precision);
    const width = given.count(hole.width);
    const argument = given.find(hole.argument);
    return argument === undefined ? "{?}" : renderArgument(argument, changed(hole, { width, precision }), room);
}

function wrongFormat(format, args) {
    // A little more than is shown, so that it counts as shortened.
    let [text, size] = ["", 0];
    for (const character of format) {
        size += utf8Size(character.codePointAt(0));
        if (size > MAX_TEXT + 4) break;
        text += character;
    }
    size = utf8Length(text);
    for (const argument of args) {
        const part = " " + renderArgument(argument, PLAIN_SPEC, MAX_TEXT - size - 1);
        text += part;
        size += utf8Length(part);
    }
    return text;
}

// ---- debugger/src/sites.js

// The site table: which provider a site id belongs to, and what its call says (crates/reader/src/sites.rs).

const LEVELS = WIRE.enums.Level.names;

function withoutZeros(bytes) {
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) {
        end--;
    }
    return slice(bytes, 0, end);
}

/** The site at the start of some bytes, or null. */
function parseSite(bytes) {
    const layout = WIRE.structures.SiteHeader;
    if (bytes.length < layout.size) return null;
    const header = structure(layout, bytes, 0);
    const isSane = header.magic === WIRE.limits.siteMagic && header.size % 8 === 0
        && header.size >= layout.size && header.size <= bytes.length
        && header.level in LEVELS && header.arguments <= WIRE.limits.maxArguments;
    if (!isSane) return null;
    const site = { line: header.line, role: header.role, level: header.level, size: header.size };
    let at = layout.size;
    for (const part of ["format", "names", "module", "file"]) {
        if (at + header[part] > header.size) return null;
        site[part] = withoutZeros(slice(bytes, at, header[part]));
        at += header[part];
    }
    return site;
}

/** The sites of a section, each with its offset; ends at what is none. */
function* sitesOf(section) {
    let at = 0;
    while (at < section.length) {
        if (at + 8 <= section.length && u64At(section, at).isZero) {
            at += 8;
            continue;
        }
        const site = parseSite(slice(section, at, section.length));
        if (site === null) return;
        yield { offset: at, site };
        at += site.size;
    }
}

/** The provider whose entry is at the start of some bytes, at an offset in its table; null if there is none. */
function parseProvider(bytes, entry) {
    const layout = WIRE.structures.ProviderHeader;
    if (bytes.length < layout.size) return null;
    const header = structure(layout, bytes, 0);
    const { size, sites_offset: first, sites_size: length, name_size: nameSize } = header;
    const isSane = header.magic === WIRE.limits.providerMagic && size >= layout.size && size % 8 === 0 && first % 8 === 0
        && first + length <= size && first >= layout.size && nameSize <= first - layout.size;
    // A longer name than is allowed would come back with each of its events.
    const shownSize = Math.min(nameSize, WIRE.limits.maxProviderName);
    if (!isSane || layout.size + shownSize > bytes.length) return null;
    return {
        size,
        name: decodeUtf8(slice(bytes, layout.size, shownSize)),
        firstSite: header.first_site.isZero ? U64.of((entry + first) / 8) : header.first_site,
        level: header.level.low & 0xff,
        sites: header.site_count,
        registered: header.registered,
        registrations: header.registrations,
        vanished: header.vanished,
        section: slice(bytes, first, length),
    };
}

/** A site table, understood as far as it can be. */
class SiteTable {
    constructor(bytes) {
        this.size = bytes.length;
        /** Bytes up to the end of the last whole entry. */
        this.known = 0;
        this.providers = [];
        /** Id of the first site that is equal, for each site that repeats one of its provider. */
        this.repeated = new Map();
        let at = 0;
        for (;;) {
            const provider = parseProvider(slice(bytes, at, bytes.length), at);
            if (provider === null) break;
            at += provider.size;
            this.known = at <= bytes.length ? at : this.known;
            // Without a name it is room that nobody has taken.
            if (provider.name !== "") this.providers.push(provider);
        }
        this.byId = this.providers.slice().sort((one, other) => one.firstSite.compare(other.firstSite));
        this.providers.forEach(provider => this.joinEqual(provider));
    }

    joinEqual(provider) {
        const firsts = new Map();
        for (const { offset, site } of sitesOf(provider.section)) {
            const id = this.idOf(provider, offset);
            const key = latin1(slice(provider.section, offset, site.size));
            if (firsts.has(key)) {
                this.repeated.set(id, firsts.get(key));
                provider.sites = Math.max(0, provider.sites - 1);
            } else {
                firsts.set(key, id);
            }
        }
    }

    idOf(provider, offset) {
        return provider.firstSite.plus(offset / 8).low;
    }

    /** The id of the first site of the same provider that is equal to the site of this id. */
    firstEqual(id) {
        return this.repeated.has(id) ? this.repeated.get(id) : id;
    }

    /** A site by its id, with its provider; or null. */
    find(id) {
        let found = null;
        for (const provider of this.byId) {
            if (provider.firstSite.compare(U64.of(id)) > 0) break;
            found = provider;
        }
        if (found === null) return null;
        const offset = U64.of(id).sub(found.firstSite).toNumber() * 8;
        const site = offset > found.section.length
            ? null
            : parseSite(slice(found.section, offset, found.section.length));
        return site === null ? null : { provider: found, site };
    }

    /** The sites of a provider, each with its id, and without those that repeat one. */
    sitesOf(provider) {
        const all = Array.from(sitesOf(provider.section));
        const withIds = all.map(({ offset, site }) => ({ id: this.idOf(provider, offset), site }));
        return withIds.filter(({ id }) => !this.repeated.has(id));
    }
}

// ---- debugger/src/image.js

// The tables of an image, and its records in order of time (crates/reader/src/image.rs, saved.rs, merge.rs).

/** What a log cannot be read for: the sentence is the user's. */
class LogError extends Error {}

function checkVersion(major, minor) {
    const { major: known, minor: newest } = WIRE.version;
    if (major > known || major === known && minor > newest) {
        throw new LogError(`the image has format ${major}.${minor} and this reader knows up to ${known}.${newest}: `
            + "upgrade irqlog.exe");
    }
    if (major < known) {
        throw new LogError(`the image has format ${major}.${minor} and this reader reads ${known}.x: `
            + "upgrade the driver that writes it");
    }
}

const NOT_AN_IMAGE = "this is no irqlog image: it does not start with its mark";

function cutOff(what, offset, size, length) {
    return new LogError(`the image is cut off or damaged: its ${what} at ${offset} need ${size} bytes of ${length}`);
}

/** Header and control tables of the image that a source holds. */
function readTables(source) {
    const layout = WIRE.structures.ImageHeader;
    const start = source.read(0, layout.size);
    if (!startsWith(start, WIRE.magic.image)) throw new LogError(NOT_AN_IMAGE);
    if (start.length < layout.size) throw cutOff("header", 0, layout.size, source.length);
    const header = structure(layout, start, 0);
    checkVersion(header.major, header.minor);
    const table = (what, type, offset, size, count) => {
        const whole = size * count;
        if (size < type.size || offset + whole > source.length) throw cutOff(what, offset, whole, source.length);
        const bytes = source.read(offset, whole);
        return Array.from({ length: count }, (_, index) => structure(type, bytes, index * size));
    };
    const { processors_offset, processor_size, processor_count, lanes_offset, lane_size, lane_count } = header;
    const { ProcessorControl, LaneControl, LaneControlBefore4 } = WIRE.structures;
    const processors = table("processors", ProcessorControl, processors_offset, processor_size, processor_count);
    // The size of an entry tells its layout.
    const ofLanes = lane_size < LaneControl.size ? LaneControlBefore4 : LaneControl;
    const lanes = table("lanes", ofLanes, lanes_offset, lane_size, lane_count);
    const hasSites = !header.sites_offset.isZero;
    const sites = hasSites
        ? source.read(header.sites_offset.toNumber(), header.sites_size.toNumber())
        : new Uint8Array(0);
    // One place for the nesting count, wherever the recorder counts.
    for (const lane of lanes) {
        const control = processors[lane.processor];
        const isOfProcessor = lane.kind === WIRE.enums.LaneKind.values.Processor && lane.nesting !== undefined;
        if (isOfProcessor && control !== undefined && !lane.nesting.isZero) control.nesting = lane.nesting;
    }
    return { header, processors, lanes, sites: new SiteTable(sites) };
}

/** The record at the start of some bytes: header, payload, size; null if there is none. */
function parseRecord(bytes) {
    const layout = WIRE.structures.RecordHeader;
    if (bytes.length < layout.size) return null;
    const header = structure(layout, bytes, 0);
    const isSane = header.size % 8 === 0 && header.size <= WIRE.limits.maxRecord && header.size <= bytes.length
        && layout.size + header.payload_size <= header.size;
    return isSane ? { header, payload: slice(bytes, layout.size, header.payload_size), size: header.size } : null;
}

/** What is wrong with a lane, in words. */
function damage(lane, offset, size) {
    return `byte ${offset} of lane ${lane}: no record (size ${size}); the rest of that lane cannot be read`;
}

/** The records of a ring, as they lie in an image. */
class RingRecords {
    constructor(source, lane, index) {
        this.source = source;
        this.index = index;
        this.words = lane.data_words.toNumber();
        this.used = lane.head.sub(lane.tail);
        this.dataOffset = lane.data_offset.toNumber();
        this.claims = lane.data_words.timesEight();
        this.isSane = lane.data_words.isPowerOfTwo && !this.claims.equals(U64_MAX)
            && this.used.compare(lane.data_words) <= 0;
        this.first = this.isSane ? lane.tail.modulo(this.words) : 0;
        /** Words that are in the window, or were. */
        this.fetched = 0;
        this.window = new Uint8Array(0);
        this.at = 0;
        /** The bytes end before the ring does. */
        this.isCut = false;
    }

    /** Sees to it that a whole record is in the window, if there is one more. */
    fill() {
        const MOST_WORDS = 8 * WIRE.limits.maxRecord;
        const most = this.used.toNumber();
        const parts = [slice(this.window, this.at, this.window.length)];
        let there = parts[0].length;
        if (there >= WIRE.limits.maxRecord) return;
        while (this.fetched < most && there < WIRE.limits.maxRecord && !this.isCut) {
            const index = (this.first + this.fetched) % this.words;
            const words = Math.min(most - this.fetched, this.words - index, MOST_WORDS);
            const bytes = this.source.read(this.dataOffset + index * 8, words * 8);
            const whole = Math.floor(bytes.length / 8);
            parts.push(slice(bytes, 0, whole * 8));
            there += whole * 8;
            this.fetched += whole;
            this.isCut = whole < words;
        }
        this.window = concatenate(parts);
        this.at = 0;
    }

    /** The next record; null at the end. Damage is thrown as a text. */
    next() {
        this.fill();
        const rest = slice(this.window, this.at, this.window.length);
        if (rest.length === 0 && !this.isCut) return null;
        const record = parseRecord(rest);
        if (record === null) {
            const offset = ((this.first + this.fetched) * 8 - rest.length) % (this.words * 8);
            throw damage(this.index, offset, rest.length < 8 ? 0 : u16At(rest, 0));
        }
        this.at += record.size;
        return record;
    }
}

/** Records that were taken out of where they lay. */
class ListedRecords {
    constructor(records) {
        this.records = records;
        this.at = 0;
        this.isCut = false;
    }

    next() {
        return this.at < this.records.length ? this.records[this.at++] : null;
    }
}

/** A lane, record after record, with what is missing between them. */
class LaneReader {
    constructor(records, lane, index) {
        this.records = records;
        this.index = index;
        this.firstSeq = lane.first_seq;
        /** Sequence numbers count from the first one on. */
        this.end = lane.next_seq.sub(this.firstSeq);
        const cleared = lane.floor.sub(this.firstSeq);
        // A floor below the first record is that of a lane that was never cleared.
        this.cleared = cleared.compare(this.end) > 0 ? U64_ZERO : cleared;
        this.expected = this.cleared;
        this.lastTick = null;
        /** Why the records behind the last one that is there are missing. */
        this.endedBy = "not-saved";
    }

    /** The next record that was not cleared, and the loss before it; null at the end. */
    next() {
        for (;;) {
            const record = this.records.next();
            if (record === null) return null;
            const seq = record.header.seq.sub(this.firstSeq);
            const ahead = seq.sub(this.expected);
            if (seq.compare(this.cleared) < 0) continue;
            // Before the oldest record a ring has overwritten them.
            const cause = this.lastTick === null ? "overwritten" : "not-saved";
            const loss = ahead.isZero || ahead.isNegative ? null : this.loss(ahead, record.header.tick, cause);
            if (!ahead.isNegative) {
                this.expected = seq.plus(1);
            }
            this.lastTick = record.header.tick;
            return { record, loss };
        }
    }

    /** What was written behind the last record that is there; null if nothing. */
    tail() {
        const count = this.end.sub(this.expected);
        return count.isZero || count.isNegative ? null : this.loss(count, null, this.endedBy);
    }

    loss(count, toTick, cause) {
        const firstSeq = this.firstSeq.add(this.expected);
        return { lane: this.index, firstSeq, count, fromTick: this.lastTick, toTick, cause };
    }
}

/** Compares the next records of two lanes: by tick, processor and lane. */
function compareHeads(one, other) {
    const [first, second] = [one.record.header, other.record.header];
    return first.tick.compare(second.tick) || first.processor - second.processor || one.lane - other.lane;
}

/**
 * A log: its tables, and its items in order of time. An item is a record (`record`, `lane`, `late`) or a loss (`loss`).
 * `faults` has what cannot be read, in words; it is complete behind the last item.
 */
class Log {
    constructor(tables, recordsOfLane, isCutOff, faults) {
        this.tables = tables;
        this.faults = faults;
        this.isCutOff = isCutOff;
        this.readers = tables.lanes.map((lane, index) => {
            const records = lane.data_words.isZero ? null : recordsOfLane(lane, index);
            return records === null ? null : new LaneReader(records, lane, index);
        });
        this.cached = null;
    }

    /** The log in the image that a source holds. */
    static open(source) {
        const tables = readTables(source);
        const { header, sites } = tables;
        const [total, length] = [header.total_size, source.length];
        const isCutOff = U64.of(length).compare(total) < 0;
        const size = header.sites_size;
        const hasAllSites = header.sites_offset.isZero || U64.of(sites.known).compare(size) >= 0;
        const faults = [];
        if (isCutOff) {
            faults.push(`the file is cut off: ${length} of ${total} bytes are there, and what lay behind them cannot be read`
                + (hasAllSites ? "" : ". Events whose sites lay there are shown as (unknown site), with their arguments"));
        } else if (!hasAllSites) {
            faults.push(sitesFault(sites.known, size));
        }
        const rings = tables.lanes.map((lane, index) => lane.data_words.isZero ? null : new RingRecords(source, lane, index));
        leaveOut(tables.lanes, rings, faults);
        return new Log(tables, (_, index) => rings[index], isCutOff, faults);
    }

    /** The log of records that were taken out of where they lay: a list for each lane. */
    static ofRecords(tables, lists) {
        tables.lanes.forEach((lane, index) => {
            const used = (lists[index] || []).reduce((sum, record) => sum + sizeOf(record), 0);
            const isPresent = !lane.data_words.isZero || used !== 0;
            // The room that irqlog.exe gives the lane in the image that it makes.
            lane.data_words = U64.of(isPresent ? powerAbove(Math.max(8, used)) / 8 : 0);
        });
        const { known, size } = tables.sites;
        const faults = known < size ? [sitesFault(known, size)] : [];
        return new Log(tables, (_, index) => new ListedRecords(lists[index] || []), false, faults);
    }

    /** All items, read once. */
    items() {
        if (this.cached === null) {
            this.cached = Array.from(this.read());
        }
        return this.cached;
    }

    *read() {
        const heads = [];
        for (const reader of this.readers) {
            this.offer(heads, reader);
        }
        let newest = null;
        while (heads.length > 0) {
            const { record, loss, lane } = heads.shift();
            const tick = record.header.tick;
            if (loss !== null) yield { loss };
            yield { record, lane, late: newest !== null && tick.compare(newest) < 0 };
            newest = newest === null || tick.compare(newest) > 0 ? tick : newest;
            this.offer(heads, this.readers[lane]);
        }
        for (const reader of this.readers) {
            const loss = reader === null ? null : reader.tail();
            if (loss !== null) yield { loss };
        }
    }

    /** Puts a lane's next record, if it has one, in its place among those of the other lanes. */
    offer(heads, reader) {
        if (reader === null) return;
        let next;
        try {
            next = reader.next();
        } catch (fault) {
            if (typeof fault !== "string") throw fault;
            // That the file is cut off is said already, and the losses say what is missing.
            const isOfCut = reader.records.isCut && this.isCutOff;
            reader.endedBy = isOfCut ? "cut-off" : "damaged";
            if (!isOfCut) this.faults.push(fault);
            return;
        }
        if (next === null) return;
        const head = Object.assign(next, { lane: reader.index });
        let [low, high] = [0, heads.length];
        while (low < high) {
            const middle = low + high >> 1;
            if (compareHeads(heads[middle], head) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        heads.splice(low, 0, head);
    }

    /** Seconds from the start of the driver to a tick; negative for a tick before it. */
    seconds(tick) {
        const { tick_base: base, tick_frequency: frequency } = this.tables.header;
        return tick.sub(base).toSigned() / Math.max(1, frequency.toNumber());
    }

    isNmi(lane) {
        const control = this.tables.lanes[lane];
        return control !== undefined && control.kind === WIRE.enums.LaneKind.values.Nmi;
    }
}

function sitesFault(known, size) {
    return `the site table is damaged: ${known} of its ${size} bytes can be read. Events of the sites behind them are shown `
        + "as (unknown site), with their arguments";
}

/** Bytes of a record in an image that irqlog.exe makes. */
function sizeOf(record) {
    return Math.ceil((WIRE.structures.RecordHeader.size + record.payload.length) / 8) * 8;
}

function powerAbove(number) {
    let power = 1;
    while (power < number) {
        power *= 2;
    }
    return power;
}

/** Leaves out lanes whose geometry makes no sense, or that claim what another one has: each byte is read once. */
function leaveOut(lanes, rings, faults) {
    rings.forEach((ring, index) => {
        if (ring !== null && !ring.isSane) {
            faults.push(damage(index, 0, ring.claims));
            rings[index] = null;
        }
    });
    const order = rings.map((_, index) => index).filter(index => rings[index] !== null);
    const key = index => [lanes[index].data_offset, lanes[index].data_words];
    order.sort((one, other) => {
        const [first, second] = [key(one), key(other)];
        return first[0].compare(second[0]) || first[1].compare(second[1]) || one - other;
    });
    let [end, before] = [U64_ZERO, 0];
    for (const index of order) {
        const offset = lanes[index].data_offset;
        if (offset.compare(end) < 0) {
            faults.push(`lane ${index} is left out: the file says that it lies where lane ${before} lies, so one of the two `
                + "is damaged. The other lanes are shown");
            rings[index] = null;
            continue;
        }
        const behind = offset.add(lanes[index].data_words.timesEight());
        [end, before] = [behind.compare(offset) < 0 ? U64_MAX : behind, index];
    }
}

// ---- debugger/src/secondary.js

// The log out of secondary data: blocks of a crash dump, joined (crates/reader/src/secondary.rs).

/** What a dump does not have of a log. */
const NOTHING_CUT = { recordsLeftOut: U64_ZERO, records: U64_ZERO, allowed: U64_ZERO, missing: 0 };

const isWhole = found => found.cut.recordsLeftOut.isZero && found.cut.missing === 0;

/** Every log in these blocks, in the order of first appearance. Throws if nothing of any can be read. */
function joinBlocks(blocks) {
    const found = [];
    const streams = new Map();
    let refused = null;
    const refuse = error => { refused = refused === null ? error : refused; };
    for (const block of blocks) {
        if (startsWith(block, WIRE.magic.image)) {
            if (block.length < WIRE.structures.ImageHeader.size) {
                refuse(new LogError(NOT_AN_IMAGE));
                continue;
            }
            tryTo(() => found.push({ log: Log.open(new Buffered(block)), cut: NOTHING_CUT }), refuse);
            continue;
        }
        tryTo(() => takeParts(block, streams), refuse);
    }
    for (const parts of streams.values()) {
        tryTo(() => found.push(joinParts(parts)), refuse);
    }
    if (found.length === 0) throw refused === null ? new LogError(NOT_AN_IMAGE) : refused;
    return found;
}

function tryTo(work, refuse) {
    try {
        work();
    } catch (error) {
        if (!(error instanceof LogError)) throw error;
        refuse(error);
    }
}

/** Puts the parts of a block into the streams that they belong to. */
function takeParts(block, streams) {
    const layout = WIRE.structures.PartHeader;
    let rest = block;
    while (startsWith(rest, WIRE.magic.part) && rest.length >= layout.size) {
        const header = structure(layout, rest, 0);
        checkVersion(header.major, header.minor);
        if (header.header_size < layout.size || header.header_size > rest.length) return;
        const bytes = slice(rest, header.header_size, header.length);
        const key = [header.start_id, header.form, header.total].join(" ");
        const parts = streams.has(key) ? streams.get(key) : new Map();
        streams.set(key, parts);
        // The longer one of two that claim the same place.
        const place = header.offset.toString();
        if (!parts.has(place) || parts.get(place).bytes.length < bytes.length) parts.set(place, { header, bytes });
        rest = slice(rest, header.header_size + bytes.length, rest.length);
        // Windows may fill up a block before it puts the next part behind it.
        const next = rest.findIndex(byte => byte !== 0);
        rest = next === -1 ? slice(rest, rest.length, 0) : slice(rest, next, rest.length);
    }
}

/** The log of a stream, as far as it goes without a gap. */
function joinParts(byPlace) {
    const parts = Array.from(byPlace.values());
    parts.sort((one, other) => one.header.offset.compare(other.header.offset));
    const first = parts[0].header;
    const joined = [];
    let length = 0;
    for (const { header, bytes } of parts) {
        const there = U64.of(length).sub(header.offset);
        if (there.isNegative) break;
        const fresh = slice(bytes, there.toNumber(), bytes.length);
        joined.push(fresh);
        length += fresh.length;
    }
    const total = first.total.toNumber();
    const stream = slice(concatenate(joined), 0, total);
    const cut = {
        recordsLeftOut: first.records_left_out,
        records: first.records,
        allowed: first.allowed,
        missing: first.total.sub(U64.of(stream.length)),
    };
    cut.missing = cut.missing.toNumber();
    const log = first.form === WIRE.enums.StreamForm.values.Whole ? Log.open(new Buffered(stream)) : logOfChunks(stream);
    return { log, cut };
}

/** The most lanes, and the most processors, that a cut stream may name. */
const MOST_INDEXES = 1 << 16;
/** The largest site table that a cut stream may have, in bytes. */
const MOST_SITES = 16 << 20;

/** The log out of the chunks of a cut stream. */
function logOfChunks(stream) {
    const layout = WIRE.structures.ChunkHeader;
    let chunks = null;
    let at = 0;
    while (at + layout.size <= stream.length) {
        const { kind, index, length } = structure(layout, stream, at);
        const data = slice(stream, at + layout.size, length.toNumber());
        at += layout.size + data.length;
        if (chunks !== null) {
            chunks.take(kind, index, data);
        } else if (kind === WIRE.enums.ChunkKind.values.Header) {
            chunks = new Chunks(data);
        } else {
            break;
        }
    }
    if (chunks === null) throw new LogError(NOT_AN_IMAGE);
    return chunks.log();
}

/** What the chunks of a cut stream say. */
class Chunks {
    constructor(data) {
        const layout = WIRE.structures.ImageHeader;
        if (data.length < layout.size || !startsWith(data, WIRE.magic.image)) throw new LogError(NOT_AN_IMAGE);
        this.header = structure(layout, data, 0);
        checkVersion(this.header.major, this.header.minor);
        this.processors = [];
        this.lanes = [];
        this.records = [];
        this.sites = new Uint8Array(0);
    }

    take(kind, index, data) {
        const KINDS = WIRE.enums.ChunkKind.values;
        if (kind === KINDS.Sites) {
            this.takeSites(index * 8, data);
        } else if (index >= MOST_INDEXES) {
            return;
        } else if (kind === KINDS.Processor) {
            this.takeProcessor(element(this.processors, index, WIRE.structures.ProcessorControl), data);
        } else if (kind === KINDS.Lane && data.length >= WIRE.structures.LaneSummary.size) {
            Object.assign(
                element(this.lanes, index, WIRE.structures.LaneControl),
                structure(WIRE.structures.LaneSummary, data, 0),
                // The lane is there; `Log.ofRecords` gives it its room.
                { data_words: U64.of(1) },
            );
        } else if (kind === KINDS.Records) {
            this.takeRecords(index, data);
        }
    }

    takeProcessor(control, data) {
        const word = at => (at + 1) * 8 <= data.length ? u64At(data, at * 8) : U64_ZERO;
        control.nesting = word(0);
        control.drops = control.drops.map((_, reason) => word(1 + reason));
    }

    takeRecords(index, data) {
        while (this.records.length <= index) {
            this.records.push([]);
        }
        let rest = data;
        for (let record = parseRecord(rest); record !== null; record = parseRecord(rest)) {
            this.records[index].push(record);
            rest = slice(rest, record.size, rest.length);
        }
    }

    takeSites(start, data) {
        const end = start + data.length;
        if (end > MOST_SITES) return;
        this.growSites(end);
        this.sites.set(data, start);
    }

    growSites(size) {
        if (this.sites.length < size) {
            const grown = new Uint8Array(size);
            grown.set(this.sites);
            this.sites = grown;
        }
    }

    log() {
        this.header.processor_count = this.processors.length;
        this.header.lane_count = this.lanes.length;
        // An entry of the site table says its size, and the sites that are not needed lie behind the last one that is.
        this.growSites(Math.min(entriesEnd(this.sites), MOST_SITES));
        const { header, processors, lanes } = this;
        return Log.ofRecords({ header, processors, lanes, sites: new SiteTable(this.sites) }, this.records);
    }
}

/** Where the last entry of a site table ends by its own word. */
function entriesEnd(sites) {
    let end = 0;
    while (end + 8 <= sites.length) {
        const size = u32At(sites, end + 4);
        if (size < 8) break;
        end += size;
    }
    return end;
}

/** The element at an index of a list, which grows with structures of zeros. */
function element(list, index, layout) {
    while (list.length <= index) {
        list.push(structure(layout, new Uint8Array(layout.size), 0));
    }
    return list[index];
}

/** The records of two logs of one start, each once, with the tables of the second. */
function unite(first, second) {
    const lanes = second.tables.lanes.map(() => new Map());
    for (const log of [first, second]) {
        for (const { record, lane } of log.items()) {
            if (record === undefined || lane >= lanes.length) continue;
            const seq = record.header.seq.toString();
            if (!lanes[lane].has(seq)) lanes[lane].set(seq, record);
        }
    }
    const lists = lanes.map(records => Array.from(records.values()));
    lists.forEach(list => list.sort((one, other) => one.header.seq.compare(other.header.seq)));
    return Log.ofRecords(second.tables, lists);
}

// ---- debugger/src/shown.js

// Records and losses as irqlog.exe shows them in a line (crates/reader/src/text.rs, shown/record.rs).

const FLAG = WIRE.flags;

const enumName = (name, value) => {
    const known = WIRE.enums[name].names[value];
    return known === undefined ? String(value) : known;
};

const irqlName = irql => irql < WIRE.irqls.length ? WIRE.irqls[irql] : "?";

const fixed = (number, digits) => renderFloat(number, false, changed(PLAIN_SPEC, { precision: digits }));

/** A record, understood: what it says beside its header. */
function understand(log, item) {
    const { header, payload } = item.record;
    const KINDS = WIRE.enums.Kind.values;
    if (header.kind === KINDS.Text) return { kind: "text", text: decodeUtf8(payload) };
    if (header.kind === KINDS.Event) return understandEvent(log, header, payload);
    const layout = WIRE.structures.BlobHeader;
    if (header.kind === KINDS.Blob && payload.length >= layout.size) {
        const blob = structure(layout, payload, 0);
        return { kind: "blob", blob, bytes: slice(payload, layout.size, payload.length) };
    }
    return { kind: "unknown", bytes: payload };
}

function understandEvent(log, header, payload) {
    const sites = log.tables.sites;
    const id = sites.firstEqual(header.site);
    const known = sites.find(id);
    const args = parseArguments(payload, (header.flags & FLAG.POINTERS_HASHED) !== 0);
    if (known === null) {
        const { text, isShortened } = eventText("(unknown site){", "", args);
        return { kind: "event", id, args, names: [], text: text.replace("{", ""), isShortened, provider: null, site: null };
    }
    const { provider, site } = known;
    const names = decodeUtf8(site.names);
    // The pair id that begins a span is not for the format.
    const own = site.role === WIRE.enums.SiteRole.values.Begin ? args.slice(0, -1) : args;
    const { text, isShortened } = eventText(decodeUtf8(site.format), names, own);
    return {
        kind: "event", id, args, text, isShortened, provider, site,
        names: isUtf8(site.names) ? names.split(",") : [],
    };
}

/** What stands behind the columns of a line. */
function message(item, content) {
    const { header } = item.record;
    const has = flag => (header.flags & flag) !== 0;
    const marks = [
        [has(FLAG.TRUNCATED), "cut"], [has(FLAG.USER), "user"], [item.late, "late"], [content.isShortened, "shortened"],
    ];
    return body(header, content) + marks.map(([isSet, word]) => isSet ? ` [${word}]` : "").join("");
}

function body(header, content) {
    /** Bytes of a blob that are shown. */
    const SOME = 16;
    switch (content.kind) {
        case "text": return shown(content.text);
        case "event":
            return (content.provider === null ? "" : shown(content.provider.name) + ": ") + shown(content.text);
        case "blob": {
            const { blob, tag, offset, total } = content.blob;
            const bytes = hex(slice(content.bytes, 0, SOME), 2).map(byte => " " + byte).join("");
            const more = content.bytes.length > SOME ? " ..." : "";
            return `blob ${blob} tag 0x${tag.toString(16)} ${offset}+${content.bytes.length} of ${total}:${bytes}${more}`;
        }
        default: return `(kind ${header.kind}, ${content.bytes.length} bytes)`;
    }
}

/** A record as a line: `    12.345678  cpu 3   DISPATCH      info     0x1a2c  text`. */
function recordLine(log, item, content) {
    const { header } = item.record;
    const seconds = fixed(log.seconds(header.tick), 7).padStart(13);
    const cpu = String(header.processor).padEnd(3);
    const irql = irqlName(header.irql).padEnd(8);
    // The entry that never waits is for NMIs, whichever lane the record is in.
    const isNmi = log.isNmi(item.lane) || (header.flags & FLAG.NEVER_WAITS) !== 0;
    const lane = isNmi ? "nmi" : "   ";
    const level = enumName("Level", header.level).padEnd(5);
    const thread = (header.flags & FLAG.NO_THREAD) !== 0 ? "     -" : `0x${header.thread.toString(16)}`.padStart(6);
    return `${seconds}  cpu ${cpu} ${irql} ${lane}  ${level}  ${thread}  ${message(item, content)}`;
}

/** What has become of one record, and of several. */
function lossWords({ cause, fromTick }) {
    switch (cause) {
        case "overwritten":
            // The normal state of a ring that is full.
            return fromTick === null
                ? ["older record is overwritten", "older records are overwritten"]
                : ["record was overwritten before it could be read", "records were overwritten before they could be read"];
        case "not-saved": return ["record was not saved", "records were not saved"];
        case "damaged": return ["record is DAMAGED", "records are DAMAGED"];
        default: return ["record is behind the end of the file", "records are behind the end of the file"];
    }
}

/** A loss as a line. */
function lossLine(log, loss) {
    const last = loss.firstSeq.add(loss.count).sub(U64.of(1));
    const isOne = loss.count.equals(U64.of(1));
    const count = `${loss.count} ${lossWords(loss)[isOne ? 0 : 1]}`;
    const numbers = isOne ? `number ${loss.firstSeq}` : `number ${loss.firstSeq} to ${last}`;
    const at = tick => fixed(log.seconds(tick), 7);
    let when = "";
    if (loss.fromTick !== null && loss.toTick !== null) {
        when = `, between ${at(loss.fromTick)} and ${at(loss.toTick)}`;
    } else if (loss.toTick !== null) {
        when = `, before ${at(loss.toTick)}`;
    } else if (loss.fromTick !== null) {
        when = `, after ${at(loss.fromTick)}`;
    }
    return `--- lane ${loss.lane}: ${count}, ${numbers}${when} ---`;
}

// ---- debugger/src/dump.js

// The dump's own file: where its secondary data lie, and the memory in a small dump (crates/dump).
//
// The data model has no call for secondary data, so the file is read: the offsets are those of DUMP_HEADER64 and
// TRIAGE_DUMP64 in the SDK's mindumpdef.h. If the file cannot be read, `.enumtag` prints the same blocks, slowly.

/** Size of the dump's header: what follows is the kind's own. */
const DUMP_HEADER = 0x2000;
const TRIAGE = 4;
/** The most runs that the header of a full dump has room for: up to the context at 0x348. */
const HEADER_RUNS = Math.floor((0x348 - 0x98) / 16);

const ascii = text => Array.from(text, character => character.charCodeAt(0));

/** What a dump's file gives: blocks of secondary data, and blocks of memory; null if it is no dump of a kernel. */
function readDumpFile(path) {
    const file = new HostFile(path);
    try {
        if (file.length < DUMP_HEADER || !startsWith(file.read(0, 8), ascii("PAGEDU64"))) return null;
        const type = file.u32(0xf98);
        const end = type === TRIAGE ? file.u32(DUMP_HEADER + 4) : endOfPages(file, type);
        return {
            secondary: end === null ? [] : secondaryBlocks(file, end),
            memory: type === TRIAGE ? triageMemory(file) : [],
            isTriage: type === TRIAGE,
        };
    } finally {
        file.close();
    }
}

/** Offset behind the last page of memory, as the dump's directory says; null for a kind that has none. */
function endOfPages(file, type) {
    const number = offset => {
        const value = file.u64(offset);
        return value === null ? 0 : value.toNumber();
    };
    if (type === 1) {
        const runs = Math.min(file.u32(0x88), HEADER_RUNS);
        let pages = 0;
        for (let run = 0; run < runs; run++) {
            pages += number(0x98 + run * 16 + 8);
        }
        return DUMP_HEADER + pages * PAGE;
    }
    if (type >= 5 && type <= 7) {
        // The count in the header may be that of the bits, so bits are counted, as many as the file has.
        const bitmap = file.read(DUMP_HEADER + 0x38, Math.ceil(number(DUMP_HEADER + 0x30) / 8));
        return number(DUMP_HEADER + 0x20) + bitsIn(bitmap) * PAGE;
    }
    if (type >= 8 && type <= 10) {
        let pages = 0;
        // The metadata begin behind the 0x20 bytes of the directory's header, and the list 0x10 bytes further on.
        const list = file.read(DUMP_HEADER + 0x30, Math.max(0, number(DUMP_HEADER + 0x10) - 0x10));
        for (let at = 0; at + 16 <= list.length; at += 16) {
            const count = u64At(list, at + 8).toNumber();
            if (count === 0) break;
            pages += count;
        }
        return number(DUMP_HEADER + 0x18) + pages * PAGE;
    }
    return null;
}

function bitsIn(bytes) {
    let bits = 0;
    for (let byte of bytes) {
        for (; byte !== 0; byte &= byte - 1) {
            bits++;
        }
    }
    return bits;
}

/** The blocks under irqlog's GUID in the area that begins at an offset of the file, or behind it. */
function secondaryBlocks(file, from) {
    const AREA_HEADER = 0x10;
    const BLOCK_HEADER = 0x20;
    const start = areaStart(file, from, AREA_HEADER);
    if (start === null) return [];
    const blocks = [];
    let at = start + AREA_HEADER;
    for (;;) {
        const header = file.read(at, BLOCK_HEADER);
        if (header.length < BLOCK_HEADER || u32At(header, 0) !== BLOCK_HEADER) return blocks;
        const [size, before, behind] = [20, 24, 28].map(offset => u32At(header, offset));
        const data = at + BLOCK_HEADER + before;
        if (startsWith(slice(header, 4, 16), WIRE.guid)) blocks.push(file.read(data, size));
        at = data + size + behind;
    }
}

/** Where the area of secondary data begins. */
function areaStart(file, from, headerSize) {
    const MARK = ascii("DumpBlob");
    const WINDOW = 1 << 16;
    for (let at = from; at + MARK.length <= file.length; at += WINDOW) {
        // A mark may lie across the end of a window.
        const window = file.read(at, WINDOW + MARK.length + 3);
        for (let found = window.indexOf(MARK[0]); found !== -1 && found < WINDOW; found = window.indexOf(MARK[0], found + 1)) {
            const isMark = startsWith(slice(window, found, MARK.length), MARK);
            if (isMark && file.u32(at + found + MARK.length) === headerSize) return at + found;
        }
    }
    return null;
}

/** The blocks of memory in a small dump: address and bytes. */
function triageMemory(file) {
    const [offset, count] = [file.u32(DUMP_HEADER + 0x78), file.u32(DUMP_HEADER + 0x7c)];
    if (offset === null || count === null) return [];
    const list = file.read(offset, count * 16);
    const blocks = [];
    for (let at = 0; at + 16 <= list.length; at += 16) {
        blocks.push({ address: u64At(list, at), bytes: file.read(u32At(list, at + 8), u32At(list, at + 12)) });
    }
    return blocks;
}

/** The same blocks of secondary data out of what `.enumtag` prints: a line with GUID and size, then lines of bytes. */
function blocksOfEnumtag() {
    const guid = renderGuid(WIRE.guid);
    const blocks = [];
    let block = null;
    for (const line of host.namespace.Debugger.Utility.Control.ExecuteCommand(".enumtag")) {
        const heading = /^\s*\{([0-9a-fA-F-]+)\}\s+-\s+0x([0-9a-fA-F]+) bytes/.exec(line);
        if (heading !== null) {
            const isOurs = heading[1].toLowerCase() === guid;
            block = isOurs ? { size: parseInt(heading[2], 16), bytes: [] } : null;
            if (isOurs) blocks.push(block);
            continue;
        }
        const digits = /^\s*((?:[0-9a-fA-F]{2} ){0,15}[0-9a-fA-F]{2})(?: |$)/.exec(line);
        if (block === null || digits === null) continue;
        // The characters behind the bytes of a short last line may look like digits: the size says where it ends.
        const bytes = digits[1].split(" ").slice(0, block.size - block.bytes.length);
        bytes.forEach(byte => block.bytes.push(parseInt(byte, 16)));
    }
    return blocks.map(({ bytes }) => Uint8Array.from(bytes));
}

// ---- debugger/src/find.js

// Finds the log: in the secondary data of a dump, in memory through the anchor, or at an address (crates/dump/src/find.rs).

/** The largest image that is read out of memory, in bytes. */
const MOST_IMAGE = 2 * 1024 * 1024 * 1024;
/** The most pieces of an image. */
const MOST_PIECES = 2048;
/** Up to this size the image in a dump is read as a whole, so that all that the dump lacks of it is known. */
const MOST_WHOLE = 64 << 20;

const BY = {
    secondary: "secondary data",
    anchor: "memory, through the anchor of irqlog.sys",
    scan: "memory, by a scan for the image",
    both: "secondary data and memory",
    image: "the image at the given address",
};

/** A log with where it was found and what is missing of it. `missing` counts bytes of memory that are not there. */
function found(log, origin, cut, source) {
    return { log, origin, cut, source };
}

/** The log of the current target; `address`, if there is one, is that of an image or of an anchor. */
function findLog(address) {
    const memory = new TargetMemory();
    if (address !== undefined) return atAddress(memory, U64.ofHost(address));
    const path = dumpPath();
    if (path === null) {
        const live = byAnchor(memory, anchorOfDriver(memory), false);
        if (live === null) throw new LogError(whyNoAnchor());
        return live;
    }
    return inDump(memory, path);
}

/** The path of the dump that is debugged; null for a running target. */
function dumpPath() {
    try {
        const path = host.currentSession.Attributes.Target.Details.DumpFileName;
        return typeof path === "string" && path !== "" ? path : null;
    } catch (error) {
        return null;
    }
}

function inDump(memory, path) {
    let file = null;
    try {
        file = readDumpFile(path);
    } catch (error) {
        // The file may be on another machine, or in an archive: `.enumtag` knows the blocks all the same.
    }
    const blocks = file === null ? blocksOfEnumtag() : file.secondary;
    const small = file === null ? [] : file.memory;
    // In a small dump the callback may have added a part as memory.
    const parts = small.map(block => block.bytes).filter(bytes => startsWith(bytes, WIRE.magic.part));
    const ours = blocks.concat(parts);
    let refused = null;
    let newest = null;
    if (ours.length > 0) {
        tryTo(() => { newest = newestOf(joinBlocks(ours)); }, error => { refused = error; });
    }
    if (newest !== null && isWhole(newest)) return found(newest.log, BY.secondary, newest.cut, null);
    const inMemory = file !== null && file.isTriage ? inSmall(small) : byAnchor(memory, anchorOfDriver(memory), true);
    if (newest === null) {
        if (inMemory !== null) return inMemory;
        throw refused === null ? new LogError(whyNoLog()) : refused;
    }
    const startOf = log => log.tables.header.start_id;
    if (inMemory !== null && startOf(inMemory.log).equals(startOf(newest.log))) {
        return found(unite(newest.log, inMemory.log), BY.both, newest.cut, inMemory.source);
    }
    return found(newest.log, BY.secondary, newest.cut, null);
}

/** The log of the newest start; of one start the whole one, else that with most records. */
function newestOf(logs) {
    const key = ({ log, cut }) => [log.tables.header.time_base, U64.of(isWhole({ cut }) ? 1 : 0), cut.records];
    return logs.reduce((best, one) => {
        const [first, second] = [key(best), key(one)];
        const order = first.map((value, at) => value.compare(second[at])).find(order => order !== 0);
        return order === undefined || order < 0 ? one : best;
    });
}

/** The size of the image that begins here, or null if none does. */
function plausible(bytes) {
    const layout = WIRE.structures.ImageHeader;
    if (bytes.length < layout.size || !startsWith(bytes, WIRE.magic.image)) return null;
    const header = structure(layout, bytes, 0);
    const total = header.total_size.toNumber();
    const isSane = header.header_size >= layout.size && total >= layout.size && total <= MOST_IMAGE
        && header.lanes_offset < total;
    return isSane ? total : null;
}

/** The image in the blocks of a small dump: where the anchor says, or a block that begins like one. */
function inSmall(blocks) {
    const layout = WIRE.structures.Anchor;
    const large = blocks.find(block => block.bytes.length >= layout.size);
    if (large !== undefined && startsWith(large.bytes, WIRE.magic.anchor)) {
        const byBlocks = byAnchor(new BlockMemory(blocks), structure(layout, large.bytes, 0), true);
        if (byBlocks !== null) return byBlocks;
    }
    const block = blocks.find(({ bytes }) => plausible(bytes) !== null);
    if (block === undefined) return null;
    const source = new Buffered(block.bytes);
    return found(Log.open(source), BY.scan, NOTHING_CUT, source);
}

/** The memory in a small dump, by virtual address; what is asked for lies in one block, or is not there. */
class BlockMemory {
    constructor(blocks) {
        this.blocks = blocks;
    }

    tryRead(address, size) {
        for (const block of this.blocks) {
            const offset = address.sub(block.address);
            if (offset.plus(size).compare(U64.of(block.bytes.length)) <= 0 && offset.compare(address) <= 0) {
                return slice(block.bytes, offset.toNumber(), size);
            }
        }
        return null;
    }

    read(address, size) {
        const bytes = this.tryRead(address, size);
        return bytes === null ? { bytes: new Uint8Array(size), missing: size } : { bytes, missing: 0 };
    }

    u64(address) {
        const bytes = this.tryRead(address, 8);
        return bytes === null ? null : u64At(bytes, 0);
    }
}

/** The log that an anchor leads to, with the pieces behind the image; null if there is none. */
function byAnchor(memory, anchor, isDump) {
    if (anchor === null || anchor.image.isZero) return null;
    const layout = WIRE.structures.ImageHeader;
    const size = anchor.image_size.toNumber();
    if (size < layout.size || size > MOST_IMAGE) return null;
    const start = memory.tryRead(anchor.image, layout.size);
    const total = start === null ? null : plausible(start);
    if (total === null) return null;
    const places = [{ address: anchor.image, size, isMissing: false }];
    const pieceSize = anchor.piece_size.toNumber();
    const count = Math.min(anchor.piece_count.toNumber(), MOST_PIECES);
    for (let [index, length] = [0, size]; length < total && index < count; index++) {
        const piece = memory.u64(anchor.pieces.plus(index * 8));
        const here = Math.min(pieceSize, total - length);
        const isThere = piece !== null && !piece.isZero;
        places.push({ address: isThere ? piece : null, size: here, isMissing: piece === null });
        length += here;
    }
    return open(new MemorySource(memory, places), BY.anchor, isDump);
}

function open(source, origin, isDump) {
    // What a dump lacks is counted, which takes the whole image; a running target is asked for what is needed only.
    const whole = isDump && source.length <= MOST_WHOLE ? source.buffered() : source;
    return found(Log.open(whole), origin, NOTHING_CUT, whole);
}

/** The log at an address that the user gives. */
function atAddress(memory, address) {
    const { ImageHeader, Anchor } = WIRE.structures;
    const isDump = dumpPath() !== null;
    const anchor = readAnchor(memory, address);
    if (anchor !== null) {
        const log = byAnchor(memory, anchor, isDump);
        if (log !== null) return log;
        throw new LogError(`the anchor at ${hexOf(address)} leads to no image that can be read`);
    }
    const start = memory.tryRead(address, ImageHeader.size);
    if (start === null) throw new LogError(`the target's memory at ${hexOf(address)} cannot be read`);
    const total = plausible(start);
    if (total === null) {
        throw new LogError(`at ${hexOf(address)} there is neither an image of irqlog nor its anchor: an image begins with `
            + `IRQLOG, an anchor of ${Anchor.size} bytes with IRQANCHR`);
    }
    return open(new MemorySource(memory, [{ address, size: total, isMissing: false }]), BY.image, isDump);
}

const hexOf = address => renderPointer(address, PLAIN_SPEC);

/** The anchor at an address; null if there is none. */
function readAnchor(memory, address) {
    const layout = WIRE.structures.Anchor;
    const bytes = memory.tryRead(address, layout.size);
    return bytes !== null && startsWith(bytes, WIRE.magic.anchor) ? structure(layout, bytes, 0) : null;
}

/** The anchor of the irqlog.sys that is loaded: by its symbol, else by the export table in the driver's memory. */
function anchorOfDriver(memory) {
    const base = driverBase();
    const waysToIt = [
        () => U64.ofHost(host.getModuleSymbolAddress(WIRE.driver, WIRE.anchorName)),
        () => base === null ? null : exportedAddress(memory, base, WIRE.anchorName),
    ];
    for (const way of waysToIt) {
        let address = null;
        try {
            address = way();
        } catch (error) {
            // Without symbols the first way throws.
        }
        const anchor = address === null ? null : readAnchor(memory, address);
        if (anchor !== null) return anchor;
    }
    return null;
}

/** Where irqlog.sys is loaded; null if it is not. */
function driverBase() {
    for (const module of loadedModules()) {
        const file = String(module.Name).toLowerCase().split(/[\\/]/).pop();
        if (file.replace(/\.sys$/, "") === WIRE.driver) return U64.ofHost(module.BaseAddress);
    }
    return null;
}

function loadedModules() {
    try {
        return host.currentProcess.Modules;
    } catch (error) {
        // A target without a list of modules.
        return [];
    }
}

/** The address of an exported name, out of the image's own headers ("PE Format", learn.microsoft.com); or null. */
function exportedAddress(memory, base, name) {
    const read = (offset, size) => memory.tryRead(base.plus(offset), size);
    const u32 = offset => {
        const bytes = read(offset, 4);
        return bytes === null ? 0 : u32At(bytes, 0);
    };
    const MOST_NAMES = 4096;
    // Behind signature and file header, the export directory is the first of the optional header of PE32+.
    const directory = u32(u32(0x3c) + 24 + 112);
    if (directory === 0) return null;
    const names = Math.min(u32(directory + 24), MOST_NAMES);
    const [functions, nameTable, ordinals] = [28, 32, 36].map(offset => u32(directory + offset));
    const wanted = ascii(name + "\0");
    for (let index = 0; index < names; index++) {
        const bytes = read(u32(nameTable + index * 4), wanted.length);
        if (bytes === null || !startsWith(bytes, wanted)) continue;
        const ordinal = read(ordinals + index * 2, 2);
        return ordinal === null ? null : base.plus(u32(functions + u16At(ordinal, 0) * 4));
    }
    return null;
}

function whyNoAnchor() {
    return driverBase() === null
        ? "irqlog.sys is not loaded in this target (lm m irqlog); give the address of an image: !irqlog ADDRESS"
        : "irqlog.sys is loaded, and its IrqlogAnchor leads to no image: the driver has not started, or it is one from "
            + "before format 1.2; give the address of its image: !irqlog ADDRESS";
}

function whyNoLog() {
    return "this dump has no log of irqlog under its GUID in the secondary data, and none that the anchor of irqlog.sys "
        + "leads to. `irqlog read --file DUMP` scans the dump's whole memory, which this script does not; or give the "
        + "address of the image: !irqlog ADDRESS";
}

// ---- debugger/src/model.js

// What the debugger shows: objects for the data model. Names that begin with `__` are hidden by the debugger.

/** Lines that `!irqlog` shows. */
const LAST = 20;

/** A row of things that can be iterated, indexed and filtered; each is made when it is looked at. */
class Collection {
    constructor(items, make, noun) {
        this.__items = items;
        this.__make = make;
        this.__noun = noun;
    }

    get Count() {
        return this.__items.length;
    }

    getDimensionality() {
        return 1;
    }

    getValueAt(index) {
        const at = typeof index === "number" ? index : U64.ofHost(index).toNumber();
        if (at < 0 || at >= this.__items.length) {
            throw new RangeError(`there are ${this.__items.length} ${this.__noun}, from 0 on`);
        }
        return this.__make(this.__items[at], at);
    }

    *[Symbol.iterator]() {
        for (let at = 0; at < this.__items.length; at++) {
            yield new host.indexedValue(this.__make(this.__items[at], at), [at]);
        }
    }

    toString() {
        return `${this.__items.length} ${this.__noun}`;
    }
}

/** A text of the log, and an optional one. */
const shownBytes = bytes => shown(decodeUtf8(bytes));

/** A record. */
class RecordModel {
    constructor(log, item) {
        this.__log = log;
        this.__item = item;
        this.__header = item.record.header;
        this.__understood = null;
    }

    get __content() {
        if (this.__understood === null) this.__understood = understand(this.__log, this.__item);
        return this.__understood;
    }

    __has(flag) {
        return (this.__header.flags & flag) !== 0;
    }

    get Seconds() { return this.__log.seconds(this.__header.tick); }
    get Tick() { return this.__header.tick.toHost(); }
    get Lane() { return this.__item.lane; }
    get Seq() { return this.__header.seq.toHost(); }
    get Cpu() { return this.__header.processor; }
    get Irql() { return irqlName(this.__header.irql); }
    get IrqlNumber() { return this.__header.irql; }
    get IsNmi() { return this.__log.isNmi(this.__item.lane); }
    get Level() { return enumName("Level", this.__header.level); }
    get Kind() { return enumName("Kind", this.__header.kind); }
    get HasThread() { return !this.__has(FLAG.NO_THREAD); }
    get Thread() { return this.HasThread ? this.__header.thread : 0; }
    get Process() { return this.HasThread ? this.__header.process : 0; }
    get Provider() { return this.__content.kind === "event" && this.__content.provider !== null ? shown(this.__content.provider.name) : ""; }
    /** The text of an event or a text record; of another one what its line says. */
    get Text() { return this.__content.text === undefined ? body(this.__header, this.__content) : shown(this.__content.text); }
    get Message() { return message(this.__item, this.__content); }
    get Line() { return recordLine(this.__log, this.__item, this.__content); }
    get Site() { return new SiteModel(this.__content); }
    get Arguments() {
        const { args, names } = this.__content.kind === "event" ? this.__content : { args: [], names: [] };
        return new Collection(args, (argument, at) => new ArgumentModel(argument, names[at]), "arguments");
    }
    get Blob() { return this.__content.kind === "blob" ? new BlobModel(this.__content) : undefined; }
    get Bytes() { return this.__content.kind === "unknown" ? hex(this.__content.bytes, 2).join("") : undefined; }
    get IsCut() { return this.__has(FLAG.TRUNCATED); }
    get IsUser() { return this.__has(FLAG.USER); }
    get IsOwn() { return this.__has(FLAG.OWN); }
    get NeverWaits() { return this.__has(FLAG.NEVER_WAITS); }
    get PointersHashed() { return this.__has(FLAG.POINTERS_HASHED); }
    get PointersRaw() { return this.__has(FLAG.POINTERS_RAW); }
    get IsLate() { return this.__item.late; }
    get IsShortened() { return this.__content.isShortened === true; }

    toString() {
        return this.Line;
    }
}

/** The call that an event is of. */
class SiteModel {
    constructor(content) {
        this.__site = content.kind === "event" ? content.site : null;
        this.Id = content.kind === "event" ? content.id : 0;
    }

    get IsKnown() { return this.__site !== null; }
    /** What the event stands for besides its text: `begin`, `end`, `counter`; else `event`. */
    get Role() { return enumName("SiteRole", this.__site === null ? 0 : this.__site.role); }
    get Format() { return this.__site === null ? "" : shownBytes(this.__site.format); }
    get Module() { return this.__site === null ? "" : shownBytes(this.__site.module); }
    get File() { return this.__site === null ? "" : shownBytes(this.__site.file); }
    get Line() { return this.__site === null ? 0 : this.__site.line; }

    toString() {
        return this.__site === null ? "(unknown site)" : `${this.File}:${this.Line}`;
    }
}

/** An argument of an event. */
class ArgumentModel {
    constructor(argument, name) {
        this.__argument = argument;
        this.Name = name === undefined ? "" : shown(name);
        this.Type = enumName("ArgumentKind", argument.kind);
        /** Bytes that a string had beyond those that were kept. */
        this.Cut = argument.cut;
        /** The value is the hash of an address. */
        this.IsHashed = argument.isHashed;
    }

    /** The value as text: a number in digits, a text as it is, bytes in hexadecimal digits. */
    get Text() {
        const { kind, value } = this.__argument;
        if (kind === KIND.Bytes) return hex(value, 2).join("");
        return shown(renderArgument(this.__argument, PLAIN_SPEC, MAX_TEXT));
    }

    toString() {
        return this.Text;
    }
}

/** A piece of a blob. */
class BlobModel {
    constructor({ blob, bytes }) {
        this.Blob = blob.blob;
        this.Tag = blob.tag;
        this.Offset = blob.offset;
        this.Total = blob.total;
        this.__bytes = bytes;
    }

    get Bytes() { return hex(this.__bytes, 2).join(""); }

    toString() {
        return `blob ${this.Blob}, ${this.__bytes.length} bytes`;
    }
}

/** Records that are missing. */
class LossModel {
    constructor(log, loss) {
        this.__log = log;
        this.__loss = loss;
    }

    get Lane() { return this.__loss.lane; }
    get FirstSeq() { return this.__loss.firstSeq.toHost(); }
    get Count() { return this.__loss.count.toHost(); }
    get Cause() { return this.__loss.cause; }
    get Line() { return lossLine(this.__log, this.__loss); }

    toString() {
        return this.Line;
    }
}

/** Drops by reason: each reason that has a name, and every other one that was counted. */
function dropsModel(drops) {
    const model = { toString: () => `${drops.reduce((sum, count) => sum.add(count))} dropped` };
    drops.forEach((count, reason) => {
        const name = WIRE.enums.DropReason.names[reason];
        if (name === undefined && count.isZero) return;
        // A name of a data model's key is one of a C++ identifier.
        const key = name === undefined ? `Reason${reason}` : pascal(name);
        model[key] = count.toHost();
    });
    return model;
}

const pascal = name => name.replace(/(?:^|-)([a-z])/g, (_, letter) => letter.toUpperCase());

/** A processor. */
class ProcessorModel {
    constructor(log, index) {
        const { nesting, drops } = log.tables.processors[index];
        const { crashed, crash_processor } = log.tables.header;
        this.Index = index;
        this.Nesting = nesting.toHost();
        /** It was between raise and lower of a log call. */
        this.IsInLogCall = !nesting.isZero;
        this.IsCrashed = !crashed.isZero && crash_processor.equals(U64.of(index));
        this.Drops = dropsModel(drops);
    }

    toString() {
        const parts = [`processor ${this.Index}`];
        if (this.IsCrashed) parts.push("crashed");
        if (this.IsInLogCall) parts.push("stopped inside a log call");
        return parts.join(", ");
    }
}

/** A lane. */
class LaneModel {
    constructor(log, index) {
        const lane = log.tables.lanes[index];
        this.__written = lane.next_seq.sub(lane.first_seq);
        this.Index = index;
        this.Kind = enumName("LaneKind", lane.kind);
        this.Cpu = lane.processor;
        this.Bytes = lane.data_words.timesEight().toHost();
        this.Written = this.__written.toHost();
        this.Contended = lane.contended.toHost();
        this.LongestWaitTicks = lane.longest_wait.toHost();
        this.LongestHoldTicks = lane.longest_hold.toHost();
        this.HoldSamples = lane.hold_samples.toHost();
    }

    toString() {
        return `lane ${this.Index}, ${this.Kind}, cpu ${this.Cpu}, ${this.__written} written`;
    }
}

/** A driver that logs events. */
class ProviderModel {
    constructor(log, provider, counts) {
        const { sites } = log.tables;
        const all = sites.sitesOf(provider).map(({ id, site }) => ({ id, site, records: counts.get(id) || 0 }));
        this.Name = shown(provider.name);
        this.Level = enumName("Level", provider.level);
        this.Drivers = provider.registered.toHost();
        this.Loads = provider.registrations.toHost();
        /** Loads that ended without disconnecting. */
        this.Vanished = provider.vanished.toHost();
        this.Records = all.reduce((sum, { records }) => sum + records, 0);
        this.Sites = new Collection(all, one => new ProviderSiteModel(one), "sites");
        this.__siteCount = provider.sites;
    }

    toString() {
        return `${this.Name}, ${this.Records} records of ${this.__siteCount} sites`;
    }
}

/** A call of a provider. */
class ProviderSiteModel {
    constructor({ id, site, records }) {
        this.Id = id;
        this.Level = enumName("Level", site.level);
        this.Module = shownBytes(site.module);
        this.File = shownBytes(site.file);
        this.Line = site.line;
        this.Format = shownBytes(site.format);
        this.Records = records;
    }

    toString() {
        return `${this.File}:${this.Line} ${shownInQuotes(this.Format)}`;
    }
}

/** Where the log is from, and what of it is missing: the sentences of irqlog.exe. */
class SourceModel {
    constructor({ log, origin, cut, source }) {
        log.items();
        this.Origin = origin;
        this.StartId = log.tables.header.start_id.toHost();
        const notes = [];
        if (!cut.recordsLeftOut.isZero) {
            notes.push(`the driver left out ${cut.recordsLeftOut} older records of its secondary data, because Windows allowed `
                + `${cut.allowed} bytes`);
        }
        if (cut.missing !== 0) notes.push(`${cut.missing} bytes of the secondary data are not in the dump`);
        const missing = source === null ? 0 : source.missing;
        if (missing !== 0) notes.push(`the dump does not have ${missing} bytes of the log's memory`);
        this.Notes = notes.concat(log.faults);
    }

    toString() {
        return [this.Origin].concat(this.Notes).join("; ");
    }
}

/** Version and settings of the recorder. */
class RecorderModel {
    constructor({ header }) {
        const number = value => typeof value === "number" ? value : value.low;
        this.Version = header.driver_version.slice(0, 3).join(".");
        this.Format = `${header.major}.${header.minor}`;
        this.Engine = enumName("Engine", header.engine);
        this.Lock = enumName("Lock", header.lock);
        this.Level = enumName("Level", number(header.level) & 0xff);
        this.Policy = enumName("Policy", number(header.policy));
        this.State = header.paused.isZero ? "writing" : "paused";
        this.ActiveProcessors = header.active_processors;
        this.TickFrequency = header.tick_frequency.toHost();
        this.OwnCalls = header.own_calls.toHost();
    }

    toString() {
        return `irqlog ${this.Version}, format ${this.Format}, engine ${this.Engine}, lock ${this.Lock}, level ${this.Level}, `
            + `policy ${this.Policy}, ${this.State}`;
    }
}

/** The bug check that the driver's callback has noted. */
class CrashModel {
    constructor(log) {
        const { header } = log.tables;
        this.Code = header.crash_code.toHost();
        this.Parameters = header.crash_parameters.map(parameter => parameter.toHost());
        this.Processor = header.crash_processor.toHost();
        this.Seconds = log.seconds(header.crash_tick);
        this.__text = `bug check ${hexOf(header.crash_code)} (${header.crash_parameters.map(hexOf).join(", ")}) on processor `
            + `${header.crash_processor} at ${fixed(this.Seconds, 7)}`;
    }

    toString() {
        return this.__text;
    }
}

/** A log: what `!irqlog` and `dx @$irqlog()` show. As a row of things it is its last lines. */
class LogModel {
    constructor(found) {
        this.__found = found;
        this.__log = found.log;
    }

    get __records() {
        return this.__log.items().filter(item => item.record !== undefined);
    }

    get Source() { return new SourceModel(this.__found); }
    get Recorder() { return new RecorderModel(this.__log.tables); }
    get Crash() { return this.__log.tables.header.crashed.isZero ? undefined : new CrashModel(this.__log); }
    get Records() { return new Collection(this.__records, item => new RecordModel(this.__log, item), "records"); }
    get Losses() {
        const losses = this.__log.items().filter(item => item.loss !== undefined);
        return new Collection(losses, ({ loss }) => new LossModel(this.__log, loss), "losses");
    }
    /** Records and losses as lines, in order of time: what `irqlog read` prints. */
    get Lines() { return new Collection(this.__log.items(), item => this.__line(item), "lines"); }
    get Processors() {
        const indexes = this.__log.tables.processors.map((_, index) => index);
        return new Collection(indexes, index => new ProcessorModel(this.__log, index), "processors");
    }
    get Lanes() {
        const { lanes } = this.__log.tables;
        const present = lanes.map((_, index) => index).filter(index => !lanes[index].data_words.isZero);
        return new Collection(present, index => new LaneModel(this.__log, index), "lanes");
    }
    get Providers() {
        const { sites } = this.__log.tables;
        const counts = this.__countBySite();
        return new Collection(sites.providers, provider => new ProviderModel(this.__log, provider, counts), "providers");
    }

    __line(item) {
        if (item.loss !== undefined) return lossLine(this.__log, item.loss);
        return recordLine(this.__log, item, understand(this.__log, item));
    }

    __countBySite() {
        const counts = new Map();
        for (const { record } of this.__records) {
            if (record.header.kind !== WIRE.enums.Kind.values.Event) continue;
            const id = this.__log.tables.sites.firstEqual(record.header.site);
            counts.set(id, (counts.get(id) || 0) + 1);
        }
        return counts;
    }

    *[Symbol.iterator]() {
        for (const item of this.__log.items().slice(-LAST)) {
            yield this.__line(item);
        }
    }

    toString() {
        return `${this.__records.length} records, from ${this.Source}`;
    }
}

// ---- debugger/src/main.js

// What the debugger calls.

/** The log of the current target, or at an address: `!irqlog`, `dx @$irqlog()`. */
function __irqlog(address) {
    try {
        return new LogModel(findLog(address));
    } catch (error) {
        // The debugger shows an error's message; the sentence says what to do.
        throw error instanceof LogError ? new Error("irqlog: " + error.message) : error;
    }
}

/** The log as a property of the session: `dx @$cursession.Irqlog`. */
class __SessionExtension {
    get Irqlog() {
        return __irqlog();
    }
}

function initializeScript() {
    return [
        new host.apiVersionSupport(1, 3),
        new host.functionAlias(__irqlog, "irqlog"),
        new host.namedModelParent(__SessionExtension, "Debugger.Models.Session"),
    ];
}
