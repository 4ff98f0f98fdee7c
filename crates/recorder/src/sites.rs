//! The site table: the sites that providers register, and the level of each provider.
//!
//! A registration copies the provider's section of sites into the table. An entry stays when its driver has gone, so that
//! records stay readable; [`room`](crate::room) says when it may give its room to another one. If an entry with the same
//! name and bytes exists, it is used again: a driver that is loaded a hundred times takes the room of one entry, and two
//! drivers with the same sites share their ids and their level.
//!
//! Only a few words of an entry change later: its level, and the number of drivers that are registered with it.
//!
//! [`Registry`] knows the registered drivers: where their level words are. One thread changes it at a time, which the
//! driver ensures (`&mut`).
//!
//! # A driver that unloads without disconnecting
//!
//! It breaks the contract, and leaves two pointers behind that lead nowhere, or into memory that is somebody else's by
//! now. So before irqlog writes a level word it looks whether the provider is still there: both of its words are mapped,
//! the base word is the id that irqlog has stored there, and the level word is a level. If not, the registration is
//! dropped and counted, and a record names the provider. What is left is the time between the look and the write, a few
//! instructions: docs/adr/0011 has the means that Windows documents, and why none of them closes it.

use core::sync::atomic::{AtomicU32, Ordering};

use irqlog_ring::{lock::RawLock, word::Word};
use irqlog_wire::{
    VERSION,
    image::header_word,
    interface::{Registered, Registration},
    ioctl::SitesHeader,
    record::{Level, WORD},
    site::{MAX_PROVIDER_NAME, provider_word, sites},
};
use zerocopy::{FromZeros, IntoBytes};

use crate::{
    Platform, Recorder,
    memory::Memory,
    request::{ProviderLevel, Refusal},
};

/// Largest number of entries in the site table, and of drivers that can be registered at once.
pub(crate) const MOST: usize = 128;

/// A registration of a provider, as borrowed memory.
#[derive(Clone, Copy, Debug)]
pub struct Registrant<'a> {
    /// Name of the provider.
    pub name: &'a [u8],
    /// Section of the provider's sites.
    pub sites: &'a [u8],
    /// The word that gets the id of the section's first word, before the level is set.
    pub base: &'a AtomicU32,
    /// The provider's level word.
    pub level: &'a AtomicU32,
}

impl Registrant<'_> {
    /// Borrows the memory that a registration describes; `None` if a part is missing. IRQL: any that the memory allows.
    ///
    /// # Safety
    /// The pointer is null, or as [`irqlog_wire::interface::Register`] requires, with memory that stays valid as long
    /// as the result is used.
    pub unsafe fn of(registration: *const Registration) -> Option<Self> {
        // SAFETY: as the caller promises.
        let registration = unsafe { registration.as_ref() }?;
        if (registration.size as usize) < size_of::<Registration>() {
            return None;
        }
        // SAFETY: as the caller promises.
        let name = unsafe { bytes(registration.name, registration.name_length as usize) };
        // SAFETY: as the caller promises.
        let sites = unsafe { bytes(registration.sites, registration.sites_length) };
        // SAFETY: as the caller promises.
        let base = unsafe { registration.base.as_ref() }?;
        // SAFETY: as the caller promises.
        let level = unsafe { registration.level.as_ref() }?;
        Some(Self { name, sites, base, level })
    }
}

/// # Safety
/// Null, or valid for that length.
const unsafe fn bytes<'a>(start: *const u8, length: usize) -> &'a [u8] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises; not null.
    unsafe { core::slice::from_raw_parts(start, length) }
}

/// Where an entry lies, in words of the table, and what its ids are. One that ends at zero is not there.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
pub(crate) struct SiteEntry {
    pub first: usize,
    pub sites: usize,
    pub sites_end: usize,
    pub end: usize,
    /// Id of the first word of the sites; [`NO_ID`] for room that is free.
    pub id: u32,
    /// Number of the departure with which the last driver left it; the later, the higher.
    pub left: u64,
}

/// The id of no site.
pub(crate) const NO_ID: u32 = u32::MAX;

impl SiteEntry {
    pub const fn is_there(&self) -> bool {
        self.end != 0
    }

    /// Whether an id is that of one of its sites.
    pub const fn has(&self, id: u32) -> bool {
        id != NO_ID && (id.wrapping_sub(self.id) as usize) < self.sites_end.saturating_sub(self.sites)
    }
}

/// A registered driver; a free place has no level word.
#[derive(Clone, Copy, Debug, FromZeros)]
pub(crate) struct Live {
    pub entry: usize,
    /// The word in which irqlog has stored the entry's id.
    pub base: *const AtomicU32,
    pub level: *const AtomicU32,
}

/// The entries of the site table, and the drivers that are registered with them. All zeros mean an empty registry: it
/// is too large for a kernel stack, and is made where it stays.
#[derive(Debug, FromZeros)]
pub struct Registry {
    pub(crate) entries: [SiteEntry; MOST],
    live: [Live; MOST],
    /// Words of the table that are used, or were.
    pub(crate) used: usize,
    /// How often a driver has unregistered.
    departures: u64,
    /// The next id for an entry that takes the room of others; 0 before the first of them.
    pub(crate) next_id: u64,
}

