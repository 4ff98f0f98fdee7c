//! The site table: which provider a site id belongs to, and what its call says.

use irqlog_wire::{
    record::{Level, WORD},
    site::{MAX_PROVIDER_NAME, PROVIDER_MAGIC, ProviderHeader, Site, sites},
};
use zerocopy::FromBytes;

use crate::untrusted::Untrusted;

/// A site table, of an image or as SITES answers it.
#[derive(Clone, Debug, Default)]
pub struct SiteTable {
    bytes: Vec<u8>,
    providers: Vec<Provider>,
}

/// A provider's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub name: Untrusted,
    /// Offset of the entry in the table: by this PROVIDER_LEVEL knows it.
    pub entry: u64,
    /// The least important level that its events are written at.
    pub level: Level,
    /// Sites.
    pub sites: u32,
    /// Drivers that are registered with this table now.
    pub registered: u64,
    /// Registrations so far.
    pub registrations: u64,
    /// Where its sites lie.
    range: (usize, usize),
}

impl SiteTable {
    /// Understands the entries as far as they can be; what lies behind one that is damaged is unknown. Of an entry that is
    /// cut off at the end of the bytes, the whole sites are known.
    #[must_use]
    pub fn parse(bytes: Vec<u8>) -> Self {
        let (mut providers, mut at) = (Vec::new(), 0);
        while let Some(provider) = bytes.get(at..).and_then(|rest| provider(rest, at)) {
            at += provider.0;
            providers.push(provider.1);
        }
        Self { bytes, providers }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All providers, in the order in which they came.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// A site by its id, and its provider's number.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<(usize, Site<'_>)> {
        let at = id as usize * WORD;
        // Entries lie one behind the other, and so do their sites.
        let index = self.providers.partition_point(|provider| provider.range.1 <= at);
        self.providers.get(index).filter(|provider| provider.range.0 <= at)?;
        let site = Site::parse(self.bytes.get(at..self.providers[index].range.1)?)?;
        Some((index, site))
    }

    /// The sites of a provider, each with its id.
    pub fn sites_of(&self, provider: &Provider) -> impl Iterator<Item = (u32, Site<'_>)> {
        let (start, end) = provider.range;
        let section = self.bytes.get(start..end).unwrap_or_default();
        sites(section).filter_map(Result::ok).map(move |(offset, site)| (((start + offset) / WORD) as u32, site))
    }
}

/// The provider at the start of `bytes`, and the size of its entry.
fn provider(bytes: &[u8], entry: usize) -> Option<(usize, Provider)> {
    let (header, rest) = ProviderHeader::read_from_prefix(bytes).ok()?;
    let there = |offset: usize| entry + offset.min(bytes.len());
    let size = header.size.get() as usize;
    let (first, length) = (header.sites_offset.get() as usize, header.sites_size.get() as usize);
    let is_sane = header.magic.get() == PROVIDER_MAGIC
        && size >= size_of::<ProviderHeader>()
        && size.is_multiple_of(WORD)
        && first.is_multiple_of(WORD)
        && first.checked_add(length).is_some_and(|end| end <= size)
        && first.checked_sub(size_of::<ProviderHeader>()).is_some_and(|room| header.name_size.get() as usize <= room);
    // A longer one than is allowed would come back with each of its events.
    let name = rest.get(..(header.name_size.get() as usize).min(MAX_PROVIDER_NAME))?;
    is_sane.then(|| {
        let provider = Provider {
            name: Untrusted::new(String::from_utf8_lossy(name).into_owned()),
            entry: entry as u64,
            level: Level(header.level.get() as u8),
            sites: header.site_count.get(),
            registered: header.registered.get(),
            registrations: header.registrations.get(),
            range: (there(first), there(first + length)),
        };
        (size, provider)
    })
}
