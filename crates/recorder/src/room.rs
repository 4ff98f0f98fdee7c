//! Room in the site table: where the entry of a new provider goes.
//!
//! The table has a fixed size, and a driver may come in a thousand builds. A new entry goes behind the last one as long as
//! there is room. Then it takes the room of entries that are not needed any more.
//!
//! # Which entries may go
//!
//! An entry is needed while a driver is registered with it, and while a record of one of its sites is in a lane: without
//! the entry the record would have no text. [`needed`](Recorder::needed) finds the records by reading every lane, as any
//! reader does. That takes long, at PASSIVE_LEVEL, and happens only where a registration would be refused otherwise.
//!
//! *No record is missed.* Only a driver that is registered logs with an entry's ids, since no log call of the driver
//! still runs when it unregisters (the contract of disconnect). So an entry without a driver gets no new records, and the
//! walk, which begins later, passes every record that was there, unless the record is overwritten or cleared meanwhile.
//! Where writers overtake the walk again and again, all entries count as needed.
//!
//! # Why no record gets the text of another site
//!
//! Readers keep ids for longer than lanes do: a reader may get a record, and ask for the sites when the record has been
//! overwritten and its entry is gone. Therefore ids are never given twice. An entry that takes the room of others gets
//! ids from the size of the table on, each time higher ones; when they come to the end of 32 bits, registrations are
//! refused. A reader that asks too late finds an unknown site, and never a wrong one.
//!
//! # What is in the table meanwhile
//!
//! SITES is answered while nobody registers, so an answer shows one state of the table. A reader that needs several
//! answers compares `sites_replaced` of the header before and behind them. A crash dump may show any state between two
//! stores, and in each the table is a row of whole entries: first the room becomes one entry without a name, then the
//! content is stored, and the size of the name last.

