//! Sites: what is known of a log call before it runs, and the table that collects them.
//!
//! A **site** is a static of the log call: format, names of arguments, module, file, line, level. It lies in a section
//! of its own of the provider's image, all in one piece and without a pointer, so that the section can be copied as it
//! is:
//!
//! ```text
//! SiteHeader, format, names, module, file, zeros up to a multiple of eight bytes
//! ```
//!
//! A linker may put zero words between sites. The section's name is [`SECTION`]; linkers sort its contributions by the
//! text behind the `$` (PE format, "Grouped Sections"), so a first contribution `$a` and a last one `$z` bound it.
//!
//! When a provider registers, the section is copied into the **site table** of the ring image, behind a
//! [`ProviderHeader`] and the provider's name:
//!
//! ```text
//! ProviderHeader, name, zeros | sites as they lay in the section | next ProviderHeader, ...
//! ```
//!
//! The **id** of a site is that of the first word of its section ([`ProviderHeader::first_site`]) and the number of words
//! between that word and the site. Each section that is registered gets ids that no other one of the same start of the
//! driver has had: the index of its first word in the table, or, where it takes the room of an entry that was there
//! before, numbers from the size of the table on. So an id never stands for two sites.
//!
//! An entry does not move. It may give its room to another one when its provider has gone and no record names its sites
//! any more. An entry without a name is such room that nobody has taken yet.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use crate::open_enum;

/// Name of the section that holds the sites, without the part that linkers sort by.
pub const SECTION: &str = ".irqs";
/// First four bytes of a site.
pub const SITE_MAGIC: u32 = u32::from_le_bytes(*b"IrqS");
/// First four bytes of a provider's entry.
pub const PROVIDER_MAGIC: u32 = u32::from_le_bytes(*b"IrqP");
/// The longest name of a provider, in bytes of UTF-8.
pub const MAX_PROVIDER_NAME: usize = 64;

/// The fixed part at the start of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SiteHeader {
    /// [`SITE_MAGIC`].
    pub magic: U32,
    /// Bytes of the whole site, a multiple of eight.
    pub size: U32,
    /// Line in the file.
    pub line: U32,
    /// A [`Level`](crate::record::Level).
    pub level: u8,
    /// Number of arguments.
    pub arguments: u8,
    /// What an event of this site is: a [`SiteRole`]. Since 1.4; older writers have zero.
    pub role: U16,
    /// Bytes of the format in UTF-8. Zeros at its end are no part of the text; the same holds for the next three.
    pub format: U16,
    /// Bytes of the arguments' names, separated by commas; an argument without a name is empty between its commas.
    pub names: U16,
    /// Bytes of the module's path.
    pub module: U16,
    /// Bytes of the file's name.
    pub file: U16,
}

open_enum! {
    /// What an event of a site stands for besides its text.
    SiteRole: u16 {
        /// Nothing else.
        Event = 0 "event",
        /// A span begins; the last argument is its pair id, a `u64`.
        Begin = 1 "begin",
        /// The span with the pair id that is the last argument ends.
        End = 2 "end",
        /// A counter has the value that is the last argument; its name is the text in front of ` = `.
        Counter = 3 "counter",
    }
}

/// The fixed part at the start of a provider's entry in the site table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ProviderHeader {
    /// [`PROVIDER_MAGIC`].
    pub magic: U32,
    /// Bytes of the whole entry, a multiple of eight.
    pub size: U32,
    /// Bytes of the name behind this header: UTF-8.
    pub name_size: U32,
    /// Offset of the sites from the start of the entry, a multiple of eight.
    pub sites_offset: U32,
    /// Bytes of the sites, a multiple of eight.
    pub sites_size: U32,
    /// Number of sites.
    pub site_count: U32,
    /// The least important [`Level`](crate::record::Level) at which the provider's events are written; changes.
    pub level: U64,
    /// Drivers that are registered with this table now; changes.
    pub registered: U64,
    /// Registrations so far; changes.
    pub registrations: U64,
    /// Id of the first word of the sites; zero stands for the index of that word in the table. Since 1.2.
    pub first_site: U64,
    /// Registrations whose driver has unloaded without disconnecting; changes. Since 1.4.
    pub vanished: U64,
}

