//! The memory that the bug-check callbacks work in, and the anchor that leads readers of dumps to the image.

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU64, Ordering},
};

use irqlog_recorder::{
    crash::{Passes, Scratch},
    layout::Layout,
};
use irqlog_wire::{
    crash::{ANCHOR_MAGIC, Anchor, anchor_word},
    record::WORD,
};
use wdk_sys::{
    KTRIAGE_DUMP_DATA_ARRAY, NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, ntddk::KeInitializeTriageDumpDataArray,
};

use crate::{
    memory::ImageMemory,
    pool::{Pages, tag},
};

/// Words of the buffer in which a part is made.
const PART_WORDS: usize = 64 * 1024 / WORD;
/// Words of the buffer for the part of a small dump; of its own, because both callbacks run in one crash.
const TRIAGE_WORDS: usize = 16 * 1024 / WORD;
/// Blocks of a small dump besides the pieces: anchor, image or part, and table of pieces.
const TRIAGE_BLOCKS: usize = 4;

/// What irqlog.sys exports for readers of memory: see [`Anchor`].
// SAFETY: no other symbol of that name is linked.
#[unsafe(export_name = "IrqlogAnchor")]
pub static ANCHOR: [AtomicU64; anchor_word::COUNT] = [
    AtomicU64::new(u64::from_le_bytes(ANCHOR_MAGIC)),
    AtomicU64::new(Anchor::VERSION),
    AtomicU64::new(0),
    AtomicU64::new(0),
    AtomicU64::new(0),
    AtomicU64::new(0),
    AtomicU64::new(0),
];

/// Lets the anchor point at an image, or at nothing. IRQL: any.
pub fn set_anchor(image: Option<&ImageMemory>) {
    let places = image.map_or([0; 5], ImageMemory::places);
    for (word, value) in ANCHOR.iter().skip(anchor_word::IMAGE).zip(places) {
        word.store(value, Ordering::Release);
    }
}

/// The memory that the callbacks work in.
pub struct CrashMemory {
    inner: UnsafeCell<CallbackMemory>,
    _pages: Pages,
}

/// What a callback works with.
pub struct CallbackMemory {
    /// What the selection of records works in.
    pub scratch: Scratch<'static>,
    /// The passes of this bug check so far.
    pub passes: Passes,
    /// The buffer in which a part is made.
    pub part: &'static mut [u64],
    /// The buffer for the part of a small dump.
    pub triage_part: &'static mut [u64],
    /// A `KTRIAGE_DUMP_DATA_ARRAY` with room for all blocks.
    pub array: &'static mut [u64],
    /// The array was initialised.
    pub has_array: bool,
    /// The blocks are in the array.
    pub is_added: bool,
}

// SAFETY: the callbacks alone use what is inside, on the one processor that is not frozen, one after the other.
unsafe impl Sync for CrashMemory {}

impl CrashMemory {
    /// Allocates the memory for a layout. IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Errors
    /// STATUS_INSUFFICIENT_RESOURCES.
    pub fn allocate(layout: &Layout) -> Result<Self, NTSTATUS> {
        let blocks = TRIAGE_BLOCKS + layout.processors().saturating_sub(layout.active());
        // Each block is an address and a size; the structure has one.
        let array_words = (size_of::<KTRIAGE_DUMP_DATA_ARRAY>() + blocks * 2 * WORD) / WORD;
        let words = Scratch::words(layout) + PART_WORDS + TRIAGE_WORDS + array_words;
        let pages = Pages::allocate(words * WORD, tag::CRASH)?;
        // SAFETY: page-aligned, zeroed, that large, ours alone, and kept in the result for as long as it is used.
        let memory = unsafe { core::slice::from_raw_parts_mut(pages.start().cast::<u64>().as_ptr(), words) };
        let split =
            |memory: &'static mut [u64], at| memory.split_at_mut_checked(at).ok_or(STATUS_INSUFFICIENT_RESOURCES);
        let (part, rest) = split(memory, PART_WORDS)?;
        let (triage_part, rest) = split(rest, TRIAGE_WORDS)?;
        let (array, rest) = split(rest, array_words)?;
        let scratch = Scratch::new(rest, layout).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        // SAFETY: memory of that size, which the array keeps; the page of the routine names no IRQL limit.
        let status = unsafe {
            KeInitializeTriageDumpDataArray(
                array.as_mut_ptr().cast::<KTRIAGE_DUMP_DATA_ARRAY>(),
                size_of_val(array) as u32,
            )
        };
        let inner = CallbackMemory {
            scratch,
            passes: Passes::new(),
            part,
            triage_part,
            array,
            has_array: wdk::nt_success(status),
            is_added: false,
        };
        Ok(Self { inner: UnsafeCell::new(inner), _pages: pages })
    }

    /// What the callbacks work with. IRQL: any.
    ///
    /// # Safety
    /// A callback of the bug check asks, on the one processor that runs, and keeps the result for one call.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the callers take turns, as they promise")]
    pub unsafe fn inside(&self) -> &mut CallbackMemory {
        // SAFETY: as the caller promises: nobody else is inside.
        unsafe { &mut *self.inner.get() }
    }
}
