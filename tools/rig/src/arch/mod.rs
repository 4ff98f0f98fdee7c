//! The parts of the rig that differ between architectures. The rig loads images of the architecture that it runs on.
//!
//! Each of [`x64`] and [`arm64`] has the same items; the one that is compiled for is this module's. Everything else in
//! the rig is the same for both. `extern "efiapi"` in it means the calling convention of Windows: `win64` on x64, that
//! of C on ARM64.

use std::cell::Cell;

#[cfg(target_arch = "aarch64")]
mod arm64;
#[cfg(target_arch = "x86_64")]
mod x64;

#[cfg(target_arch = "aarch64")]
use arm64 as this;
#[cfg(target_arch = "x86_64")]
use x64 as this;

pub use this::{
    BREAKPOINT, MACHINE, NAME, THUNK_SIZE, code_written, is_behind_call, is_write, pc, pc_of_breakpoint, set_pc,
    step_through, stepped, thunk,
};

/// Where a thread of a driver entered an import: what the thunk notes, so that a report can name the caller.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ImportFrame {
    /// The stack pointer.
    pub stack: usize,
    /// The return address, where it is in a register; else 0, and it lies at `stack`.
    pub link: usize,
}

thread_local! {
    /// The entry of the last import. The thunks write it, at its distance from the thread pointer.
    static FRAME: Cell<ImportFrame> = const { Cell::new(ImportFrame { stack: 0, link: 0 }) };
}

/// The calling thread's last import.
pub fn import_frame() -> ImportFrame {
    FRAME.get()
}

/// Puts back what [`import_frame`] was.
pub fn set_import_frame(frame: ImportFrame) {
    FRAME.set(frame);
}

/// The distance of the calling thread's frame from its thread pointer. It is the same in every thread, because the frame
/// is in the executable's own thread-local storage, which lies at a fixed distance from the thread pointer (ELF's
/// local-exec model).
pub fn frame_offset() -> isize {
    FRAME.with(|frame| (std::ptr::from_ref(frame) as isize).wrapping_sub(this::thread_pointer() as isize))
}
