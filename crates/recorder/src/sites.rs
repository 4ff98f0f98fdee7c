//! The site table: the sites that providers register, and the level of each provider.
//!
//! A registration copies the provider's section of sites behind the last entry, and then stores the new size: a reader
//! that sees the new size sees the bytes. An entry never moves and is never removed, so records stay readable after
//! their driver has gone. If an entry with the same name and bytes exists, it is used again: a driver that is loaded a
//! hundred times takes the room of one entry, and two drivers with the same sites share their ids and their level.
//!
//! Only a few words of an entry change later: its level, and the number of drivers that are registered with it.
//!
//! [`Registry`] knows the registered drivers: where their level words are. One thread changes it at a time, which the
//! driver ensures (`&mut`).

use core::sync::atomic::{AtomicU32, Ordering};

use irqlog_ring::{lock::RawLock, word::Word};
use irqlog_wire::{
    VERSION,
    image::header_word,
    interface::{Registered, Registration},
    ioctl::SitesHeader,
    record::{Level, WORD},
    site::{MAX_PROVIDER_NAME, PROVIDER_MAGIC, ProviderHeader, provider_word, sites},
};
use zerocopy::{FromZeros, IntoBytes};

use crate::{
    Platform, Recorder,
    memory::Memory,
    request::{ProviderLevel, Refusal},
};

/// Largest number of entries in the site table, and of drivers that can be registered at once.
const MOST: usize = 128;

/// A registration of a provider, as borrowed memory.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// Name of the provider.
    pub name: &'a [u8],
    /// Section of the provider's sites.
    pub sites: &'a [u8],
    /// The word that gets the id of the section's first word, before the level is set.
    pub base: &'a AtomicU32,
    /// The provider's level word.
    pub level: &'a AtomicU32,
}

impl Provider<'_> {
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

/// Where an entry lies, in words of the table.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
struct Entry {
    first: usize,
    /// Of the sites.
    sites: usize,
    end: usize,
}

/// A registered driver; a free place has no level word.
#[derive(Clone, Copy, Debug, FromZeros)]
struct Live {
    entry: usize,
    level: *const AtomicU32,
}

/// The entries of the site table, and the drivers that are registered with them. All zeros mean an empty registry: it
/// is too large for a kernel stack, and is made where it stays.
#[derive(Debug, FromZeros)]
pub struct Registry {
    entries: [Entry; MOST],
    count: usize,
    live: [Live; MOST],
}

// SAFETY: the pointers are those of words that are shared anyway.
unsafe impl Send for Registry {}

impl Registry {
    fn entries(&self) -> &[Entry] {
        self.entries.get(..self.count).unwrap_or_default()
    }

