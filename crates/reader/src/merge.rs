//! Lanes merged by time, each of which keeps its own order.
//!
//! The merge holds one record of each lane, the next one. It takes the earliest of them, and then wants that lane's next
//! one. So a record is never compared with another one of its own lane: there the sequence numbers decide.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

use crate::{
    log::{Item, Loss},
    record::Record,
};

/// Tick, processor and lane: by these the next records of the lanes are compared.
type Key = (u64, u16, u32);

/// A lane's next record, with what is missing before it.
#[derive(Debug)]
pub(crate) struct Head {
    pub losses: Vec<Loss>,
    pub record: Record,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    order: BinaryHeap<Reverse<Key>>,
    heads: BTreeMap<u32, Head>,
    /// The latest tick that was taken.
    newest: Option<u64>,
}

impl Merge {
    /// Gives a lane's next record. The lane has none here now.
    pub(crate) fn offer(&mut self, lane: u32, head: Head) {
        let header = &head.record.header;
        self.order.push(Reverse((header.tick.get(), header.processor.get(), lane)));
        self.heads.insert(lane, head);
    }

    /// Whether a lane's next record is here.
    pub(crate) fn has(&self, lane: u32) -> bool {
        self.heads.contains_key(&lane)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Appends the earliest record, and what is missing before it, to `ready`; none that is later than the barrier. Gives
    /// the lane, whose next record is wanted now.
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
