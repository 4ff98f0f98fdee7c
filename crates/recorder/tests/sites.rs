//! Providers: they come, share tables, are refused, change levels and go, and the site table always says what is.

mod common;

use std::sync::atomic::Ordering;

use common::{Driver, SMALL, TableEntry, TestRecorder, header, read_all, recorder, section, table_entries};
use irqlog_recorder::{
    request::{Configure, ProviderLevel, Refusal},
    sites::{Registrant, Registry},
};
use irqlog_wire::{
    interface::{Registered, Registration},
    ioctl::SitesHeader,
    record::{Kind, Level, RecordHeader},
    site::{MAX_PROVIDER_NAME, ProviderHeader, sites},
};
use zerocopy::{FromBytes, FromZeros};

/// Nobody runs yet.
fn registry() -> Registry {
    Registry::new_zeroed()
}

/// The whole table, as SITES gives it piece by piece.
fn table(recorder: &TestRecorder<'_>) -> Vec<u8> {
    let mut table = Vec::new();
    loop {
        let mut output = [0; size_of::<SitesHeader>() + 40];
        let written = recorder.sites(table.len() as u64, &mut output).unwrap();
        let (header, bytes) = SitesHeader::read_from_prefix(&output[..written]).unwrap();
        assert_eq!(bytes.len(), header.bytes.get() as usize);
        table.extend_from_slice(bytes);
        if table.len() as u64 == header.size.get() {
            return table;
        }
    }
}

/// Name, sites, level, registered and registrations of each entry, with the id of its first word.
fn entries(recorder: &TestRecorder<'_>) -> Vec<(String, Vec<u8>, u64, u64, u64, u32)> {
    let show = |entry: TableEntry| {
        let header = entry.header;
        assert_eq!(sites(&entry.sites).count(), header.site_count.get() as usize);
        let (level, live, ever) = (header.level.get(), header.registered.get(), header.registrations.get());
        (entry.name, entry.sites, level, live, ever, header.first_site.get() as u32)
    };
    table_entries(&table(recorder)).into_iter().map(show).collect()
}

#[test]
fn a_table_is_copied_once_and_its_ids_stay() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let mut registry = registry();
    let (first, twin, other, next) = (Driver::default(), Driver::default(), Driver::default(), Driver::default());
    let (one, two) = (section("one {}"), section("two"));
    assert_eq!(first.register(recorder, &mut registry, "a driver", &one), Registered::Accepted);
    assert_eq!(twin.register(recorder, &mut registry, "a driver", &one), Registered::Accepted);
    assert_eq!(other.register(recorder, &mut registry, "a driver", &two), Registered::Accepted, "another version");
    assert_eq!(next.register(recorder, &mut registry, "b", &one), Registered::Accepted, "another name");
    let found = entries(recorder);
    let name = |index: usize| found[index].0.as_str();
    assert_eq!((found.len(), name(0), name(1), name(2)), (3, "a driver", "a driver", "b"));
    assert_eq!((&found[0].1, &found[1].1, &found[2].1), (&one, &two, &one));
    assert_eq!((found[0].3, found[0].4, found[1].3, found[2].4), (2, 2, 1, 1));
    let base = |driver: &Driver| driver.base.load(Ordering::Relaxed);
    assert_eq!((base(&first), base(&twin)), (found[0].5, found[0].5));
    assert_eq!((base(&other), base(&next)), (found[1].5, found[2].5));
    assert_eq!(header(memory).sites_size.get() as usize, table(recorder).len());
    // It goes and comes again: the same ids, and nothing more in the table.
    recorder.unregister(&mut registry, &raw const first.level);
    assert_eq!((first.level(), entries(recorder)[0].3), (0, 1));
    recorder.unregister(&mut registry, &raw const first.level);
    assert_eq!(entries(recorder)[0].3, 1, "it was gone already");
    let again = Driver::default();
    assert_eq!(again.register(recorder, &mut registry, "a driver", &one), Registered::Accepted);
    assert_eq!((base(&again), entries(recorder).len()), (found[0].5, 3));
    assert_eq!((entries(recorder)[0].3, entries(recorder)[0].4), (2, 3));
    // A prefix of a table or of a name is another one.
    let longer = Driver::default();
    assert_eq!(longer.register(recorder, &mut registry, "a drive", &one), Registered::Accepted);
    recorder.unregister(&mut registry, &raw const longer.level);
    let more = [&one[..], &[0; 8]].concat();
    assert_eq!(longer.register(recorder, &mut registry, "a driver", &more), Registered::Accepted);
    assert_eq!(entries(recorder).len(), 5);
    assert_eq!(header(memory).refused_providers.get(), 0);
}