    fn running(&self) -> impl Iterator<Item = &Live> {
        self.live.iter().filter(|live| !live.level.is_null())
    }
}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Registers a provider, and lets it log. A refusal is counted. IRQL: PASSIVE_LEVEL, as the provider's memory may
    /// be pageable.
    ///
    /// # Safety
    /// The level word stays valid until it is [unregistered](Self::unregister).
    pub unsafe fn register(&self, registry: &mut Registry, provider: &Provider<'_>) -> Registered {
        match self.enter(registry, provider) {
            Ok(()) => Registered::Accepted,
            Err(refused) => {
                self.image.header[header_word::REFUSED_PROVIDERS].fetch_add(1);
                refused
            }
        }
    }

    fn enter(&self, registry: &mut Registry, provider: &Provider<'_>) -> Result<(), Registered> {
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
        let index = match registry.entries().iter().position(|entry| self.is_same(entry, provider)) {
            Some(index) => index,
            None => self.append(registry, provider, count)?,
        };
        let entry = registry.entries().get(index).copied().unwrap_or_default();
        if let Some(place) = registry.live.get_mut(free) {
            *place = Live { entry: index, level: provider.level };
        }
        self.entry_word(&entry, provider_word::REGISTERED, |word| word.store(word.load().wrapping_add(1)));
        self.entry_word(&entry, provider_word::REGISTRATIONS, |word| word.store(word.load().wrapping_add(1)));
        provider.base.store(entry.sites as u32, Ordering::Relaxed);
        // Who sees the level sees the base.
        provider.level.store(self.effective_level(&entry), Ordering::Release);
        Ok(())
    }

    /// Removes the registration that has this level word, and sets the word to zero. IRQL: PASSIVE_LEVEL.
    pub fn unregister(&self, registry: &mut Registry, level: *const AtomicU32) {
        let found = registry.live.iter_mut().find(|live| core::ptr::eq(live.level, level));
        let Some(live) = found.filter(|_| !level.is_null()) else { return };
        let Live { entry, level } = core::mem::replace(live, Live::new_zeroed());
        // SAFETY: registered, so it is still there.
        unsafe { &*level }.store(0, Ordering::Relaxed);
        if let Some(entry) = registry.entries().get(entry) {
            self.entry_word(entry, provider_word::REGISTERED, |word| word.store(word.load().wrapping_sub(1)));
        }
    }

    /// Changes the level of a provider. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] if there is no such entry.
    pub fn set_provider_level(&self, registry: &Registry, request: &ProviderLevel) -> Result<(), Refusal> {
        let entry = registry
            .entries()
            .iter()
            .find(|entry| (entry.first * WORD) as u64 == request.entry && request.start_id == self.start_id)
            .ok_or(Refusal::InvalidParameter)?;
        self.entry_word(entry, provider_word::LEVEL, |word| word.store(request.level.0.into()));
        self.pass_levels_on(registry);
        Ok(())
    }

    /// Writes the level word of every registered driver, after the level of the whole recorder has changed. IRQL:
    /// PASSIVE_LEVEL.
    pub fn pass_levels_on(&self, registry: &Registry) {
        for live in registry.running() {
            let Some(entry) = registry.entries().get(live.entry) else { continue };
            // SAFETY: registered, so it is still there.
            unsafe { &*live.level }.store(self.effective_level(entry), Ordering::Release);
        }
    }

    /// Fills `output` with a [`SitesHeader`] and bytes of the site table from `offset` on, in whole words. Answers the
    /// number of bytes written. IRQL: any that `output` allows.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] for an offset that is not in the table; [`Refusal::BufferTooSmall`] if not even
    /// the header fits.
    pub fn sites(&self, offset: u64, output: &mut [u8]) -> Result<usize, Refusal> {
        // Pairs with the release in `append`.
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

    /// Writes an entry behind the last one.
    fn append(&self, registry: &mut Registry, provider: &Provider<'_>, count: u32) -> Result<usize, Registered> {
        let first = registry.entries().last().map_or(0, |entry| entry.end);
        let at = first + provider_word::COUNT + provider.name.len().div_ceil(WORD);
        let end = at + provider.sites.len().div_ceil(WORD);
        let index = registry.count;
        let place = registry.entries.get_mut(index).ok_or(Registered::NoRoom)?;
        let words = self.image.sites.get(first..end).ok_or(Registered::NoRoom)?;
        let bytes = |words: usize| ((words * WORD) as u32).into();
        let mut header = ProviderHeader::new_zeroed();
        header.magic = PROVIDER_MAGIC.into();
        header.size = bytes(end - first);
        header.name_size = (provider.name.len() as u32).into();
        header.sites_offset = bytes(at - first);
        header.sites_size = bytes(end - at);
        header.site_count = count.into();
        header.level = u64::from(Level::Trace.0).into();
        let (name, rest) = provider.name.as_chunks::<WORD>();
        let mut last = [0; WORD];
        last.iter_mut().zip(rest).for_each(|(byte, &from)| *byte = from);
        let parts = header.as_bytes().as_chunks::<WORD>().0.iter().chain(name);
        let parts = parts.chain((!rest.is_empty()).then_some(&last)).chain(provider.sites.as_chunks::<WORD>().0);
        for (word, value) in words.iter().zip(parts) {
            word.store(u64::from_le_bytes(*value));
        }
        *place = Entry { first, sites: at, end };
        registry.count += 1;
        // Pairs with the acquire in `sites`.
        self.image.header[header_word::SITES_SIZE].store_release((end * WORD) as u64);
        Ok(index)
    }

    /// Whether an entry has this provider's name and sites, byte by byte.
    fn is_same(&self, entry: &Entry, provider: &Provider<'_>) -> bool {
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
            && has(entry.sites, entry.end, provider.sites)
    }

    fn entry_word<T>(&self, entry: &Entry, word: usize, what: impl FnOnce(&M::Word) -> T) -> Option<T> {
        self.image.sites.get(entry.first + word).map(what)
    }

    /// The level that applies: the recorder's or the provider's, whichever lets fewer records through.
    fn effective_level(&self, entry: &Entry) -> u32 {
        let own = self.entry_word(entry, provider_word::LEVEL, Word::load).unwrap_or(0);
        own.min(self.image.header[header_word::LEVEL].load()) as u32
    }
}
