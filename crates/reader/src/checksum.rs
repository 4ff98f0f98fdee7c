//! Checksums of a saved image: they tell bytes that were changed after the save from records that were lost before it.
//!
//! The file is divided into blocks of [`BLOCK`] bytes, from its first byte up to the table of checksums, which is its
//! end. The table has the CRC-32 of each block and, last, that of the table before it, so every byte of the file is
//! covered. A CRC finds accidents: a bad disk, a transfer in text mode, an editor. It finds no forger.

use std::io::{Read, Result, Seek, SeekFrom, Write};

use irqlog_wire::image::ImageHeader;

/// Bytes of a block. Larger blocks would say less exactly where the damage is.
pub(crate) const BLOCK: u64 = 64 << 10;

/// Bytes of one checksum.
const SUM: u64 = size_of::<u32>() as u64;

/// Bytes of the table for an image of `size` bytes before it.
pub(crate) const fn table_size(size: u64) -> u64 {
    (size.div_ceil(BLOCK) + 1) * SUM
}

/// Writes the table behind the first `size` bytes of a file, which it reads for that.
pub(crate) fn write(file: &mut (impl Read + Write + Seek), size: u64) -> Result<()> {
    let mut table = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    let mut block = Vec::new();
    let mut left = size;
    while left != 0 {
        block.resize(left.min(BLOCK) as usize, 0);
        file.read_exact(&mut block)?;
        table.extend_from_slice(&crc32fast::hash(&block).to_le_bytes());
        left -= block.len() as u64;
    }
    table.extend_from_slice(&crc32fast::hash(&table).to_le_bytes());
    file.seek(SeekFrom::Start(size))?;
    file.write_all(&table)
}

/// What the checksums of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// The file has none: it is no saved one, or was saved before format 1.3.
    NoChecksums,
    /// The table is not there, or is damaged itself: nothing is known of the rest.
    NoTable,
    /// They were compared; the bytes of these ranges, first to last, are not those that were saved.
    Checked(Vec<(u64, u64)>),
}

/// Compares the checksums with the bytes of a file. `progress` is told the bytes that were read since its last call.
pub(crate) fn verify(
    file: &mut (impl Read + Seek),
    length: u64,
    header: &ImageHeader,
    mut progress: impl FnMut(u64),
) -> Result<Integrity> {
    let (size, block_size) = (header.checksums_offset.get(), header.checksum_block.get());
    if size == 0 {
        return Ok(Integrity::NoChecksums);
    }
    // A block of another size is of a version to come, or damage in the header.
    if block_size != BLOCK || size >= length || length - size < table_size(size) {
        return Ok(Integrity::NoTable);
    }
    file.seek(SeekFrom::Start(size))?;
    // The file is that long, so the table is smaller than a ten-thousandth of what is on the disk.
    let mut table = vec![0; table_size(size) as usize];
    file.read_exact(&mut table)?;
    let (sums, own) = table.split_at(table.len() - SUM as usize);
    if crc32fast::hash(sums).to_le_bytes() != own {
        return Ok(Integrity::NoTable);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut changed: Vec<(u64, u64)> = Vec::new();
    let mut block = Vec::new();
    for (start, sum) in (0..size).step_by(BLOCK as usize).zip(sums.as_chunks::<4>().0) {
        block.resize((size - start).min(BLOCK) as usize, 0);
        file.read_exact(&mut block)?;
        progress(block.len() as u64);
        if crc32fast::hash(&block) != u32::from_le_bytes(*sum) {
            let end = start + block.len() as u64 - 1;
            match changed.last_mut() {
                Some((_, last)) if *last + 1 == start => *last = end,
                _ => changed.push((start, end)),
            }
        }
    }
    Ok(Integrity::Checked(changed))
}
