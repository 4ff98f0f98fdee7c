//! Reads the lanes of a running recorder through a session, merged by time.
//!
//! [`live`](crate::live) and [`follow`](crate::follow) use it.

use std::collections::{BTreeMap, VecDeque};

use irqlog_wire::{
    image::LaneControl,
    ioctl::{BatchHeader, RawCursor},
    record::MAX_SIZE,
};

use crate::{
    log::{Fault, Item, Loss, LossCause},
    merge::{Head, Merge},
    record::Record,
    session::{BATCH, Session, SessionError, Source},
};

/// The most bytes that the batches of all lanes take together. Each lane has at least room for four records, so thousands
/// of lanes take more.
const BATCHES: usize = 16 << 20;

/// Counts what became of the records of one lane, as one reader saw it.
///
/// While no writer writes, `written = delivered + lost + cleared + in_ring` holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Number of records that writers have written to the lane.
    pub written: u64,
    /// Records that this reader got, including those that it holds back for the next round.
    pub delivered: u64,
    /// Records that were overwritten before this reader got them.
    pub lost: u64,
    /// Records that were cleared before this reader got them.
    pub cleared: u64,
    /// Records that are in the lane and that this reader has not got yet.
    pub in_ring: u64,
}

impl Account {
    /// Whether the four counts add up to `written`.
    pub const fn holds(&self) -> bool {
        self.written == self.delivered + self.lost + self.cleared + self.in_ring
    }
}

/// A reader's place in one lane, and at most one batch of records that it has read ahead.
#[derive(Debug, Default)]
struct Place {
    from: Option<(u64, RawCursor)>,
    account: Account,
    /// Records that are read and not yet given to the merge.
    queue: VecDeque<Head>,
    /// Losses behind the last record that was read.
    missing: Vec<Loss>,
    last_tick: Option<u64>,
    /// Number of records that the driver found damaged.
    damaged: u64,
    /// Reading stops before this seq, which is counted from the lane's first record; `None` for no end.
    end: Option<u64>,
    /// The lane has nothing more to read in this round.
    is_dry: bool,
}

impl Place {
    /// Takes over the records of a batch, and accounts for those that are missing.
    fn take(&mut self, lane: u32, header: &BatchHeader, records: Vec<Record>, has_more: bool) {
        let (first_seq, next_seq) = (header.first_seq.get(), header.next_seq.get());
        let start = self.from.map_or(first_seq, |(_, cursor)| cursor.seq.get());
        // Cleared records come before overwritten ones: a floor hides only older records.
        let mut expected = start.wrapping_add(header.cleared.get());
        self.note(lane, first_seq, expected, header.lost.get(), LossCause::Overwritten);
        expected = expected.wrapping_add(header.lost.get());
        self.account.lost = self.account.lost.saturating_add(header.lost.get());
        let damaged = u64::from(header.damaged.get()).min(self.left(first_seq, expected));
        self.damaged = self.damaged.saturating_add(damaged);
        self.account.cleared = self.account.cleared.saturating_add(header.cleared.get());
        self.account.written = next_seq.wrapping_sub(first_seq);
        self.account.in_ring = next_seq.wrapping_sub(header.next.seq.get());
        self.account.delivered = self.account.delivered.saturating_add(records.len() as u64);
        self.from = Some((header.start_id.get(), header.next));
        self.is_dry = !has_more;
        for record in records {
            let seq = record.header.seq.get();
            let gap = seq.wrapping_sub(expected);
            if gap.cast_signed() > 0 {
                // Damaged records, which the driver leaves out.
                self.note(lane, first_seq, expected, gap, LossCause::Damaged);
                self.account.lost = self.account.lost.saturating_add(gap);
            }
            expected = seq.wrapping_add(1);
            if self.is_beyond(first_seq, seq) {
                break;
            }
            self.last_tick = Some(record.header.tick.get());
            self.queue.push_back(Head { losses: std::mem::take(&mut self.missing), record });
        }
        let gap = header.next.seq.get().wrapping_sub(expected);
        if gap.cast_signed() > 0 && !self.is_beyond(first_seq, expected) {
            self.note(lane, first_seq, expected, gap, LossCause::Damaged);
            self.account.lost = self.account.lost.saturating_add(gap);
        }
        self.is_dry |= self.is_beyond(first_seq, header.next.seq.get());
    }

    /// Whether reading stops before the record with this sequence number.
    fn is_beyond(&self, first_seq: u64, seq: u64) -> bool {
        self.end.is_some_and(|end| seq.wrapping_sub(first_seq) >= end)
    }

    /// Whether the reader has read the lane up to its end.
    fn has_reached_end(&self) -> bool {
        // `written - in_ring` is the place of the reader, counted from the lane's first record.
        self.end.is_some_and(|end| self.account.written.wrapping_sub(self.account.in_ring) >= end)
    }

    /// Number of records from a sequence number up to the end.
    fn left(&self, first_seq: u64, seq: u64) -> u64 {
        self.end.map_or(u64::MAX, |end| end.saturating_sub(seq.wrapping_sub(first_seq)))
    }

