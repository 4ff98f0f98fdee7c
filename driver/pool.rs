//! Non-paged pool.

use core::ptr::NonNull;

use wdk_sys::{
    NTSTATUS, POOL_FLAG_NON_PAGED, STATUS_INSUFFICIENT_RESOURCES,
    ntddk::{ExAllocatePool2, ExFreePoolWithTag},
};

/// Tags of our allocations, as `!poolused` shows them.
pub mod tag {
    /// What the framework allocates for us.
    pub const FRAMEWORK: u32 = u32::from_le_bytes(*b"IrqF");
    /// The ring image.
    pub const IMAGE: u32 = u32::from_le_bytes(*b"IrqI");
    /// The piece of the image for a processor that came later.
    pub const PIECE: u32 = u32::from_le_bytes(*b"IrqP");
    /// The recorder itself.
    pub const RECORDER: u32 = u32::from_le_bytes(*b"IrqR");
    /// A running SELFTEST.
    pub const SELFTEST: u32 = u32::from_le_bytes(*b"IrqS");
}

/// Allocations of at least this many bytes are aligned to it (DDI wdm/nf-wdm-exallocatepool2: page-aligned from
/// PAGE_SIZE up).
pub const PAGE_SIZE: usize = 4096;

/// Zeroed, page-aligned non-paged memory that goes back when dropped.
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

    /// Gives up the care for the memory; whoever has the address has it now. IRQL: any.
    pub fn into_raw(self) -> NonNull<u8> {
        let memory = self.memory;
        core::mem::forget(self);
        memory
    }

    /// Takes the care back. IRQL: any.
    ///
    /// # Safety
    /// `memory` is what [`into_raw`](Self::into_raw) gave, for memory with this tag, and is given back once.
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
