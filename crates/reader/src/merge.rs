//! Merges lanes by time; each lane keeps its own order.
//!
//! The merge holds the next record of each lane. It takes the earliest of them, and then needs that lane's next record. So
//! it never compares two records of one lane: there the order of sequence numbers holds.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

use crate::{
    log::{Item, Loss},
    record::Record,
};

/// The order of records from different lanes: tick, then processor, then lane.
type Key = (u64, u16, u32);

/// A lane's next record, with the losses before it.
#[derive(Debug)]
pub(crate) struct Head {
    pub losses: Vec<Loss>,
    pub record: Record,
}

/// The next record of each lane, sorted by time.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    order: BinaryHeap<Reverse<Key>>,
    heads: BTreeMap<u32, Head>,
    /// The latest tick of a record that was taken.
    newest: Option<u64>,
}

impl Merge {
    /// Adds a lane's next record. The caller calls it only for a lane without a record in the merge.
    pub(crate) fn offer(&mut self, lane: u32, head: Head) {
        let header = &head.record.header;
        self.order.push(Reverse((header.tick.get(), header.processor.get(), lane)));
        self.heads.insert(lane, head);
    }

    /// Whether the merge holds the lane's next record.
    pub(crate) fn has(&self, lane: u32) -> bool {
        self.heads.contains_key(&lane)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Moves the earliest record, and the losses before it, to `ready`; gives its lane, whose next record the merge needs.
    ///
    /// `None` if the merge is empty, or its earliest record is later than the barrier.
    pub(crate) fn take(&mut self, barrier: u64, ready: &mut VecDeque<Item>) -> Option<u32> {
        let &Reverse((tick, _, lane)) = self.order.peek().filter(|Reverse((tick, ..))| *tick <= barrier)?;
        self.order.pop();
        let mut head = self.heads.remove(&lane)?;
        ready.extend(head.losses.into_iter().map(|loss| Item::Loss(Loss { to_tick: Some(tick), ..loss })));
        head.record.late = self.newest.is_some_and(|newest| tick < newest);
        self.newest = self.newest.max(Some(tick));
        ready.push_back(Item::Record(head.record));
        Some(lane)
    }
}
