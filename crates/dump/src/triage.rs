//! The memory in a small dump: blocks by virtual address (`TRIAGE_DUMP64`, mindumpdef.h).

use crate::{header::SIZE, source::DumpBytes};

/// A block of memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBlock<'s> {
    /// Its virtual address.
    pub address: u64,
    /// Its bytes, as far as the file has them.
    pub bytes: &'s [u8],
}

/// The data blocks, as far as the file has entries for them.
#[must_use]
pub fn memory(source: &impl DumpBytes) -> Vec<MemoryBlock<'_>> {
    let (Some(offset), Some(count)) = (source.u32(SIZE + 0x78), source.u32(SIZE + 0x7c)) else { return Vec::new() };
    let list = source.bytes(u64::from(offset), u64::from(count) * 16);
    let entries = list.as_chunks::<16>().0.iter();
    entries
        .map(|entry| {
            let number = |at: usize| entry[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
            let address = u64::from(number(0)) | u64::from(number(4)) << 32;
            MemoryBlock { address, bytes: source.bytes(u64::from(number(8)), u64::from(number(12))) }
        })
        .collect()
}

/// Bytes at a virtual address, out of one block.
#[must_use]
pub fn read<'s>(memory: &[MemoryBlock<'s>], address: u64, size: u64) -> Option<&'s [u8]> {
    memory.iter().find_map(|block| {
        let offset = usize::try_from(address.checked_sub(block.address)?).ok()?;
        block.bytes.get(offset..)?.get(..usize::try_from(size).ok()?)
    })
}