const _: () = {
    assert!(size_of::<SiteHeader>() == 24);
    assert!(size_of::<ProviderHeader>() == 64);
};

/// Word indexes into [`ProviderHeader`] of the fields that change, and of the name's size.
pub mod provider_word {
    use super::ProviderHeader;
    use crate::record::WORD;

    /// Word of [`ProviderHeader::name_size`], which is its lower half; it does not change.
    pub const NAME_SIZE: usize = core::mem::offset_of!(ProviderHeader, name_size) / WORD;
    /// Word of [`ProviderHeader::level`].
    pub const LEVEL: usize = core::mem::offset_of!(ProviderHeader, level) / WORD;
    /// Word of [`ProviderHeader::registered`].
    pub const REGISTERED: usize = core::mem::offset_of!(ProviderHeader, registered) / WORD;
    /// Word of [`ProviderHeader::registrations`].
    pub const REGISTRATIONS: usize = core::mem::offset_of!(ProviderHeader, registrations) / WORD;
    /// Word of [`ProviderHeader::vanished`].
    pub const VANISHED: usize = core::mem::offset_of!(ProviderHeader, vanished) / WORD;
    /// Words of the whole structure.
    pub const COUNT: usize = size_of::<ProviderHeader>() / WORD;
}

/// A parsed site, borrowed from the bytes that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site<'a> {
    /// The fixed part of the site.
    pub header: SiteHeader,
    /// The format, with `core::fmt`'s grammar: see [`format`](crate::format).
    pub format: &'a [u8],
    /// Names of arguments, separated by commas.
    pub names: &'a [u8],
    /// Path of the module.
    pub module: &'a [u8],
    /// Name of the file.
    pub file: &'a [u8],
}

/// A section of sites, or its copy, contains something other than sites and zero words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Offset in bytes of the first thing that is no site.
    pub offset: usize,
}

impl<'a> Site<'a> {
    /// Parses the site at the start of `bytes`; `None` if there is no valid site.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = SiteHeader::read_from_prefix(bytes).ok()?;
        let size = header.size.get() as usize;
        if header.magic.get() != SITE_MAGIC || !size.is_multiple_of(8) {
            return None;
        }
        let mut rest = bytes.get(size_of::<SiteHeader>()..size)?;
        let mut part = |length: U16| {
            let (part, behind) = rest.split_at_checked(usize::from(length.get()))?;
            rest = behind;
            Some(without_zeros(part))
        };
        let (format, names) = (part(header.format)?, part(header.names)?);
        let (module, file) = (part(header.module)?, part(header.file)?);
        let is_known = crate::record::Level(header.level).name().is_some();
        (is_known && usize::from(header.arguments) <= crate::event::MAX_ARGUMENTS).then_some(Self {
            header,
            format,
            names,
            module,
            file,
        })
    }
}

/// `bytes` without the zeros at its end, which C string literals have.
fn without_zeros(mut bytes: &[u8]) -> &[u8] {
    while let Some((0, before)) = bytes.split_last() {
        bytes = before;
    }
    bytes
}

/// Iterator over the sites of a section, each with its offset in bytes.
#[derive(Clone, Debug)]
pub struct Sites<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// Iterates over the sites of `section`; ends after the first [`Malformed`].
#[must_use]
pub const fn sites(section: &[u8]) -> Sites<'_> {
    Sites { bytes: section, offset: 0 }
}

impl<'a> Iterator for Sites<'a> {
    type Item = Result<(usize, Site<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.bytes.get(self.offset..)?;
            match rest.first_chunk::<8>() {
                None if rest.is_empty() => return None,
                Some([0, 0, 0, 0, 0, 0, 0, 0]) => self.offset += 8,
                _ => break,
            }
        }
        let offset = self.offset;
        let Some(site) = self.bytes.get(offset..).and_then(Site::parse) else {
            // The size of what lies here is not known, so neither is the start of the next site.
            self.offset = self.bytes.len();
            return Some(Err(Malformed { offset }));
        };
        self.offset += site.header.size.get() as usize;
        Some(Ok((offset, site)))
    }
}
