//! The site table: which provider a site id belongs to, and what its call says.
//!
//! A call that is compiled several times has several sites that are equal byte for byte: a call in an inline function in C
//! has one for each file that includes it, and a call in a template or a generic function may have one for each type. For a
//! user that is one call, so equal sites of a provider are one here, with the id of the first.

use std::collections::{BTreeMap, HashMap};

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
    /// Id of the first site that is equal, for each site that repeats one of its provider.
    repeated: BTreeMap<u32, u32>,
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
    /// Number of sites, of which equal ones are one.
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
        let mut table = Self { bytes, providers, repeated: BTreeMap::new() };
        table.join_equal_sites();
        table
    }

    fn join_equal_sites(&mut self) {
        for provider in &mut self.providers {
            let mut firsts = HashMap::new();
            let before = self.repeated.len();
            for (id, site) in sites_in(&self.bytes, provider.range) {
                let start = id as usize * WORD;
                let bytes = self.bytes.get(start..start + site.header.size.get() as usize).unwrap_or_default();
                let first = *firsts.entry(bytes).or_insert(id);
                if first != id {
                    self.repeated.insert(id, first);
                }
            }
            provider.sites = provider.sites.saturating_sub((self.repeated.len() - before) as u32);
        }
    }

    /// The id of the first site of the same provider that is equal to the site of this id.
    #[must_use]
    pub fn first_equal(&self, id: u32) -> u32 {
        self.repeated.get(&id).copied().unwrap_or(id)
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

    /// The sites of a provider, each with its id, and without those that repeat one.
    pub fn sites_of(&self, provider: &Provider) -> impl Iterator<Item = (u32, Site<'_>)> {
        sites_in(&self.bytes, provider.range).filter(|(id, _)| !self.repeated.contains_key(id))
    }
}

/// The sites in a part of a table, each with its id.
fn sites_in(table: &[u8], (start, end): (usize, usize)) -> impl Iterator<Item = (u32, Site<'_>)> {
    let section = table.get(start..end).unwrap_or_default();
    sites(section).filter_map(Result::ok).map(move |(offset, site)| (((start + offset) / WORD) as u32, site))
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

#[cfg(test)]
mod tests {
    use irqlog_wire::site::SiteHeader;
    use zerocopy::{FromZeros, IntoBytes};

    use super::*;

    /// A site with a format of eight bytes.
    fn site(line: u32, format: [u8; 8]) -> Vec<u8> {
        let mut header = SiteHeader::new_zeroed();
        header.magic.set(irqlog_wire::site::SITE_MAGIC);
        header.size.set(32);
        header.line.set(line);
        header.level = Level::Info.0;
        header.format.set(8);
        [header.as_bytes(), &format].concat()
    }

    fn entry(sites: &[u8]) -> Vec<u8> {
        let mut header = ProviderHeader::new_zeroed();
        header.magic.set(PROVIDER_MAGIC);
        header.size.set((size_of::<ProviderHeader>() + sites.len()) as u32);
        header.sites_offset.set(size_of::<ProviderHeader>() as u32);
        header.sites_size.set(sites.len() as u32);
        header.site_count.set((sites.len() / 32) as u32);
        [header.as_bytes(), sites].concat()
    }

    #[test]
    fn equal_sites_of_a_provider_are_one() {
        let (first, line, format) = (site(1, *b"port {}\0"), site(2, *b"port {}\0"), site(1, *b"line {}\0"));
        let sites = [&first[..], &line, &first, &format, &first].concat();
        let table = SiteTable::parse([entry(&sites), entry(&first)].concat());
        let ids: Vec<Vec<u32>> = table
            .providers()
            .iter()
            .map(|provider| {
                let ids: Vec<_> = table.sites_of(provider).map(|(id, _)| id).collect();
                assert_eq!(provider.sites as usize, ids.len());
                ids
            })
            .collect();
        // A header has 8 words and a site 4.
        assert_eq!(ids, [vec![8, 12, 20], vec![36]], "equal sites of two providers are two");
        assert_eq!([8, 12, 16, 20, 24, 36].map(|id| table.first_equal(id)), [8, 12, 8, 20, 8, 36]);
        assert_eq!(table.find(24).unwrap().1.format, b"port {}", "a record may name each of them");
    }
}
