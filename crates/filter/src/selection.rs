//! The items of a log that the options choose.
//!
//! A [`RecordSelection`] gets every item of a log in order, and gives those that are shown. What is missing is always shown:
//! it might be the record that is looked for.

use std::collections::VecDeque;

use irqlog_reader::{event::EventView, image::Tables, log::Item, record::Record};
use irqlog_shown::{record::ShownRecord, text};
use irqlog_wire::record::flags;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::{
    moment::Moment,
    names::is_at,
    options::{Filter, IrqlFilter, NamePattern},
};

/// The last records of a log, and what is missing between them.
pub struct Last {
    wanted: usize,
    records: usize,
    /// What is kept, oldest first.
    pub items: VecDeque<Selected>,
}

impl Last {
    /// Keeps that number of records, and none yet.
    pub const fn new(wanted: usize) -> Self {
        Self { wanted, records: 0, items: VecDeque::new() }
    }

    /// Adds an item, and drops the oldest ones beyond the number of records.
    pub fn push(&mut self, item: Selected) {
        self.records += usize::from(item.is_record());
        self.items.push_back(item);
        while self.records > self.wanted {
            let is_record = self.items.pop_front().is_some_and(|item| item.is_record());
            self.records -= usize::from(is_record);
        }
    }
}

/// What a [`RecordSelection`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// A record, or what is missing.
    Item(Item),
    /// Records were left out between what `--context` shows.
    Gap,
}

impl Selected {
    const fn is_record(&self) -> bool {
        matches!(self, Self::Item(Item::Record(_)))
    }
}

/// Chooses the items that are shown.
pub struct RecordSelection<'f> {
    filter: &'f Filter,
    grep: Option<Regex>,
    /// From and to these seconds after the driver's start.
    since: Option<f64>,
    until: Option<f64>,
    /// The last items that only `--grep` does not want: they are shown if the next one is. Losses among them have their
    /// place.
    before: VecDeque<Item>,
    /// Number of records in `before`.
    records_before: usize,
    /// Number of records that are still shown behind a match.
    behind: usize,
    /// A record was left out since the last one that was shown.
    has_left_out: bool,
    has_shown: bool,
}

impl<'f> RecordSelection<'f> {
    /// The selection of a filter, for a log with these tables. `end` is asked for its end, in seconds after the driver's
    /// start, if a time of the filter is one before it.
    ///
    /// # Errors
    /// Those of `end`.
    pub fn new<E>(filter: &'f Filter, tables: &Tables, end: impl FnOnce() -> Result<f64, E>) -> Result<Self, E> {
        let moments = [&filter.since, &filter.until];
        let needs_end = moments.iter().copied().flatten().any(Moment::needs_end);
        let end = if needs_end { end()? } else { 0.0 };
        let zone = TimeZone::system();
        let [since, until] = moments.map(|moment| moment.as_ref().map(|moment| moment.seconds(tables, end, &zone)));
        Ok(Self {
            filter,
            grep: filter.expression(),
            since,
            until,
            before: VecDeque::new(),
            records_before: 0,
            behind: 0,
            has_left_out: false,
            has_shown: false,
        })
    }

    /// Takes the next item of the log, and gives what is to be shown now, in order.
    pub fn take(&mut self, tables: &Tables, item: Item, mut show: impl FnMut(Selected)) {
        let Item::Record(record) = &item else {
            self.before.push_back(item);
            return self.shrink(&mut show);
        };
        if !self.is_candidate(tables, record) {
            return;
        }
        if self.matches(tables, record) {
            self.behind = self.filter.context;
            self.show_before(&mut show);
            self.show(item, &mut show);
        } else if self.behind != 0 {
            self.behind -= 1;
            self.show(item, &mut show);
        } else {
            self.records_before += 1;
            self.before.push_back(item);
            self.shrink(&mut show);
        }
    }

    /// The log has ended: what is missing behind the last record is shown.
    pub fn end(&mut self, mut show: impl FnMut(Selected)) {
        let losses = self.before.drain(..).filter(|item| matches!(item, Item::Loss(_)));
        losses.map(Selected::Item).for_each(&mut show);
        self.records_before = 0;
    }

    /// Whether a record is wanted, but for `--context` and `--last`.
    pub fn wants(&self, tables: &Tables, record: &Record) -> bool {
        self.is_candidate(tables, record) && self.matches(tables, record)
    }

    fn show(&mut self, item: Item, show: &mut impl FnMut(Selected)) {
        if self.has_left_out && self.has_shown && self.filter.context != 0 {
            show(Selected::Gap);
        }
        (self.has_left_out, self.has_shown) = (false, true);
        show(Selected::Item(item));
    }

    fn show_before(&mut self, show: &mut impl FnMut(Selected)) {
        for item in std::mem::take(&mut self.before) {
            self.show(item, show);
        }
        self.records_before = 0;
    }

    /// Forgets records beyond the context, and shows the losses that are at the front then.
    fn shrink(&mut self, show: &mut impl FnMut(Selected)) {
        while let Some(front) = self.before.front() {
            if matches!(front, Item::Record(_)) {
                if self.records_before <= self.filter.context {
                    break;
                }
                self.records_before -= 1;
                self.has_left_out = true;
                self.before.pop_front();
            } else if let Some(loss) = self.before.pop_front() {
                show(Selected::Item(loss));
            }
        }
    }

    /// Whether a record is wanted, but for `--grep` and `--last`.
    fn is_candidate(&self, tables: &Tables, record: &Record) -> bool {
        let (filter, header) = (self.filter, &record.header);
        let is_nmi = tables.is_nmi(record.lane) || record.has(flags::NEVER_WAITS);
        let seconds = tables.seconds(header.tick.get());
        let (thread, process) = record.thread().unzip();
        let is_one_of = |ids: &[u32], id: Option<u32>| ids.is_empty() || id.is_some_and(|id| ids.contains(&id));
        filter.level.is_none_or(|level| header.level <= level.0)
            && (filter.cpu.is_empty() || filter.cpu.iter().any(|cpus| cpus.0.contains(&header.processor.get())))
            && (filter.irql.is_empty()
                || filter.irql.iter().any(|wanted| match *wanted {
                    IrqlFilter::Nmi => is_nmi,
                    IrqlFilter::Levels(low, high) => (low..=high).contains(&header.irql),
                }))
            && is_one_of(&filter.thread, thread)
            && is_one_of(&filter.process, process)
            && self.since.is_none_or(|since| seconds >= since)
            && self.until.is_none_or(|until| seconds <= until)
            && self.is_of_wanted_site(tables, record)
    }

    fn is_of_wanted_site(&self, tables: &Tables, record: &Record) -> bool {
        let filter = self.filter;
        if filter.provider.is_empty() && filter.site.is_none() {
            return true;
        }
        let Some(event) = EventView::of(tables, record) else { return false };
        let has_provider = |pattern: &NamePattern| event.provider.is_some_and(|name| pattern.matches(name.raw()));
        (filter.provider.is_empty() || filter.provider.iter().any(has_provider))
            && filter.site.as_ref().is_none_or(|place| event.site.is_some_and(|site| is_at(&site, place)))
    }

    /// Whether `--grep` wants a record.
    fn matches(&self, tables: &Tables, record: &Record) -> bool {
        self.grep.as_ref().is_none_or(|wanted| {
            wanted.is_match(&text::message(&ShownRecord::new(tables, record))) != self.filter.invert_match
        })
    }
}
