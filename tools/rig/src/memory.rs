//! Host memory with guard pages: for images, and for pool.

use std::ptr::NonNull;

use anyhow::{Result, ensure};

use crate::arch;

/// The host's page size, which is also that of Windows on both architectures.
pub const PAGE: usize = 4096;

/// The accesses to memory that are allowed besides reading.
#[derive(Clone, Copy, Debug)]
pub struct Protection {
    /// Writes are allowed.
    pub write: bool,
    /// Execution is allowed.
    pub execute: bool,
}

impl Protection {
    const fn bits(self) -> i32 {
        libc::PROT_READ | if self.write { libc::PROT_WRITE } else { 0 } | if self.execute { libc::PROT_EXEC } else { 0 }
    }
}

/// Pages of our own, with an inaccessible page before and behind them.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: plain memory; its users agree which of them accesses which part at which time.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves readable and writable zeroed memory, rounded up to pages.
    ///
    /// # Errors
    /// If the host has none.
    pub fn reserve(size: usize) -> Result<Self> {
        let size = size.next_multiple_of(PAGE);
        let whole = size + 2 * PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping, wherever the kernel likes.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), whole, libc::PROT_NONE, flags, -1, 0) };
        ensure!(memory != libc::MAP_FAILED, "no memory: {}", std::io::Error::last_os_error());
        // SAFETY: one page into the mapping.
        let start = unsafe { memory.cast::<u8>().add(PAGE) };
        let start = NonNull::new(start).ok_or_else(|| anyhow::anyhow!("no memory"))?;
        let region = Self { start, size };
        region.protect(0, size, Protection { write: true, execute: false })?;
        Ok(region)
    }

    /// First address.
    pub fn start(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// Bytes between the guard pages.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Whether an address is in it or in its guard pages.
    pub fn is_near(&self, address: usize) -> bool {
        self.start() - PAGE <= address && address < self.start() + self.size + PAGE
    }

    fn at(&self, offset: usize, length: usize) -> *mut u8 {
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.size), "outside the region");
        // SAFETY: inside the region, as was just checked.
        unsafe { self.start.as_ptr().add(offset) }
    }

    /// Stores bytes; the pages have to be writable still.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        // SAFETY: `at` checks the range, `&mut self` says that no other user exists yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset, bytes.len()), bytes.len()) }
    }

    /// Loads eight bytes.
    pub fn read_u64(&self, offset: usize) -> u64 {
        // SAFETY: `at` checks the range; any alignment is allowed.
        unsafe { self.at(offset, 8).cast::<u64>().read_unaligned() }
    }

    /// Changes the protection of the pages that a range touches.
    ///
    /// # Errors
    /// If the host refuses.
    pub fn protect(&self, offset: usize, length: usize, protection: Protection) -> Result<()> {
        self.set_protection(offset, length, protection.bits())
    }

    /// Makes everything inaccessible: what is touched from now on faults. The addresses stay taken; the host gets its memory
    /// back.
    ///
    /// # Errors
    /// If the host refuses.
    pub fn forbid(&self) -> Result<()> {
        self.set_protection(0, self.size, libc::PROT_NONE)?;
        // SAFETY: whole pages of our own mapping, which no reader can reach any more.
        let result = unsafe { libc::madvise(self.at(0, self.size).cast(), self.size, libc::MADV_DONTNEED) };
        ensure!(result == 0, "madvise: {}", std::io::Error::last_os_error());
        Ok(())
    }

    fn set_protection(&self, offset: usize, length: usize, bits: i32) -> Result<()> {
        let start = offset / PAGE * PAGE;
        let end = (offset + length).next_multiple_of(PAGE).min(self.size);
        // SAFETY: whole pages of our own mapping.
        let result = unsafe { libc::mprotect(self.at(start, end - start).cast(), end - start, bits) };
        ensure!(result == 0, "mprotect: {}", std::io::Error::last_os_error());
        Ok(())
    }

    /// Replaces bytes of code and gives the old ones.
    ///
    /// # Errors
    /// If the host refuses to make the page writable.
    pub fn patch<const N: usize>(&self, offset: usize, bytes: [u8; N]) -> Result<[u8; N]> {
        self.set_protection(offset, N, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)?;
        let place = self.at(offset, N);
        // SAFETY: in range and writable; code of the image, which no Rust reference covers. Bytes have no alignment.
        let old = unsafe { place.cast::<[u8; N]>().replace(bytes) };
        arch::code_written(place, N);
        self.set_protection(offset, N, libc::PROT_READ | libc::PROT_EXEC)?;
        Ok(old)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let whole = (self.start() - PAGE) as *mut libc::c_void;
        // SAFETY: the mapping that `reserve` made, guard pages included.
        unsafe { libc::munmap(whole, self.size + 2 * PAGE) };
    }
}