#[test]
fn what_is_no_provider_is_refused_and_counted() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let mut registry = registry();
    let driver = Driver::default();
    let good = section("x");
    let mut refuse = |name: &[u8], sites: &[u8], why| {
        let provider = Registrant { name, sites, base: &driver.base, level: &driver.level };
        // SAFETY: refused, so nobody keeps it.
        assert_eq!(unsafe { recorder.register(&mut registry, &provider, |_| true) }, why);
        assert_eq!(driver.level(), 0);
    };
    refuse(b"", &good, Registered::BadName);
    refuse(&[b'n'; MAX_PROVIDER_NAME + 1], &good, Registered::BadName);
    refuse(&[0xff], &good, Registered::BadName);
    refuse(b"n", &good[..good.len() - 8], Registered::Malformed);
    refuse(b"n", &[1; 8], Registered::Malformed);
    // The table has 4 KiB.
    let large: Vec<u8> = std::iter::repeat_n(section("y"), 120).flatten().collect();
    refuse(b"n", &large, Registered::NoRoom);
    assert_eq!(header(memory).refused_providers.get(), 6);
    assert_eq!(table(recorder), []);
    // One that just fits, and then nothing does.
    let room = 4096 - size_of::<ProviderHeader>() - 8 - 8;
    let site = section("z");
    let fits: Vec<u8> = site.iter().copied().chain(std::iter::repeat(0)).take(room + 8).collect();
    assert_eq!(driver.register(recorder, &mut registry, "n", &fits), Registered::Accepted);
    assert_eq!(table(recorder).len(), 4096);
    let late = Driver::default();
    assert_eq!(late.register(recorder, &mut registry, "o", &[]), Registered::NoRoom);
    assert_eq!(late.register(recorder, &mut registry, "n", &fits), Registered::Accepted, "there already");
}

#[test]
#[cfg_attr(miri, ignore = "each registration looks at all the others: Miri takes a quarter of an hour")]
fn so_many_providers_and_no_more() {
    let (recorder, ..) = recorder(&irqlog_recorder::config::Config { sites_kib: 64, ..SMALL }, 1, 1);
    let mut registry = registry();
    let drivers: Vec<_> = (0..130).map(|_| Driver::default()).collect();
    let results: Vec<_> =
        drivers.iter().map(|driver| driver.register(recorder, &mut registry, "same", &section("x"))).collect();
    assert!(results[..128].iter().all(|result| *result == Registered::Accepted));
    assert_eq!(results[128..], [Registered::TooMany; 2]);
    assert_eq!(entries(recorder)[0].3, 128);
    recorder.unregister(&mut registry, &raw const drivers[5].level);
    assert_eq!(drivers[129].register(recorder, &mut registry, "same", &section("x")), Registered::Accepted);
}

