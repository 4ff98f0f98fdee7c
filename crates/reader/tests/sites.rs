//! The site table over time: a session that outlives the driver, and logs that are saved.

#[path = "../../recorder/tests/common/mod.rs"]
mod common;
mod direct;

use std::{
    cell::{Cell, RefCell},
    io::Cursor,
};

use common::{Driver, SMALL, TestRecorder, header, recorder, section, started_at};
use direct::{Direct, session};
use irqlog_reader::{
    event::EventView,
    follow::Follower,
    live::LiveLog,
    log::{self, Item, Log},
    save::save,
    saved::SavedLog,
    session::{Session, Source},
};
use irqlog_recorder::{config::Config, draft::Draft, log::Entry, sites::Registry};
use irqlog_wire::{interface::Registered, record::Level};
use zerocopy::FromZeros;

/// Provider and text of each event of a log.
fn events(log: &mut impl Log) -> Vec<(String, String)> {
    let records = log::records(log.collect().unwrap());
    let tables = log.tables();
    let events = records.iter().filter_map(|record| EventView::of(tables, record));
    let show = |event: EventView<'_>| {
        let provider = event.provider.map_or_else(|| "?".to_owned(), |provider| provider.raw().to_owned());
        (provider, event.text().into_raw())
    };
    events.map(show).collect()
}

/// What a session sees now.
fn now<S: Source>(session: &mut Option<Session<S>>) -> Vec<(String, String)> {
    let mut log = LiveLog::open(session.take().unwrap()).unwrap();
    let events = events(&mut log);
    *session = Some(log.into_session());
    events
}

/// The file that a session saves now.
fn saved<S: Source>(session: Session<S>) -> SavedLog<Cursor<Vec<u8>>> {
    let mut file = Cursor::new(Vec::new());
    let saved = save(&mut LiveLog::open(session).unwrap(), &mut file, |_| {}).unwrap();
    let mut bytes = file.into_inner();
    bytes.truncate(saved.bytes as usize);
    SavedLog::open(Cursor::new(bytes)).unwrap()
}

fn pair(provider: &str, text: &str) -> (String, String) {
    (provider.to_owned(), text.to_owned())
}

/// A start of the driver in which a provider of that name has logged its only event.
fn start(time: u64, name: &str) -> &'static TestRecorder<'static> {
    let (recorder, ..) = started_at(time, &SMALL, 1, 1);
    let mut registry = Registry::new_zeroed();
    let driver = Driver::default();
    driver.register(recorder, &mut registry, name, &section(&format!("text of {name}")));
    driver.log(recorder);
    driver.unregister(recorder, &mut registry);
    recorder
}

/// The two tables are of the same size: only the start tells them apart.
#[test]
fn the_sites_of_another_start_are_asked_for() {
    let direct = Direct::new(start(7, "one"), |_| {});
    let mut session = Some(Session::new(&direct));
    assert_eq!(now(&mut session), [pair("one", "text of one")]);
    direct.recorder.set(start(8, "two"));
    // Before a log is read to its end, which asks for the sites anew.
    let tables = session.as_mut().unwrap().info().unwrap();
    assert_eq!(tables.sites.providers()[0].name, "two");
    assert_eq!(now(&mut session), [pair("two", "text of two")]);
}

/// A driver comes in one build after another, each of which logs its only event.
struct Builds {
    registry: Registry,
    next: usize,
}

impl Builds {
    fn new() -> Self {
        Self { registry: Registry::new_zeroed(), next: 0 }
    }

    fn next(&mut self, recorder: &TestRecorder<'_>) {
        let driver = Driver::default();
        let sites = section(&format!("build {}", self.next));
        assert_eq!(driver.register(recorder, &mut self.registry, "a driver", &sites), Registered::Accepted);
        driver.log(recorder);
        // A dozen builds have events in the lane, and the table has room for some more.
        recorder.log(&Draft::text(Level::Info, &[b'x'; 900]), Entry::MayWait);
        driver.unregister(recorder, &mut self.registry);
        self.next += 1;
    }
}

/// The numbers of the builds whose events are among those, in their order.
fn builds(events: &[(String, String)]) -> Vec<usize> {
    let number = |(_, text): &(String, String)| text.strip_prefix("build ").expect(text).parse().unwrap();
    events.iter().map(number).collect()
}

