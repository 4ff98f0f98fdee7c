//! x64.

use std::cell::Cell;

use object::pe;

/// The machine that images are for.
pub const MACHINE: u16 = pe::IMAGE_FILE_MACHINE_AMD64;
/// The architecture's name on command lines.
pub const NAME: &str = "x64";
/// The instruction that traps: `int3`.
pub const BREAKPOINT: [u8; 1] = [0xcc];
/// Room for one thunk.
pub const THUNK_SIZE: usize = 32;

const RIP: usize = libc::REG_RIP as usize;

/// Where the interrupted code was.
pub fn pc(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[RIP] as usize
}

/// Whether the access that faulted was a write: bit 1 of a page fault's error code (Intel SDM, volume 3, 4.7).
pub fn is_write(context: &libc::ucontext_t) -> bool {
    context.uc_mcontext.gregs[libc::REG_ERR as usize] & 2 != 0
}

/// Where it goes on.
pub fn set_pc(context: &mut libc::ucontext_t, pc: usize) {
    context.uc_mcontext.gregs[RIP] = pc as i64;
}

/// The address of the breakpoint that trapped: `int3` leaves the pc behind itself.
pub fn pc_of_breakpoint(context: &libc::ucontext_t) -> usize {
    pc(context) - BREAKPOINT.len()
}

/// The code an import goes through: it notes the stack pointer at `frame_offset` from the thread pointer, and jumps to
/// the routine. `rax` is the one register that neither carries an argument nor is preserved.
pub fn thunk(routine: usize, frame_offset: isize) -> [u8; THUNK_SIZE] {
    let offset = i32::try_from(frame_offset).expect("thread-local storage of the executable is small");
    let mut code = [0xcc; THUNK_SIZE];
    // mov fs:[offset], rsp
    code[..5].copy_from_slice(&[0x64, 0x48, 0x89, 0x24, 0x25]);
    code[5..9].copy_from_slice(&offset.to_le_bytes());
    // mov rax, routine; jmp rax
    code[9..11].copy_from_slice(&[0x48, 0xb8]);
    code[11..19].copy_from_slice(&routine.to_le_bytes());
    code[19..21].copy_from_slice(&[0xff, 0xe0]);
    code
}

/// The base of `fs`.
pub fn thread_pointer() -> usize {
    let base: usize;
    // SAFETY: the ABI keeps the base of fs at fs:[0].
    unsafe { core::arch::asm!("mov {}, fs:[0]", out(reg) base, options(nostack, readonly, preserves_flags)) };
    base
}

/// Whether the bytes before an address of code are a call: `e8 rel32`, `ff /2` or `ff /2` with a longer operand.
pub fn is_behind_call(address: usize) -> bool {
    // SAFETY: the caller has checked that this is code; the headers of the image lie before it.
    let before = |back: usize| unsafe { *((address - back) as *const u8) };
    before(5) == 0xe8 || (2..=7).any(|length| before(length) == 0xff && before(length - 1) & 0x38 == 0x10)
}

/// Code was written: nothing to do, the processor looks.
pub const fn code_written(_: *const u8, _: usize) {}

thread_local! {
    /// Counts while the trap flag is set.
    static STEPS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs `work` one instruction at a time; [`stepped`] is told about each. Gives how many of them it counted.
pub fn step_through(work: impl FnOnce()) -> Option<u64> {
    STEPS.set(Some(0));
    // SAFETY: sets the trap flag, and clears it again: the stack is as before.
    unsafe { core::arch::asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
    work();
    // SAFETY: as above.
    unsafe { core::arch::asm!("pushfq", "and dword ptr [rsp], 0xfffffeff", "popfq") };
    STEPS.take()
}

/// A trap at `pc` on the calling thread: whether it is one of [`step_through`]'s. It counts if `is_counted`.
pub fn stepped(is_counted: impl FnOnce() -> bool) -> bool {
    let Some(steps) = STEPS.get() else { return false };
    STEPS.set(Some(steps + u64::from(is_counted())));
    true
}
