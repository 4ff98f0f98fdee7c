//! How long a ring lasts: the time that its records span, and what that says of its size.

use std::collections::BTreeMap;

use irqlog_reader::{
    image::Tables,
    log::{Item, Log, LogError},
};
use irqlog_wire::{image::LaneKind, record::WORD};
use serde::Serialize;

/// The time that a ring should hold, in seconds, for the size that is recommended.
pub const WANTED_SECONDS: f64 = 60.0;

/// The largest `RingKiB`.
const MOST_KIB: f64 = 1_048_576.0;

/// How long the main lanes of a log last, at the rate at which their records were written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Retention {
    /// Room of the main lanes, in bytes.
    pub ring_bytes: u64,
    /// Bytes of records in a second, over all main lanes.
    pub bytes_per_second: f64,
    /// Seconds until a full main lane has overwritten itself; of the lane that does so first.
    pub lasts_seconds: f64,
    /// `RingKiB` with which it would last for [`WANTED_SECONDS`]: a power of two; the largest that there is, if that does
    /// not suffice.
    pub recommended_kib: u64,
}

/// The records of one lane.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    bytes: u64,
    first: u64,
    last: u64,
}

impl Retention {
    /// Reads a log to its end. `None` if no main lane has two records with different times.
    ///
    /// # Errors
    /// Those of the log.
    pub fn measure(log: &mut (impl Log + ?Sized)) -> Result<Option<Self>, LogError> {
        let mut spans: BTreeMap<u32, Span> = BTreeMap::new();
        while let Some(item) = log.next()? {
            if let Item::Record(record) = item {
                let tick = record.header.tick.get();
                let span = spans.entry(record.lane).or_insert(Span { bytes: 0, first: tick, last: tick });
                span.bytes = span.bytes.saturating_add(record.header.size.get().into());
                (span.first, span.last) = (span.first.min(tick), span.last.max(tick));
            }
        }
        Ok(Self::of(log.tables(), &spans))
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "for display"
    )]
    fn of(tables: &Tables, spans: &BTreeMap<u32, Span>) -> Option<Self> {
        let frequency = tables.header.tick_frequency.get().max(1) as f64;
        let mut all = Self { ring_bytes: 0, bytes_per_second: 0.0, lasts_seconds: f64::INFINITY, recommended_kib: 0 };
        for (index, lane) in tables.present().filter(|(_, lane)| lane.kind.get() != LaneKind::Nmi.0) {
            let room = lane.data_words.get().saturating_mul(WORD as u64);
            all.ring_bytes = all.ring_bytes.saturating_add(room);
            let Some(span) = spans.get(&index).filter(|span| span.last != span.first) else { continue };
            let rate = span.bytes as f64 / ((span.last - span.first) as f64 / frequency);
            all.bytes_per_second += rate;
            all.lasts_seconds = all.lasts_seconds.min(room as f64 / rate);
        }
        let wanted = all.ring_bytes as f64 / 1024.0 * WANTED_SECONDS / all.lasts_seconds;
        all.recommended_kib = (wanted.clamp(16.0, MOST_KIB) as u64).next_power_of_two();
        all.lasts_seconds.is_finite().then_some(all)
    }
}
