//! A provider comes, is told its level, and goes.

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]

mod common;

use std::cell::Cell;

use common::{connect, interface, last, lock, read, registered, set_level};
use irqlog_provider::{Level, Refused, disconnect, is_connected, is_enabled};
use irqlog_wire::{
    interface::MIN_INTERFACE,
    record::{BlobHeader, Kind, flags},
};
use zerocopy::FromBytes;

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

/// The blobs of the log: level, whether by the entry that never waits, tag, and all bytes.
fn blobs() -> Vec<(Level, bool, u32, Vec<u8>)> {
    let mut found: Vec<(Level, bool, u32, u32, Vec<u8>)> = Vec::new();
    for record in read().1.iter().filter(|record| record.header.kind == Kind::Blob.0) {
        let (header, bytes) = BlobHeader::read_from_prefix(&record.payload).unwrap();
        let (tag, number) = (header.tag.get(), header.blob.get());
        if let Some((.., all)) = found.last_mut().filter(|(_, _, _, last, _)| *last == number) {
            all.extend_from_slice(bytes);
        } else {
            let level = Level(record.header.level);
            found.push((level, record.has(flags::NEVER_WAITS), tag, number, bytes.to_vec()));
        }
    }
    found.into_iter().map(|(level, never_waits, tag, _, bytes)| (level, never_waits, tag, bytes)).collect()
}

#[test]
fn a_blob_of_any_size_is_logged_with_its_tag() {
    let _held = lock();
    connect();
    let evaluated = Cell::new(0);
    let large: Vec<u8> = (0..3000_u32).map(|byte| byte as u8).collect();
    let bytes = || {
        evaluated.set(evaluated.get() + 1);
        &large[..]
    };
    irqlog_provider::blob!(Level::Info, 7, b"small");
    irqlog_provider::blob!(never_waits, Level::Error, 0xffff_ffff, &[1, 2, 3]);
    // A variable of the caller with the name of one in the macro.
    let level = 5;
    irqlog_provider::blob!(Level::Debug, level, bytes());
    set_level(Level::Warn);
    irqlog_provider::blob!(Level::Info, 9, bytes());
    set_level(Level::Trace);
    let expected = [
        (Level::Info, false, 7, b"small".to_vec()),
        (Level::Error, true, u32::MAX, vec![1, 2, 3]),
        (Level::Debug, false, 5, large.clone()),
    ];
    assert_eq!((blobs().as_slice(), evaluated.get()), (&expected[..], 1));
    disconnect();
    irqlog_provider::blob!(Level::Error, 9, bytes());
    assert_eq!(evaluated.get(), 1);
}