    /// Notes `count` missing records, as far as they lie before the end.
    fn note(&mut self, lane: u32, lane_start: u64, first_seq: u64, count: u64, cause: LossCause) {
        let count = count.min(self.left(lane_start, first_seq));
        if count != 0 {
            self.missing.push(Loss { lane, first_seq, count, from_tick: self.last_tick, to_tick: None, cause });
        }
    }
}

/// All lanes, merged by time. Reading goes in rounds: a lane that has no more records is not asked again in that round.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    places: BTreeMap<u32, Place>,
    /// Lanes whose next record the merge needs.
    wanting: Vec<u32>,
    merge: Merge,
    ready: VecDeque<Item>,
    /// Tick behind which records wait for the next round; `None` before the first READ of the round.
    barrier: Option<u64>,
    /// The round has ended, and its losses without a record behind them are in `ready`.
    has_ended: bool,
}

impl Lanes {
    /// Starts with the first record that each lane ever had. Records that are gone by now count as lost.
    pub(crate) fn new<'l>(lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) -> Self {
        Self { places: lanes.into_iter().map(|(lane, _)| (lane, Place::default())).collect(), ..Self::default() }
    }

    /// As [`new`](Self::new), but reads each lane only up to the next sequence number in its control.
    pub(crate) fn up_to<'l>(lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) -> Self {
        let mut all = Self::default();
        all.end_at(lanes);
        all
    }

    /// Adds the lanes of processors that have been added since.
    pub(crate) fn refresh<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        for (lane, _) in lanes {
            self.places.entry(lane).or_default();
        }
    }

    /// From now on reads each of these lanes only up to the next sequence number in its control.
    pub(crate) fn end_at<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        for (index, lane) in lanes {
            let end = lane.next_seq.get().wrapping_sub(lane.first_seq.get());
            self.places.entry(index).or_default().end = Some(end);
        }
    }

    /// Begins a round: every lane without a record in the merge is asked again.
    pub(crate) fn begin(&mut self) {
        (self.barrier, self.has_ended) = (None, false);
        // Lanes are taken from the end.
        for (&lane, place) in self.places.iter_mut().rev() {
            place.is_dry = place.has_reached_end();
            if !self.merge.has(lane) && !self.wanting.contains(&lane) {
                self.wanting.push(lane);
            }
        }
    }

    /// The next item of this round; `None` at its end. With `hold_back`, records behind the barrier wait for the next round:
    /// the barrier is a tick from before the first READ of the round.
    pub(crate) fn next<S: Source>(
        &mut self,
        session: &mut Session<S>,
        hold_back: bool,
    ) -> Result<Option<Item>, SessionError> {
        let room = (BATCHES / self.places.len().max(1)).clamp(4 * MAX_SIZE, BATCH);
        if self.ready.is_empty() && !self.has_ended {
            while let Some(&lane) = self.wanting.last() {
                self.fetch(session, lane, room)?;
                self.wanting.pop();
            }
            let barrier = self.barrier.filter(|_| hold_back).unwrap_or(u64::MAX);
            if let Some(lane) = self.merge.take(barrier, &mut self.ready) {
                self.wanting.push(lane);
            } else {
                self.has_ended = true;
                let merge = &self.merge;
                let ended = self.places.iter_mut().filter(|(lane, _)| !merge.has(**lane));
                self.ready.extend(ended.flat_map(|(_, place)| place.missing.drain(..)).map(Item::Loss));
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Gives a lane's next record to the merge, and reads a batch if none is here.
    fn fetch<S: Source>(&mut self, session: &mut Session<S>, lane: u32, room: usize) -> Result<(), SessionError> {
        let Some(place) = self.places.get_mut(&lane) else { return Ok(()) };
        while place.queue.is_empty() && !place.is_dry {
            let batch = session.read(lane, place.from, room)?;
            self.barrier = self.barrier.or_else(|| Some(batch.header.barrier.get()));
            let has_more = batch.has_more();
            place.take(lane, &batch.header, batch.records, has_more);
        }
        if let Some(head) = place.queue.pop_front() {
            self.merge.offer(lane, head);
        }
        Ok(())
    }

    /// Whether records wait for the next round.
    pub(crate) fn holds(&self) -> bool {
        !self.merge.is_empty()
    }

    /// The account of each lane.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (u32, Account)> {
        self.places.iter().map(|(&lane, place)| (lane, place.account))
    }

    /// The damage that was found so far.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let damaged = self.places.iter().map(|(&lane, place)| Fault::Damaged { lane, count: place.damaged });
        damaged.filter(|fault| !matches!(fault, Fault::Damaged { count: 0, .. })).collect()
    }

    /// The sequence number behind the last record that was read of a lane; `None` before the first READ.
    pub(crate) fn position(&self, lane: u32) -> Option<u64> {
        self.places.get(&lane)?.from.map(|(_, cursor)| cursor.seq.get())
    }
}
