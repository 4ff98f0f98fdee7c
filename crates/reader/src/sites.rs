//! The site table finds the provider and the site of a site id.
//!
//! A log call that is compiled several times has several sites, equal byte for byte: a call in an inline C function has one
//! for each file that includes it, and a call in a template or a generic function may have one for each type. To a user
//! they are one call, so this module shows equal sites of a provider as one, with the id of the first.

use std::collections::{BTreeMap, HashMap};

use irqlog_wire::{
    record::{Level, WORD},
    site::{MAX_PROVIDER_NAME, PROVIDER_MAGIC, ProviderHeader, Site, sites},
};
use zerocopy::FromBytes;

use crate::untrusted::Untrusted;

/// The most bytes of entries that a table keeps after the driver has given their room to others: the size of the largest
/// table of a driver (`SitesKiB`).
const MOST_GONE: usize = 16 << 20;

/// The site table of an image, or of a driver that answers SITES.
#[derive(Clone, Debug, Default)]
pub struct SiteTable {
    bytes: Vec<u8>,
    /// Bytes up to the end of the last whole entry.
    known: usize,
    providers: Vec<Provider>,
    /// For each site that is equal to an earlier one of its provider: the id of the first such site.
    repeated: BTreeMap<u32, u32>,
    /// Indexes of `providers`, sorted by `first_site`.
    by_id: Vec<usize>,
}

/// A provider as its entry in the site table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The name under which the provider registered.
    pub name: Untrusted,
    /// Id of the first word of the provider's sites; it identifies the provider in PROVIDER_LEVEL.
    pub first_site: u64,
    /// The least important level at which the provider's events are written.
    pub level: Level,
    /// Number of sites; equal sites count once.
    pub sites: u32,
    /// Number of drivers that are registered with this entry now.
    pub registered: u64,
    /// Number of registrations since the start of irqlog.sys.
    pub registrations: u64,
    /// Number of those whose driver unloaded without disconnecting.
    pub vanished: u64,
    /// First byte of the entry in the table, and the byte behind its last.
    entry: (usize, usize),
    /// The same of the sites.
    range: (usize, usize),
}

impl SiteTable {
    /// Parses the entries up to the first damaged one. Of an entry that the end of the bytes cuts off, the whole sites are
    /// known.
    #[must_use]
    pub fn parse(bytes: Vec<u8>) -> Self {
        let (mut providers, mut at, mut known) = (Vec::new(), 0, 0);
        while let Some(provider) = bytes.get(at..).and_then(|rest| provider(rest, at)) {
            at += provider.0;
            known = if at <= bytes.len() { at } else { known };
            // An entry without a name is free room.
            providers.extend(Some(provider.1).filter(|provider| !provider.name.raw().is_empty()));
        }
        let mut by_id: Vec<_> = (0..providers.len()).collect();
        by_id.sort_by_key(|&index| providers[index].first_site);
        let mut table = Self { bytes, known, providers, repeated: BTreeMap::new(), by_id };
        table.join_equal_sites();
        table
    }

    fn join_equal_sites(&mut self) {
        for provider in &mut self.providers {
            let mut firsts = HashMap::new();
            let before = self.repeated.len();
            for (id, offset, site) in sites_in(&self.bytes, provider.range, provider.first_site) {
                let start = provider.range.0 + offset;
                let bytes = self.bytes.get(start..start + site.header.size.get() as usize).unwrap_or_default();
                let first = *firsts.entry(bytes).or_insert(id);
                if first != id {
                    self.repeated.insert(id, first);
                }
            }
            provider.sites = provider.sites.saturating_sub((self.repeated.len() - before) as u32);
        }
    }

    /// The id of the first site that is equal to the site of this id and of the same provider.
    #[must_use]
    pub fn first_equal(&self, id: u32) -> u32 {
        self.repeated.get(&id).copied().unwrap_or(id)
    }