use irqlog_ring::{
    lane::{Copied, Lane},
    lock::RawLock,
    word::Word,
};
use irqlog_wire::{
    image::header_word,
    interface::Registered,
    record::{Kind, Level, RecordHeader, WORD},
    site::{PROVIDER_MAGIC, ProviderHeader, provider_word},
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::{
    Platform, Recorder,
    memory::Memory,
    sites::{MOST, NO_ID, Registrant, Registry, SiteEntry},
};

/// Words of an entry with nothing in it.
const LEAST: usize = provider_word::COUNT;

/// Reads of a lane in which the writers leave no record to the reader, until the walk gives up.
const ATTEMPTS: usize = 8;

/// Entries that lie one behind the other.
struct Run {
    is_in: [bool; MOST],
    first: usize,
    end: usize,
    /// The latest departure from one of them.
    left: u64,
}

impl<M: Memory + ?Sized, P: Platform, L: RawLock> Recorder<'_, M, P, L> {
    /// Writes a provider's entry where there is room for it; answers the entry's number. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// [`Registered::NoRoom`].
    pub(crate) fn add_entry(
        &self,
        registry: &mut Registry,
        provider: &Registrant<'_>,
        count: u32,
    ) -> Result<usize, Registered> {
        let sites = LEAST + provider.name.len().div_ceil(WORD);
        let need = sites + provider.sites.len().div_ceil(WORD);
        let there = self.image.sites.len();
        let placed = |first: usize, end: usize, id: u32| SiteEntry {
            first,
            sites: first + sites,
            sites_end: first + need,
            end,
            id,
            left: 0,
        };
        let free = registry.entries.iter().position(|entry| !entry.is_there());
        let (index, entry) = match free {
            Some(index) if need <= there.saturating_sub(registry.used) => {
                let first = registry.used;
                (index, placed(first, first + need, (first + sites) as u32))
            }
            _ => {
                let run = self.run(registry, need).ok_or(Registered::NoRoom)?;
                let id = take_ids(registry, there, need - sites).ok_or(Registered::NoRoom)?;
                let end = self.vacate(registry, &run, need);
                let index = registry.entries.iter().position(|entry| !entry.is_there()).ok_or(Registered::NoRoom)?;
                (index, placed(run.first, end, id))
            }
        };
        self.write_entry(&entry, provider, count);
        if let Some(place) = registry.entries.get_mut(index) {
            *place = entry;
        }
        self.use_up_to(registry, entry.end);
        Ok(index)
    }

    /// The run of entries that nobody needs, and that gives `need` words, which was left longest ago.
    fn run(&self, registry: &Registry, need: usize) -> Option<Run> {
        let needed = self.needed(registry);
        let entries = || registry.entries.iter().zip(needed).enumerate();
        let behind = |position: usize| {
            let mut free = entries().filter(|(_, (entry, is_needed))| entry.is_there() && !is_needed);
            free.find(|(_, (entry, _))| entry.first == position).map(|(index, (entry, _))| (index, *entry))
        };
        let mut best: Option<Run> = None;
        for (_, (start, _)) in entries().filter(|(_, (entry, is_needed))| entry.is_there() && !is_needed) {
            let mut run = Run { is_in: [false; MOST], first: start.first, end: start.first, left: 0 };
            while run.end - run.first < need
                && let Some((index, entry)) = behind(run.end)
            {
                if let Some(is_in) = run.is_in.get_mut(index) {
                    *is_in = true;
                }
                (run.end, run.left) = (entry.end, run.left.max(entry.left));
            }
            if run.end == registry.used && run.end - run.first < need {
                // Room that was never used is behind it, and becomes an entry before the run grows over it.
                let more = (run.first + need - run.end).max(LEAST);
                run.end += if run.end + more <= self.image.sites.len() { more } else { 0 };
            }
            if run.end - run.first >= need && best.as_ref().is_none_or(|best| run.left < best.left) {
                best = Some(run);
            }
        }
        best
    }

    /// Which entries have a driver, or a record in a lane; all of them if the lanes cannot be read to their ends.
    fn needed(&self, registry: &Registry) -> [bool; MOST] {
        let mut needed = [false; MOST];
        for live in registry.running() {
            if let Some(needed) = needed.get_mut(live.entry) {
                *needed = true;
            }
        }
        let mut copied = Copied::default();
        // Records of one driver often follow each other.
        let mut last = SiteEntry::default();
        for lane in self.image.lanes() {
            let is_read = walk(&lane, &mut copied, |site| {
                if last.has(site) {
                    return;
                }
                let found = registry.entries.iter().zip(&mut needed).find(|(entry, _)| entry.has(site));
                if let Some((entry, needed)) = found {
                    *needed = true;
                    last = *entry;
                }
            });
            if !is_read {
                return [true; MOST];
            }
        }
        needed
    }

    /// Makes one entry without a name of a run. What `need` words leave becomes another one in it, if that is enough
    /// for an entry. Answers where the entry of those words will end: the second one is seen when the first one ends
    /// there.
    fn vacate(&self, registry: &mut Registry, run: &Run, need: usize) -> usize {
        let replaced = &self.image.header[header_word::SITES_REPLACED];
        replaced.store(replaced.load().wrapping_add(1));
        for (entry, _) in registry.entries.iter_mut().zip(run.is_in).filter(|(_, is_in)| *is_in) {
            *entry = SiteEntry::default();
        }
        if run.end > registry.used {
            self.write_nameless(registry.used, run.end);
            self.use_up_to(registry, run.end);
        }
        self.write_nameless(run.first, run.end);
        let rest = run.first + need;
        // One place of a run is the new entry's.
        let mut places = registry.entries.iter_mut().filter(|entry| !entry.is_there()).skip(1);
        match places.next() {
            Some(place) if run.end - rest >= LEAST => {
                *place = SiteEntry { first: rest, sites: rest, sites_end: rest, end: run.end, id: NO_ID, left: 0 };
                self.write_nameless(rest, run.end);
                rest
            }
            _ => run.end,
        }
    }

    /// Shows readers the table up to there.
    fn use_up_to(&self, registry: &mut Registry, end: usize) {
        registry.used = registry.used.max(end);
        // Pairs with the acquire in `sites`.
        self.image.header[header_word::SITES_SIZE].store_release((registry.used * WORD) as u64);
    }

    /// Stores the header of an entry without a name: the name goes first, so that nothing else of it is looked at.
    fn write_nameless(&self, first: usize, end: usize) {
        let mut header = ProviderHeader::new_zeroed();
        header.magic.set(PROVIDER_MAGIC);
        header.size.set(((end - first) * WORD) as u32);
        header.sites_offset.set((LEAST * WORD) as u32);
        let words = self.image.sites.get(first..first + LEAST).unwrap_or_default();
        let values = header.as_bytes().as_chunks::<WORD>().0;
        for (word, value) in words.iter().zip(values).skip(1).chain(words.iter().zip(values).take(1)) {
            word.store_release(u64::from_le_bytes(*value));
        }
    }

    /// Stores an entry's content, the size of its name last.
    fn write_entry(&self, entry: &SiteEntry, provider: &Registrant<'_>, count: u32) {
        let bytes = |words: usize| ((words * WORD) as u32).into();
        let mut header = ProviderHeader::new_zeroed();
        header.magic = PROVIDER_MAGIC.into();
        header.size = bytes(entry.end - entry.first);
        header.name_size = (provider.name.len() as u32).into();
        header.sites_offset = bytes(entry.sites - entry.first);
        header.sites_size = bytes(entry.sites_end - entry.sites);
        header.site_count = count.into();
        header.level = u64::from(Level::Trace.0).into();
        header.first_site = u64::from(entry.id).into();
        let words = self.image.sites.get(entry.first..entry.sites_end).unwrap_or_default();
        let header = header.as_bytes().as_chunks::<WORD>().0;
        let (name, rest) = provider.name.as_chunks::<WORD>();
        let mut last = [0; WORD];
        last.iter_mut().zip(rest).for_each(|(byte, &from)| *byte = from);
        let parts = header.iter().chain(name).chain((!rest.is_empty()).then_some(&last));
        let parts = parts.chain(provider.sites.as_chunks::<WORD>().0);
        for (word, value) in words.iter().zip(parts).skip(2) {
            word.store(u64::from_le_bytes(*value));
        }
        for (word, value) in words.iter().zip(header).take(2) {
            word.store_release(u64::from_le_bytes(*value));
        }
    }
}

