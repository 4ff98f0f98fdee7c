//! The bytes of a file, read by offset: mapped memory, or a slice in a test.

/// Bytes that are read by their offset.
pub trait DumpBytes {
    /// Number of bytes.
    fn length(&self) -> u64;

    /// The bytes from `offset` on, at most `size`; fewer at the end of the file.
    fn bytes(&self, offset: u64, size: u64) -> &[u8];

    /// The caller has done with these bytes for now: whoever maps a file may let go of their memory.
    fn release(&self, offset: u64, size: u64) {
        let _ = (offset, size);
    }

    /// An array at an offset; `None` if it is not all there.
    fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]>
    where
        Self: Sized,
    {
        self.bytes(offset, N as u64).try_into().ok()
    }

    /// A number of four bytes.
    fn u32(&self, offset: u64) -> Option<u32>
    where
        Self: Sized,
    {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// A number of eight bytes.
    fn u64(&self, offset: u64) -> Option<u64>
    where
        Self: Sized,
    {
        self.array(offset).map(u64::from_le_bytes)
    }
}

impl<T: AsRef<[u8]>> DumpBytes for T {
    fn length(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn bytes(&self, offset: u64, size: u64) -> &[u8] {
        let all = self.as_ref();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(all.len() - start);
        &all[start..start + size]
    }
}
