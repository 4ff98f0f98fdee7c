//! Crash dumps as Windows writes them, of each kind that `crates/dump` reads: for the rig, and for tests of the reader.
//!
//! Memory of the rig lies at user-mode addresses. A dump shows it in the kernel's half of the address space, over physical pages that are scattered, with page tables of the machine's own form. The few addresses
//! that irqlog.sys stores itself, in its anchor and its table of pieces, are moved along.
//!
//! The layouts are those of the SDK's mindumpdef.h, and what was seen in real small dumps; where secondary data lie in the
//! other kinds is not documented: here they follow the memory.

use std::collections::BTreeMap;

use irqlog_wire::crash::{ANCHOR_MAGIC, Anchor, anchor_word};

/// A block of secondary data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// As it lies in a dump.
    pub guid: [u8; 16],
    /// Its bytes.
    pub bytes: Vec<u8>,
}

const PAGE: usize = 4096;
/// Where the list of loaded drivers lies, before it is moved.
const MODULES: usize = 0x6fff_0000_0000;
/// Start of the kernel's half.
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// Size of the dump's header.
const HEADER: usize = 0x2000;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpVariety {
    /// All of memory.
    Full,
    /// The kernel's pages, by a bitmap.
    Kernel,
    /// The same of all of memory.
    BitmapFull,
    /// Ranges of pages.
    Ranges,
    /// A small dump.
    Small,
}

impl DumpVariety {
    /// Each kind.
    pub const ALL: [Self; 5] = [Self::Full, Self::Kernel, Self::BitmapFull, Self::Ranges, Self::Small];

    /// `DumpType` of the header.
    pub const fn dump_type(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::BitmapFull => 5,
            Self::Kernel => 6,
            Self::Ranges => 8,
            Self::Small => 4,
        }
    }
}

/// What a dump is written of.
#[derive(Clone, Copy, Debug)]
pub struct Crashed<'c> {
    /// Code of the bug check.
    pub code: u32,
    /// Its parameters.
    pub parameters: [u64; 4],
    /// PE machine type.
    pub machine: u32,
    /// Number of processors.
    pub processors: u32,
    /// Levels of page tables: 4, or 5 on x64.
    pub levels: u32,
    /// Memory of the drivers: address and bytes.
    pub memory: &'c [(usize, Vec<u8>)],
    /// Drivers in the list of loaded ones: name, address, and size of the image.
    pub modules: &'c [(&'c str, usize, usize)],
    /// Memory that callbacks have added to a small dump.
    pub added: &'c [(usize, Vec<u8>)],
    /// Secondary data.
    pub blocks: &'c [Block],
}

/// The bytes of a dump.
#[must_use]
pub fn write(kind: DumpVariety, crashed: &Crashed<'_>) -> Vec<u8> {
    let mut out = if kind == DumpVariety::Small { small(crashed) } else { Physical::of(crashed).file(kind, crashed) };
    if !crashed.blocks.is_empty() {
        secondary(&mut out, crashed.blocks);
    }
    out
}