#[test]
fn every_event_has_the_text_of_its_own_build() {
    let (recorder, ..) = recorder(&SMALL, 1, 1);
    let direct = Direct::new(recorder, |_| {});
    let mut session = Session::new(&direct);
    let mut follower = Follower::new(session.info().unwrap().present());
    let (mut all, mut records) = (Builds::new(), Vec::new());
    for build in 0..1000 {
        all.next(recorder);
        if build % 5 == 0 {
            let seen = now(&mut Some(Session::new(&direct)));
            assert_eq!(builds(&seen), (build + 1 - seen.len()..=build).collect::<Vec<_>>());
            records.extend(follower.round(&mut session).unwrap().records);
            session.info().unwrap();
        }
    }
    // The session knows also the sites that are in the driver's table no more.
    records.extend(follower.round(&mut session).unwrap().records);
    let tables = session.info().unwrap();
    let events = records.iter().filter_map(|record| EventView::of(&tables, record));
    let texts: Vec<_> = events.map(|event| (String::new(), event.text().into_raw())).collect();
    assert_eq!(builds(&texts), (0..1000).collect::<Vec<_>>());
    assert!(tables.header.sites_replaced.get() > 900 && tables.header.sites_size.get() <= 4096);
}

/// Records are read, then their providers' entries go, and then the file gets its site table.
#[test]
fn a_saved_log_has_the_sites_of_its_records() {
    let (recorder, ..) = recorder(&SMALL, 1, 1);
    let all = RefCell::new(Builds::new());
    (0..10).for_each(|_| all.borrow_mut().next(recorder));
    let answers = Cell::new(0);
    let mut direct = Direct::new(recorder, |_| {});
    direct.before_sites = Box::new(|| {
        answers.set(answers.get() + 1);
        // Behind the records.
        if answers.get() == 2 {
            (0..100).for_each(|_| all.borrow_mut().next(recorder));
        }
    });
    let mut file = saved(Session::new(&direct));
    assert_eq!(all.borrow().next, 110);
    assert_eq!(builds(&events(&mut file)), (0..10).collect::<Vec<_>>());
    assert!(file.faults().is_empty());
}

/// The table is larger than one answer, and an entry gives its room to another one between two of them.
#[test]
fn a_table_that_changes_while_it_is_read_is_read_again() {
    let config = Config { sites_kib: 128, ..SMALL };
    let (recorder, ..) = recorder(&config, 1, 1);
    let mut registry = Registry::new_zeroed();
    let large = |build: usize| section(&format!("{build:030000}"));
    let come = |registry: &mut Registry, build: usize| {
        let driver = Driver::default();
        assert_eq!(driver.register(recorder, registry, "large", &large(build)), Registered::Accepted);
        driver.unregister(recorder, registry);
    };
    (0..4).for_each(|build| come(&mut registry, build));
    let (registry, answers) = (RefCell::new(registry), Cell::new(0));
    let mut direct = Direct::new(recorder, |_| {});
    direct.before_sites = Box::new(|| {
        answers.set(answers.get() + 1);
        // Twice, each time behind the first answer.
        if [2, 4].contains(&answers.get()) {
            come(&mut registry.borrow_mut(), 100 + answers.get());
        }
    });
    let table = Session::new(&direct).info().unwrap().sites;
    let texts: Vec<_> = table.providers().iter().flat_map(|provider| table.sites_of(provider)).collect();
    let texts: Vec<_> = texts.iter().map(|(_, site)| String::from_utf8_lossy(site.format)).collect();
    assert_eq!(texts.iter().map(|text| text.parse::<usize>().unwrap()).collect::<Vec<_>>(), [102, 104, 2, 3]);
}

/// Exactly what was written when the look began is in the file, or told as a loss.
#[test]
fn a_saved_log_ends_where_each_lane_ended() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let log = |text: &str| {
        recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait);
    };
    let next_seq = || irqlog_reader::image::Tables::parse(&common::bytes(memory)).unwrap().lanes[0].next_seq.get();
    for count in [0, 1, 10, 1000] {
        (0..count).for_each(|_| log("before"));
        let (end, start_id) = (next_seq(), header(memory).start_id);
        let mut file = saved(session(recorder, |_| log("meanwhile")));
        let lane = file.tables().lanes[0];
        assert_eq!((lane.next_seq.get(), file.tables().header.start_id), (end, start_id), "{count} more");
        let (mut told, mut due) = (0, lane.first_seq.get());
        while let Some(item) = file.next().unwrap() {
            let (first, count) = match item {
                Item::Record(record) => (record.header.seq.get(), 1),
                Item::Loss(loss) => (loss.first_seq, loss.count),
            };
            assert_eq!(first, due);
            (told, due) = (told + count, first.wrapping_add(count));
        }
        assert_eq!((told, due), (end.wrapping_sub(lane.first_seq.get()), end), "{count} more");
    }
}
