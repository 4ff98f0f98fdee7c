//! The lanes of a running recorder, read through a session: what [`live`](crate::live) and [`follow`](crate::follow) share.

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

/// The most memory that the batches of all lanes take together, as long as there are not thousands of lanes.
const BATCHES: usize = 16 << 20;

/// What a reader got of one lane, and what not.
///
/// `written = delivered + lost + cleared + in_ring`, exactly, whenever nothing is written meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Records written to the lane so far.
    pub written: u64,
    /// Records that this reader got, those held back included.
    pub delivered: u64,
    /// Records that were overwritten before it got them.
    pub lost: u64,
    /// Records that were cleared before it got them.
    pub cleared: u64,
    /// Records that are there still for it to read.
    pub in_ring: u64,
}

impl Account {
    /// Whether nothing is unaccounted for.
    pub const fn holds(&self) -> bool {
        self.written == self.delivered + self.lost + self.cleared + self.in_ring
    }
}

/// A reader's place in one lane, and what it has read ahead: one batch at most.
#[derive(Debug, Default)]
struct Place {
    from: Option<(u64, RawCursor)>,
    account: Account,
    /// Read, but not given to the merge.
    queue: VecDeque<Head>,
    /// What is missing behind the last record that was read.
    missing: Vec<Loss>,
    last_tick: Option<u64>,
    /// Records that were there and could not be read.
    damaged: u64,
    /// Records with a number from this one on do not belong to what is read. It counts from the lane's first record.
    end: Option<u64>,
    /// There is nothing to read now.
    is_dry: bool,
}

impl Place {
    /// Takes over a batch.
    fn take(&mut self, lane: u32, header: &BatchHeader, records: Vec<Record>, has_more: bool) {
        let (first_seq, next_seq) = (header.first_seq.get(), header.next_seq.get());
        let start = self.from.map_or(first_seq, |(_, cursor)| cursor.seq.get());
        // What was cleared comes before what was overwritten: a floor only hides what is older.
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
                // Damaged ones, which the driver leaves out.
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

    /// Whether a sequence number lies behind what is read of this lane.
    fn is_beyond(&self, first_seq: u64, seq: u64) -> bool {
        self.end.is_some_and(|end| seq.wrapping_sub(first_seq) >= end)
    }

    /// Whether all that belongs to what is read was read.
    fn has_reached_end(&self) -> bool {
        // The account knows how far from the lane's first record the reader has come.
        self.end.is_some_and(|end| self.account.written.wrapping_sub(self.account.in_ring) >= end)
    }

    /// Number of records from a sequence number on that belong to what is read.
    fn left(&self, first_seq: u64, seq: u64) -> u64 {
        self.end.map_or(u64::MAX, |end| end.saturating_sub(seq.wrapping_sub(first_seq)))
    }

    /// Notes records that are missing, as far as they belong to what is read.
    fn note(&mut self, lane: u32, lane_start: u64, first_seq: u64, count: u64, cause: LossCause) {
        let count = count.min(self.left(lane_start, first_seq));
        if count != 0 {
            self.missing.push(Loss { lane, first_seq, count, from_tick: self.last_tick, to_tick: None, cause });
        }
    }
}

/// All lanes, merged. Reading goes in rounds: a lane that has nothing more is not asked again before the next round.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    places: BTreeMap<u32, Place>,
    /// Lanes whose next record the merge wants.
    wanting: Vec<u32>,
    merge: Merge,
    ready: VecDeque<Item>,
    /// Nothing later than this is given in this round.
    barrier: Option<u64>,
    /// Losses without a record behind them are told at the end of the round.
    has_ended: bool,
}

impl Lanes {
    /// Starts with the first record that each lane ever had; what is gone already counts as lost.
    pub(crate) fn new<'l>(lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) -> Self {
        Self { places: lanes.into_iter().map(|(lane, _)| (lane, Place::default())).collect(), ..Self::default() }
    }

    /// Reads each lane only up to the sequence number that its control says comes next.
    pub(crate) fn up_to<'l>(lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) -> Self {
        let mut all = Self::default();
        all.end_at(lanes);
        all
    }

    /// Looks for lanes that have come since.
    pub(crate) fn refresh<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        for (lane, _) in lanes {
            self.places.entry(lane).or_default();
        }
    }

    /// Reads each of these lanes only up to the sequence number that its control says comes next.
    pub(crate) fn end_at<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        for (index, lane) in lanes {
            let end = lane.next_seq.get().wrapping_sub(lane.first_seq.get());
            self.places.entry(index).or_default().end = Some(end);
        }
    }

    /// Begins a round: every lane is looked at again that has nothing here.
    pub(crate) fn begin(&mut self) {
        (self.barrier, self.has_ended) = (None, false);
        // The last one is looked at first.
        for (&lane, place) in self.places.iter_mut().rev() {
            place.is_dry = place.has_reached_end();
            if !self.merge.has(lane) && !self.wanting.contains(&lane) {
                self.wanting.push(lane);
            }
        }
    }

    /// The next item of this round. With `hold_back`, nothing is given that is later than the barrier: a tick from before
    /// the first look at a lane that turned out to be dry.
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

    /// Moves a lane's next record to the merge.
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

    /// Whether records are held back for the next round.
    pub(crate) fn holds(&self) -> bool {
        !self.merge.is_empty()
    }

    /// The account of each lane.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (u32, Account)> {
        self.places.iter().map(|(&lane, place)| (lane, place.account))
    }

    /// What of the lanes could not be read so far.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let damaged = self.places.iter().map(|(&lane, place)| Fault::Damaged { lane, count: place.damaged });
        damaged.filter(|fault| !matches!(fault, Fault::Damaged { count: 0, .. })).collect()
    }

    /// Sequence number up to which a lane was read.
    pub(crate) fn position(&self, lane: u32) -> Option<u64> {
        self.places.get(&lane)?.from.map(|(_, cursor)| cursor.seq.get())
    }
}