fn put(out: &mut [u8], offset: usize, bytes: &[u8]) {
    out[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// The header: unused bytes are filled with `PAGE`, as Windows does.
fn header(kind: DumpVariety, crashed: &Crashed<'_>, page_tables: u64) -> Vec<u8> {
    let mut out = b"PAGE".repeat(HEADER / 4);
    put(&mut out, 4, b"DU64");
    put(&mut out, 0x10, &page_tables.to_le_bytes());
    let list = if crashed.modules.is_empty() { 0 } else { moved(MODULES as u64) };
    put(&mut out, 0x20, &list.to_le_bytes());
    put(&mut out, 0x30, &crashed.machine.to_le_bytes());
    put(&mut out, 0x34, &crashed.processors.to_le_bytes());
    put(&mut out, 0x38, &crashed.code.to_le_bytes());
    for (index, parameter) in crashed.parameters.into_iter().enumerate() {
        put(&mut out, 0x40 + index * 8, &parameter.to_le_bytes());
    }
    put(&mut out, 0xf98, &kind.dump_type().to_le_bytes());
    out
}

/// Secondary data, behind everything else.
fn secondary(out: &mut Vec<u8>, blocks: &[Block]) {
    out.extend(b"DumpBlob");
    out.extend(0x10_u32.to_le_bytes());
    out.extend((0xf000_0000_u32 | 0x5867).to_le_bytes());
    // Blocks of others, empty ones among them, lie around ours.
    let others = [
        Block { guid: [0; 16], bytes: Vec::new() },
        Block { guid: *b"somebody else's!", bytes: b"IRQLOG\r\n is no image".to_vec() },
    ];
    for block in others.iter().chain(blocks).chain(&others) {
        out.extend(0x20_u32.to_le_bytes());
        out.extend(block.guid);
        out.extend((block.bytes.len() as u32).to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        let padding = block.bytes.len().wrapping_neg() % 8;
        out.extend((padding as u32).to_le_bytes());
        out.extend(&block.bytes);
        out.resize(out.len() + padding, 0);
    }
}

/// The list of loaded drivers: its head, then an entry of 256 bytes for each, with the name in it.
///
/// The places of the fields are those of KLDR_DATA_TABLE_ENTRY in 64-bit Windows.
fn modules(all: &[(&str, usize, usize)]) -> Vec<u8> {
    const ENTRY: usize = 256;
    const NAME: usize = 0xa0;
    let mut out = vec![0; (all.len() + 1) * ENTRY];
    let place = |index: usize| moved((MODULES + index % (all.len() + 1) * ENTRY) as u64);
    for index in 0..=all.len() {
        put(&mut out, index * ENTRY, &place(index + 1).to_le_bytes());
        put(&mut out, index * ENTRY + 8, &place(index + all.len()).to_le_bytes());
    }
    for (index, (name, base, size)) in (1..).zip(all) {
        let entry = index * ENTRY;
        let name: Vec<u8> = name.encode_utf16().take((ENTRY - NAME) / 2).flat_map(u16::to_le_bytes).collect();
        put(&mut out, entry + 0x30, &moved(*base as u64).to_le_bytes());
        put(&mut out, entry + 0x40, &(*size as u32).to_le_bytes());
        put(&mut out, entry + 0x58, &(name.len() as u16).to_le_bytes());
        put(&mut out, entry + 0x60, &(place(index) + NAME as u64).to_le_bytes());
        put(&mut out, entry + NAME, &name);
    }
    out
}

/// The kernel's address of memory of the rig; null stays null.
const fn moved(address: u64) -> u64 {
    if address == 0 { 0 } else { address | KERNEL }
}

/// Moves the addresses that irqlog.sys stores: its anchor, and the table of pieces that the anchor names.
fn relocate(memory: &mut [(usize, Vec<u8>)]) {
    let mut table = None;
    for (_, bytes) in memory.iter_mut() {
        let Some(at) = bytes.windows(ANCHOR_MAGIC.len()).step_by(8).position(|window| window == ANCHOR_MAGIC) else {
            continue;
        };
        let word = |index: usize| at * 8 + (anchor_word::IMAGE + index) * 8;
        let number = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        if bytes.len() < at * 8 + size_of::<Anchor>() || number(bytes, word(0)) == 0 {
            continue;
        }
        table = Some((number(bytes, word(2)), number(bytes, word(3))));
        for index in [0, 2] {
            let address = number(bytes, word(index));
            put(bytes, word(index), &moved(address).to_le_bytes());
        }
    }
    let Some((table, count)) = table else { return };
    for (start, bytes) in memory {
        let Some(offset) = (table as usize).checked_sub(*start).filter(|offset| *offset < bytes.len()) else {
            continue;
        };
        for entry in bytes[offset..].chunks_exact_mut(8).take(count as usize) {
            let address = u64::from_le_bytes((&*entry).try_into().unwrap_or_default());
            entry.copy_from_slice(&moved(address).to_le_bytes());
        }
    }
}

/// A small dump: TRIAGE_DUMP64, a list of blocks, their bytes.
fn small(crashed: &Crashed<'_>) -> Vec<u8> {
    let mut added = crashed.added.to_vec();
    relocate(&mut added);
    let mut out = header(DumpVariety::Small, crashed, 0);
    let list = HEADER + 0x100;
    let data = list + added.len() * 16;
    let size = data + added.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    out.resize(data, 0);
    put(&mut out, HEADER + 4, &(size as u32).to_le_bytes());
    put(&mut out, HEADER + 0x78, &(list as u32).to_le_bytes());
    put(&mut out, HEADER + 0x7c, &(added.len() as u32).to_le_bytes());
    for (index, (address, bytes)) in added.iter().enumerate() {
        let offset = out.len();
        put(&mut out, list + index * 16, &moved(*address as u64).to_le_bytes());
        put(&mut out, list + index * 16 + 8, &(offset as u32).to_le_bytes());
        put(&mut out, list + index * 16 + 12, &(bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    }
    out
}

/// The first page that is used.
const FIRST: u64 = 0x1000;

/// Physical memory: the pages of drivers and of page tables, by number.
struct Physical {
    pages: BTreeMap<u64, Vec<u8>>,
    top: u64,
    levels: u32,
    next: u64,
    /// A prime larger than the number of pages: multiples of one number modulo it scatter.
    prime: u64,
}

/// Writes a complete dump of a machine with at least `pages` pages of memory. All but those of `crashed` are holes in
/// the file: it is sparse.
///
/// # Errors
/// Those of the file.
pub fn write_sparse(file: &mut std::fs::File, crashed: &Crashed<'_>, pages: u64) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};

    let physical = Physical::over(crashed, pages);
    let count = FIRST + physical.prime;
    let mut out = header(DumpVariety::Full, crashed, physical.top << 12);
    put(&mut out, 0x88, &1_u32.to_le_bytes());
    put(&mut out, 0x90, &count.to_le_bytes());
    put(&mut out, 0x98, &0_u64.to_le_bytes());
    put(&mut out, 0xa0, &count.to_le_bytes());
    file.set_len(HEADER as u64 + count * PAGE as u64)?;
    file.write_all(&out)?;
    for (page, bytes) in &physical.pages {
        file.seek(SeekFrom::Start(HEADER as u64 + page * PAGE as u64))?;
        file.write_all(bytes)?;
    }
    Ok(())
}

impl Physical {
    fn of(crashed: &Crashed<'_>) -> Self {
        Self::over(crashed, 0)
    }

    /// Scattered over at least that number of pages.
    fn over(crashed: &Crashed<'_>, least: u64) -> Self {
        let mut memory = crashed.memory.to_vec();
        relocate(&mut memory);
        if !crashed.modules.is_empty() {
            memory.push((MODULES, modules(crashed.modules)));
        }
        let count: usize = memory.iter().map(|(_, bytes)| bytes.len() / PAGE + 2).sum();
        let mut physical = Self {
            pages: BTreeMap::new(),
            top: 0,
            levels: crashed.levels,
            next: 0,
            prime: prime_above((2 * count as u64 + 64).max(least)),
        };
        physical.top = physical.take();
        for (start, bytes) in &memory {
            let mut at = 0;
            while at < bytes.len() {
                let address = start + at;
                let inside = address % PAGE;
                let here = (PAGE - inside).min(bytes.len() - at);
                let page = physical.map(moved((address - inside) as u64));
                let target = physical.pages.entry(page).or_insert_with(|| vec![0; PAGE]);
                put(target, inside, &bytes[at..at + here]);
                at += here;
            }
        }
        physical
    }

    /// The next page: none is next to the one before.
    fn take(&mut self) -> u64 {
        self.next += 1;
        let page = FIRST + self.next * 7919 % self.prime;
        self.pages.insert(page, vec![0; PAGE]);
        page
    }

    /// The page at a virtual address, with the tables on the way to it.
    fn map(&mut self, address: u64) -> u64 {
        let mut table = self.top;
        for level in (0..self.levels).rev() {
            let at = (address >> (12 + 9 * level) & 511) as usize * 8;
            let read = |page: &[u8]| u64::from_le_bytes(page[at..at + 8].try_into().unwrap_or_default());
            let entry = read(&self.pages[&table]);
            let next = if entry == 0 {
                let page = self.take();
                // Present and writable on x64; valid, and a table or a page, on ARM64.
                let entry = page << 12 | 3;
                if let Some(table) = self.pages.get_mut(&table) {
                    put(table, at, &entry.to_le_bytes());
                }
                page
            } else {
                entry >> 12
            };
            table = next;
        }
        table
    }

    fn file(&self, kind: DumpVariety, crashed: &Crashed<'_>) -> Vec<u8> {
        let mut out = header(kind, crashed, self.top << 12);
        let (Some(&first), Some(&last)) = (self.pages.keys().next(), self.pages.keys().next_back()) else { return out };
        match kind {
            DumpVariety::Full => {
                // Two runs with a hole between them, of all pages whether they are in use or not.
                let middle = u64::midpoint(first, last);
                let hole = (middle..last).find(|page| !self.pages.contains_key(page)).unwrap_or(last + 1);
                let runs = [(first, hole - first), (hole + 1, last.saturating_sub(hole))];
                put(&mut out, 0x88, &2_u32.to_le_bytes());
                put(&mut out, 0x90, &(last - first).to_le_bytes());
                for (index, (page, count)) in runs.into_iter().enumerate() {
                    put(&mut out, 0x98 + index * 16, &page.to_le_bytes());
                    put(&mut out, 0xa0 + index * 16, &count.to_le_bytes());
                }
                let empty = vec![0x5a; PAGE];
                for page in runs.into_iter().flat_map(|(page, count)| page..page + count) {
                    out.extend(self.pages.get(&page).unwrap_or(&empty));
                }
            }
            DumpVariety::Kernel | DumpVariety::BitmapFull => {
                let bits = last + 1;
                let bitmap_size = bits.div_ceil(8) as usize;
                let data = (HEADER + 0x38 + bitmap_size).next_multiple_of(PAGE);
                out.resize(data, 0);
                put(&mut out, HEADER, if kind == DumpVariety::Kernel { b"SDMPDUMP" } else { b"FDMPDUMP" });
                put(&mut out, HEADER + 0x20, &(data as u64).to_le_bytes());
                put(&mut out, HEADER + 0x28, &(self.pages.len() as u64).to_le_bytes());
                put(&mut out, HEADER + 0x30, &bits.to_le_bytes());
                for page in self.pages.keys() {
                    out[HEADER + 0x38 + (page / 8) as usize] |= 1 << (page % 8);
                }
                self.pages.values().for_each(|page| out.extend(page));
            }
            DumpVariety::Ranges => {
                let mut ranges: Vec<(u64, u64)> = Vec::new();
                for &page in self.pages.keys() {
                    match ranges.last_mut() {
                        Some((first, count)) if *first + *count == page => *count += 1,
                        _ => ranges.push((page, 1)),
                    }
                }
                // An empty range ends the list. The metadata begin behind the directory's own header of 0x20 bytes and
                // reach to the first page: kdmp-parser checks that (`RDMP_HEADER64::LooksGood`).
                let data = (HEADER + 0x30 + (ranges.len() + 2) * 16).next_multiple_of(PAGE);
                let metadata = data - HEADER - 0x20;
                out.resize(data, 0);
                put(&mut out, HEADER, &0x40_u32.to_le_bytes());
                put(&mut out, HEADER + 4, b"RDMPDUMP");
                put(&mut out, HEADER + 0x10, &(metadata as u64).to_le_bytes());
                put(&mut out, HEADER + 0x18, &(data as u64).to_le_bytes());
                for (index, (page, count)) in ranges.into_iter().enumerate() {
                    put(&mut out, HEADER + 0x30 + index * 16, &page.to_le_bytes());
                    put(&mut out, HEADER + 0x38 + index * 16, &count.to_le_bytes());
                }
                self.pages.values().for_each(|page| out.extend(page));
            }
            DumpVariety::Small => {}
        }
        out
    }
}

fn prime_above(number: u64) -> u64 {
    let is_prime = |n: u64| (2..=n.isqrt()).all(|factor| !n.is_multiple_of(factor));
    // Neither itself nor a step of one page: that would scatter nothing.
    let scatters = |n: u64| (2..n - 1).contains(&(7919 % n));
    (number..8 * number).find(|&n| is_prime(n) && scatters(n)).unwrap_or(number)
}