/// Otherwise one of the two would still be there after the driver has unregistered and gone.
#[test]
fn a_level_word_is_registered_once() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let mut registry = registry();
    let (driver, twin) = (Driver::default(), Driver::default());
    assert_eq!(driver.register(recorder, &mut registry, "a", &section("x")), Registered::Accepted);
    let base = driver.base.load(Ordering::Relaxed);
    for (name, site) in [("a", "x"), ("b", "x"), ("a", "y")] {
        assert_eq!(
            driver.register(recorder, &mut registry, name, &section(site)),
            Registered::AlreadyRegistered,
            "{name} {site}"
        );
    }
    assert_eq!((driver.level(), driver.base.load(Ordering::Relaxed)), (5, base), "the first one stays as it was");
    assert_eq!((entries(recorder).len(), entries(recorder)[0].3, entries(recorder)[0].4), (1, 1, 1));
    assert_eq!(header(memory).refused_providers.get(), 3);
    assert_eq!(twin.register(recorder, &mut registry, "a", &section("x")), Registered::Accepted, "another word");
    recorder.unregister(&mut registry, &raw const driver.level);
    // It has gone: nobody writes into its memory any more.
    driver.level.store(77, Ordering::Relaxed);
    recorder.pass_levels_on(&mut registry, |_| true);
    let request =
        ProviderLevel { start_id: header(memory).start_id.get(), first_site: base.into(), level: Level::Warn };
    recorder.set_provider_level(&mut registry, &request, |_| true).unwrap();
    assert_eq!((driver.level(), twin.level()), (77, 2));
    assert_eq!(driver.register(recorder, &mut registry, "a", &section("x")), Registered::Accepted, "it comes again");
}

#[test]
fn levels_are_changed_while_providers_run() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    let mut registry = registry();
    let (a, b) = (Driver::default(), Driver::default());
    a.register(recorder, &mut registry, "a", &section("x"));
    b.register(recorder, &mut registry, "b", &section("x"));
    assert_eq!((a.level(), b.level()), (5, 5));
    let [first, second] = [&a, &b].map(|driver| u64::from(driver.base.load(Ordering::Relaxed)));
    let set = |registry: &mut Registry, first_site, level, start_id| {
        recorder.set_provider_level(registry, &ProviderLevel { start_id, first_site, level }, |_| true)
    };
    assert_eq!(set(&mut registry, second, Level::Warn, start_id), Ok(()));
    assert_eq!((a.level(), b.level()), (5, 2));
    assert_eq!(entries(recorder)[1].2, 2);
    assert_eq!(set(&mut registry, second, Level::Info, start_id ^ 1), Err(Refusal::InvalidParameter));
    assert_eq!(set(&mut registry, second + 1, Level::Info, start_id), Err(Refusal::InvalidParameter));
    // The recorder's own level is a ceiling.
    recorder.configure(&Configure { level: Some(Level::Info), ..Configure::default() });
    recorder.pass_levels_on(&mut registry, |_| true);
    assert_eq!((a.level(), b.level()), (3, 2));
    // It comes again with the level that it had.
    recorder.unregister(&mut registry, &raw const b.level);
    assert_eq!(set(&mut registry, first, Level::Error, start_id), Ok(()));
    assert_eq!((a.level(), b.level()), (1, 0), "who has gone is left alone");
    b.register(recorder, &mut registry, "b", &section("x"));
    assert_eq!(b.level(), 2);
}

#[test]
fn sites_are_asked_for_from_where_they_are() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let mut registry = registry();
    let driver = Driver::default();
    driver.register(recorder, &mut registry, "a", &section("x"));
    let size = table(recorder).len() as u64;
    let mut output = [0; 200];
    assert_eq!(recorder.sites(size, &mut output), Ok(size_of::<SitesHeader>()));
    assert_eq!(SitesHeader::read_from_prefix(&output).unwrap().0.start_id, header(memory).start_id);
    assert_eq!(recorder.sites(size + 8, &mut output), Err(Refusal::InvalidParameter));
    assert_eq!(recorder.sites(4, &mut output), Err(Refusal::InvalidParameter));
    assert_eq!(recorder.sites(0, &mut output[..23]), Err(Refusal::BufferTooSmall));
    assert_eq!(recorder.sites(0, &mut output[..24 + 15]), Ok(24 + 8), "whole words");
}

