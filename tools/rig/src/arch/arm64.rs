//! ARM64.

use object::pe;

/// The machine that images are for.
pub const MACHINE: u16 = pe::IMAGE_FILE_MACHINE_ARM64;
/// The architecture's name on command lines.
pub const NAME: &str = "arm64";
/// The instruction that traps: `brk #0`.
pub const BREAKPOINT: [u8; 4] = 0xd420_0000_u32.to_le_bytes();
/// Room for one thunk.
pub const THUNK_SIZE: usize = 48;

/// Where the interrupted code was.
pub fn pc(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

/// Whether the access that faulted was a write: not known, since libc does not show the syndrome register.
pub const fn is_write(_: &libc::ucontext_t) -> bool {
    false
}

/// Where it goes on.
pub fn set_pc(context: &mut libc::ucontext_t, pc: usize) {
    context.uc_mcontext.pc = pc as u64;
}

/// The address of the breakpoint that trapped: `brk` leaves the pc at itself.
pub fn pc_of_breakpoint(context: &libc::ucontext_t) -> usize {
    pc(context)
}

/// The code an import goes through: it notes the stack pointer and the return address at `frame_offset` from the thread
/// pointer, and jumps to the routine. `x16` and `x17` are there for that: a call through the linker may change them.
pub fn thunk(routine: usize, frame_offset: isize) -> [u8; THUNK_SIZE] {
    let words: [u32; 8] = [
        0xd53b_d050, // mrs  x16, tpidr_el0
        0x5800_00f1, // ldr  x17, frame_offset, 28 bytes on
        0x8b11_0210, // add  x16, x16, x17
        0x9100_03f1, // mov  x17, sp
        0xa900_7a11, // stp  x17, x30, [x16]
        0x5800_00b0, // ldr  x16, routine, 20 bytes on
        0xd61f_0200, // br   x16
        0xd503_201f, // nop
    ];
    let mut code = [0; THUNK_SIZE];
    for (place, word) in code.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    code[32..40].copy_from_slice(&frame_offset.to_le_bytes());
    code[40..].copy_from_slice(&routine.to_le_bytes());
    code
}

/// `tpidr_el0`.
pub fn thread_pointer() -> usize {
    let base: usize;
    // SAFETY: reads a register that user mode may read.
    unsafe { core::arch::asm!("mrs {}, tpidr_el0", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

/// Whether the instruction before an address of code is a call: `bl` or `blr`.
pub fn is_behind_call(address: usize) -> bool {
    if !address.is_multiple_of(4) {
        return false;
    }
    // SAFETY: the caller has checked that this is code; the headers of the image lie before it.
    let word = unsafe { *((address - 4) as *const u32) };
    word & 0xfc00_0000 == 0x9400_0000 || word & 0xffff_fc1f == 0xd63f_0000
}

/// Code was written: the instruction cache does not see that by itself. Four bytes is the smallest line that the
/// architecture allows, and this is no place where time counts.
pub fn code_written(start: *const u8, length: usize) {
    let (start, end) = (start as usize / 4 * 4, start as usize + length);
    for address in (start..end).step_by(4) {
        // SAFETY: cache maintenance of readable memory, which user mode may do on Linux.
        unsafe { core::arch::asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb ish", options(nostack, preserves_flags)) };
    for address in (start..end).step_by(4) {
        // SAFETY: as above.
        unsafe { core::arch::asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { core::arch::asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Runs `work`; user mode cannot step itself here, so nothing is counted.
pub fn step_through(work: impl FnOnce()) -> Option<u64> {
    work();
    None
}

/// No trap is one of [`step_through`]'s.
pub fn stepped(_: impl FnOnce() -> bool) -> bool {
    false
}
