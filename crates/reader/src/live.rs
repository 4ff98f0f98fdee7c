//! The log of a running recorder, as it is at one moment.
//!
//! The moment is an INFO: what was written before it is read, what comes later is not, however long the reader takes. So
//! the look ends, however much is written meanwhile; and records that are overwritten before they are read are told.

use std::collections::BTreeSet;

use irqlog_wire::record::Kind;

use crate::{
    image::Tables,
    lanes::Lanes,
    log::{Fault, Item, Log, LogError},
    record::Record,
    session::{Session, SessionError, Source},
};

/// The log of a running recorder at the moment at which this was opened.
#[derive(Debug)]
pub struct LiveLog<S> {
    session: Session<S>,
    tables: Tables,
    lanes: Lanes,
    /// Sites that records name and the driver's table does not have: it is asked once for each.
    unknown: BTreeSet<u32>,
    faults: Vec<Fault>,
    has_ended: bool,
}

impl<S: Source> LiveLog<S> {
    /// Takes the moment's tables; reads no record yet.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn open(mut session: Session<S>) -> Result<Self, SessionError> {
        let tables = session.info()?;
        let mut lanes = Lanes::up_to(tables.present());
        lanes.begin();
        Ok(Self { session, tables, lanes, unknown: BTreeSet::new(), faults: Vec::new(), has_ended: false })
    }

    /// Gives the session back.
    pub fn into_session(self) -> Session<S> {
        self.session
    }

    /// At the end: levels and counts of providers as they are now, and what CLEAR hid meanwhile. All else in the tables
    /// stays as it was at the moment of the look.
    fn end(&mut self) -> Result<(), SessionError> {
        self.faults = self.lanes.faults();
        self.session.forget_sites();
        let now = self.session.info()?;
        self.take_sites(&now);
        for ((index, lane), now) in (0..).zip(&mut self.tables.lanes).zip(&now.lanes) {
            let written = |seq: u64| seq.wrapping_sub(lane.first_seq.get());
            // A record that has its number and is not published yet is neither read nor lost.
            let read = self.lanes.position(index).map_or(0, written);
            let next = written(lane.next_seq.get()).min(read).wrapping_add(lane.first_seq.get());
            let floor = now.floor.get();
            lane.floor.set(if written(floor) > written(next) && written(floor).cast_signed() > 0 {
                next
            } else {
                floor
            });
            lane.next_seq.set(next);
        }
        Ok(())
    }

    fn take_sites(&mut self, now: &Tables) {
        self.tables.sites = std::sync::Arc::clone(&now.sites);
        self.tables.header.sites_size = now.header.sites_size;
        self.tables.header.sites_replaced = now.header.sites_replaced;
        self.tables.header.refused_providers = now.header.refused_providers;
    }
}

impl<S: Source> Log for LiveLog<S> {
    fn tables(&self) -> &Tables {
        &self.tables
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        let item = self.lanes.next(&mut self.session, false)?;
        match &item {
            None if !std::mem::replace(&mut self.has_ended, true) => self.end()?,
            Some(Item::Record(record))
                if is_of_unknown_site(&self.tables, record) && self.unknown.insert(record.header.site.get()) =>
            {
                let now = self.session.info()?;
                self.take_sites(&now);
            }
            _ => {}
        }
        Ok(item)
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Whether a record is an event of a site that these tables do not have: they may be from before its provider came.
pub fn is_of_unknown_site(tables: &Tables, record: &Record) -> bool {
    record.header.kind == Kind::Event.0 && tables.sites.find(record.header.site.get()).is_none()
}