#[test]
fn a_registration_is_whole_or_none() {
    let (name, sites, driver) = ("a name", section("x"), Driver::default());
    let whole = Registration {
        size: size_of::<Registration>() as u32,
        name_length: name.len() as u32,
        name: name.as_ptr(),
        sites: sites.as_ptr(),
        sites_length: sites.len(),
        base: &raw const driver.base,
        level: &raw const driver.level,
    };
    // SAFETY: the memory is there for the test, or null.
    let of = |registration: &Registration| unsafe { Registrant::of(registration) };
    let provider = of(&whole).unwrap();
    assert_eq!((provider.name, provider.sites), (name.as_bytes(), &sites[..]));
    assert!(
        std::ptr::eq(provider.base, &raw const driver.base) && std::ptr::eq(provider.level, &raw const driver.level)
    );
    assert!(of(&Registration { size: whole.size - 1, ..whole }).is_none());
    assert!(of(&Registration { base: std::ptr::null(), ..whole }).is_none());
    assert!(of(&Registration { level: std::ptr::null(), ..whole }).is_none());
    // SAFETY: null is allowed.
    assert!(unsafe { Registrant::of(std::ptr::null()) }.is_none());
    // No name is refused when it registers, and no sites are none.
    assert_eq!(of(&Registration { name: std::ptr::null(), ..whole }).unwrap().name, b"");
    assert_eq!(of(&Registration { sites: std::ptr::null(), ..whole }).unwrap().sites, b"");
}

/// What a record of irqlog's own says; nothing if it is none.
fn own_texts(recorder: &TestRecorder<'_>, start_id: u64) -> Vec<String> {
    let (records, _) = read_all(recorder, 0, start_id);
    let is_text = |(header, _): &&(RecordHeader, Vec<u8>)| header.kind == Kind::Text.0;
    records.iter().filter(is_text).map(|(_, payload)| String::from_utf8(payload.clone()).unwrap()).collect()
}

/// Of each entry: drivers that are registered now, and those that have vanished.
fn registered_and_vanished(recorder: &TestRecorder<'_>) -> Vec<(u64, u64)> {
    let counts = |entry: TableEntry| (entry.header.registered.get(), entry.header.vanished.get());
    table_entries(&table(recorder)).into_iter().map(counts).collect()
}

/// Its words are not mapped any more, or are somebody else's by now: nothing is written to them, and it is told.
#[test]
fn a_driver_that_unloads_without_disconnecting_is_dropped_counted_and_named() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    let mut registry = registry();
    let [stays, unmapped, reused, odd] = [(); 4].map(|()| Driver::default());
    for (driver, name) in [(&stays, "stays"), (&unmapped, "unmapped"), (&reused, "reused"), (&odd, "odd")] {
        assert_eq!(driver.register(recorder, &mut registry, name, &section("x")), Registered::Accepted);
    }
    let vanished = |registry: &mut Registry| {
        recorder.pass_levels_on(registry, |word| !core::ptr::eq(word, &raw const unmapped.level));
        registered_and_vanished(recorder)
    };
    assert_eq!(vanished(&mut registry), [(1, 0), (0, 1), (1, 0), (1, 0)]);
    assert_eq!(own_texts(recorder, start_id), ["unloaded without disconnecting: provider unmapped"]);
    // Something else lies there: zeros, or a number that is no level.
    reused.base.store(0, Ordering::Relaxed);
    reused.level.store(0, Ordering::Relaxed);
    odd.level.store(0x1234_5678, Ordering::Relaxed);
    recorder.configure(&Configure { level: Some(Level::Warn), ..Configure::default() });
    assert_eq!(vanished(&mut registry), [(1, 0), (0, 1), (0, 1), (0, 1)]);
    assert_eq!((stays.level(), unmapped.level(), reused.level(), odd.level()), (2, 5, 0, 0x1234_5678));
    // It is loaded again at the same address, before anything else was looked at.
    stays.base.store(0, Ordering::Relaxed);
    stays.level.store(0, Ordering::Relaxed);
    assert_eq!(stays.register(recorder, &mut registry, "stays", &section("x")), Registered::Accepted);
    assert_eq!((stays.level(), registered_and_vanished(recorder)[0]), (2, (1, 1)));
    assert_eq!(own_texts(recorder, start_id).len(), 4);
    // A driver in the middle of its disconnection has set its level to zero, and is still there.
    stays.level.store(0, Ordering::Relaxed);
    recorder.pass_levels_on(&mut registry, |_| true);
    stays.unregister(recorder, &mut registry);
    assert_eq!((stays.level(), registered_and_vanished(recorder)[0]), (0, (0, 1)));
}
