//! Records by provider, level, site and IRQL.

use std::{cmp::Reverse, collections::HashMap, hash::Hash};

use irqlog_reader::{event::EventView, image::Tables, record::Record, sites::SiteTable, untrusted::Untrusted};
use irqlog_shown::record::ShownRecord;
use irqlog_wire::record::{Kind, flags};

/// Different keys that are counted apart. A damaged log may name as many sites as it has records.
const MOST_KEYS: usize = 1 << 16;

/// The rows of a histogram that are shown.
pub const SHOWN: usize = 20;

/// How often each key came.
#[derive(Clone, Debug)]
pub struct Histogram<K> {
    counts: HashMap<K, u64>,
    others: u64,
}

impl<K> Default for Histogram<K> {
    fn default() -> Self {
        Self { counts: HashMap::new(), others: 0 }
    }
}

impl<K: Clone + Eq + Hash + Ord> Histogram<K> {
    /// Counts a key.
    pub fn count(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
        } else if self.counts.len() < MOST_KEYS {
            self.counts.insert(key, 1);
        } else {
            self.others += 1;
        }
    }

    /// The keys that came most often, [`SHOWN`] of them, and the number of records of all others.
    pub fn top(&self) -> (Vec<(K, u64)>, u64) {
        let mut all: Vec<_> = self.counts.iter().map(|(key, count)| (key.clone(), *count)).collect();
        all.sort_by(|(key, count), (other, more)| (Reverse(count), key).cmp(&(Reverse(more), other)));
        let rest = all.split_off(all.len().min(SHOWN));
        (all, rest.iter().fold(self.others, |sum, (_, count)| sum.saturating_add(*count)))
    }
}

/// Who wrote a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordWriter {
    /// A registered provider of that name.
    Provider(String),
    /// A driver whose site is not in the log.
    UnknownSite,
    /// irqlog.sys itself.
    Irqlog,
    /// A program, by `irqlog mark`.
    User,
    /// A driver, by the functions for texts and blobs, which have no provider.
    Texts,
}

impl RecordWriter {
    fn of(tables: &Tables, record: &Record) -> Self {
        if record.has(flags::OWN) {
            return Self::Irqlog;
        }
        if record.has(flags::USER) {
            return Self::User;
        }
        match EventView::of(tables, record) {
            None => Self::Texts,
            Some(event) => {
                event.provider.map_or(Self::UnknownSite, |provider| Self::Provider(provider.raw().to_owned()))
            }
        }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::Provider(name) => Untrusted::new(name).to_string(),
            Self::UnknownSite => "(events of unknown sites)".to_owned(),
            Self::Irqlog => "(irqlog.sys itself)".to_owned(),
            Self::User => "(programs, by mark)".to_owned(),
            Self::Texts => "(texts and blobs)".to_owned(),
        }
    }
}

/// All histograms of a report.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    /// By who wrote them.
    pub writers: Histogram<RecordWriter>,
    /// By level: its number.
    pub levels: Histogram<u8>,
    /// By IRQL; `None` for those that are shown as records of an NMI.
    pub irqls: Histogram<Option<u8>>,
    /// Events by the id of their site.
    pub sites: Histogram<u32>,
}

impl Tallies {
    /// Counts a record.
    pub fn count(&mut self, tables: &Tables, record: &Record, shown: &ShownRecord<'_>) {
        self.writers.count(RecordWriter::of(tables, record));
        self.levels.count(record.header.level);
        self.irqls.count((!shown.is_nmi()).then_some(shown.irql));
        if record.header.kind == Kind::Event.0 {
            self.sites.count(tables.sites.first_equal(record.header.site.get()));
        }
    }
}

/// Provider, place and format of a site.
pub fn site_name(table: &SiteTable, id: u32) -> String {
    let Some((index, site)) = table.find(id) else { return format!("site {id}, which the log does not have") };
    let provider = table.providers().get(index).map(|provider| provider.name.to_string()).unwrap_or_default();
    let [file, format] = [site.file, site.format].map(|text| Untrusted::lossy(text).to_string());
    format!("{provider}: {file}:{}  {format}", site.header.line.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_none_is_forgotten() {
        let mut histogram = Histogram::default();
        for key in 0..30_u32 {
            (0..=key).for_each(|_| histogram.count(key));
        }
        let (top, others) = histogram.top();
        assert_eq!((top.len(), top[0], top[SHOWN - 1]), (SHOWN, (29, 30), (10, 11)));
        assert_eq!(others, (1..=10).sum::<u64>());
    }

    #[test]
    fn keys_are_bounded() {
        let mut histogram = Histogram::default();
        (0..100_000_u32).for_each(|key| histogram.count(key));
        let (top, others) = histogram.top();
        assert_eq!((histogram.counts.len(), top.len() as u64 + others), (MOST_KEYS, 100_000));
    }
}