    /// Appends to this table the entries of an older one that have given their room to others since.
    ///
    /// Records that a reader has read before may name their sites.
    #[must_use]
    pub fn with_gone_of(self, older: &Self) -> Self {
        let is_gone = |provider: &&Provider| self.by_first_site(provider.first_site).is_none();
        let (mut gone, mut bytes) = (Vec::new(), 0);
        // The newest entries are at the end.
        for provider in older.providers.iter().rev().filter(is_gone) {
            bytes += provider.entry.1 - provider.entry.0;
            if bytes > MOST_GONE {
                break;
            }
            gone.push(provider);
        }
        if gone.is_empty() {
            return self;
        }
        let mut bytes = self.bytes.clone();
        for provider in gone.into_iter().rev() {
            let mut entry = older.bytes.get(provider.entry.0..provider.entry.1).unwrap_or_default().to_vec();
            let length = entry.len();
            let Ok((header, _)) = ProviderHeader::mut_from_prefix(&mut entry) else { continue };
            // The entry lies elsewhere now, no driver is registered with it, and the end of the bytes may have cut it off.
            header.first_site.set(provider.first_site);
            header.registered.set(0);
            header.size.set(length as u32);
            header.sites_size.set((provider.range.1 - provider.range.0) as u32);
            bytes.extend(entry);
        }
        Self::parse(bytes)
    }

    fn by_first_site(&self, id: u64) -> Option<&Provider> {
        let at = self.by_id.binary_search_by_key(&id, |&index| self.providers[index].first_site).ok()?;
        self.by_id.get(at).map(|&index| &self.providers[index])
    }

    /// The bytes that were parsed, entries of older tables included.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of bytes up to the end of the last whole entry. Bytes behind it are cut off or damaged.
    #[must_use]
    pub const fn known(&self) -> usize {
        self.known
    }

    /// All providers, in the order of their entries.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Finds a site by its id; gives the index of its provider, and the site.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<(usize, Site<'_>)> {
        let id = u64::from(id);
        let behind = self.by_id.partition_point(|&index| self.providers[index].first_site <= id);
        let &index = self.by_id.get(behind.checked_sub(1)?)?;
        let provider = &self.providers[index];
        let offset = usize::try_from(id - provider.first_site).ok()?.checked_mul(WORD)?;
        let section = self.bytes.get(provider.range.0..provider.range.1)?;
        Some((index, Site::parse(section.get(offset..)?)?))
    }

    /// The sites of a provider, each with its id. Of equal sites only the first is given.
    pub fn sites_of(&self, provider: &Provider) -> impl Iterator<Item = (u32, Site<'_>)> {
        let sites = sites_in(&self.bytes, provider.range, provider.first_site)
            .filter(|(id, ..)| !self.repeated.contains_key(id));
        sites.map(|(id, _, site)| (id, site))
    }
}

/// The sites in a part of a table, each with its id and its offset in the part; `first` is the id of the part's first word.
fn sites_in(table: &[u8], (start, end): (usize, usize), first: u64) -> impl Iterator<Item = (u32, usize, Site<'_>)> {
    let section = table.get(start..end).unwrap_or_default();
    let id = move |offset: usize| first.wrapping_add((offset / WORD) as u64) as u32;
    sites(section).filter_map(Result::ok).map(move |(offset, site)| (id(offset), offset, site))
}

/// Parses the provider entry at the start of `bytes`, which lies at offset `entry` of the table; gives its size too.
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
    // A name that is longer than allowed would be repeated with each event.
    let name = rest.get(..(header.name_size.get() as usize).min(MAX_PROVIDER_NAME))?;
    is_sane.then(|| {
        let provider = Provider {
            name: Untrusted::new(String::from_utf8_lossy(name).into_owned()),
            first_site: match header.first_site.get() {
                0 => ((entry + first) / WORD) as u64,
                id => id,
            },
            level: Level(header.level.get() as u8),
            sites: header.site_count.get(),
            registered: header.registered.get(),
            registrations: header.registrations.get(),
            vanished: header.vanished.get(),
            entry: (entry, there(size)),
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
        let name = *b"provider";
        header.name_size.set(name.len() as u32);
        header.size.set((size_of::<ProviderHeader>() + name.len() + sites.len()) as u32);
        header.sites_offset.set((size_of::<ProviderHeader>() + name.len()) as u32);
        header.sites_size.set(sites.len() as u32);
        header.site_count.set((sites.len() / 32) as u32);
        [header.as_bytes(), &name, sites].concat()
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
        // A header has 8 words, a name 1 and a site 4.
        assert_eq!(ids, [vec![9, 13, 21], vec![38]], "equal sites of two providers are two");
        assert_eq!([9, 13, 17, 21, 25, 38].map(|id| table.first_equal(id)), [9, 13, 9, 21, 9, 38]);
        assert_eq!(table.find(25).unwrap().1.format, b"port {}", "a record may name each of them");
    }
}
