//! Interrupt request levels of x64 and ARM64 Windows.
//!
//! Source: wdm.h of the Windows Driver Kit, documented at "Managing Hardware Priorities" (learn.microsoft.com); both
//! 64-bit architectures have the same sixteen levels.

/// Threads run here; everything may interrupt them.
pub const PASSIVE_LEVEL: u8 = 0;
/// Asynchronous procedure calls are masked.
pub const APC_LEVEL: u8 = 1;
/// No thread switch on this processor; DPCs run here.
pub const DISPATCH_LEVEL: u8 = 2;
/// The lowest device interrupt level.
pub const DIRQL_MIN: u8 = 3;
/// The highest device interrupt level.
pub const DIRQL_MAX: u8 = 12;
/// The clock interrupt.
pub const CLOCK_LEVEL: u8 = 13;
/// Inter-processor interrupts.
pub const IPI_LEVEL: u8 = 14;
/// Everything but NMI and machine check is masked.
pub const HIGH_LEVEL: u8 = 15;

/// The short name of a level, such as `DISPATCH` or `DIRQL 5`; `?` for a number above `HIGH_LEVEL`.
pub const fn name(irql: u8) -> &'static str {
    const NAMES: [&str; 16] = [
        "PASSIVE", "APC", "DISPATCH", "DIRQL 3", "DIRQL 4", "DIRQL 5", "DIRQL 6", "DIRQL 7", "DIRQL 8", "DIRQL 9",
        "DIRQL 10", "DIRQL 11", "DIRQL 12", "CLOCK", "IPI", "HIGH",
    ];
    if (irql as usize) < NAMES.len() { NAMES[irql as usize] } else { "?" }
}
