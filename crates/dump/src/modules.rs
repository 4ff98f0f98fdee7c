//! The list of loaded drivers (`PsLoadedModuleList`, to which a dump's header leads), and irqlog.sys in it.
//!
//! An entry is a KLDR_DATA_TABLE_ENTRY of 64-bit Windows: links at 0, DllBase at 0x30, SizeOfImage at 0x40, BaseDllName, a
//! UNICODE_STRING, at 0x58 (public symbols of ntoskrnl.exe; the same places as in LDR_DATA_TABLE_ENTRY of winternl.h,
//! whose DllBase and FullDllName are documented).

use irqlog_wire::crash::{ANCHOR_MAGIC, Anchor};
use memchr::memmem;
use zerocopy::FromBytes;

use crate::{header::Header, paging::Space, source::DumpBytes};

const BASE: u64 = 0x30;
const SIZE: u64 = 0x40;
const NAME: u64 = 0x58;
/// The most entries that are looked at: a damaged list may go round.
const MOST: usize = 4096;
/// The largest driver whose image is searched.
const MOST_BYTES: u64 = 16 << 20;
/// The file name, as drivers are installed; Windows compares names without regard to case.
const FILE: &str = "irqlog.sys";

/// The anchor of irqlog.sys, if the list is in the dump and names it.
pub(crate) fn anchor<S: DumpBytes>(space: &Space<'_, S>, header: &Header) -> Option<Anchor> {
    let head = header.modules;
    let mut entry = space.u64(head)?;
    for _ in 0..MOST {
        if entry == head || entry == 0 {
            return None;
        }
        if name(space, entry).is_some_and(|name| name.eq_ignore_ascii_case(FILE))
            && let Some(anchor) = in_image(space, entry)
        {
            return Some(anchor);
        }
        entry = space.u64(entry)?;
    }
    None
}

fn name<S: DumpBytes>(space: &Space<'_, S>, entry: u64) -> Option<String> {
    // Length in the lowest half word, and the buffer behind.
    let length = space.u64(entry.wrapping_add(NAME))? & 0xffff;
    let buffer = space.u64(entry.wrapping_add(NAME + 8))?;
    let mut bytes = Vec::new();
    if length != 2 * FILE.len() as u64 || space.read(buffer, length, &mut bytes) != 0 {
        return None;
    }
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

/// The anchor in the image that an entry is of.
fn in_image<S: DumpBytes>(space: &Space<'_, S>, entry: u64) -> Option<Anchor> {
    let base = space.u64(entry.wrapping_add(BASE))?;
    let size = space.u64(entry.wrapping_add(SIZE))? & u64::from(u32::MAX);
    let mut image = Vec::new();
    // Discarded sections are missing; the anchor lies in one that stays.
    space.read(base, size.min(MOST_BYTES), &mut image);
    memmem::find_iter(&image, &ANCHOR_MAGIC)
        .filter_map(|at| Anchor::read_from_prefix(&image[at..]).ok())
        .map(|(anchor, _)| anchor)
        .find(|anchor| anchor.version.get() >> 32 >= size_of::<Anchor>() as u64 && anchor.image.get() != 0)
}
