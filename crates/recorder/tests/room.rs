//! Room in the site table: entries that nobody needs give it to others, and no record gets the text of another site.

mod common;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::atomic::Ordering};

use common::{
    Driver, Machine, Memory, SMALL, TableEntry, TestRecorder, bytes, header, read_all, recorder, section, table_entries,
};
use irqlog_recorder::{
    config::Config,
    draft::Draft,
    log::{Entry, Outcome},
    request::{ProviderLevel, Refusal},
    sites::Registry,
};
use irqlog_wire::{
    interface::Registered,
    record::{Kind, Level},
};
use proptest::prelude::*;
use zerocopy::FromZeros;

/// The site table as it lies in memory.
fn table(memory: &Memory) -> Vec<u8> {
    let header = header(memory);
    let start = header.sites_offset.get() as usize;
    bytes(memory)[start..start + header.sites_size.get() as usize].to_vec()
}

/// The sites of each entry, by its first id.
fn sites(memory: &Memory) -> BTreeMap<u64, Vec<u8>> {
    let entries = table_entries(&table(memory));
    let named = entries.into_iter().filter(|entry| !entry.name.is_empty());
    named.map(|entry| (entry.header.first_site.get(), entry.sites)).collect()
}

/// Every event that can be read has its entry, with the sites of the driver that wrote it.
fn check(recorder: &TestRecorder<'_>, memory: &Memory, written: &BTreeMap<u64, Vec<u8>>) {
    let (sites, start_id) = (sites(memory), header(memory).start_id.get());
    for lane in 0..2 {
        for (record, _) in read_all(recorder, lane, start_id).0 {
            if record.kind == Kind::Event.0 {
                // The site of `section` lies behind a word of padding.
                let first = u64::from(record.site.get()) - 1;
                assert_eq!(sites.get(&first), written.get(&first), "site {first}");
                assert!(written.contains_key(&first));
            }
        }
    }
}

fn text(recorder: &TestRecorder<'_>, bytes: usize) {
    let outcome = recorder.log(&Draft::text(Level::Info, &vec![b'x'; bytes]), Entry::MayWait);
    assert!(matches!(outcome, Outcome::Written { .. }));
}

/// An event into the NMI lane.
fn log_beside(recorder: &TestRecorder<'_>, machine: &Machine, driver: &Driver) {
    machine.lock_taken.set(true);
    let words = [0];
    // SAFETY: an event without arguments.
    let draft = unsafe { Draft::event(Level::Info, driver.base.load(Ordering::Relaxed) + 1, &words) };
    assert!(matches!(recorder.log(&draft, Entry::NeverWaits), Outcome::Written { .. }));
    machine.lock_taken.set(false);
}

#[test]
fn a_thousand_builds_of_a_driver_take_turns() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let mut registry = Registry::new_zeroed();
    let mut written = BTreeMap::new();
    for build in 0..1000_usize {
        let (driver, sites) = (Driver::default(), section(&format!("build {build}{}", " ".repeat(build * 7 % 50))));
        assert_eq!(driver.register(recorder, &mut registry, "a driver", &sites), Registered::Accepted, "{build}");
        let base = u64::from(driver.base.load(Ordering::Relaxed));
        assert!(written.insert(base, sites).is_none(), "{build}: these ids were given before");
        assert!(matches!(driver.log(recorder), Outcome::Written { .. }));
        // The lane has 16 KiB: a dozen builds have events in it.
        text(recorder, 900);
        driver.unregister(recorder, &mut registry);
        if build % 10 == 0 {
            check(recorder, memory, &written);
        }
    }
    let header = header(memory);
    assert_eq!((header.refused_providers.get(), header.sites_size.get() <= 4096), (0, true));
    assert!(header.sites_replaced.get() > 900, "{}", header.sites_replaced);
}

#[test]
fn an_entry_stays_while_it_is_needed() {
    let (recorder, memory, machine) = recorder(&SMALL, 1, 1);
    let mut registry = Registry::new_zeroed();
    let register = |registry: &mut Registry, driver: &Driver, build: &str| {
        driver.register(recorder, registry, build, &section("x"))
    };
    // One runs, one has a record in the lane, one in the NMI lane; the others have nothing.
    let [runs, logged, beside, last] = std::array::from_fn(|_| Driver::default());
    for (driver, name) in [(&runs, "runs"), (&logged, "logged"), (&beside, "beside")] {
        assert_eq!(register(&mut registry, driver, name), Registered::Accepted);
    }
    logged.log(recorder);
    log_beside(recorder, machine, &beside);
    logged.unregister(recorder, &mut registry);
    beside.unregister(recorder, &mut registry);
    let fill = |registry: &mut Registry, first: usize| {
        for number in first..first + 100 {
            assert_eq!(register(registry, &last, &format!("{number}")), Registered::Accepted, "{number}");
            last.unregister(recorder, registry);
        }
    };
    let names = || table_entries(&table(memory)).into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    fill(&mut registry, 0);
    assert_eq!(names()[..3], ["runs", "logged", "beside"]);
    assert!(!names().contains(&"50".to_owned()) && names().contains(&"99".to_owned()), "the oldest go first");
    recorder.clear();
    runs.unregister(recorder, &mut registry);
    // By the one that is there still it may come back; by its id it cannot be reached once it has gone.
    let level = |registry: &mut Registry, driver: &Driver| {
        let first_site = driver.base.load(Ordering::Relaxed).into();
        let start_id = header(memory).start_id.get();
        recorder.set_provider_level(registry, &ProviderLevel { start_id, first_site, level: Level::Warn }, |_| true)
    };
    assert_eq!(level(&mut registry, &logged), Ok(()));
    fill(&mut registry, 100);
    assert!(["runs", "logged", "beside"].iter().all(|gone| !names().contains(&(*gone).to_owned())), "{:?}", names());
    assert_eq!(level(&mut registry, &logged), Err(Refusal::InvalidParameter));
}

