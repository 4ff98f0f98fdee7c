//! A provider comes, is told its level, and goes.

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]

mod common;

use std::cell::Cell;

use common::{connect, interface, last, lock, read, registered, set_level};
use irqlog_provider::{Level, Refused, disconnect, is_connected, is_enabled};
use irqlog_wire::interface::MIN_INTERFACE;

#[test]
fn without_irqlog_nothing_is_enabled_and_nothing_is_evaluated() {
    let _held = lock();
    disconnect();
    let evaluated = Cell::new(0);
    let count = || {
        evaluated.set(evaluated.get() + 1);
        evaluated.get()
    };
    irqlog_provider::error!("{}", count());
    assert!(!is_enabled(Level::Error) && !is_connected());
    assert_eq!(evaluated.get(), 0);
    connect();
    assert!(is_enabled(Level::Trace) && is_connected());
    irqlog_provider::trace!("{}", count());
    assert_eq!((evaluated.get(), last().1.as_str()), (1, "1"));
    set_level(Level::Warn);
    irqlog_provider::info!("{}", count());
    irqlog_provider::warn!("{} {0}", count());
    assert_eq!((evaluated.get(), last().1.as_str()), (2, "2 2"));
    set_level(Level::Trace);
    disconnect();
    irqlog_provider::error!("{}", count());
    assert_eq!((evaluated.get(), read().1.len()), (2, 2));
}

#[test]
fn it_can_go_and_come_again() {
    let _held = lock();
    disconnect();
    for _ in 0..3 {
        connect();
        assert_eq!(registered(), 1);
        // SAFETY: the table is for ever.
        assert_eq!(unsafe { irqlog_provider::connect("test", &interface()) }, Err(Refused::Connected));
        irqlog_provider::info!("again");
        assert_eq!(last().1, "again");
        disconnect();
        disconnect();
        assert_eq!(registered(), 0);
    }
    let (tables, _) = read();
    assert_eq!(tables.sites.providers().len(), 1, "the same table each time");
}

#[test]
fn an_older_irqlog_is_named() {
    let _held = lock();
    disconnect();
    let mut older = interface();
    older.minor = 0;
    older.size = MIN_INTERFACE as u32;
    // SAFETY: the table is for ever.
    assert_eq!(unsafe { irqlog_provider::connect("test", &older) }, Err(Refused::TooOld));
    assert!(!is_enabled(Level::Error));
    // SAFETY: the table is for ever.
    let refused = unsafe { irqlog_provider::connect("", &interface()) };
    assert_eq!(refused, Err(Refused::Registration(irqlog_provider::Registered::BadName)));
    assert!(!is_connected());
}

#[test]
fn a_site_says_where_it_is() {
    let _held = lock();
    connect();
    let line = line!() + 1;
    irqlog_provider::debug!("port {} {status:?}", 1_u8, status = 2_u8);
    let (record, _) = last();
    let (tables, _) = read();
    let (provider, site) = tables.sites.find(record.header.site.get()).unwrap();
    let text = |part| std::str::from_utf8(part).unwrap();
    assert_eq!(tables.sites.providers()[provider].name, "test");
    assert_eq!((text(site.format), text(site.names)), ("port {} {status:?}", ",status"));
    assert_eq!((text(site.module), site.header.line.get()), (module_path!(), line));
    assert!(text(site.file).ends_with("tests/provider.rs"));
    assert_eq!((Level(site.header.level), site.header.arguments), (Level::Debug, 2));
    // All sites of this image are there, this one among them.
    let all: Vec<_> = tables.sites.sites_of(&tables.sites.providers()[provider]).collect();
    assert_eq!(all.len(), tables.sites.providers()[provider].sites as usize);
    assert!(all.iter().any(|(id, _)| *id == record.header.site.get()));
}
