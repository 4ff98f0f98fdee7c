//! Allocations of non-paged pool, which free themselves.

use core::ptr::NonNull;

use wdk_sys::{
    NTSTATUS, POOL_FLAG_NON_PAGED, STATUS_INSUFFICIENT_RESOURCES,
    ntddk::{ExAllocatePool2, ExFreePoolWithTag},
};

/// Pool tags of irqlog's allocations, as `!poolused` shows them.
pub mod tag {
    /// Allocations of the framework for this driver.
    pub const FRAMEWORK: u32 = u32::from_le_bytes(*b"IrqF");
    /// The ring image.
    pub const IMAGE: u32 = u32::from_le_bytes(*b"IrqI");
    /// The piece of the image for a processor that was added later.
    pub const PIECE: u32 = u32::from_le_bytes(*b"IrqP");
    /// The recorder itself.
    pub const RECORDER: u32 = u32::from_le_bytes(*b"IrqR");
    /// The memory of the bug-check callbacks.
    pub const CRASH: u32 = u32::from_le_bytes(*b"IrqC");
    /// A running SELFTEST.
    pub const SELFTEST: u32 = u32::from_le_bytes(*b"IrqS");
}

/// Allocations of at least this many bytes are aligned to it (DDI wdm/nf-wdm-exallocatepool2: page-aligned from
/// PAGE_SIZE up).
pub const PAGE_SIZE: usize = 4096;

/// Zeroed, page-aligned non-paged memory; dropping it frees the memory.
#[derive(Debug)]
pub struct Pages {
    memory: NonNull<u8>,
    tag: u32,
}

impl Pages {
    /// Allocates at least `bytes`. IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Errors
    /// STATUS_INSUFFICIENT_RESOURCES.
    pub fn allocate(bytes: usize, tag: u32) -> Result<Self, NTSTATUS> {
        // SAFETY: non-paged, so allowed up to DISPATCH_LEVEL; the size is not zero.
        let memory = unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes.max(PAGE_SIZE) as u64, tag) };
        NonNull::new(memory.cast()).map(|memory| Self { memory, tag }).ok_or(STATUS_INSUFFICIENT_RESOURCES)
    }

    /// Gives up the ownership of the memory; the holder of the address owns it now. IRQL: any.
    pub fn into_raw(self) -> NonNull<u8> {
        let memory = self.memory;
        core::mem::forget(self);
        memory
    }

    /// Takes the ownership back. IRQL: any.
    ///
    /// # Safety
    /// `memory` is the answer of [`into_raw`](Self::into_raw), for memory with this tag, and is passed here once.
    pub const unsafe fn from_raw(memory: NonNull<u8>, tag: u32) -> Self {
        Self { memory, tag }
    }

    /// Start of the memory, aligned to [`PAGE_SIZE`]. IRQL: any.
    pub const fn start(&self) -> NonNull<u8> {
        self.memory
    }
}

impl Drop for Pages {
    /// IRQL: at most DISPATCH_LEVEL.
    fn drop(&mut self) {
        // SAFETY: allocated with this tag in `allocate`, and freed once.
        unsafe { ExFreePoolWithTag(self.memory.as_ptr().cast(), self.tag) }
    }
}
