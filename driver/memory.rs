//! The memory of the ring image: the allocation of the start, and a piece for each processor that was added later.

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

use irqlog_recorder::{layout::Layout, memory::Memory};
use wdk_sys::NTSTATUS;

use crate::pool::{PAGE_SIZE, Pages, tag};

/// The memory of the image. This structure, and the table of pieces behind it, lie in non-paged pool too.
#[derive(Debug)]
pub struct ImageMemory {
    words: &'static [AtomicU64],
    /// A piece for each processor that can be added; null until it is.
    pieces: &'static [AtomicPtr<AtomicU64>],
    piece_words: usize,
    /// Number of processors that were there at the start.
    active: usize,
}

impl Memory for ImageMemory {
    type Word = AtomicU64;

    #[inline]
    fn image(&self) -> &[AtomicU64] {
        self.words
    }

    fn added(&self, index: usize) -> Option<&[AtomicU64]> {
        // Pairs with the Release in `add`: whoever sees the piece sees it zeroed.
        let piece = NonNull::new(self.pieces.get(index)?.load(Ordering::Acquire))?;
        // SAFETY: allocated in `add` with that many words, aligned and zeroed, and freed after the last caller is gone.
        Some(unsafe { core::slice::from_raw_parts(piece.as_ptr(), self.piece_words) })
    }
}

impl ImageMemory {
    /// Allocates the memory for a layout, zeroed. It is valid as long as the two `Pages` are kept. IRQL: at most
    /// DISPATCH_LEVEL.
    ///
    /// # Errors
    /// STATUS_INSUFFICIENT_RESOURCES.
    pub fn allocate(layout: &Layout) -> Result<(&'static Self, [Pages; 2]), NTSTATUS> {
        const { assert!(align_of::<Self>() <= PAGE_SIZE && size_of::<Self>().is_multiple_of(size_of::<usize>())) };
        let later = layout.processors().saturating_sub(layout.active());
        let memory = Pages::allocate(layout.words() * size_of::<AtomicU64>(), tag::IMAGE)?;
        let table = Pages::allocate(size_of::<Self>() + later * size_of::<AtomicPtr<AtomicU64>>(), tag::RECORDER)?;
        // SAFETY: page-aligned, zeroed, that large, and kept by the caller for as long as it is used.
        let words = unsafe { core::slice::from_raw_parts(memory.start().cast().as_ptr(), layout.words()) };
        let place = table.start().cast::<Self>();
        // SAFETY: behind the structure, in the same allocation; aligned, since its size is a multiple of a pointer's.
        let behind = unsafe { place.add(1) };
        // SAFETY: as above; zeroed, so every pointer is null.
        let pieces = unsafe { core::slice::from_raw_parts(behind.cast().as_ptr(), later) };
        let image = Self { words, pieces, piece_words: layout.piece_words(), active: layout.active() };
        // SAFETY: page-aligned memory of at least that size, which nobody else knows.
        unsafe { place.write(image) };
        // SAFETY: just written, and kept by the caller for as long as it is used.
        Ok((unsafe { place.as_ref() }, [memory, table]))
    }

    /// Where the image lies: its address and size, the address of the table of pieces, their number, and the size of a
    /// piece, in bytes. IRQL: any.
    pub fn places(&self) -> [u64; 5] {
        let size = |words: usize| (words * size_of::<AtomicU64>()) as u64;
        [
            self.words.as_ptr() as u64,
            size(self.words.len()),
            self.pieces.as_ptr() as u64,
            self.pieces.len() as u64,
            size(self.piece_words),
        ]
    }

    /// The pieces that exist. IRQL: any.
    pub fn pieces(&self) -> impl Iterator<Item = *const core::ffi::c_void> {
        let pieces = self.pieces.iter().map(|cell| cell.load(Ordering::Acquire).cast_const().cast());
        pieces.filter(|piece: &*const core::ffi::c_void| !piece.is_null())
    }

    /// Allocates the piece of a processor; answers false if the processor has one, or was there at the start. One
    /// caller at a time. IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Errors
    /// STATUS_INSUFFICIENT_RESOURCES.
    pub fn add(&self, processor: u32) -> Result<bool, NTSTATUS> {
        let cell = (processor as usize).checked_sub(self.active).and_then(|index| self.pieces.get(index));
        let Some(cell) = cell.filter(|cell| cell.load(Ordering::Relaxed).is_null()) else { return Ok(false) };
        let piece = Pages::allocate(self.piece_words * size_of::<AtomicU64>(), tag::PIECE)?;
        // Pairs with the Acquire in `added`.
        cell.store(piece.into_raw().cast().as_ptr(), Ordering::Release);
        Ok(true)
    }

    /// Frees the pieces. No caller logs or reads any more. IRQL: at most DISPATCH_LEVEL.
    pub fn free_pieces(&self) {
        for cell in self.pieces {
            if let Some(piece) = NonNull::new(cell.swap(core::ptr::null_mut(), Ordering::AcqRel)) {
                // SAFETY: made in `add` with that tag, and taken out of its cell.
                drop(unsafe { Pages::from_raw(piece.cast(), tag::PIECE) });
            }
        }
    }
}