/// Takes the ids of `words` words that no other entry of this start has had; `None` if there are none left.
fn take_ids(registry: &mut Registry, table: usize, words: usize) -> Option<u32> {
    let first = registry.next_id.max(table as u64);
    // Without sites it takes one too: entries are told apart by it.
    let next = first + words.max(1) as u64;
    if next >= u64::from(NO_ID) {
        return None;
    }
    registry.next_id = next;
    Some(first as u32)
}

/// Passes the site of each event in a lane on, but for those that are written meanwhile; false if the writers overtake the
/// walk again and again.
fn walk<W: Word>(lane: &Lane<'_, W>, copied: &mut Copied, mut event: impl FnMut(u32)) -> bool {
    let end = lane.next_seq();
    let mut cursor = lane.start();
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        let batch = lane.read(cursor, copied, |record| {
            let header = RecordHeader::read_from_prefix(record.as_bytes()).ok();
            if let Some((header, _)) = header.filter(|(header, _)| header.kind == Kind::Event.0) {
                event(header.site.get());
            }
            true
        });
        if !batch.more || end.wrapping_sub(batch.next.seq).cast_signed() <= 0 {
            return true;
        }
        attempts = if batch.next.seq == cursor.seq { attempts + 1 } else { 0 };
        cursor = batch.next;
    }
    false
}
