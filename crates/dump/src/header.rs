//! The header of a dump: what kind it is, of which machine, and of which bug check.
//!
//! The offsets are those of `DUMP_HEADER64` in the SDK's mindumpdef.h. Bytes that Windows does not use are filled with
//! `PAGE`, so a field that is not always used says nothing by being other than zero.

use crate::source::DumpBytes;

/// Size of the header in bytes: what follows is the kind's own.
pub const SIZE: u64 = 0x2000;
/// `Attributes`: the dump is encrypted, and was not decrypted.
const ENCRYPTED: u32 = 1 << 8;
const DECRYPTED: u32 = 1 << 9;

/// Why a file is not read as a dump, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// Another kind of file.
    #[error("this is no crash dump: it does not start with PAGEDU64")]
    NotADump,
    /// `PAGEDUMP`.
    #[error("this is a dump of 32-bit Windows, where irqlog.sys does not run")]
    Bits32,
    /// `MDMP`.
    #[error("this is a dump of a process; irqlog's log is in dumps of the kernel, such as C:\\Windows\\MEMORY.DMP")]
    UserMode,
    /// `DUMP_TYPE_SUMMARY`, `DUMP_TYPE_HEADER`.
    #[error(
        "this dump has a header and nothing else; set CrashDumpEnabled in HKLM\\SYSTEM\\CurrentControlSet\\Control\\CrashControl to 7 (automatic), 2 (kernel) or 3 (small)"
    )]
    Summary,
    /// Encrypted by its `Attributes`.
    #[error(
        "this dump is encrypted; decrypt it with the private key of the EncryptionCertificates in CrashControl first"
    )]
    Encrypted,
    /// The header is not all there.
    #[error("the dump is cut off: its header needs {SIZE} bytes, and {0} are there")]
    CutOff(u64),
    /// A kind that this reader does not know.
    #[error("this dump is of type {0}, which this reader does not know")]
    UnknownKind(u32),
    /// A processor that irqlog.sys is not built for.
    #[error("this dump is of a machine of type {0:#x}; irqlog.sys runs on x64 (0x8664) and ARM64 (0xaa64)")]
    UnknownMachine(u32),
    /// The directory behind the header makes no sense.
    #[error("the dump is damaged: there is no {0} behind its header")]
    Damaged(&'static str),
}

/// How the memory of a dump is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpKind {
    /// All of memory, by runs of pages.
    Full,
    /// Pages by a bitmap: of all of memory, of the kernel, or what Windows thinks that is needed.
    Bitmap,
    /// A small dump: blocks of virtual memory.
    Triage,
    /// Pages by ranges: what a debugger's `.dump /k /ka /f` writes.
    Ranges,
}

/// The instruction set of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineType {
    /// AMD64.
    X64,
    /// AArch64.
    Arm64,
}

impl MachineType {
    /// Its name.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "ARM64",
        }
    }
}

/// What a dump's header says.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// How memory is stored.
    pub kind: DumpKind,
    /// `DumpType`.
    pub dump_type: u32,
    /// The instruction set.
    pub machine: MachineType,
    /// Number of processors.
    pub processors: u32,
    /// Physical address of the top page table.
    pub page_tables: u64,
    /// Virtual address of the list of loaded drivers.
    pub modules: u64,
    /// Code of the bug check.
    pub code: u32,
    /// Its parameters.
    pub parameters: [u64; 4],
}

/// Whether a file begins like a dump, of any kind, also one that is refused.
#[must_use]
pub fn is_dump(start: &[u8]) -> bool {
    [&b"PAGEDU64"[..], b"PAGEDUMP", b"MDMP"].iter().any(|mark| start.starts_with(mark))
}

impl Header {
    /// What Windows calls a dump of this type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.dump_type {
            1 | 5 => "complete memory dump",
            4 => "small memory dump",
            6 => "kernel memory dump",
            7 => "automatic memory dump",
            _ => "dump of a debugger",
        }
    }

    /// Reads the header.
    ///
    /// # Errors
    /// See [`DumpError`].
    pub fn read(source: &impl DumpBytes) -> Result<Self, DumpError> {
        match source.bytes(0, 8) {
            b"PAGEDU64" => {}
            b"PAGEDUMP" => return Err(DumpError::Bits32),
            start if start.starts_with(b"MDMP") => return Err(DumpError::UserMode),
            _ => return Err(DumpError::NotADump),
        }
        if source.length() < SIZE {
            return Err(DumpError::CutOff(source.length()));
        }
        let u32 = |offset| source.u32(offset).unwrap_or(0);
        let u64 = |offset| source.u64(offset).unwrap_or(0);
        let attributes = u32(0x1050);
        let is_filler = attributes.to_le_bytes() == *b"PAGE";
        if !is_filler && attributes & ENCRYPTED != 0 && attributes & DECRYPTED == 0 {
            return Err(DumpError::Encrypted);
        }
        let dump_type = u32(0xf98);
        let kind = match dump_type {
            1 => DumpKind::Full,
            2 | 3 => return Err(DumpError::Summary),
            4 => DumpKind::Triage,
            5..=7 => DumpKind::Bitmap,
            8..=10 => DumpKind::Ranges,
            other => return Err(DumpError::UnknownKind(other)),
        };
        let machine = match u32(0x30) {
            0x8664 => MachineType::X64,
            0xaa64 => MachineType::Arm64,
            other => return Err(DumpError::UnknownMachine(other)),
        };
        Ok(Self {
            kind,
            dump_type,
            machine,
            processors: u32(0x34),
            page_tables: u64(0x10),
            modules: u64(0x20),
            code: u32(0x38),
            parameters: [u64(0x40), u64(0x48), u64(0x50), u64(0x58)],
        })
    }
}