#[test]
fn no_entry_is_taken_from_a_record_and_none_without_need() {
    let (recorder, memory, _) = recorder(&Config { ring_kib: 64, ..SMALL }, 1, 1);
    let mut registry = Registry::new_zeroed();
    let mut written = BTreeMap::new();
    let mut log_and_go = |registry: &mut Registry, build: u64| {
        let (driver, sites) = (Driver::default(), section(&format!("{build}")));
        let registered = driver.register(recorder, registry, "a driver", &sites);
        if registered == Registered::Accepted {
            written.insert(driver.base.load(Ordering::Relaxed).into(), sites);
            driver.log(recorder);
            driver.unregister(recorder, registry);
        }
        check(recorder, memory, &written);
        registered
    };
    let full = (0..1000).find(|&build| log_and_go(&mut registry, build) != Registered::Accepted).unwrap();
    assert_eq!(header(memory).sites_replaced.get(), 0, "there was room");
    assert_eq!(log_and_go(&mut registry, full), Registered::NoRoom);
    assert_eq!(log_and_go(&mut registry, 0), Registered::Accepted, "the same build is there");
    // Whoever clears the log gives them all up.
    recorder.clear();
    for build in 0..3 * full {
        recorder.clear();
        assert_eq!(log_and_go(&mut registry, 1000 + build), Registered::Accepted);
    }
}

/// Between any two accesses the table is a row of whole entries, none of which is of two providers: so a crash dump shows.
#[test]
fn the_table_is_whole_at_every_moment() {
    let (mut access, mut replaced) = (0, 0);
    loop {
        let (recorder, memory, _) = recorder(&SMALL, 1, 1);
        let mut registry = Registry::new_zeroed();
        let driver = Driver::default();
        let mut known = vec![section(&"z".repeat(150))];
        for build in 0..40 {
            let sites = section(&"y".repeat(build * 7 % 60));
            known.push(sites.clone());
            if driver.register(recorder, &mut registry, "some name", &sites) == Registered::Accepted {
                driver.unregister(recorder, &mut registry);
            }
        }
        let seen = Rc::new(RefCell::new(None));
        let interrupt = Rc::clone(&seen);
        memory.interrupt.replace(Some(Box::new(move || {
            let entries = table_entries(&table(memory));
            let is_whole = |entry: &TableEntry| entry.name.is_empty() || known.contains(&entry.sites);
            assert!(entries.iter().all(is_whole));
            interrupt.replace(Some(entries.len()));
        })));
        memory.accesses.set(0);
        memory.at.set(Some(access));
        assert_eq!(
            driver.register(recorder, &mut registry, "larger", &section(&"z".repeat(150))),
            Registered::Accepted
        );
        if seen.borrow().is_none() {
            break;
        }
        replaced += header(memory).sites_replaced.get();
        access += 1;
    }
    assert!(access > 60 && replaced > 0, "{access} {replaced}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_comes_and_goes_every_record_has_its_text(
        steps in prop::collection::vec((0..6_u8, 0..8_usize, 0..120_usize), 1..300)
    ) {
        let (recorder, memory, _) = recorder(&SMALL, 1, 1);
        let mut registry = Registry::new_zeroed();
        let drivers: [Driver; 8] = std::array::from_fn(|_| Driver::default());
        let mut written: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (step, index, size) in steps {
            let driver = &drivers[index];
            match step {
                0 | 1 => {
                    let (name, sites) = (format!("driver {}", index / 2), section(&"f".repeat(size)));
                    if driver.register(recorder, &mut registry, &name, &sites) == Registered::Accepted {
                        let base = u64::from(driver.base.load(Ordering::Relaxed));
                        let before = written.insert(base, sites.clone());
                        prop_assert!(before.is_none_or(|before| before == sites), "an id for two sites");
                    }
                }
                2 => driver.unregister(recorder, &mut registry),
                3 if driver.level() != 0 => {
                    driver.log(recorder);
                }
                4 => text(recorder, size * 8),
                5 if size == 0 => recorder.clear(),
                _ => {}
            }
            if size % 8 == 0 {
                check(recorder, memory, &written);
            }
        }
        check(recorder, memory, &written);
    }
}
