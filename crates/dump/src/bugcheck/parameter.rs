//! Parameters that several bug checks have.

use super::{Parameter, Values};

/// A parameter without values that have names.
pub(super) const fn is(text: &'static str) -> Parameter {
    Parameter { text, values: Values::Unnamed }
}

/// A parameter of which some values mean something.
pub(super) const fn of(text: &'static str, values: &'static [(u64, &'static str)]) -> Parameter {
    Parameter { text, values: Values::These(values) }
}

/// A parameter that is an IRQL.
pub(super) const fn irql(text: &'static str) -> Parameter {
    Parameter { text, values: Values::Irql }
}

/// A parameter that is an NTSTATUS or an exception code.
pub(super) const fn status(text: &'static str) -> Parameter {
    Parameter { text, values: Values::Status }
}

pub(super) const RESERVED: Parameter = is("");
pub(super) const IRQL: Parameter = irql("IRQL at that time");
pub(super) const CURRENT_IRQL: Parameter = irql("current IRQL");
pub(super) const REFERENCED: Parameter = is("memory referenced");
pub(super) const BY: Parameter = is("address that referenced it");
pub(super) const ACCESS: Parameter = of("access", &[(0, "read"), (1, "write")]);
/// 0xA: bit 0 is a write, bit 3 an execution.
pub(super) const ACCESS_BITS: Parameter = of("access", &[(0, "read"), (1, "write"), (8, "execute")]);
/// 0xD1.
pub(super) const ACCESS_D1: Parameter = of("access", &[(0, "read"), (1, "write"), (2, "execute"), (8, "execute")]);
/// 0x50 since Windows 10 1507: x64 has 0, 2, 10 (the bits of a page fault, so hexadecimal), ARM64 has 0, 1, 8.
pub(super) const ACCESS_50: Parameter =
    of("access", &[(0, "read"), (1, "write"), (2, "write"), (8, "execute"), (0x10, "execute")]);
pub(super) const EXCEPTION: Parameter = status("exception code");
pub(super) const EXCEPTION_AT: Parameter = is("address at which the exception occurred");
pub(super) const EXCEPTION_RECORD: Parameter = is("exception record");
pub(super) const CONTEXT_RECORD: Parameter = is("context record");
pub(super) const TRAP_FRAME: Parameter = is("trap frame");
pub(super) const IRP: Parameter = is("IRP");
pub(super) const DEVICE: Parameter = is("device object");
pub(super) const PTE: Parameter = is("content of the page table entry");
pub(super) const MDL: Parameter = is("MDL");
pub(super) const KIND: Parameter = is("kind of violation");
pub(super) const POOL_TYPE: Parameter = is("pool type");
pub(super) const FREED: Parameter = is("address being freed");
pub(super) const BYTES: Parameter = is("number of bytes");
pub(super) const THREAD: Parameter = is("thread");
pub(super) const CORRUPTED_AT: Parameter = is("address of the corrupted bits");
