//! Spans and counters as timelines draw them: slices and values.

use std::collections::{BTreeMap, VecDeque};

use irqlog_reader::record::Record;
use irqlog_shown::spans::{SpanBegin, SpanEnd, SpanPairs, SpanPart};

use crate::{sink::Provenance, timeline::Timeline};

/// Slices of a track that are remembered: a later one that cuts one of them gets another track.
const REMEMBERED: usize = 64;

/// Whose spans are on a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SpanWriter {
    /// A thread.
    Thread(u32),
    /// A processor, where no thread was asked.
    Cpu(u16),
}

impl SpanWriter {
    /// What its track is called.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Thread(thread) => format!("spans of thread {thread:#x}"),
            Self::Cpu(cpu) => format!("spans of cpu {cpu}"),
        }
    }
}

/// What is drawn because of a record.
pub(crate) enum Drawing {
    /// A slice on a track.
    Slice {
        begin: SpanBegin,
        from: u64,
        to: u64,
        writer: SpanWriter,
        /// Index of the track among all of spans.
        track: u32,
    },
    /// A value of a counter.
    Value {
        name: String,
        value: f64,
        /// Index of the counter among all.
        counter: u32,
    },
}

/// A track of spans: its index among all, and from when to when its last slices go.
#[derive(Debug)]
struct SpanTrack {
    index: u32,
    slices: VecDeque<(u64, u64)>,
}

/// The spans and the counters of the logs of an export.
#[derive(Debug, Default)]
pub(crate) struct Drawings {
    pairs: SpanPairs,
    /// For each log and writer the tracks, with their last slices.
    tracks: BTreeMap<(usize, SpanWriter), Vec<SpanTrack>>,
    count: u32,
    counters: BTreeMap<(usize, String), u32>,
}

impl Drawings {
    /// What is drawn because of the next record, if anything is.
    pub(crate) fn next(&mut self, log: &Provenance<'_>, record: &Record, timeline: &mut Timeline) -> Option<Drawing> {
        match self.pairs.part(log.tables, record)? {
            SpanPart::Counter { name, value } => {
                let new = self.counters.len() as u32;
                let counter = *self.counters.entry((log.number, name.clone())).or_insert(new);
                Some(Drawing::Value { name, value, counter })
            }
            SpanPart::End(SpanEnd::Paired(begin)) => {
                let (from, to) = (timeline.time(log, begin.tick), timeline.time(log, record.header.tick.get()));
                let to = to.max(from);
                let writer = begin.thread.map_or(SpanWriter::Cpu(begin.cpu), SpanWriter::Thread);
                let track = self.track(log.number, writer, (from, to));
                Some(Drawing::Slice { begin, from, to, writer, track })
            }
            _ => None,
        }
    }

    /// A track of a writer on which a slice cuts no other one: it lies inside of it, around it, or beside it.
    fn track(&mut self, log: usize, writer: SpanWriter, slice: (u64, u64)) -> u32 {
        let cuts = |other: &(u64, u64)| {
            let is_beside = slice.1 <= other.0 || other.1 <= slice.0;
            let is_around = slice.0 <= other.0 && other.1 <= slice.1 || other.0 <= slice.0 && slice.1 <= other.1;
            !(is_beside || is_around)
        };
        let tracks = self.tracks.entry((log, writer)).or_default();
        let fitting = tracks.iter().position(|track| !track.slices.iter().any(cuts));
        let place = fitting.unwrap_or(tracks.len());
        if place == tracks.len() {
            tracks.push(SpanTrack { index: self.count, slices: VecDeque::new() });
            self.count += 1;
        }
        let SpanTrack { index, slices } = &mut tracks[place];
        slices.push_back(slice);
        if slices.len() > REMEMBERED {
            slices.pop_front();
        }
        *index
    }
}