// SAFETY: the pointers are those of words that are shared anyway.
unsafe impl Send for Registry {}

impl Registry {
    /// The number of the entry of which this is true.
    fn find(&self, is_it: impl Fn(&SiteEntry) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| entry.is_there() && is_it(entry))
    }

    /// The entry of a provider, by the id of the first word of its sites.
    pub(crate) fn provider(&self, first_site: u64) -> Option<&SiteEntry> {
        let is_it = |entry: &SiteEntry| entry.id != NO_ID && u64::from(entry.id) == first_site;
        self.find(is_it).and_then(|index| self.entries.get(index))
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Live> {
        self.live.iter().filter(|live| !live.level.is_null())
    }
}

/// Says whether a provider's word is mapped. Only the words of providers that have broken their contract are not.
pub trait IsMapped: Fn(*const AtomicU32) -> bool {}

impl<F: Fn(*const AtomicU32) -> bool> IsMapped for F {}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Registers a provider, and lets it log. A refusal is counted. IRQL: PASSIVE_LEVEL, as the provider's memory may
    /// be pageable.
    ///
    /// # Safety
    /// Base and level word stay valid until they are [unregistered](Self::unregister), or until `is_mapped` says that
    /// they are not.
    pub unsafe fn register(
        &self,
        registry: &mut Registry,
        provider: &Registrant<'_>,
        is_mapped: impl IsMapped,
    ) -> Registered {
        // It may lie where a driver lay that has left its registration behind.
        self.drop_vanished(registry, is_mapped);
        match self.enter(registry, provider) {
            Ok(()) => Registered::Accepted,
            Err(refused) => {
                self.image.header[header_word::REFUSED_PROVIDERS].fetch_add(1);
                refused
            }
        }
    }

    fn enter(&self, registry: &mut Registry, provider: &Registrant<'_>) -> Result<(), Registered> {
        let is_name = !provider.name.is_empty()
            && provider.name.len() <= MAX_PROVIDER_NAME
            && core::str::from_utf8(provider.name).is_ok();
        if !is_name {
            return Err(Registered::BadName);
        }
        let mut count = 0_u32;
        for site in sites(provider.sites) {
            site.map_err(|_| Registered::Malformed)?;
            count += 1;
        }
        // Unregistering goes by the word: a second registration would survive the first one's end, and a later change
        // of levels would write into a driver that has gone.
        if registry.running().any(|live| core::ptr::eq(live.level, provider.level)) {
            return Err(Registered::AlreadyRegistered);
        }
        let free = registry.live.iter().position(|live| live.level.is_null()).ok_or(Registered::TooMany)?;
        let index = match registry.find(|entry| self.is_same(entry, provider)) {
            Some(index) => index,
            None => self.add_entry(registry, provider, count)?,
        };
        let entry = registry.entries.get(index).copied().unwrap_or_default();
        if let Some(place) = registry.live.get_mut(free) {
            *place = Live { entry: index, base: provider.base, level: provider.level };
        }
        self.entry_word(&entry, provider_word::REGISTERED, |word| word.store(word.load().wrapping_add(1)));
        self.entry_word(&entry, provider_word::REGISTRATIONS, |word| word.store(word.load().wrapping_add(1)));
        provider.base.store(entry.id, Ordering::Relaxed);
        // A writer that sees the level sees the base.
        provider.level.store(self.effective_level(&entry), Ordering::Release);
        Ok(())
    }

    /// Removes the registration that has this level word, and sets the word to zero. IRQL: PASSIVE_LEVEL.
    pub fn unregister(&self, registry: &mut Registry, level: *const AtomicU32) {
        let found = registry.live.iter_mut().find(|live| core::ptr::eq(live.level, level));
        let Some(live) = found.filter(|_| !level.is_null()) else { return };
        let Live { entry, level, .. } = core::mem::replace(live, Live::new_zeroed());
        // SAFETY: registered, and its driver is here to unregister it.
        unsafe { &*level }.store(0, Ordering::Relaxed);
        self.leave(registry, entry);
    }

    /// Counts that a driver has left its entry.
    fn leave(&self, registry: &mut Registry, entry: usize) -> Option<SiteEntry> {
        registry.departures = registry.departures.wrapping_add(1);
        let entry = registry.entries.get_mut(entry)?;
        entry.left = registry.departures;
        self.entry_word(entry, provider_word::REGISTERED, |word| word.store(word.load().wrapping_sub(1)));
        Some(*entry)
    }

    /// Drops the registrations of drivers that have unloaded without disconnecting: see the opening comment. IRQL: at
    /// most DISPATCH_LEVEL, as `is_mapped` asks the memory manager.
    fn drop_vanished(&self, registry: &mut Registry, is_mapped: impl IsMapped) {
        for index in 0..MOST {
            let Some(live) = registry.live.get(index).copied().filter(|live| !live.level.is_null()) else { continue };
            let id = registry.entries.get(live.entry).map_or(NO_ID, |entry| entry.id);
            let is_there = is_mapped(live.base) && is_mapped(live.level) && {
                // SAFETY: mapped, and aligned as it was when it was registered.
                let base = unsafe { &*live.base }.load(Ordering::Relaxed);
                // SAFETY: as above.
                let level = unsafe { &*live.level }.load(Ordering::Relaxed);
                base == id && level <= u32::from(Level::Trace.0)
            };
            if is_there {
                continue;
            }
            if let Some(place) = registry.live.get_mut(index) {
                *place = Live::new_zeroed();
            }
            if let Some(entry) = self.leave(registry, live.entry) {
                self.entry_word(&entry, provider_word::VANISHED, |word| word.store(word.load().wrapping_add(1)));
                self.note_vanished(&entry);
            }
        }
    }

    /// Changes the level of a provider. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] if there is no such provider, or not any more.
    pub fn set_provider_level(
        &self,
        registry: &mut Registry,
        request: &ProviderLevel,
        is_mapped: impl IsMapped,
    ) -> Result<(), Refusal> {
        let entry = registry.provider(request.first_site).filter(|_| request.start_id == self.start_id);
        let entry = entry.ok_or(Refusal::InvalidParameter)?;
        self.entry_word(entry, provider_word::LEVEL, |word| word.store(request.level.0.into()));
        self.pass_levels_on(registry, is_mapped);
        Ok(())
    }

    /// Writes the level word of every registered driver, after the level of the whole recorder has changed. IRQL:
    /// PASSIVE_LEVEL.
    pub fn pass_levels_on(&self, registry: &mut Registry, is_mapped: impl IsMapped) {
        self.drop_vanished(registry, is_mapped);
        for live in registry.running() {
            let Some(entry) = registry.entries.get(live.entry) else { continue };
            // SAFETY: registered, and it was there just now.
            unsafe { &*live.level }.store(self.effective_level(entry), Ordering::Release);
        }
    }

    /// Fills `output` with a [`SitesHeader`] and bytes of the site table from `offset` on, in whole words. Answers the
    /// number of bytes written. Nobody registers meanwhile, so the bytes are those of one state of the table. IRQL: any
    /// that `output` allows.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] for an offset that is not in the table; [`Refusal::BufferTooSmall`] if not even
    /// the header fits.
    pub fn sites(&self, offset: u64, output: &mut [u8]) -> Result<usize, Refusal> {
        // Pairs with the release in `use_up_to`.
        let size = self.image.header[header_word::SITES_SIZE].load_acquire();
        if offset > size || !offset.is_multiple_of(WORD as u64) {
            return Err(Refusal::InvalidParameter);
        }
        let (header_room, room) =
            output.split_at_mut_checked(size_of::<SitesHeader>()).ok_or(Refusal::BufferTooSmall)?;
        let used = self.image.sites.get(offset as usize / WORD..size as usize / WORD).unwrap_or_default();
        let mut written = 0;
        for (chunk, word) in room.as_chunks_mut::<WORD>().0.iter_mut().zip(used) {
            *chunk = word.load().to_le_bytes();
            written += WORD;
        }
        let header = SitesHeader {
            major: VERSION.major.into(),
            minor: VERSION.minor.into(),
            bytes: (written as u32).into(),
            start_id: self.start_id.into(),
            size: size.into(),
        };
        header_room.copy_from_slice(header.as_bytes());
        Ok(header_room.len() + written)
    }

    /// Whether an entry has this provider's name and sites, byte by byte.
    fn is_same(&self, entry: &SiteEntry, provider: &Registrant<'_>) -> bool {
        let name_at = entry.first + provider_word::COUNT;
        let has = |first: usize, end: usize, bytes: &[u8]| {
            let Some(words) = self.image.sites.get(first..end) else { return false };
            let (whole, rest) = bytes.as_chunks::<WORD>();
            words.len() == bytes.len().div_ceil(WORD)
                && words.iter().zip(whole).all(|(word, value)| word.load() == u64::from_le_bytes(*value))
                && words.get(whole.len()).is_none_or(|word| word.load().to_le_bytes().starts_with(rest))
        };
        let name_size = self.image.sites.get(entry.first + 1).map_or(0, |word| word.load() as u32);
        name_size as usize == provider.name.len()
            && has(name_at, entry.sites, provider.name)
            && has(entry.sites, entry.sites_end, provider.sites)
    }

    pub(crate) fn entry_word<T>(&self, entry: &SiteEntry, word: usize, what: impl FnOnce(&M::Word) -> T) -> Option<T> {
        self.image.sites.get(entry.first + word).map(what)
    }

    /// The level that applies: the recorder's or the provider's, whichever lets fewer records through.
    fn effective_level(&self, entry: &SiteEntry) -> u32 {
        let own = self.entry_word(entry, provider_word::LEVEL, Word::load).unwrap_or(0);
        own.min(self.image.header[header_word::LEVEL].load()) as u32
    }
}
