//! Virtual addresses, by the page tables in the dump: x64 with four or five levels, and ARM64 with 4 KiB pages.
//!
//! The kernel's half of the tables is the upper one on both (on ARM64 Windows keeps one table of 48 bits for it, in the
//! header's `DirectoryTableBase`). A large page ends a walk early.

use std::collections::HashSet;

use crate::{
    header::{Header, MachineType},
    pages::{DumpPages, PAGE},
    source::DumpBytes,
};

/// Entries of a table.
const ENTRIES: u64 = 512;
/// Bits of an entry that are an address: up to 52 bits on x64, up to 50 that Windows uses on ARM64.
const ADDRESS_X64: u64 = 0x000f_ffff_ffff_f000;
const ADDRESS_ARM64: u64 = 0x0003_ffff_ffff_f000;

/// The address space of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Space<'d, S> {
    source: &'d S,
    pages: &'d DumpPages,
    machine: MachineType,
    top: u64,
    levels: u32,
}

/// An entry of a table.
enum Entry {
    None,
    Table(u64),
    /// A page of 4 KiB, or a larger one.
    Page(u64),
}

impl<'d, S: DumpBytes> Space<'d, S> {
    /// The space with this number of levels: four, or five with `LA57`.
    #[must_use]
    pub const fn new(source: &'d S, pages: &'d DumpPages, header: &Header, levels: u32) -> Self {
        Self { source, pages, machine: header.machine, top: header.page_tables & ADDRESS_X64, levels }
    }

    fn entry(&self, table: u64, index: u64, level: u32) -> Entry {
        let Some(bytes) = self.pages.rest_of_page(self.source, table + index * 8) else { return Entry::None };
        let value = bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        if value & 1 == 0 {
            return Entry::None;
        }
        let (mask, is_page) = match self.machine {
            // PS, which a table of 4 KiB pages uses for something else.
            MachineType::X64 => (ADDRESS_X64, level == 0 || value & 1 << 7 != 0),
            // A block has bit 1 clear; a page has it set.
            MachineType::Arm64 => (ADDRESS_ARM64, level == 0 || value & 1 << 1 == 0),
        };
        // Only the two lowest levels but one have large pages.
        if is_page && level > 2 {
            return Entry::None;
        }
        if is_page { Entry::Page(value & mask & !(size_of_page(level) - 1)) } else { Entry::Table(value & mask) }
    }

    /// The physical address of a virtual one.
    #[must_use]
    pub fn translate(&self, address: u64) -> Option<u64> {
        let mut table = self.top;
        for level in (0..self.levels).rev() {
            match self.entry(table, address >> (12 + 9 * level) & (ENTRIES - 1), level) {
                Entry::None => return None,
                Entry::Table(next) => table = next,
                Entry::Page(page) => return Some(page + (address & (size_of_page(level) - 1))),
            }
        }
        None
    }

    /// Appends the bytes at a virtual address to `out`; what the dump does not have is zero. Answers the number of bytes
    /// that it does not have.
    pub fn read(&self, address: u64, size: u64, out: &mut Vec<u8>) -> u64 {
        let (mut at, mut left, mut missing) = (address, size, 0);
        while left != 0 {
            let here = (PAGE - at % PAGE).min(left);
            let page = self.translate(at).and_then(|physical| self.pages.rest_of_page(self.source, physical));
            let bytes = page.map_or(&[][..], |page| &page[..page.len().min(here as usize)]);
            out.extend_from_slice(bytes);
            out.resize(out.len() + here as usize - bytes.len(), 0);
            missing += here - bytes.len() as u64;
            (at, left) = (at.wrapping_add(here), left - here);
        }
        missing
    }

    /// A number at a virtual address.
    #[must_use]
    pub fn u64(&self, address: u64) -> Option<u64> {
        let mut out = Vec::new();
        (self.read(address, 8, &mut out) == 0).then(|| u64::from_le_bytes(out.try_into().unwrap_or_default()))
    }

    /// The kernel's virtual address of each of these physical pages, as far as the tables have one. Each table is looked
    /// at once, so tables that point at each other end.
    #[must_use]
    pub fn addresses_of(&self, wanted: &[u64]) -> Vec<Option<u64>> {
        let mut found = vec![None; wanted.len()];
        let mut seen = HashSet::new();
        let top = self.levels - 1;
        let sign = !0 << (12 + 9 * self.levels);
        let mut open: Vec<(u64, u32, u64)> = Vec::new();
        // The upper half.
        for index in ENTRIES / 2..ENTRIES {
            self.visit(self.top, index, top, sign, wanted, &mut found, &mut open);
        }
        while let Some((table, level, base)) = open.pop() {
            if seen.insert((table, level)) {
                for index in 0..ENTRIES {
                    self.visit(table, index, level, base, wanted, &mut found, &mut open);
                }
            }
        }
        found
    }

    #[expect(clippy::too_many_arguments, reason = "the state of the walk, used in two places")]
    fn visit(
        &self,
        table: u64,
        index: u64,
        level: u32,
        base: u64,
        wanted: &[u64],
        found: &mut [Option<u64>],
        open: &mut Vec<(u64, u32, u64)>,
    ) {
        let address = base | index << (12 + 9 * level);
        match self.entry(table, index, level) {
            Entry::Table(next) if level != 0 => open.push((next, level - 1, address)),
            Entry::None | Entry::Table(_) => {}
            Entry::Page(page) => {
                for (place, &physical) in found.iter_mut().zip(wanted) {
                    if (page..page + size_of_page(level)).contains(&physical) && place.is_none() {
                        *place = Some(address + (physical - page));
                    }
                }
            }
        }
    }
}

/// Size of the page that an entry of this level is: 4 KiB, 2 MiB, 1 GiB.
const fn size_of_page(level: u32) -> u64 {
    1 << (12 + 9 * level)
}
